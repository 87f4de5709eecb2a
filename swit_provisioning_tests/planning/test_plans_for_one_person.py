"""The plan for one person: the person's changes of the whole plan, and nothing else."""

from dataclasses import replace

import pytest

from swit_provisioning.planning.model import Binding, Change, Finding, Plan, users_of
from swit_provisioning.planning.selection import LEFT_OUT, for_person
from swit_provisioning.planning.staleness import not_repeatable, stale_reasons
from swit_provisioning_tests.planning.busy_day import plan_of_the_day
from swit_provisioning_tests.planning.by_hand import organisation
from swit_provisioning_tests.planning.by_hand import team as by_hand_team
from swit_provisioning_tests.planning.made_plans import change, plan_with, verdict_of
from swit_provisioning_tests.planning.specification.states import swit_state

ANN, BOB = "new:user:ann@x", "new:user:bob@x"
SALES = "new:team:sales"


def members(*users: str) -> dict[str, list[str]]:
    return {"user_ids": list(users), "emails": [f"{user}@x" for user in users]}


MAKE_ANN, MAKE_BOB = change("user.create", ANN), change("user.create", BOB)
MAKE_SALES = change("team.create", SALES, after={"name": "Sales", "parent_id": "T0"})
JOIN = change("membership.add", "T1", after=members(ANN, BOB, "U1"))
JOIN_SALES = replace(
    change("membership.add", SALES, after=members(ANN, "U1")),
    depends_on=(MAKE_SALES.change_id,),
)
LEAVE = change("membership.remove", "T2", before=members("U1", "U2"))
PRIMARY = change("primary.update", ANN, after={"team_id": SALES, "team": "Sales"})
RENAME = change("team.update", "T1", after={"name": "B"})
GOES = change("user.deactivate", "U2")


def for_ann(plan: Plan) -> Plan:
    return for_person(plan, "ann@x", users=frozenset({ANN}), subjects={"ann@x"})


def test_only_the_persons_changes_are_left() -> None:
    plan = plan_with(MAKE_ANN, MAKE_BOB, GOES, RENAME, JOIN, LEAVE)
    part = for_ann(plan)
    assert part.changes == (MAKE_ANN, replace(JOIN, after=members(ANN)))
    assert part.person == "ann@x"
    assert part.plan_id != plan.plan_id
    assert Plan.of(part.document()) == part


def test_a_removal_is_cut_down_to_the_person_and_counted_so() -> None:
    plan = plan_with(GOES, LEAVE, membership_removals_by_team={"T2": 1})
    part = for_person(plan, "u1", users=frozenset({"U1"}), subjects=())
    assert part.changes == (replace(LEAVE, before=members("U1")),)
    assert part.baselines.membership_removals_by_team == {"T2": 1}
    part = for_person(plan, "u2", users=frozenset({"U2"}), subjects=())
    assert part.changes == (GOES, replace(LEAVE, before=members("U2")))
    assert part.baselines.membership_removals_by_team == {"T2": 0}


def test_what_needs_a_new_team_is_left_out_and_said() -> None:
    plan = plan_with(MAKE_ANN, MAKE_SALES, JOIN, JOIN_SALES, PRIMARY)
    part = for_ann(plan)
    assert part.changes == (MAKE_ANN, replace(JOIN, after=members(ANN)))
    assert {finding.kind for finding in part.findings} == {LEFT_OUT}
    assert [finding.message.partition(" is left out")[0] for finding in part.findings] == [
        f"The membership in {SALES}",
        "The primary team Sales",
    ]


def test_findings_and_matches_of_others_are_not_part_of_it() -> None:
    mine = Finding(kind="unsupported language", subject="ann@x", message="Say so.")
    plan = replace(
        plan_with(MAKE_ANN),
        findings=(mine, replace(mine, subject="bob@x")),
        bindings=(
            Binding(kind="user", directory_id="a", object_id=ANN),
            Binding(kind="user", directory_id="b", object_id=BOB),
            Binding(kind="group", directory_id="g", object_id="T1"),
        ),
        disabled=(LEAVE, MAKE_BOB),
        held=(JOIN,),
    )
    part = for_ann(plan)
    assert part.findings == (mine,)
    assert part.bindings == plan.bindings[:1]
    assert part.disabled == ()
    assert part.held == (replace(JOIN, after=members(ANN)),)


def test_limits_count_the_persons_changes_alone() -> None:
    leavers = [change("user.deactivate", f"U{number}") for number in range(30)]
    plan = plan_with(*leavers, active_users_that_may_go=100)
    assert verdict_of("deactivations_within_limit", plan).stops
    part = for_person(plan, "u7", users=frozenset({"U7"}), subjects=())
    assert part.changes == (leavers[7],)
    assert not verdict_of("deactivations_within_limit", part).stops


def test_a_plan_for_everyone_keeps_its_hash() -> None:
    plan = plan_with(MAKE_ANN)
    assert "person" not in plan.document()
    assert replace(plan, person="ann@x").plan_hash != plan.plan_hash


@pytest.mark.parametrize("seed", range(5))
def test_every_change_to_a_user_is_in_the_plan_of_that_person(seed: int) -> None:
    plan = plan_of_the_day(seed)
    everybody = {user for each in plan.changes for user in users_of(each)}
    assert everybody
    new = {each.object_id for each in plan.changes if each.action == "team.create"}
    for user in everybody:
        part = for_person(plan, user, users=frozenset({user}), subjects=())
        assert all(users_of(each) == {user} for each in part.changes)
        sent = {(each.action, each.object_id) for each in part.changes}
        wanted = {(c.action, c.object_id) for c in plan.changes if user in users_of(c)}
        needs_a_team = {key for key in wanted if key[1] in new or key[0] == "primary.update"}
        assert wanted - needs_a_team <= sent <= wanted
        assert len(wanted - sent) == len(part.findings)


def fresh(*changes: Change, bindings: tuple[Binding, ...] = ()) -> Plan:
    return replace(plan_with(*changes), bindings=bindings)


def test_it_holds_while_a_plan_for_everyone_makes_the_same_changes() -> None:
    """Others who join the same team meanwhile make it no older."""
    stored = for_ann(plan_with(MAKE_ANN, JOIN))
    others = replace(JOIN, after=members(ANN, "U8", "U9"))
    assert stale_reasons(stored, fresh(MAKE_ANN, others), frozenset()) == []
    assert stale_reasons(stored, fresh(MAKE_ANN), frozenset()) == [
        f"membership.add of T1 ({ANN}@x) is no longer called for."
    ]
    without = replace(JOIN, after=members("U8"))
    assert len(stale_reasons(stored, fresh(MAKE_ANN, without), frozenset())) == 1


def test_it_holds_after_its_user_was_created() -> None:
    binding = Binding(kind="user", directory_id="a", object_id=ANN)
    stored = for_ann(replace(plan_with(MAKE_ANN, JOIN), bindings=(binding,)))
    now = fresh(
        replace(JOIN, after=members("U7", "U8")), bindings=(replace(binding, object_id="U7"),)
    )
    assert stale_reasons(stored, now, frozenset({MAKE_ANN.change_id})) == []


def test_a_membership_whose_answer_was_lost_is_sent_again_for_the_person_alone() -> None:
    stored = for_person(plan_with(JOIN), "u1", users=frozenset({"U1"}), subjects=())
    swit = swit_state(organisation(by_hand_team("T1", "Team"), users=["ann"]))
    unsettled = frozenset({JOIN.change_id})
    others = replace(JOIN, after=members("U1", "U8"))
    assert not_repeatable(stored, fresh(others), swit, unsettled) == frozenset()
    gone = replace(JOIN, after=members("U8"))
    assert not_repeatable(stored, fresh(gone), swit, unsettled) == unsettled
