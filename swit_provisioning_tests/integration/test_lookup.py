"""People and groups that a read did not return are looked for by id, on every server."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from swit_provisioning.planning.whereabouts import Presence, Whereabouts
from swit_provisioning.sources.config import LdapConfig
from swit_provisioning.sources.ldap.source import LdapDirectory
from swit_provisioning_tests.integration import replicas
from swit_provisioning_tests.integration.authority import certificate
from swit_provisioning_tests.integration.replicas import ALUMNI, GROUPS, STAFF, group, person, units
from swit_provisioning_tests.integration.slapd import Slapd
from swit_provisioning_tests.ports import free_port

NAMES = ("ada", "ben", "cid", "dee", "eve", "fay", "gus", "team", "old", "none")
IDS = {name: replicas.id_of(name) for name in NAMES}
ENTRIES = "".join(
    [
        units(),
        person("ada"),
        person("ben"),
        person("cid", ALUMNI),
        person("eve", mail=""),
        person("gus", title="robot"),
        group("team", "ada"),
        group("old", "ada", base=ALUMNI),
    ]
)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Slapd, Slapd]]:
    """Two servers with the same entries, but that the second one still has `fay`."""
    first, second = (tmp_path_factory.mktemp(name) for name in ("first", "second"))
    tls = certificate(first)
    with (
        Slapd(first, tls, ldif=ENTRIES) as one,
        Slapd(second, tls, ldif=ENTRIES + person("fay")) as other,
    ):
        for server in (one, other):
            with server.changes() as changes:
                changes.set(f"uid=ben,{STAFF}", pwdAccountLockedTime=replicas.LOCKED)
        yield one, other


def _config(*servers: Slapd) -> LdapConfig:
    addresses = tuple(server.starttls for server in servers)
    config = servers[0].config(*addresses, user_bases=(STAFF,), group_bases=(GROUPS,))
    return replace(config, user_filter="(&(objectClass=person)(!(title=robot)))")


def _find(config: LdapConfig) -> dict[str, Whereabouts]:
    people = {IDS[name] for name in NAMES[:7]}
    groups = {IDS[name] for name in NAMES[7:]}
    found = LdapDirectory(config).find(people, groups)
    return {name: found[IDS[name]] for name in NAMES}


@pytest.mark.parametrize("page_size", [2, 1000])
def test_each_missing_object_is_found_where_it_is(
    servers: tuple[Slapd, Slapd], page_size: int
) -> None:
    found = _find(replace(_config(*servers), page_size=page_size))
    assert {name: whereabouts.presence for name, whereabouts in found.items()} == {
        "ada": Presence.PRESENT,
        "ben": Presence.DISABLED,
        "cid": Presence.OUT_OF_SCOPE,
        "dee": Presence.ABSENT,
        "eve": Presence.NO_ADDRESS,
        "fay": Presence.PRESENT,
        "gus": Presence.OUT_OF_SCOPE,
        "team": Presence.PRESENT,
        "old": Presence.OUT_OF_SCOPE,
        "none": Presence.ABSENT,
    }
    assert found["ada"].key == f"uid=ada,{STAFF}".lower()
    assert found["dee"].detail == "not found on 2 servers"
    assert found["cid"].detail == f"moved to uid=cid,{ALUMNI}, outside LDAP_USER_OUS"
    assert found["old"].detail == f"moved to cn=old,{ALUMNI}, outside LDAP_GROUP_OUS"
    assert found["gus"].detail == f"not matched by LDAP_USER_FILTER: uid=gus,{STAFF}"
    assert found["fay"].detail == f"present on {servers[1].starttls}: uid=fay,{STAFF}"


def test_nobody_is_absent_while_a_server_cannot_be_asked(servers: tuple[Slapd, Slapd]) -> None:
    config = _config(*servers)
    silent = replace(config.servers[1], port=free_port())
    found = _find(replace(config, servers=(config.servers[0], silent)))
    assert found["dee"].presence is Presence.UNKNOWN
    assert str(silent) in found["dee"].detail
    assert found["ada"].presence is Presence.PRESENT
    assert found["ben"].presence is Presence.DISABLED
    assert found["cid"].presence is Presence.OUT_OF_SCOPE


def test_one_server_is_named(servers: tuple[Slapd, Slapd]) -> None:
    found = _find(_config(servers[0]))
    assert found["fay"] == Whereabouts(Presence.ABSENT, f"not found on {servers[0].starttls}")


def test_a_thousand_ids_are_asked_for_in_filters_of_a_hundred(
    servers: tuple[Slapd, Slapd],
) -> None:
    many = {f"11111111-0000-4000-8000-{number:012d}" for number in range(1000)}
    found = LdapDirectory(_config(servers[0])).find(many | {IDS["ada"]}, set())
    assert len(found) == 1001
    assert [id_ for id_, each in found.items() if each.presence is Presence.PRESENT] == [IDS["ada"]]


def test_a_reference_attribute_of_the_settings_changes_no_id(
    servers: tuple[Slapd, Slapd],
) -> None:
    config = replace(_config(servers[0]), reference_attribute="entryUUID")
    assert _find(config)["ada"].presence is Presence.PRESENT
