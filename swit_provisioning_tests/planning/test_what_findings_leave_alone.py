"""Kind by kind: the finding; what it stands for in Swit is left alone, and all else goes on."""

from dataclasses import replace

import pandas as pd
import pytest

from swit_provisioning.planning.model import Finding, Plan
from swit_provisioning.planning.planner import make_plan
from swit_provisioning.planning.policy import Memory, Policy
from swit_provisioning.planning.schemas import IDP_FINDINGS
from swit_provisioning_tests.planning.by_hand import (
    ANN,
    DN,
    Team,
    directory,
    group,
    organisation,
    person,
    team,
)
from swit_provisioning_tests.planning.made_up import USER_DNS
from swit_provisioning_tests.planning.specification.directory import Directory, Entry
from swit_provisioning_tests.planning.specification.organisation import ME, Organisation
from swit_provisioning_tests.planning.specification.states import directory_state, swit_state
from swit_provisioning_tests.planning.trial import Trial, attempt

BOB_DN = USER_DNS[1]
BOB_WAS_HERE = Memory(users={BOB_DN.casefold(): "bob"})
OWNER_WAS_HERE = Memory(users={USER_DNS[2].casefold(): ME})


def the(trial: Trial | Plan, kind: str) -> list[Finding]:
    plan = trial.plan if isinstance(trial, Trial) else trial
    return [finding for finding in plan.findings if finding.kind == kind]


def of(trial: Trial, kind: str) -> list[str]:
    """Whom the findings of a kind are about."""
    return [finding.subject for finding in the(trial, kind)]


def bob(*emails: str) -> Entry:
    """Bob's entry says another name and number than his account, so that a touch shows."""
    return person(1, *emails, name="Robert", phones=("99",))


def with_bob(*more: Team, users: tuple[str, ...] = ("ann", "bob")) -> Organisation:
    """Bob is in a team whose group doesn't list him; Ann is missing in it."""
    made = organisation(team("T1", "A", of=0, users=["bob"]), *more, users=users)
    made.users["bob"].teams["T1"] = True
    made.users["bob"].phone = "11"
    return made


def listing(*entries: Entry) -> Directory:
    return directory(group(0, "A", members=[ANN]), users=[ANN, *entries])


ONLY_ANN_JOINS = [("membership.add", {"team": "T1", "users": ["ann"]})]


def test_no_address_leaves_the_account_it_last_had_with_teams_and_all() -> None:
    trial = attempt(listing(bob()), with_bob(), memory=BOB_WAS_HERE)
    assert of(trial, "missing email") == [BOB_DN]
    assert trial.after.calls == ONLY_ANN_JOINS


def test_an_unusable_address_leaves_the_account_it_last_had_with_teams_and_all() -> None:
    trial = attempt(listing(bob("bob at x")), with_bob(), memory=BOB_WAS_HERE)
    assert [(f.kind, f.subject) for f in trial.plan.findings] == [("invalid email", BOB_DN)]
    assert "the last matched user is left alone" in trial.plan.findings[0].message
    assert trial.after.calls == ONLY_ANN_JOINS


def test_an_unusable_address_beside_a_usable_one_is_not_looked_at() -> None:
    trial = attempt(directory(users=[ANN, person(1, "bob@x", "bob at x")]), Organisation())
    assert of(trial, "invalid email") == [BOB_DN]
    assert [values["email"] for _, values in trial.after.calls] == ["ann@x", "bob@x"]


def test_two_entries_with_one_address_leave_the_account_with_teams_and_all() -> None:
    twin = person(2, "BOB@x", name="Bob Twin")
    trial = attempt(listing(bob("bob@x"), twin), with_bob())
    assert of(trial, "duplicate email") == [BOB_DN, twin.dn]
    assert twin.dn in the(trial, "duplicate email")[0].message
    assert trial.after.calls == ONLY_ANN_JOINS


def test_two_entries_with_one_new_address_get_no_account() -> None:
    trial = attempt(listing(person(1, "new@x"), person(2, "new@x")), with_bob())
    assert "user.create" not in dict(trial.after.calls)
    assert len(of(trial, "duplicate email")) == 2


def test_an_entry_with_the_addresses_of_two_accounts_leaves_both_alone() -> None:
    swit = with_bob(users=("ann", "bob", "rob"))
    trial = attempt(listing(bob("bob@x", "rob@x")), swit)
    (finding,) = the(trial, "multiple matching users")
    assert (finding.subject, finding.side) == (BOB_DN, "directory")
    assert trial.after.calls == ONLY_ANN_JOINS


def test_two_accounts_with_one_address_are_both_left_alone() -> None:
    swit = with_bob()
    swit.add_user("bob2", "BOB@x", "Second")
    trial = attempt(listing(bob("bob@x")), swit)
    (finding,) = the(trial, "duplicate user email")
    assert (finding.subject, finding.side) == (BOB_DN, "swit")
    assert trial.after.calls == ONLY_ANN_JOINS


def test_a_changed_address_leaves_the_account_alone_and_makes_none_anew() -> None:
    trial = attempt(listing(bob("Robert@x")), with_bob(), memory=BOB_WAS_HERE)
    (finding,) = the(trial, "email changed")
    assert (finding.subject, finding.side) == (BOB_DN, "swit")
    assert "address is now Robert@x." in finding.message
    assert trial.after.calls == ONLY_ANN_JOINS


def test_an_address_of_another_user_does_not_deactivate_the_matched_user() -> None:
    """A server that lags behind may show a former address, which an old inactive user has."""
    swit = with_bob(users=("ann", "bob", "rob"))
    swit.users["rob"] = replace(swit.users["rob"], active=False)
    trial = attempt(listing(bob("rob@x")), swit, memory=BOB_WAS_HERE)
    (finding,) = the(trial, "conflicting match")
    assert (finding.subject, finding.side) == (BOB_DN, "swit")
    assert trial.after.calls == ONLY_ANN_JOINS


def test_once_the_matched_user_is_inactive_the_person_gets_the_user_with_the_address() -> None:
    swit = with_bob(users=("ann", "bob", "rob"))
    swit.users["bob"] = replace(swit.users["bob"], active=False)
    trial = attempt(listing(bob("rob@x")), swit, memory=BOB_WAS_HERE)
    assert not of(trial, "conflicting match")
    assert trial.plan.changes != ()
    assert {binding.object_id for binding in trial.plan.bindings} >= {"rob"}


def test_an_account_that_two_entries_claim_is_left_alone() -> None:
    """Robert's address changed, and a newcomer has the old one."""
    newcomer = person(2, "bob@x", name="Newcomer")
    trial = attempt(listing(bob("robert@x"), newcomer), with_bob(), memory=BOB_WAS_HERE)
    assert of(trial, "conflicting match") == [BOB_DN]
    assert the(trial, "conflicting match")[0].side == "swit"
    assert trial.after.calls == ONLY_ANN_JOINS


def test_an_admin_who_left_the_directory_keeps_the_account_and_is_told_as_a_risk() -> None:
    swit = with_bob()
    swit.users["bob"].role = 20
    trial = attempt(listing(), swit)
    (finding,) = the(trial, "admin not in directory")
    assert (finding.subject, finding.side) == ("bob@x", "swit")
    assert trial.after.calls == ONLY_ANN_JOINS


def test_whose_login_it_is_and_who_left_the_directory_is_told_as_such() -> None:
    trial = attempt(listing(bob("bob@x")), with_bob(), memory=OWNER_WAS_HERE)
    (finding,) = the(trial, "authorising user departed")
    assert (finding.subject, finding.side) == ("me@x", "swit")
    assert "swit-provisioning login" in finding.message


@pytest.mark.parametrize(
    ("entries", "memory"),
    [
        ((), Memory()),
        ((person(2, "me@x"),), OWNER_WAS_HERE),
        ((person(2, "other@x"),), OWNER_WAS_HERE),
        ((person(2),), OWNER_WAS_HERE),
        ((person(3, "me@x"),), OWNER_WAS_HERE),
        ((person(3, "me@x"), person(1, "me@x")), OWNER_WAS_HERE),
    ],
    ids=["never was", "is there", "other address", "no address", "new entry", "two entries"],
)
def test_who_may_still_be_in_the_directory_has_not_left(
    entries: tuple[Entry, ...], memory: Memory
) -> None:
    """A service account never was in it, and a bad record is no departure."""
    trial = attempt(listing(*entries), organisation(), memory=memory)
    assert the(trial, "authorising user departed") == []


@pytest.mark.parametrize(
    ("role", "active", "told"),
    [
        (10, True, "active (master)"),
        (20, True, "active (admin)"),
        (77, True, "active (unknown role 77)"),
        (20, False, ""),
        (30, True, ""),
        (40, True, ""),
    ],
    ids=["master", "admin", "nobody knows which", "inactive admin", "member", "guest"],
)
def test_only_who_still_has_rights_is_told_as_a_risk(role: int, *, active: bool, told: str) -> None:
    swit = with_bob()
    swit.users["bob"].role, swit.users["bob"].active = role, active
    found = the(attempt(listing(), swit), "admin not in directory")
    assert [told in finding.message for finding in found] == [True] * bool(told)


def test_an_admin_whom_settings_let_go_or_exclude_is_no_risk_that_is_told() -> None:
    swit = with_bob()
    swit.users["bob"].role = 20
    for policy in Policy(protected_roles=()), Policy(users_to_exclude=("bob@*",)):
        assert the(attempt(listing(), swit.copy(), policy), "admin not in directory") == []


def test_no_name_leaves_the_name_and_nothing_but_the_name() -> None:
    nameless = replace(bob("bob@x"), names=("", " "))
    trial = attempt(listing(nameless), with_bob())
    assert of(trial, "missing name") == [BOB_DN]
    assert ("user.update", {"user": "bob", "phone": "99"}) in trial.after.calls
    assert trial.after.users["bob"].name == "Bob"


def test_who_has_no_name_gets_no_account() -> None:
    trial = attempt(listing(person(2, "new@x", name=" ")), with_bob())
    assert of(trial, "missing name") == [USER_DNS[2]]
    assert "user.create" not in dict(trial.after.calls)


def test_a_name_that_swit_does_not_take_is_changed_once_and_told_each_time() -> None:
    starred = replace(ANN, names=("Ann*Marie  Li",))
    trial = attempt(directory(users=[starred]), organisation())
    assert trial.after.calls == [("user.update", {"user": "ann", "name": "Ann_Marie Li"})]
    (finding,) = the(trial, "invalid characters in name")
    assert "'Ann_Marie Li'" in finding.message
    assert the(attempt(directory(users=[starred]), trial.after), "invalid characters in name") == [
        finding
    ]


@pytest.mark.parametrize("policy", [Policy(), Policy(clear_empty_phone=True)])
def test_a_phone_number_that_is_none_leaves_the_number(policy: Policy) -> None:
    trial = attempt(listing(replace(bob("bob@x"), phones=("n/a",))), with_bob(), policy)
    assert of(trial, "invalid phone number") == [BOB_DN]
    assert trial.after.users["bob"].phone == "11"
    assert trial.after.users["bob"].name == "Robert"


def test_a_group_without_a_name_leaves_its_teams_name_and_makes_none() -> None:
    groups = group(0, " ", members=[ANN]), group(1, "")
    trial = attempt(directory(*groups), organisation(team("T1", "A", of=0)))
    assert of(trial, "missing group name") == [DN[0], DN[1]]
    assert trial.after.calls == ONLY_ANN_JOINS


def test_a_groups_name_that_swit_does_not_take_is_changed_once_and_told_each_time() -> None:
    trial = attempt(directory(group(0, "R&D; (removed) *")), organisation(team("T1", "A", of=0)))
    assert [values["name"] for _, values in trial.after.calls] == ["R&D_ (removed) _"]
    assert of(trial, "invalid characters in group name") == [DN[0]]


def test_two_groups_with_one_name_keep_the_names_that_their_teams_have() -> None:
    teams = team("T1", "A (2)", of=0), team("T2", "a", of=1)
    trial = attempt(directory(group(0, "A"), group(1, "a")), organisation(*teams))
    assert of(trial, "duplicate group name") == [DN[0], DN[1]]
    assert [(f.subject, f.side) for f in the(trial, "team name conflict")] == [(DN[0], "swit")]
    assert trial.after.calls == []


def test_a_name_that_a_team_made_by_hand_has_stays_with_it() -> None:
    teams = team("T1", "Old", of=0), team("T2", "A")
    trial = attempt(directory(group(0, "A")), organisation(*teams))
    assert trial.after.calls == [("team.update", {"team": "T1", "name": "A (2)"})]
    assert of(trial, "team name conflict") == [DN[0]]
    assert of(trial, "duplicate group name") == []


def test_a_name_that_a_pattern_keeps_makes_no_team_and_renames_none() -> None:
    policy = Policy(teams_to_keep=("Keep*",))
    groups = group(0, "Keep A"), group(1, "Keep B")
    trial = attempt(directory(*groups), organisation(team("T1", "A", of=0)), policy)
    assert of(trial, "reserved team name") == [DN[0], DN[1]]
    assert trial.after.calls == []


def test_two_groups_with_one_id_do_not_take_each_others_team() -> None:
    """By the id alone, g1 would get the team that is remembered for it."""
    groups = (replace(group(n, name), directory_id="one") for n, name in enumerate("AB"))
    swit = organisation(team("T1", "A", of=0), team("T2", "B", of=1))
    trial = attempt(directory(*groups), swit, memory=Memory(groups={"one": "T2"}))
    assert of(trial, "duplicate group id") == [DN[0], DN[1]]
    assert trial.after.calls == []


def test_a_group_with_several_parents_leaves_its_team_below_the_one_that_it_is_below() -> None:
    groups = group(0, "A"), group(1, "B"), group(2, "C", below=[0, 1])
    teams = team("T1", "A", of=0), team("T2", "B", of=1), team("T3", "C", of=2, below="T2")
    trial = attempt(directory(*groups), organisation(*teams))
    (finding,) = the(trial, "multiple parents")
    assert finding.subject == DN[2]
    assert DN[0] in finding.message
    assert DN[1] in finding.message
    assert trial.after.calls == []


def test_groups_in_a_ring_are_all_told_and_their_teams_stay_where_one_parent_has_them() -> None:
    groups = group(1, "B", below=[0]), group(0, "A", below=[1])
    teams = team("T1", "A", of=0), team("T2", "B", of=1, below="T1")
    trial = attempt(directory(*groups), organisation(*teams))
    assert of(trial, "circular membership") == [DN[0], DN[1]]
    assert [(f.subject, f.side) for f in the(trial, "parent ignored")] == [(DN[0], "swit")]
    assert trial.after.calls == []


def test_a_team_that_would_go_from_above_one_that_stays_stays_too() -> None:
    swit = organisation(team("T1", "A", of=0), team("T2", "By hand", below="T1"))
    trial = attempt(directory(), swit)
    assert [(f.subject, f.side) for f in the(trial, "team not deleted")] == [("A", "swit")]
    assert trial.after.calls == []


def test_a_member_that_does_not_exist_means_nothing_to_the_others() -> None:
    stranger = person(3, "gone@x")
    listed = group(0, "A", members=[ANN, stranger])
    trial = attempt(directory(listed), organisation(team("T1", "A", of=0)))
    (finding,) = the(trial, "unknown member")
    assert finding.subject == DN[0]
    assert stranger.dn in finding.message
    assert trial.after.calls == ONLY_ANN_JOINS


def test_a_parent_that_is_no_dn_leaves_the_team_where_it_is() -> None:
    """Taken for no parent at all, it would move the team to the root."""
    child = replace(group(1, "B"), parents=("head office",))
    teams = team("T1", "A", of=0), team("T2", "B", of=1, below="T1")
    trial_plan = planned(directory(group(0, "A"), child), organisation(*teams))
    assert trial_plan.changes == ()
    new = planned(directory(group(0, "A"), child), organisation())
    assert [(c.target, c.after["parent"]) for c in new.changes] == [("A", "Org"), ("B", "Org")]


def test_a_phone_number_that_can_not_be_read_leaves_the_number() -> None:
    """Taken for none at all, it would clear the number in Swit."""
    found = {
        "kind": "invalid encoding",
        "dn": BOB_DN,
        "attribute": "mobile",
        "reason": "Unreadable.",
    }
    silent = replace(person(1, "bob@x"), phones=())
    policy = Policy(clear_empty_phone=True)
    assert planned(listing(silent), with_bob(), policy).counts()["user.update"] == 1
    plan = planned(listing(silent), with_bob(), policy, found)
    assert [finding.subject for finding in the(plan, "invalid encoding")] == [BOB_DN]
    assert "user.update" not in plan.counts()


def planned(
    read: Directory, swit: Organisation, policy: Policy | None = None, *found: dict[str, str]
) -> Plan:
    state = directory_state(read)
    attributes = {**state.facts.attributes, "phone_number": "mobile"}
    findings = pd.concat([state.findings, IDP_FINDINGS.frame(found)], ignore_index=True)
    facts = replace(state.facts, attributes=attributes)
    state = replace(state, facts=facts, findings=findings)
    return make_plan(state, swit_state(swit), policy or Policy(), Memory())


def test_a_language_that_swit_does_not_write_makes_an_account_in_the_default_one() -> None:
    state = directory_state(directory(users=[ANN]))
    state = replace(state, users=state.users.assign(language="fr"))
    plan = make_plan(state, swit_state(Organisation()), Policy(), Memory())
    (told,) = the(plan, "unsupported language")
    assert (told.subject, told.side) == (ANN.dn, "swit")
    assert "not fr. The new user gets en" in told.message
    assert [change.after["language"] for change in plan.changes] == ["en"]


def test_what_swit_counts_otherwise_is_told_and_changes_nothing() -> None:
    swit = swit_state(organisation(team("T1", "A", of=0, users=["ann"])))
    swit = replace(swit, teams=swit.teams.assign(member_count=[7] * len(swit.teams)))
    read = directory_state(directory(group(0, "A", members=[ANN])))
    plan = make_plan(read, swit, Policy(), Memory())
    assert "A" in [finding.subject for finding in the(plan, "member count mismatch")]
    assert {finding.side for finding in plan.findings} == {"swit"}
    assert plan.changes == ()


def test_of_teams_only_those_are_told_that_swit_counts_otherwise_than_it_lists() -> None:
    swit = swit_state(organisation(team("T1", "A", of=0, users=["ann"]), team("T2", "B", of=1)))
    counts = [{"T1": 1, "T2": 2}.get(team_id) for team_id in swit.teams["team_id"]]
    swit = replace(swit, teams=swit.teams.assign(member_count=pd.array(counts, dtype="Int64")))
    read = directory_state(directory(group(0, "A", members=[ANN]), group(1, "B")))
    (finding,) = the(make_plan(read, swit, Policy(), Memory()), "member count mismatch")
    assert (finding.subject, finding.side) == ("B", "swit")
    assert finding.message.startswith("Swit counts 2 members of this team and lists 0. It")


def test_an_account_without_an_address_in_swit_is_left_alone_with_its_teams() -> None:
    """Whose it is could not be read, so nobody can say that its person has left."""
    swit = organisation()
    swit.add_user("nobody", " ", "Nobody")
    swit.add_team("T1", "A", "T0", DN[0], ["nobody"])
    plan = planned(directory(group(0, "A")), swit)
    (finding,) = the(plan, "user without email")
    assert (finding.subject, finding.side) == ("Nobody (nobody)", "swit")
    assert plan.changes == ()
