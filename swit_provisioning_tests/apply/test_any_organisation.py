"""Random organisations on the sandbox: read, planned, applied, read again, planned again."""

from collections import Counter
from contextlib import suppress
from itertools import count
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from swit_provisioning.apply.outcomes import Outcome
from swit_provisioning.planning.actions import STEPS, Step
from swit_provisioning.planning.model import Plan
from swit_provisioning.planning.planner import make_plan
from swit_provisioning.planning.policy import Memory, Policy
from swit_provisioning.sandbox.faults import Fault, Gate
from swit_provisioning.sandbox.records import Behaviour, RefusedError
from swit_provisioning.swit.reader import read_organization
from swit_provisioning_tests.apply.conftest import Stage
from swit_provisioning_tests.planning.by_hand import ANN, directory, group, organisation, team
from swit_provisioning_tests.planning.made_up import directories, organisations, policies
from swit_provisioning_tests.planning.specification.directory import (
    Directory,
    Entry,
    GroupEntry,
)
from swit_provisioning_tests.planning.specification.organisation import (
    ME,
    ROOT,
    UNASSIGNED,
    Organisation,
)
from swit_provisioning_tests.planning.specification.states import directory_state

RUNS = count(1)
READS = ("user.info", "organization.info", "organization.user.list", "user.team.list")
STEPS_THAT_LOOK: tuple[Step, ...] = ("delete_teams", "delete_emptied_teams", "sort_teams")
BEHAVIOURS = st.builds(
    Behaviour,
    parent_deletion=st.sampled_from(["cascade", "orphan", "reject"]),
    lost_primary=st.sampled_from(["next", "none"]),
    repeated_membership=st.sampled_from(["accepted", "refused"]),
    teamless=st.sampled_from(["unassigned", "nowhere"]),
)


def furnish(stage: Stage, wanted: Organisation) -> None:
    """Load the made-up organisation into the sandbox, as far as the sandbox allows it."""
    stage.server.reset()
    there = stage.organisation
    users, teams = {}, {ROOT: stage.root_id}
    for account in wanted.users.values():
        if account.user_id != ME:
            with suppress(RefusedError, ValueError):  # an address or a master twice
                users[account.user_id] = there.add_user(
                    account.email,
                    account.name,
                    phone_number=account.phone,
                    role=account.role,
                    active=account.active,
                )
    for record in wanted.teams.values():
        if record.team_id not in {ROOT, UNASSIGNED} and record.parent in teams:
            with suppress(RefusedError):  # a name of Swit's own
                teams[record.team_id] = there.add_team(
                    record.name, parent_id=teams[record.parent], reference=record.reference or None
                )
                members = [users[user] for user in record.users if user in users]
                there.add_members(teams[record.team_id], members)
    for account in wanted.users.values():
        if account.user_id in users and account.primary in teams:
            there.make_primary(teams[account.primary], users[account.user_id])
    stage.server.log.clear()


def plan_now(stage: Stage, directory: Directory, policy: Policy) -> Plan:
    return make_plan(
        directory_state(directory),
        read_organization(stage.client),
        policy,
        Memory(),
    )


def carry_out(stage: Stage, plan: Plan) -> None:
    """Send the plan; every change must succeed."""
    run = f"R{next(RUNS)}"
    applier = stage.applier(plan, run_id=run, application_id=run)
    for step in STEPS:
        applier.send(step)
    outcomes = applier.outcomes(STEPS)
    assert {outcome.outcome for outcome in outcomes} <= {"applied", "already so"}
    no_call_is_made_that_need_not_be(stage, plan, outcomes)


def no_call_is_made_that_need_not_be(stage: Stage, plan: Plan, outcomes: list[Outcome]) -> None:
    """One call for each change, and the allowed reads."""
    sent = Counter(stage.asked())
    reads = {call: sent.pop(call, 0) for call in READS}
    looks = sum(bool(plan.of_step(step)) for step in STEPS_THAT_LOOK)
    changed = plan.of_step("add_members") or plan.of_step("remove_members")
    again = bool(changed and plan.of_step("update_primary_teams"))
    assert reads["user.team.list"] <= 1 + looks
    assert reads["organization.user.list"] <= 1 + again
    assert all(reads[call] <= 1 for call in ("user.info", "organization.info"))
    assert sent.total() <= len(plan.changes)
    assert sent.total() >= sum(outcome.outcome == "applied" for outcome in outcomes)


@pytest.mark.parametrize("lost_primary", ["next", "none"])
def test_a_user_whose_primary_team_is_deleted_gets_the_group_of_the_directory(
    stage: Stage, lost_primary: Literal["next", "none"]
) -> None:
    """Swit may make a team that was created by hand the primary one meanwhile."""
    gone, hand = team("T1", "Gone", of=1, users=["ann"]), team("T2", "Hand", users=["ann"])
    there = organisation(gone, hand)
    there.users["ann"].teams["T1"] = True
    furnish(stage, there)
    stage.organisation.behaviour = Behaviour(lost_primary=lost_primary)
    wanted = directory(group(0, "Sales", members=[ANN]))
    carry_out(stage, plan_now(stage, wanted, Policy()))
    assert plan_now(stage, wanted, Policy()).changes == ()
    ann = stage.organisation.user_by_email("ann@x")
    assert ann is not None
    assert ann.primary == stage.team("Sales").id


def test_parallel_additions_set_the_first_group_as_primary_team(
    stage: Stage,
) -> None:
    """400 people in 3 of 12 teams each. The additions to the first teams arrive last.

    The price: a call for each person whom another team reached first, and one read of all users.
    """
    people = [Entry(dn=f"CN=p{n},OU=U,DC=x", emails=(f"p{n}@x",), names=("P",)) for n in range(400)]
    names = [f"Team {n:02}" for n in range(12)]
    groups = [
        GroupEntry(
            dn=f"CN={name},OU=G,DC=x",
            names=(name,),
            members=tuple(p.dn for n, p in enumerate(people) if (number - n) % 12 in {0, 4, 5}),
        )
        for number, name in enumerate(names)
    ]
    read = Directory(users=tuple(people), groups=tuple(groups))
    there = [stage.organisation.add_team(g.names[0], reference=g.dn) for g in groups]
    late = Gate()
    stage.server.faults.add(
        Fault(kind="held", call="team.user.add", times=3, gate=late),
        Fault(kind="meanwhile", call="team.user.add", skip=8, act=late.opened.set),
    )
    stage.server.log.clear()
    plan = plan_now(stage, read, Policy())
    carry_out(stage, plan)
    joined = [user for user in stage.organisation.records.users.values() if user.teams]
    assert {len(user.teams) for user in joined} == {3}
    wrong = [u.email for u in joined if u.primary != next(t for t in there if t in u.teams)]
    assert (len(joined), wrong) == (400, [])
    assert 0 < len(stage.asked("team.user.primary.update")) < 400
    assert plan_now(stage, read, Policy()).changes == ()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(directories(), organisations(), policies(), BEHAVIOURS)
def test_the_next_plan_is_empty_after_a_plan_was_applied(
    stage: Stage,
    read: Directory,
    there: Organisation,
    policy: Policy,
    behaviour: Behaviour,
) -> None:
    furnish(stage, there)
    stage.organisation.behaviour = behaviour
    plan = plan_now(stage, read, policy)
    before = {user["id"]: user for user in stage.organisation.snapshot()["users"]}
    carry_out(stage, plan)
    after = {user["id"]: user for user in stage.organisation.snapshot()["users"]}
    for user in plan.baselines.protected.keys() & before.keys():
        for value in ("name", "phone_number", "active", "role"):
            assert before[user][value] == after[user][value]
    assert plan_now(stage, read, policy).changes == ()
