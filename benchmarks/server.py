"""A private `slapd` filled with a made-up company, for measuring."""

import random
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))  # so that it runs from anywhere

from swit_provisioning.reconcile.dn import dn_key
from swit_provisioning_tests.integration.authority import certificate
from swit_provisioning_tests.integration.slapd import slapd_program

SUFFIX = "dc=example,dc=test"
ADMIN = f"cn=admin,{SUFFIX}"
PASSWORD = "measured"  # noqa: S105 - of a server that lives for two minutes
PEOPLE, LARGE, GROUPS, FEW = (
    f"ou={name},{SUFFIX}" for name in ("people", "large", "groups", "few")
)

_SCHEMA = "/etc/ldap/schema"
_CONFIGURATION = f"""\
include {_SCHEMA}/core.schema
include {_SCHEMA}/cosine.schema
include {_SCHEMA}/nis.schema
include {_SCHEMA}/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
sizelimit unlimited
timelimit unlimited
sockbuf_max_incoming 4194304
TLSCACertificateFile {{tls.authority}}
TLSCertificateFile {{tls.certificate}}
TLSCertificateKeyFile {{tls.key}}
database mdb
suffix "{SUFFIX}"
rootdn "{ADMIN}"
rootpw "{PASSWORD}"
directory {{folder}}/database
maxsize 8589934592
dbnosync
index objectClass eq
"""
_GIVEN = ("Aiko", "Björn", "Chloé", "Dénes", "Elif", "Fatou", "Günther", "Håkon", "Olha", "Zoë")
_FAMILY = ("Ångström", "Smith", "García Márquez", "Hébert-Roy", "Ivanović", "Müller", "Lee")
_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much there is of everything."""

    users: int
    large: int
    groups: int
    members: int
    """Of each group."""


@dataclass(frozen=True, kw_only=True)
class Running:
    """A server that runs, and which authority vouches for it."""

    port: int
    tls_port: int
    authority: Path


@contextmanager
def serving(folder: Path, sizes: Sizes) -> Iterator[Running]:
    """Fill a server, start it, and stop it at the end."""
    tls = certificate(folder)
    configuration = folder / "slapd.conf"
    configuration.write_text(_CONFIGURATION.format(folder=folder, tls=tls))
    (folder / "database").mkdir()
    entries = folder / "entries.ldif"
    with entries.open("w", encoding="utf-8") as file:
        file.writelines(_entries(sizes))
    slapd, settings = slapd_program(), ["-f", str(configuration)]
    subprocess.run([slapd, "-Tadd", "-q", *settings, "-l", entries], check=True)  # noqa: S603 - ours
    entries.unlink()
    port, tls_port = _free_port(), _free_port()
    urls = f"ldap://127.0.0.1:{port} ldaps://127.0.0.1:{tls_port}"
    with subprocess.Popen([slapd, "-d", "0", *settings, "-h", urls]) as process:  # noqa: S603 - ours
        try:
            _wait_for(tls_port)
            yield Running(port=port, tls_port=tls_port, authority=tls.authority)
        finally:
            process.terminate()


def _entries(sizes: Sizes) -> Iterator[str]:
    chance = random.Random(3)  # noqa: S311 - the same company every time
    yield f"dn: {SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: x\n\n"
    for dn in (PEOPLE, LARGE, GROUPS, FEW):
        yield f"dn: {dn}\nobjectClass: organizationalUnit\n\n"
    people = [_dn(number) for number in range(sizes.users)]
    for number, dn in enumerate(people):
        yield _person(number, dn)
    yield _person(sizes.users, f"uid=one,{FEW}")
    yield _group(f"cn=everyone,{LARGE}", [_dn(n) for n in _shuffled(range(sizes.large), chance)])
    for number in range(sizes.groups):
        yield _group(f"cn=group {number},{GROUPS}", chance.sample(people, sizes.members))


def _dn(number: int) -> str:
    if number % 10 == 0:
        return f"cn={_GIVEN[number // 10 % 10]} {_FAMILY[number % 7]} {number},{PEOPLE}"
    return f"uid=user{number:06d},{PEOPLE}"


def _person(number: int, dn: str) -> str:
    family = _FAMILY[number % len(_FAMILY)]
    name = f"{_GIVEN[number % len(_GIVEN)]} {family}"
    return (
        f"dn: {dn}\nobjectClass: inetOrgPerson\nuid: user{number:06d}\ncn: {name} {number}\n"
        f"sn: {family}\ndisplayName: {name}\nmail: user{number:06d}@example.test\n"
        f"mobile: +49 30 {number:06d}\npreferredLanguage: de\nentryUUID: {_uuid(dn)}\n\n"
    )


def _group(dn: str, members: list[str]) -> str:
    listed = "".join(f"member: {member}\n" for member in members)
    return f"dn: {dn}\nobjectClass: groupOfNames\n{listed}entryUUID: {_uuid(dn)}\n\n"


def _uuid(dn: str) -> uuid.UUID:
    return uuid.uuid5(uuid.NAMESPACE_X500, dn_key(dn))


def _shuffled(numbers: range, chance: random.Random) -> list[int]:
    return chance.sample(numbers, len(numbers))


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int) -> None:
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    message = "slapd did not start"
    raise RuntimeError(message)
