"""What only 389 Directory Server has: its locks, kinds of groups, ids and limits."""

from uuid import UUID

import pytest

from swit_provisioning.planning.planner import make_plan
from swit_provisioning.planning.policy import Memory, Policy
from swit_provisioning.planning.snapshots import DirectorySnapshot
from swit_provisioning.planning.whereabouts import Presence
from swit_provisioning.sources.base import DirectoryIncompleteError
from swit_provisioning.sources.ldap.dn import dn_key
from swit_provisioning.sources.ldap.source import LdapDirectory
from swit_provisioning_tests.integration.directory_server_389 import (
    LIMITED,
    DirectoryServer389,
    dn,
    group,
)
from swit_provisioning_tests.integration.replicas import look_for_everybody
from swit_provisioning_tests.planning.specification.organisation import Organisation
from swit_provisioning_tests.planning.specification.states import swit_state


@pytest.fixture(scope="module")
def state(directory_server_389: DirectoryServer389) -> DirectorySnapshot:
    return LdapDirectory(directory_server_389.config()).read()


def test_the_server_is_recognised_and_read_over_starttls_and_ldaps(
    directory_server_389: DirectoryServer389, state: DirectorySnapshot
) -> None:
    over_ldaps = LdapDirectory(directory_server_389.config(directory_server_389.ldaps)).read()
    assert state.facts.server_kind == over_ldaps.facts.server_kind == "389 Directory Server"
    assert over_ldaps.users.equals(state.users)
    assert over_ldaps.groups.equals(state.groups)
    ids = [*state.users["directory_id"], *state.groups["directory_id"]]
    assert not set(ids) & {*state.users["key"], *state.groups["key"]}
    assert len(set(ids)) == len(ids)
    assert state.findings.empty


def test_accounts_that_are_locked_directly_or_by_a_role_are_disabled(
    state: DirectorySnapshot,
) -> None:
    """The role's lock is stored in no entry: the server computes it when it is asked by name."""
    enabled = dict(zip(state.users["key"], state.users["enabled"], strict=True))
    assert enabled == {
        dn_key(dn("ann")): True,
        dn_key(dn("ben")): True,
        dn_key(dn("cid")): False,
        dn_key(dn("dee")): False,
    }


def test_members_are_found_in_each_kind_of_group(state: DirectorySnapshot) -> None:
    rows = state.memberships[["group", "member"]].itertuples(index=False, name=None)
    assert set(rows) == {
        (dn_key(group(name)), dn_key(member))
        for name, member in (
            ("Z-Leaf", dn("ann")),
            ("M-Mid", dn("ben")),
            ("M-Mid", group("Z-Leaf")),
            ("A-All", group("M-Mid")),
            ("Unique", dn("ann")),
            ("Posix", dn("ann")),
            ("Posix", dn("ben")),
        )
    }


def test_teams_are_nested_as_groups_are_though_memberof_names_every_group_above(
    state: DirectorySnapshot,
) -> None:
    above = dict(zip(state.groups["dn"], state.groups["parents"], strict=True))
    assert set(above[group("Z-Leaf")]) == {dn_key(group("M-Mid")), dn_key(group("A-All"))}
    plan = make_plan(state, swit_state(Organisation()), Policy(), Memory())
    teams = [change for change in plan.changes if change.action == "team.create"]
    assert {team.target: team.after["parent"] for team in teams} == {
        "A-All": "Org",
        "M-Mid": "A-All",
        "Z-Leaf": "M-Mid",
        "Posix": "Org",
        "Unique": "Org",
    }
    assert plan.findings == ()


def test_a_size_limit_is_met_by_smaller_pages_and_the_error_says_so(
    directory_server_389: DirectoryServer389,
) -> None:
    with pytest.raises(DirectoryIncompleteError, match="after 3 entries") as caught:
        LdapDirectory(directory_server_389.config(user=LIMITED)).read()
    assert "LDAP_PAGE_SIZE=200" in str(caught.value)
    small_pages = directory_server_389.config(user=LIMITED, page_size=2)
    assert len(LdapDirectory(small_pages).read().users) == 4


def test_everybody_is_found_by_id(directory_server_389: DirectoryServer389) -> None:
    presences, enabled = look_for_everybody(directory_server_389.config())
    assert presences == {Presence.PRESENT: enabled[True], Presence.DISABLED: enabled[False]}


def test_an_nsuniqueid_is_found_in_the_way_the_server_writes_it(
    directory_server_389: DirectoryServer389,
) -> None:
    with directory_server_389.changes() as changes:
        written = changes.value(dn("ann"), "nsUniqueId").decode()
    id_ = str(UUID(written))
    assert id_ != written
    found = LdapDirectory(directory_server_389.config()).find({id_}, set())
    assert found[id_].key == dn_key(dn("ann"))
