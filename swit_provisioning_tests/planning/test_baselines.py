"""What guards take their shares of: counted by the planner on what it read."""

from dataclasses import replace

import pytest

from swit_provisioning.planning.guards import judge
from swit_provisioning.planning.limits import History
from swit_provisioning.planning.model import Baselines, Binding
from swit_provisioning.planning.policy import Limits, Memory, Policy
from swit_provisioning_tests.planning.by_hand import (
    ANN,
    DN,
    directory,
    group,
    organisation,
    person,
    team,
)
from swit_provisioning_tests.planning.made_up import USER_DNS
from swit_provisioning_tests.planning.specification.organisation import UNASSIGNED, Organisation
from swit_provisioning_tests.planning.trial import attempt, plan_of

KEEP = Policy(unmanaged_users="keep")
REMEMBERED = Memory(users={"uuid-old": "old"})


def staff() -> Organisation:
    """Ann is in the directory; of the others some may go and some may not."""
    swit = organisation(users=["ann", "gone", "old", "out"], inactive=["off"])
    swit.add_user("boss", "boss@x", "Boss", role=10)
    swit.add_user("twin", "bob@x", "Twin")
    return swit


@pytest.mark.parametrize(
    ("policy", "memory", "number"),
    [
        (Policy(), Memory(), 4),
        (Policy(users_to_exclude=("out@*",)), Memory(), 3),
        (KEEP, Memory(), 1),
        (KEEP, REMEMBERED, 2),
    ],
    ids=["all", "all but the excluded", "Ann alone", "Ann and who is remembered"],
)
def test_users_that_may_go_are_active_and_neither_protected_nor_left_alone(
    policy: Policy, memory: Memory, number: int
) -> None:
    """Who authorised us, the master, who is inactive and whom two entries claim don't count."""
    people = directory(users=[ANN, person(1, "bob@x"), person(2, "bob@x")])
    assert plan_of(people, staff(), policy, memory).baselines.active_users_that_may_go == number


def test_who_is_kept_as_unmanaged_is_deactivated_only_once_remembered() -> None:
    swit = organisation(users=["ann", "gone", "old"])
    trial = attempt(directory(), swit, KEEP, REMEMBERED)
    assert trial.after.calls == [("user.deactivate", {"user": "old"})]
    (change,) = trial.plan.changes
    assert change.reason == "left the directory"


@pytest.mark.parametrize(
    ("policy", "number"),
    [
        (Policy(team_removal="delete"), 3),
        (Policy(team_removal="mark"), 2),
        (Policy(team_removal="keep"), 1),
        (Policy(team_removal="keep", unmanaged_teams="delete"), 2),
        (Policy(team_removal="delete", unmanaged_teams="delete"), 4),
    ],
    ids=["left", "left and not marked", "groups'", "groups' and unmanaged", "all"],
)
def test_teams_that_may_go_are_the_groups_and_those_that_the_settings_let_go(
    policy: Policy, number: int
) -> None:
    swit = organisation(
        team("T1", "A", of=0),
        team("T2", "Left", of=2),
        team("T3", "(removed) Left before", of=3),
        team("T4", "By hand"),
        team("T5", "Kept by hand"),
        team("T6", "Kept of a group", of=1),
    )
    policy = replace(policy, teams_to_keep=("Kept*",))
    plan = plan_of(directory(group(0, "A"), group(1, "Kept of a group")), swit, policy)
    assert plan.baselines.teams_that_may_go == number


def test_memberships_of_swits_own_teams_do_not_count_and_teams_are_counted_before() -> None:
    swit = organisation(
        team("T1", "A", of=0, users=["ann", "bob", "gone"]),
        team("T2", "B", of=1, users=["bob", "gone"]),
        team("T3", "Left", of=2, users=["ann", "gone"]),
        users=["ann", "bob", "gone"],
    )
    swit.teams[UNASSIGNED].users.append("ann")
    swit.users["ann"].teams[UNASSIGNED] = False
    people = [ANN, person(1, "bob@x")]
    read = directory(group(0, "A", members=[ANN]), group(1, "B"), users=people)
    bases = plan_of(read, swit).baselines
    assert (bases.users, bases.teams, bases.memberships) == (4, 5, 7)
    assert bases.members_by_team == {"T1": 3, "T2": 2, "T3": 2}
    assert bases.membership_removals_by_team == {"T1": 1, "T2": 1, "T3": 1}


def test_what_was_read_of_each_base_is_counted_with_the_plan_and_without_one() -> None:
    """Nothing is planned where no user could be read; the guards say of what."""
    people = [ANN, person(1), person(2, "bob at x"), person(3, "off@x", enabled=False)]
    groups = group(0, "A"), group(1, " ")
    assert plan_of(directory(*groups, users=people), organisation()).baselines.directory == {
        "file": {"users": 1, "groups": 1}
    }
    swit = organisation(team("T1", "A", of=0, users=["ann"]))
    plan = plan_of(directory(*groups, users=people[1:]), swit, KEEP)
    assert plan.changes == ()
    assert (plan.baselines.users, plan.baselines.teams, plan.baselines.memberships) == (2, 3, 1)
    assert plan.baselines.directory == {"file": {"users": 0, "groups": 1}}
    assert plan.baselines.swit["distinct_users"] == plan.baselines.swit["total_rows"] == 2
    assert plan.policy == KEEP.document()


def test_counts_of_what_was_read_add_up_and_guards_say_them() -> None:
    people = [
        ANN,
        person(1),
        person(2, "bob at x"),
        person(3, "off@x", enabled=False),
        replace(person(0, "out@x"), dn="CN=out,DC=x"),
    ]
    read = directory(group(0, "A"), group(1, " "), group(2, "Out"), users=people)
    plan = plan_of(
        read, organisation(), Policy(users_to_exclude=("out@*",), teams_to_exclude=("Out",))
    )
    assert plan.baselines.read == {
        "users": {"usable": 1, "disabled": 1, "excluded": 1, "without an address": 2},
        "groups": {"usable": 1, "excluded": 1, "without a name": 1},
    }
    assert Baselines(**plan.baselines.document()) == plan.baselines
    verdict, *_ = judge(plan, Limits(), History())
    assert verdict.message == (
        "Every base was read. Users: 5 read: 1 usable, 1 disabled, 1 excluded, 2 without an"
        " address. Groups: 3 read: 1 usable, 1 excluded, 1 without a name."
    )


def test_an_excluded_user_is_no_reason_to_spare_the_others() -> None:
    swit = organisation(users=["ann", "out"])
    never = plan_of(
        directory(), swit, Policy(users_to_exclude=("out@*",))
    ).baselines.never_deactivated
    assert never == {
        "UME": "the account that authorised this program",
        "out": "USERS_TO_EXCLUDE",
    }


def test_why_nobody_touches_an_account_is_told_by_rule_or_finding() -> None:
    swit = organisation(users=["ann", "bob", "eve"])
    swit.add_user("nobody", " ", "Nobody")
    swit.add_user("guest", "guest@x", "Guest", role=40)
    people = [ANN, person(1, "bob@x"), person(2, "bob@x"), person(3)]
    memory = Memory(users={USER_DNS[3].casefold(): "eve"})
    assert plan_of(directory(users=people), swit, memory=memory).baselines.protected == {
        "UME": "the account that authorised this program",
        "bob": "duplicate email",
        "eve": "missing email",
        "guest": "PROTECTED_ROLES (guest)",
        "nobody": "no address in Swit",
        "T0": "Swit's own team",
        "TU": "Swit's own team",
    }


def test_a_plan_says_who_stands_for_whom_once_it_is_applied() -> None:
    """New ones too; an entry without an address stands for nobody."""
    people = [ANN, person(1, "zoe@x"), person(2)]
    groups = group(0, "A", members=people), group(1, "B")
    trial = attempt(directory(*groups, users=people), organisation(team("T1", "A", of=0)))
    assert trial.plan.bindings == (
        Binding(kind="user", directory_id=USER_DNS[0].casefold(), object_id="ann"),
        Binding(kind="user", directory_id=USER_DNS[1].casefold(), object_id="new:user:zoe@x"),
        Binding(kind="group", directory_id=DN[0].casefold(), object_id="T1"),
        Binding(
            kind="group",
            directory_id=DN[1].casefold(),
            object_id=f"new:team:{DN[1].casefold()}",
        ),
    )
    assert trial.after.teams["T1"].users == ["ann", "Unew1"]


def test_of_a_directory_without_people_nothing_is_planned() -> None:
    read = directory(group(0, "A"), users=())
    assert plan_of(read, organisation(users=["ann"])).changes == ()
