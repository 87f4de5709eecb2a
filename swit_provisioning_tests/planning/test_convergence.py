"""What was applied and is planned again twice is not sent a third time; nothing waits for ever."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from swit_provisioning.planning.convergence import (
    altered_values,
    hold_back,
    part_keys,
    repeats_to_remember,
)
from swit_provisioning.planning.model import Change, Plan
from swit_provisioning.planning.policy import Memory, Policy, Repeat, StoredValue
from swit_provisioning_tests.planning.by_hand import (
    ANN,
    directory,
    group,
    organisation,
    person,
    team,
)
from swit_provisioning_tests.planning.made_plans import change
from swit_provisioning_tests.planning.specification.directory import Directory
from swit_provisioning_tests.planning.specification.organisation import Organisation
from swit_provisioning_tests.planning.trial import plan_of

MONDAY = datetime(2026, 3, 2, 2, 30, tzinfo=UTC)
BOB = person(1, "bob@x")


class Nights:
    """Plans night after night; all that is sent is answered well."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.policy = policy
        self.memory = Memory()
        self.now = MONDAY

    def plan(self, here: Directory, there: Organisation, *, apply: bool = True) -> Plan:
        """The plan of this night, sent unless it is only looked at."""
        plan = plan_of(here, there, self.policy, self.memory)
        repeats = repeats_to_remember(plan, self.memory, complete=True)
        sent = {key: self.now for c in plan.changes for key in keys(c)} if apply else {}
        self.memory = replace(self.memory, repeats=repeats, applied=sent)
        self.now += timedelta(days=1)
        return plan


def keys(of: Change) -> list[str]:
    return list(part_keys(of.action, of.object_id, of.before, of.after).values())


def actions(plan: Plan) -> list[str]:
    return [c.action for c in plan.changes]


def stuck(plan: Plan) -> list[str]:
    return [finding.subject for finding in plan.findings if finding.kind == "does not stick"]


RENAMED = directory(users=[replace(ANN, names=("Anna",))])


def test_it_is_sent_twice_and_then_told_with_the_way_out() -> None:
    nights, swit = Nights(), organisation()
    assert [actions(nights.plan(RENAMED, swit)) for _ in range(2)] == [["user.update"]] * 2
    for _ in range(3):
        third = nights.plan(RENAMED, swit)
        assert (actions(third), stuck(third)) == ([], ["ann@x"])
        assert [(c.action, c.after) for c in third.held] == [("user.update", {"name": "Anna"})]
    [finding] = third.findings
    assert finding.side == "swit"
    assert "name: Ann → Anna" in finding.message
    assert 'swit-provisioning history --user "ann@x"' in finding.message
    assert "by hand" in finding.message


def test_looking_at_a_plan_does_not_count_as_sending_it() -> None:
    nights, swit = Nights(), organisation()
    for _ in range(5):
        assert actions(nights.plan(RENAMED, swit, apply=False)) == ["user.update"]
    nights.plan(RENAMED, swit)
    nights.plan(RENAMED, swit, apply=False)
    assert actions(nights.plan(RENAMED, swit)) == ["user.update"]
    assert actions(nights.plan(RENAMED, swit)) == []


def test_whoever_writes_another_value_each_time_writes_all_the_same() -> None:
    nights = Nights()
    for name in ("Annie", "Nan"):
        swit = organisation()
        swit.users["ann"].name = name
        assert actions(nights.plan(RENAMED, swit)) == ["user.update"]
    assert actions(nights.plan(RENAMED, organisation())) == []


def test_what_stuck_in_between_begins_anew() -> None:
    nights, undone, done = Nights(), organisation(), organisation()
    done.users["ann"].name = "Anna"
    for _ in range(3):
        assert actions(nights.plan(RENAMED, undone)) == ["user.update"]
        assert actions(nights.plan(RENAMED, undone)) == ["user.update"]
        assert actions(nights.plan(RENAMED, done)) == []


def test_a_name_that_goes_to_and_fro_in_the_directory_is_never_held_back() -> None:
    nights, first, second = Nights(), organisation(), organisation()
    second.users["ann"].name = "Anna"
    for _ in range(4):
        assert actions(nights.plan(RENAMED, first)) == ["user.update"]
        assert actions(nights.plan(directory(), second)) == ["user.update"]


def test_somebody_who_leaves_and_comes_back_again_and_again_is_never_held_back() -> None:
    nights, here, gone = (
        Nights(),
        organisation(users=["ann", "bob"]),
        organisation(inactive=["bob"]),
    )
    for _ in range(4):
        assert actions(nights.plan(directory(), here)) == ["user.deactivate"]
        assert actions(nights.plan(directory(users=[ANN, BOB]), gone)) == ["user.activate"]


def test_of_an_update_only_the_value_that_does_not_stick_is_held_back() -> None:
    nights, swit = Nights(), organisation()
    swit.users["ann"].phone = "+49 1"
    here = directory(users=[replace(ANN, phones=("+49 2",))])
    nights.plan(here, swit)
    nights.plan(here, swit)
    both = directory(users=[replace(ANN, names=("Anna",), phones=("+49 2",))])
    plan = nights.plan(both, swit)
    [sent], [held] = plan.changes, plan.held
    assert (sent.after, sent.before) == ({"name": "Anna"}, {"name": "Ann"})
    assert sent.reason == "the directory has another name"
    assert held.after == {"phone_number": "+49 2"}
    assert "phone" in plan.findings[0].message


@pytest.mark.parametrize("joins", [True, False])
def test_of_a_batch_only_who_does_not_stick_is_held_back(joins: bool) -> None:  # noqa: FBT001 - a case
    eve = person(2, "eve@x")

    def company(*people: str) -> tuple[Directory, Organisation]:
        meant = [p for p in (BOB, eve) if p.emails[0][:3] in people]
        inside = [] if joins else list(people)
        here = group(0, "A", members=[ANN, *(meant if joins else [])])
        everybody = ["ann", "bob", "eve"]
        there = organisation(team("T1", "A", of=0, users=["ann", *inside]), users=everybody)
        return directory(here, users=[ANN, BOB, eve]), there

    nights, side = Nights(), "after" if joins else "before"
    nights.plan(*company("bob"))
    nights.plan(*company("bob"))
    plan = nights.plan(*company("bob", "eve"))
    assert [getattr(c, side) for c in plan.changes] == [{"user_ids": ["eve"], "emails": ["eve@x"]}]
    assert [getattr(c, side)["user_ids"] for c in plan.held] == [["bob"]]
    assert stuck(plan) == ["A"]
    assert "bob@x" in plan.findings[0].message


def test_what_needs_a_team_that_does_not_stick_waits_with_it() -> None:
    """Somebody deletes it each day; nothing that names it may be sent."""
    here = directory(
        group(0, "A", members=[ANN]),
        group(1, "B", below=[0], members=[ANN]),
        group(2, "C", members=[ANN]),
        users=[replace(ANN, primary_group="A")],
    )
    nights, swit = Nights(), organisation(team("T2", "C", of=2, users=["ann"]))
    first = nights.plan(here, swit)
    made = ["team.create", "team.create"]
    needs_it = ["membership.add", "membership.add", "primary.update"]
    assert actions(first) == [*made, "team.sort", *needs_it]
    nights.memory = replace(nights.memory, repeats={keys(first.changes[0])[0]: twice()})
    third = nights.plan(here, swit)
    assert actions(third) == []
    assert [c.action for c in third.held] == [*made, *needs_it]
    assert stuck(third) == ["A"]
    assert " Dependent changes that are not sent either: 4." in third.findings[0].message


def test_a_new_team_is_sorted_though_another_change_is_held_back() -> None:
    here = directory(group(0, "A"), group(2, "C"), users=[replace(ANN, names=("Anna",))])
    nights, swit = Nights(), organisation(team("T2", "C", of=2))
    key = part_keys("user.update", "ann", {}, {"name": "Anna"})["name"]
    nights.memory = Memory(repeats={key: twice()})
    assert actions(nights.plan(here, swit)) == ["team.create", "team.sort"]


def twice() -> Repeat:
    return Repeat(times=2, last_at=MONDAY)


def test_who_is_not_added_gets_no_primary_team_there_and_who_is_not_made_joins_nothing() -> None:
    adds = change("membership.add", "T1", after={"user_ids": ["U1", "U2"], "emails": ["a", "b"]})
    first = change("primary.update", "U1", after={"team_id": "T1", "team": "A"})
    second = change("primary.update", "U2", after={"team_id": "T1", "team": "A"})
    memory = Memory(repeats={part_keys("membership.add", "T1", {}, adds.after)["U1"]: twice()})
    sifted = hold_back([adds, first, second], memory)
    assert [c.object_id for c in sifted.changes] == ["T1", "U2"]
    assert [c.object_id for c in sifted.held] == ["T1", "U1"]

    made = change("user.create", "new:user:a", after={"email": "a"})
    users = {"user_ids": ["U2", "new:user:a"], "emails": ["b", "a"]}
    adds = change("membership.add", "T1", after=users)
    memory = Memory(repeats={part_keys("user.create", "new:user:a", {}, {})[""]: twice()})
    [sent] = hold_back([made, adds], memory).changes
    assert sent.after == {"user_ids": ["U2"], "emails": ["b"]}


def test_teams_are_sorted_without_those_that_do_not_arrive() -> None:
    """Else each plan would have a sort in it that changes nothing."""
    moves = change("team.update", "T3", before={"parent_id": "T9"}, after={"parent_id": "T0"})
    memory = Memory(repeats={part_keys("team.update", "T3", {}, moves.after)["parent_id"]: twice()})

    def sort(*after: str) -> Change:
        sides = (["T0", "T1", "T2", "T3"], [*after, "T0"])
        before, wanted = ({"team_ids": teams, "teams": teams} for teams in sides)
        return change("team.sort", "T0", before=before, after=wanted)

    ours = {"T1", "T2", "T3"}
    assert hold_back([moves, sort("T3", "T1", "T2")], memory, of_groups=ours).changes == ()
    [sent] = hold_back([moves, sort("T3", "T2", "T1")], memory, of_groups=ours).changes
    assert sent.after == {"team_ids": ["T2", "T1", "T0"], "teams": ["T2", "T1", "T0"]}


def test_who_only_waits_for_what_does_not_stick_is_not_sorted_either() -> None:
    """T1 keeps a name: so T2, which needs it, does not move, and no team is made with it."""
    keeps = change("team.update", "T1", before={"name": "A"}, after={"name": "B"})
    memory = Memory(repeats={part_keys("team.update", "T1", {}, keeps.after)["name"]: twice()})
    moves = change("team.update", "T2", after={"name": "A", "parent_id": "T0"})
    makes = change("team.create", "new:team:n", after={"name": "A", "parent_id": "T0"})
    teams = ["T2", "new:team:n", "T1"]
    before, after = ({"team_ids": side, "teams": side} for side in (teams[::-1], teams))
    sort = change("team.sort", "T0", before=before, after=after)
    waiting = tuple(replace(one, depends_on=(keeps.change_id,)) for one in (moves, makes))
    sifted = hold_back([keeps, *waiting, sort], memory, of_groups={"T1", "T2", "new:team:n"})
    assert sifted.changes == ()
    assert sifted.held == (keeps, *waiting)
    assert " Dependent changes that are not sent either: 2." in sifted.findings[0].message


def joins(team_id: str, *users: str) -> Change:
    return change("membership.add", team_id, after={"user_ids": users, "emails": users})


def first_team(user: str, team_id: str) -> Change:
    return change("primary.update", user, after={"team_id": team_id, "team": "A"})


def test_what_needs_what_only_waits_waits_too() -> None:
    keeps = change("team.update", "T1", before={"name": "A"}, after={"name": "B"})
    memory = Memory(repeats={keys(keeps)[0]: twice()})
    moves = change("team.update", "T2", after={"name": "A"})
    makes = change("team.create", "new:team:n", after={"name": "A", "parent_id": "T0"})
    needy = (moves, makes, joins("T4", "U1"), joins("T5", "U2"), first_team("U3", "T6"))
    waiting = tuple(replace(one, depends_on=(keeps.change_id,)) for one in needy)
    further = (
        replace(change("team.update", "T3", after={"name": "C"}), depends_on=(moves.change_id,)),
        joins("new:team:n", "U4"),
        first_team("U1", "T4"),
        first_team("U2", "T5"),
    )
    sifted = hold_back([keeps, *waiting, *further], memory)
    assert (sifted.changes, sifted.held) == ((), (keeps, *waiting, *further))
    assert " Dependent changes that are not sent either: 9." in sifted.findings[0].message


def test_what_needs_a_team_or_a_membership_that_does_not_stick_waits() -> None:
    makes = change("team.create", "new:team:n", after={"name": "A", "parent_id": "T0"})
    adds = [joins("T1", "U1"), joins("T2", "U2")]
    memory = Memory(repeats={key: twice() for c in (makes, *adds) for key in keys(c)})
    needy = [
        joins("new:team:n", "U4"),
        first_team("U5", "new:team:n"),
        first_team("U1", "T1"),
        first_team("U2", "T2"),
    ]
    assert hold_back([makes, *adds, *needy], memory).changes == ()


def test_a_move_is_told_with_its_parent_whatever_beside_it_does_not_stick() -> None:
    sides = (
        {"name": "A", "parent_id": "T0", "parent": "Org"},
        {"name": "B", "parent_id": "T9", "parent": "House"},
    )
    moves = change("team.update", "T1", before=sides[0], after=sides[1])
    memory = Memory(repeats={keys(moves)[0]: twice()})
    sifted = hold_back([moves], memory)
    [sent], [held] = sifted.changes, sifted.held
    assert sent.after == {"parent_id": "T9", "parent": "House"}
    assert held.after == {"name": "B"}


@pytest.mark.parametrize(
    ("stuck_one", "whose"),
    [
        (change("user.update", "U1", before={"name": "A"}, after={"name": "B"}), "--user"),
        (first_team("U1", "T1"), "--user"),
        (joins("T1", "U1"), "--team"),
        (change("team.update", "T1", before={"name": "A"}, after={"name": "B"}), "--team"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.action,
)
def test_where_to_look_is_told(stuck_one: Change, whose: str) -> None:
    memory = Memory(repeats={keys(stuck_one)[0]: twice()})
    [finding] = hold_back([stuck_one], memory).findings
    assert finding.subject == stuck_one.target
    assert (
        "not sent a third time. To find the cause, compare the times that swit-provisioning history"
        f' {whose} "{stuck_one.target}" prints'
    ) in finding.message


def test_what_was_applied_once_is_sent_again_whatever_else_does_not_stick() -> None:
    once = change("user.update", "U1", before={"name": "A"}, after={"name": "B"})
    memory = Memory(repeats={"other": twice()}, applied={keys(once)[0]: MONDAY})
    assert hold_back([once], memory).changes == (once,)


def test_a_number_that_swit_writes_in_its_own_way_is_compared_by_its_digits() -> None:
    sides = ({"phone_number": "030-12"}, {"phone_number": "+49 30 12"})
    calls = change("user.update", "U1", before=sides[0], after=sides[1])
    memory = Memory(
        stored_values={("U1", "phone_number"): StoredValue(sent="+493012", stored="03012")}
    )
    assert hold_back([calls], memory).changes == ()


@pytest.mark.parametrize(
    "whole",
    [
        change(
            "team.sort", "T0", before={"team_ids": ["T2", "T1"]}, after={"team_ids": ["T1", "T2"]}
        ),
        change("primary.update", "U1", after={"team_id": "T1", "team": "A"}),
        change("user.deactivate", "U1", before={"active": True}, after={"active": False}),
        change("team.delete", "T1", before={"name": "A", "members": []}),
    ],
    ids=lambda whole: whole.action,
)
def test_other_changes_stick_as_a_whole(whole: Change) -> None:
    other = replace(whole, object_id="X9")
    [key] = keys(whole)
    assert keys(other) != [key]
    sifted = hold_back([whole, other], Memory(repeats={key: twice()}), of_groups={"T1", "T2"})
    assert (sifted.changes, sifted.held) == ((other,), (whole,))


def test_another_order_or_another_primary_team_is_another_wish() -> None:
    order = change("team.sort", "T0", after={"team_ids": ["T1", "T2"]})
    assert keys(order) != keys(replace(order, after={"team_ids": ["T2", "T1"]}))
    primary = change("primary.update", "U1", after={"team_id": "T1"})
    assert keys(primary) != keys(replace(primary, after={"team_id": "T2"}))


def test_a_read_that_is_not_complete_forgets_nothing() -> None:
    memory = Memory(repeats={"a": twice()}, applied={"a": MONDAY, "b": MONDAY})
    after = repeats_to_remember(Plan(changes=()), memory, complete=False)
    assert {key: repeat.times for key, repeat in after.items()} == {"a": 3, "b": 1}
    assert repeats_to_remember(Plan(changes=()), memory, complete=True) == {}


SHORT = StoredValue(sent="Anna Arborist", stored="Anna Arb")


@pytest.mark.parametrize(
    ("wanted", "present", "planned"),
    [
        ("Anna Arborist", "Anna Arb", []),
        ("Anna  Arborist", "Anna Arb", []),
        ("Anna Arbour", "Anna Arb", ["user.update"]),
        ("Anna Arborist", "Ann", ["user.update"]),
    ],
)
def test_what_swit_made_of_a_value_counts_as_equal_while_both_sides_stay(
    wanted: str, present: str, planned: list[str]
) -> None:
    swit = organisation()
    swit.users["ann"].name = present
    memory = Memory(stored_values={("ann", "name"): SHORT})
    plan = plan_of(directory(users=[replace(ANN, names=(wanted,))]), swit, memory=memory)
    assert (actions(plan), plan.held, plan.findings) == (planned, (), ())


def test_the_rest_of_an_update_is_sent_where_one_value_counts_as_equal() -> None:
    swit = organisation()
    swit.users["ann"].name, swit.users["ann"].phone = "Anna Arb", "+49 1"
    here = directory(users=[replace(ANN, names=("Anna Arborist",), phones=("+49 2",))])
    [sent] = plan_of(here, swit, memory=Memory(stored_values={("ann", "name"): SHORT})).changes
    assert sent.after == {"phone_number": "+49 2"}


def test_values_are_compared_as_their_kind_is() -> None:
    sent = {"name": "Ann  B", "phone_number": "+49 (1)", "reference": "CN=A, DC=x", "parent": "P"}
    same = {"name": "Ann B", "phone_number": "491", "reference": "cn=a,dc=x"}
    assert altered_values(sent, same) == {}
    other = {"name": "Ann", "phone_number": "492", "reference": "cn=b,dc=x", "language": "en"}
    assert altered_values(sent, other) == {k: v for k, v in other.items() if k != "language"}
    assert altered_values({"name": None}, {"name": "Ann"}) == {}
    assert altered_values({"name": "Ann"}, {"name": None}) == {}
