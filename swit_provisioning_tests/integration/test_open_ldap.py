"""What only OpenLDAP has: its locks, its kinds of groups, its ids."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from swit_provisioning.planning.planner import make_plan
from swit_provisioning.planning.policy import Memory, Policy
from swit_provisioning.planning.snapshots import DirectorySnapshot
from swit_provisioning.sources.base import DirectoryConfigError, DirectoryIncompleteError
from swit_provisioning.sources.ldap.dn import dn_key
from swit_provisioning.sources.ldap.source import LdapDirectory
from swit_provisioning_tests.integration.authority import certificate
from swit_provisioning_tests.integration.slapd import PASSWORD, SUFFIX, Slapd
from swit_provisioning_tests.planning.specification.organisation import Organisation
from swit_provisioning_tests.planning.specification.states import swit_state

pytestmark = pytest.mark.needs("slapd")

LOCKED_FOR_GOOD = "000001010000Z"
LOCKED_A_MOMENT_AGO = "20260101120000Z"


def person(login: str) -> str:
    return f"uid={login},{SUFFIX}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    """Three people with Unix logins, and one group of each kind."""
    folder: Path = tmp_path_factory.mktemp("kinds-of-groups")
    with Slapd(folder, certificate(folder)) as server:
        with server.changes() as changes:
            for number, login in enumerate(("ada", "ben", "cid")):
                unix = {"uidNumber": str(1000 + number), "gidNumber": "100"}
                home = {"homeDirectory": f"/home/{login}", "userPassword": PASSWORD}
                names = {"cn": login, "sn": login, "mail": f"{login}@example.test"}
                changes.add(
                    person(login), ["inetOrgPerson", "posixAccount"], {**names, **unix, **home}
                )
            changes.set(person("ben"), pwdAccountLockedTime=LOCKED_A_MOMENT_AGO)
            changes.set(person("cid"), pwdAccountLockedTime=LOCKED_FOR_GOOD)
            groups: dict[str, dict[str, object]] = {
                "groupOfNames": {"member": person("ada")},
                "groupOfUniqueNames": {"uniqueMember": f"{person('ben')}#'0101'B"},
                "posixGroup": {"memberUid": ["ADA", "ben"], "gidNumber": "100"},
            }
            for kind, attributes in groups.items():
                changes.add(f"cn={kind},{SUFFIX}", [kind], attributes)
        yield server


@pytest.fixture(scope="module")
def state(server: Slapd) -> DirectorySnapshot:
    return LdapDirectory(server.config()).read()


def test_only_a_permanent_lock_disables_an_account(state: DirectorySnapshot) -> None:
    """One with a time comes of wrong passwords, and goes away again."""
    enabled = dict(zip(state.users["key"], state.users["enabled"], strict=True))
    assert enabled == {person("ada"): True, person("ben"): True, person("cid"): False}


def test_members_are_found_in_each_kind_of_group(state: DirectorySnapshot) -> None:
    """By DN, by DN with a unique identifier behind it, and by login; never by gidNumber."""
    rows = state.memberships[["group", "member"]].itertuples(index=False, name=None)
    assert set(rows) == {
        (dn_key(f"cn={kind},{SUFFIX}"), person(login))
        for kind, login in (
            ("groupOfNames", "ada"),
            ("groupOfUniqueNames", "ben"),
            ("posixGroup", "ada"),
            ("posixGroup", "ben"),
        )
    }


def test_an_id_of_active_directory_is_refused_as_a_reference(server: Slapd) -> None:
    config = replace(server.config(), reference_attribute="objectGUID")
    with pytest.raises(DirectoryConfigError, match="Set LDAP_REFERENCE_ATTRIBUTE=entryUUID"):
        LdapDirectory(config).read()


def test_the_kind_of_server_can_be_overridden(server: Slapd) -> None:
    """A filter that the server can't match finds nobody, and that is never an empty company."""
    assert len(LdapDirectory(replace(server.config(), kind="other")).read().users) == 3
    with pytest.raises(DirectoryIncompleteError, match="there is no person"):
        LdapDirectory(replace(server.config(), kind="active_directory")).read()


def test_teams_are_nested_as_groups_are_though_dynlist_names_every_group_above(
    tmp_path: Path,
) -> None:
    """It also lists the members of nested groups as members of the groups above."""
    leaf, mid, top = (f"cn={name},{SUFFIX}" for name in ("Z-Leaf", "M-Mid", "A-All"))
    with Slapd(tmp_path, certificate(tmp_path), dynamic_lists=True) as server:
        ann = {"cn": "Ann", "sn": "Ann", "mail": "ann@example.test"}
        server.add(person("ann"), ["inetOrgPerson"], ann)
        server.add_groups({leaf: [person("ann")], mid: [leaf], top: [mid]})
        state = LdapDirectory(server.config()).read()
    above = dict(zip(state.groups["dn"], state.groups["parents"], strict=True))
    assert set(above[leaf]) == {dn_key(mid), dn_key(top)}
    listed = state.memberships["member"][state.memberships["group"] == dn_key(top)]
    assert set(listed) == {dn_key(mid), dn_key(leaf), person("ann")}
    plan = make_plan(state, swit_state(Organisation()), Policy(), Memory())
    teams = [change for change in plan.changes if change.action == "team.create"]
    assert {team.target: team.after["parent"] for team in teams} == {
        "A-All": "Org",
        "M-Mid": "A-All",
        "Z-Leaf": "M-Mid",
    }
    assert plan.findings == ()
