"""One measured read, in a process of its own: `reading.py ours|ours_tls|ldap3 WHAT ...`.

Prints a JSON object: `seconds`, `rows`, `grown` (MiB over the interpreter with all imported).
"""

import json
import re
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))  # so that it runs from anywhere

import ldap3

from benchmarks.server import (
    ADMIN,
    DOMAIN,
    DOMAIN_GROUPS,
    FEW,
    GROUPS,
    LARGE,
    PASSWORD,
    PEOPLE,
    SUFFIX,
)
from swit_provisioning.sources.attributes import AttributeMapping
from swit_provisioning.sources.config import LdapConfig, ServerAddress
from swit_provisioning.sources.groups import group_attributes
from swit_provisioning.sources.ldap.source import LdapDirectory
from swit_provisioning.sources.people import people_attributes
from swit_provisioning.sources.server_types import KINDS, KindName

PAGE = 1000
BASES = {
    "users": (PEOPLE, FEW),
    "large group": (FEW, LARGE),
    "groups": (FEW, GROUPS),
    "domain users": (DOMAIN, DOMAIN_GROUPS),
}
"""Where users and groups are looked for; what is measured is in one of them."""
USERS = ("users", "domain users")
"""Of these the users are measured, of the others the members."""


def asked(what: str) -> tuple[str, str, list[str]]:
    """Base, filter and attributes of the search that is measured: what our own reading asks."""
    people, groups = BASES[what]
    mapping, kind = AttributeMapping(), KINDS[_kind(what)]
    if what in USERS:
        return people, kind.user_filter, people_attributes(mapping, kind)
    return groups, kind.group_filter, group_attributes(mapping, kind)


def _kind(what: str) -> KindName:
    return "active_directory" if what == "domain users" else "openldap"


def read(what: str, port: int, authority: str | None) -> int:
    """Read the frames; how many rows came."""
    state = directory(what, port, authority).read()
    return len(state.users) if what in USERS else len(state.memberships)


def directory(what: str, port: int, authority: str | None) -> LdapDirectory:
    """The directory of which `what` is measured."""
    address = ServerAddress(host="127.0.0.1", port=port, tls="ldaps" if authority else "none")
    people, groups = BASES[what]
    return LdapDirectory(
        LdapConfig(
            servers=(address,),
            user=ADMIN,
            password=PASSWORD,
            ca_file=authority,
            search_base=SUFFIX,
            user_bases=(people,),
            group_bases=(groups,),
            page_size=PAGE,
            kind=_kind(what),
        )
    )


def read_with_ldap3(what: str, port: int) -> int:
    """Read with ldap3's own paging; how many entries or members came."""
    # With its own 4 KiB the time grows with the square of an entry's size.
    ldap3.set_config_parameter("SOCKET_SIZE", 1 << 20)
    server = ldap3.Server("127.0.0.1", port=port, get_info=ldap3.NONE)
    connection = ldap3.Connection(server, ADMIN, PASSWORD, auto_bind=True, check_names=False)
    base, filter_, attributes = asked(what)
    found = connection.extend.standard.paged_search(
        base, filter_, attributes=attributes, paged_size=PAGE, generator=True
    )
    if what in USERS:
        return sum(1 for _ in found)
    return sum(len(entry["attributes"]["member"]) for entry in found)


def _peak() -> int:
    """The most memory that this process has held, in KiB."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) if found else 0


def main(program: str, what: str, port: str, authority: str) -> None:
    """Read once and print what it took."""
    before = _peak()
    begin = time.perf_counter()
    if program == "ldap3":
        rows = read_with_ldap3(what, int(port))
    else:
        rows = read(what, int(port), authority if program == "ours_tls" else None)
    seconds = time.perf_counter() - begin
    print(json.dumps({"seconds": seconds, "rows": rows, "grown": (_peak() - before) / 1024}))  # noqa: T201 - its result


if __name__ == "__main__":
    main(*sys.argv[1:])
