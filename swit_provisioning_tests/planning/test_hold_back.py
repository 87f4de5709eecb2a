"""Holding back the changes that exceed a limit: what waits, and what is sent without it."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from swit_provisioning.planning.actions import ACTIONS, DEPARTURES, MEMBERSHIPS
from swit_provisioning.planning.guards import GUARDS, NEVER_LIFTED, judge
from swit_provisioning.planning.hold_back import CAN_HOLD_BACK, hold_back, waiting_plan
from swit_provisioning.planning.limits import History
from swit_provisioning.planning.model import Change, Plan, is_new, removals_by_team, users_of
from swit_provisioning.planning.planner import make_plan
from swit_provisioning.planning.policy import Limit, Limits, Memory, Policy
from swit_provisioning.planning.selection import Selection, not_selected
from swit_provisioning_tests.planning.busy_day import plan_of_the_day
from swit_provisioning_tests.planning.made_plans import (
    STAFF,
    WHOLE_DIRECTORY,
    change,
    deletion,
    ids,
    marking,
    plan_with,
    removal,
)
from swit_provisioning_tests.planning.made_up import directories, organisations, policies
from swit_provisioning_tests.planning.specification.directory import Directory
from swit_provisioning_tests.planning.specification.organisation import Organisation
from swit_provisioning_tests.planning.specification.states import directory_state, swit_state

NONE_MAY = Limit(number=0)
SALES = "new:team:sales"
ANN = "new:user:ann@x"
BASES = {
    "active_users_that_may_go": 100,
    "teams_that_may_go": 20,
    "users": 100,
    "teams": 20,
    "memberships": 400,
}


def members(*users: str) -> dict[str, list[str]]:
    return {"user_ids": list(users), "emails": [f"{user}@x" for user in users]}


def stopped_by(
    limits: Limits, last_read: Mapping[str, Mapping[str, int]] = WHOLE_DIRECTORY
) -> Callable[[Plan], list[str]]:
    history = History(last_read=last_read)
    return lambda plan: [r.name for r in judge(plan, limits, history) if r.stops]


def split(
    *changes: Change, limits: Limits | None = None
) -> tuple[dict[str, Change], dict[str, Change]]:
    """The changes that are sent and those that wait, by id."""
    plan = plan_with(*changes, **BASES)
    rest = hold_back(plan, stopped_by(limits or Limits()))
    assert rest is not None
    return tuple({c.change_id: c for c in some} for some in (rest.changes, rest.waiting))  # type: ignore[return-value]


def departures(number: int) -> list[Change]:
    return [change("user.deactivate", user) for user in ids("M", number)]


def test_joiners_and_renames_are_sent_while_a_mass_departure_waits() -> None:
    joiner = change("user.create", ANN)
    rename = change("team.update", "T1", before={"name": "A"}, after={"name": "B"})
    sent, waiting = split(joiner, *departures(11), rename)
    assert set(sent) == {joiner.change_id, rename.change_id}
    assert set(waiting) == {c.change_id for c in departures(11)}


def test_a_plan_within_its_limits_is_sent_whole() -> None:
    plan = plan_with(*departures(10), **BASES)
    assert hold_back(plan, stopped_by(Limits())) is plan


def test_a_guard_of_the_reads_stops_everything() -> None:
    plan = plan_with(change("user.create", ANN), *departures(11), **BASES)
    for broken in (
        {"swit": {**plan.baselines.swit, "distinct_users": 99}},
        {"directory": {STAFF: {"users": 0, "groups": 10}}},
        {"directory": {STAFF: {"users": 70, "groups": 10}}},
        {"protected": {"M0": "the master"}},
    ):
        bad = replace(plan, baselines=replace(plan.baselines, **broken))
        assert hold_back(bad, stopped_by(Limits())) is None
    assert frozenset(GUARDS) - CAN_HOLD_BACK == NEVER_LIFTED | {
        "directory_has_not_shrunk",
        "directory_attributes_still_there",
    }


def test_a_user_whose_departure_waits_keeps_memberships_and_teams() -> None:
    """Of the same call, the removal of a user who only changes teams is sent."""
    mixed = change("membership.remove", "T1", before=members("M0", "mover"))
    sent, waiting = split(*departures(11), mixed, deletion("T2", 2), deletion("T3", 0))
    assert sent[mixed.change_id].before == members("mover")
    assert waiting[mixed.change_id].before == members("M0")
    assert {"team.delete:T3"} == {name for name in sent if name.startswith("team.")}
    assert "team.delete:T2" in waiting


def test_removals_that_exceed_their_limit_wait_without_those_of_users_who_depart() -> None:
    leaver = change("user.deactivate", "leaver")
    mixed = change("membership.remove", "T1", before=members("leaver", *ids("N", 41)))
    sent, waiting = split(leaver, mixed, deletion("T2", 3), deletion("T3", 0))
    assert sent[mixed.change_id].before == members("leaver")
    assert waiting[mixed.change_id].before == members(*ids("N", 41))
    assert set(sent) == {leaver.change_id, mixed.change_id, "team.delete:T3"}


def test_what_a_new_account_needs_waits_with_it_and_other_members_join() -> None:
    add = change("membership.add", "T1", after=members(ANN, "M1"))
    primary = change("primary.update", ANN, after={"team_id": "T1", "team": "T1"})
    primary = replace(primary, depends_on=(f"user.create:{ANN}",))
    sent, waiting = split(
        change("user.create", ANN), add, primary, limits=Limits(max_user_creations=NONE_MAY)
    )
    assert sent == {add.change_id: replace(add, after=members("M1"))}
    assert set(waiting) == {f"user.create:{ANN}", add.change_id, primary.change_id}
    assert waiting[add.change_id].after == members(ANN)


def test_what_a_new_team_needs_waits_with_it() -> None:
    team = change("team.create", SALES, after={"name": "Sales", "parent_id": "T0"})
    below = change("team.create", "new:team:b", after={"name": "Below", "parent_id": SALES})
    add = change("membership.add", SALES, after=members("M1"))
    primary = change("primary.update", "M1", after={"team_id": SALES, "team": "Sales"})
    update = change("user.update", "M2", after={"name": "Bo"})
    sent, waiting = split(
        team, below, add, primary, update, limits=Limits(max_team_creations=NONE_MAY)
    )
    assert set(sent) == {update.change_id}
    assert set(waiting) == {c.change_id for c in (team, below, add, primary)}


def test_markings_wait_with_deletions_and_first_primary_teams_never_do() -> None:
    marked, first = marking("T1"), change("primary.update", "M1", after={"team_id": "T2"})
    first = replace(first, before={"team_id": None, "team": None})
    renamed = change("team.update", "T3", before={"name": "A"}, after={"name": "B"})
    sent, _ = split(marked, renamed, first, limits=Limits(max_team_deletions=NONE_MAY))
    assert set(sent) == {renamed.change_id, first.change_id}
    sent, _ = split(marked, renamed, first, limits=Limits(max_updates=NONE_MAY))
    assert set(sent) == {marked.change_id, first.change_id}


def test_a_first_sync_adds_and_updates_and_the_rest_waits() -> None:
    changes = (change("user.create", ANN), change("user.activate", "U1"), removal("T1", 1))
    plan = plan_with(*changes, *departures(1), **BASES)
    rest = hold_back(plan, stopped_by(Limits(), last_read={}))
    assert rest is not None
    assert [c.action for c in rest.changes] == ["user.create"]
    assert len(rest.waiting) == 3


def test_the_plan_that_waits_is_the_same_one_when_the_rest_is_applied() -> None:
    """So an approval that was given during the day counts at night."""
    mixed = change("membership.remove", "T1", before=members("M0", "mover"))
    needs = replace(deletion("T2", 2), depends_on=("team.update:T1",))
    joiner = change("user.create", ANN)
    move = change("team.update", "T1", after={"parent_id": "T0", "parent": "Org"})
    rest = hold_back(
        plan_with(joiner, *departures(11), move, needs, mixed, **BASES), stopped_by(Limits())
    )
    assert rest is not None
    left = replace(mixed, before=members("M0"))
    next_night = plan_with(*departures(11), replace(needs, depends_on=()), left)
    assert waiting_plan(rest).plan_hash == next_night.plan_hash
    only_waiting = hold_back(replace(next_night, baselines=rest.baselines), stopped_by(Limits()))
    assert only_waiting is not None
    assert only_waiting.changes == ()
    assert waiting_plan(only_waiting).plan_hash == next_night.plan_hash


def test_a_stored_rest_has_what_waits_and_its_hash_is_that_of_its_changes() -> None:
    rest = hold_back(
        plan_with(change("user.create", ANN), *departures(11), **BASES), stopped_by(Limits())
    )
    assert rest is not None
    assert Plan.of(rest.document()) == rest
    assert rest.plan_hash == replace(rest, waiting=()).plan_hash
    assert "waiting" not in replace(rest, waiting=()).document()


BUSY_DAY = plan_of_the_day()
TIGHT = st.sampled_from([Limit(), Limit(), NONE_MAY, Limit(number=1), Limit(number=2)])
LIMITS = st.builds(
    Limits,
    first_sync=st.sampled_from(["additive", "full"]),
    **dict.fromkeys(sorted(vars(Limits()).keys() - {"first_sync", "max_directory_shrink"}), TIGHT),
)


def check_split(plan: Plan, limits: Limits, *, is_first_sync: bool) -> None:
    judged = stopped_by(limits, {} if is_first_sync else WHOLE_DIRECTORY)

    def exceeded(part: Plan) -> list[str]:
        return [name for name in judged(part) if name in CAN_HOLD_BACK]

    rest = hold_back(plan, exceeded)
    assert rest is not None
    assert exceeded(rest) == []
    assert bool(rest.waiting) is bool(exceeded(plan))
    _assert_whole(plan, rest)
    _assert_independent(plan, rest)
    # Taken for itself, the part that waits counts its removals as the whole plan does.
    waiting = waiting_plan(rest)
    assert waiting.baselines.membership_removals_by_team == removals_by_team(waiting.changes)


def _assert_whole(plan: Plan, rest: Plan) -> None:
    """Both parts are in order, have nothing in common, and together they are the plan."""
    order = [change.change_id for change in plan.changes]
    sent, waiting = ({c.change_id: c for c in part} for part in (rest.changes, rest.waiting))
    assert [name for name in order if name in sent] == list(sent)
    assert [name for name in order if name in waiting] == list(waiting)
    for change_ in plan.changes:
        one, other = sent.get(change_.change_id), waiting.get(change_.change_id)
        if one is None or other is None:
            assert (one or other) == change_
            continue
        assert change_.action in MEMBERSHIPS
        assert users_of(one) | users_of(other) == users_of(change_)
        assert not users_of(one) & users_of(other)
        assert users_of(one)
        assert users_of(other)


def _assert_independent(plan: Plan, rest: Plan) -> None:
    """No change that is sent needs one that waits."""
    whole = {c.change_id for c in rest.waiting} - {c.change_id for c in rest.changes}
    made = {c.object_id for c in rest.changes if c.action.endswith(".create")}
    departing = {c.object_id for c in rest.waiting if c.action in DEPARTURES}
    for sent in rest.changes:
        needs = {name for name in sent.depends_on if name in whole}
        if sent.action in MEMBERSHIPS:
            needs = {name for name in needs if not name.startswith("user.create:")}
        assert not needs
        named = {sent.object_id, sent.after.get("parent_id"), sent.after.get("team_id")}
        named |= {*users_of(sent), *sent.after.get("team_ids", ())}
        assert {name for name in named if name and is_new(name)} <= made
        assert not departing & users_of(sent)
        assert not departing & set(sent.before.get("members", ()))
    assert not_selected(plan, Selection(without=frozenset(whole))).keys() == whole


@given(limits=LIMITS, is_first_sync=st.booleans())
def test_the_parts_of_a_busy_day_are_whole_and_independent(
    *, limits: Limits, is_first_sync: bool
) -> None:
    missing = set(ACTIONS) - {change_.action for change_ in BUSY_DAY.changes}
    assert missing == {"user.remove", "user.activate", "user.update"}
    check_split(BUSY_DAY, limits, is_first_sync=is_first_sync)


@given(
    directory=directories(),
    organisation=organisations(),
    policy=policies(),
    limits=LIMITS,
    is_first_sync=st.booleans(),
)
def test_the_parts_of_any_plan_are_whole_and_independent(
    *,
    directory: Directory,
    organisation: Organisation,
    policy: Policy,
    limits: Limits,
    is_first_sync: bool,
) -> None:
    plan = make_plan(directory_state(directory), swit_state(organisation), policy, Memory())
    check_split(plan, limits, is_first_sync=is_first_sync)
