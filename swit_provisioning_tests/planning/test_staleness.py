"""When a stored plan no longer holds: a plan made now lacks one of its changes."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from swit_provisioning.planning.actions import Action
from swit_provisioning.planning.model import Binding, Change, Plan
from swit_provisioning.planning.policy import Policy
from swit_provisioning.planning.staleness import (
    in_effect,
    not_repeatable,
    returning_users,
    stale_changes,
    stale_reasons,
    without_users,
)
from swit_provisioning_tests.planning.by_hand import organisation
from swit_provisioning_tests.planning.by_hand import team as by_hand_team
from swit_provisioning_tests.planning.made_plans import change
from swit_provisioning_tests.planning.specification.states import swit_state

NOTHING_DONE: frozenset[str] = frozenset()
ANN = "new:user:ann@x"
SALES = "new:team:cn=sales,dc=x"


def plan(*changes: Change, bindings: tuple[Binding, ...] = ()) -> Plan:
    return Plan(
        changes=changes,
        bindings=bindings,
        policy=Policy().document(),
        organization_id="O1",
        directory_identity="dc=x",
    )


def team(directory_id: str, object_id: str) -> Binding:
    return Binding(kind="group", directory_id=directory_id, object_id=object_id)


def user(directory_id: str, object_id: str) -> Binding:
    return Binding(kind="user", directory_id=directory_id, object_id=object_id)


def members(*users: str) -> dict[str, list[str]]:
    return {"user_ids": list(users), "emails": [f"{user}@x" for user in users]}


def joins(team_id: str, *users: str) -> Change:
    return change("membership.add", team_id, after=members(*users))


def leaves(team_id: str, *users: str) -> Change:
    return change("membership.remove", team_id, before=members(*users))


def renamed(team_id: str, old: str, new: str) -> Change:
    return change("team.update", team_id, before={"name": old}, after={"name": new})


RENAMED = renamed("T1", "Sales", "Trade")


DELETION = change("team.delete", "T1", before={"name": "Sales"})


def test_a_plan_that_would_be_made_again_holds() -> None:
    changes = (RENAMED, joins("T1", "U1"), change("user.deactivate", "U2"))
    assert stale_reasons(plan(*changes), plan(*changes), NOTHING_DONE) == []


def test_what_a_new_plan_would_do_beside_makes_none_stale() -> None:
    fresh = plan(RENAMED, change("user.deactivate", "U2"))
    assert stale_reasons(plan(RENAMED), fresh, NOTHING_DONE) == []


def test_a_change_that_is_not_called_for_any_more_is_named() -> None:
    assert stale_reasons(plan(RENAMED), plan(), NOTHING_DONE) == [
        "team.update of T1 (name: Sales → Trade) is no longer called for."
    ]


def test_the_same_change_to_another_object_does_not_stand_for_it() -> None:
    fresh = plan(renamed("T2", "Sales", "Trade"))
    assert len(stale_reasons(plan(RENAMED), fresh, NOTHING_DONE)) == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("Sales", "Shop", id="another name is wanted: the directory moved"),
        pytest.param("Selling", "Trade", id="it has another name now: Swit moved"),
    ],
)
def test_a_change_with_another_before_or_after_says_what_it_would_be_now(
    old: str, new: str
) -> None:
    assert stale_reasons(plan(RENAMED), plan(renamed("T1", old, new)), NOTHING_DONE) == [
        f"team.update of T1 (name: Sales → Trade) would be another change now: name: {old} → {new}."
    ]


def test_all_that_a_change_would_be_now_is_told() -> None:
    fresh = plan(renamed("T1", "Sales", "(moving) Shop"), renamed("T1", "(moving) Shop", "Shop"))
    assert stale_reasons(plan(RENAMED), fresh, NOTHING_DONE) == [
        (
            "team.update of T1 (name: Sales → Trade) would be another change now:"
            " name: (moving) Shop → Shop; name: Sales → (moving) Shop."
        )
    ]


def test_changes_that_read_alike_are_told_apart_by_what_they_rest_on() -> None:
    old, new = (
        change("team.delete", "T1", before={"members": users, "parent_id": above, "name": "Sales"})
        for users, above in ((["U1", "U2"], "T0"), (["U2", "U3"], "T9"))
    )
    assert stale_reasons(plan(old), plan(new), NOTHING_DONE) == [
        "team.delete of T1 (2 members) rests on something else now: members, parent id."
    ]


@pytest.mark.parametrize(
    ("action", "lacks", "has", "says"),
    [
        (
            "user.create",
            {"name": "Ann"},
            {"name": "Ann", "language": "ko"},
            "user.create of X (Ann) rests on something else now: language.",
        ),
        (
            "team.create",
            {"parent_id": "T1", "parent": "House"},
            {"parent_id": "T2", "parent": "House"},
            "team.create of X (under House) rests on something else now: parent id.",
        ),
    ],
    ids=["a value that one of them lacks", "another parent of the same name"],
)
def test_what_does_not_show_in_words_is_named(
    action: Action, lacks: Mapping[str, Any], has: Mapping[str, Any], says: str
) -> None:
    one, other = plan(change(action, "X", after=lacks)), plan(change(action, "X", after=has))
    assert stale_reasons(one, other, NOTHING_DONE) == [says]
    assert stale_reasons(other, one, NOTHING_DONE) == [says]


def test_each_change_that_moved_has_a_sentence() -> None:
    stored = plan(RENAMED, change("user.deactivate", "U1"), joins("T1", "U2"))
    assert len(stale_reasons(stored, plan(joins("T1", "U2")), NOTHING_DONE)) == 2


def test_what_was_done_need_not_be_called_for_any_more() -> None:
    stored = plan(RENAMED, change("user.deactivate", "U1"))
    moved = stale_reasons(stored, plan(), frozenset({RENAMED.change_id}))
    assert [sentence.split(" ", 1)[0] for sentence in moved] == ["user.deactivate"]


def test_one_of_two_changes_to_a_team_may_stand_for_either() -> None:
    """A team that steps aside is renamed twice; both must be there, in whatever order."""
    first, second = renamed("T1", "A", "(moving) A"), renamed("T1", "(moving) A", "B")
    second = replace(second, change_id="team.update:T1:2")
    assert stale_reasons(plan(first, second), plan(second, first), NOTHING_DONE) == []
    assert len(stale_reasons(plan(first, second), plan(second), NOTHING_DONE)) == 1


def test_a_plan_for_another_organisation_is_stale() -> None:
    fresh = replace(plan(RENAMED), organization_id="O2")
    assert stale_reasons(plan(RENAMED), fresh, NOTHING_DONE) == [
        "The plan is for the organisation O1, not for O2."
    ]


def test_settings_that_changed_are_named_as_in_the_environment() -> None:
    policy = Policy(team_removal="mark", users_to_exclude=("*@vendor.example",)).document()
    fresh = replace(plan(RENAMED), policy=policy)
    assert stale_reasons(plan(RENAMED), fresh, NOTHING_DONE) == [
        "Settings that shape a plan have changed: TEAM_REMOVAL, USERS_TO_EXCLUDE."
    ]


def test_a_setting_that_only_one_of_the_two_knows_has_changed() -> None:
    known = plan().policy
    older = {name: value for name, value in known.items() if name != "unmanaged_users"}
    expected = ["Settings that shape a plan have changed: UNMANAGED_USERS."]
    assert stale_reasons(replace(plan(), policy=older), plan(), NOTHING_DONE) == expected
    assert stale_reasons(plan(), replace(plan(), policy=older), NOTHING_DONE) == expected


def test_the_reference_attribute_of_an_earlier_version_makes_no_plan_stale() -> None:
    older = {**plan().policy, "reference_attribute": "distinguishedName"}
    assert stale_reasons(replace(plan(), policy=older), plan(), NOTHING_DONE) == []


def test_names_beside_ids_may_change() -> None:
    """The parent was renamed, an address too: the change is to the same objects."""

    def moves(parent: str) -> Change:
        return change("team.update", "T1", after={"parent_id": "T5", "parent": parent})

    def adds(email: str) -> Change:
        return change("membership.add", "T1", after={"user_ids": ["U1"], "emails": [email]})

    def sorts(name: str) -> Change:
        return change("team.sort", "T0", after={"team_ids": ["T5"], "teams": [name]})

    def primary(name: str) -> Change:
        return change("primary.update", "U1", after={"team_id": "T5", "team": name})

    stored = plan(moves("Old"), adds("ann@x"), sorts("Old"), primary("Old"))
    fresh = plan(moves("New"), adds("ann.b@x"), sorts("New"), primary("New"))
    assert stale_reasons(stored, fresh, NOTHING_DONE) == []


def test_members_may_come_in_another_order_children_to_be_sorted_may_not() -> None:
    assert (
        stale_reasons(plan(joins("T1", "U1", "U2")), plan(joins("T1", "U2", "U1")), NOTHING_DONE)
        == []
    )
    one, other = (
        plan(change("team.sort", "T0", after={"team_ids": order}))
        for order in (["T1", "T2"], ["T2", "T1"])
    )
    assert len(stale_reasons(one, other, NOTHING_DONE)) == 1


def test_one_more_member_is_another_change() -> None:
    fresh = plan(joins("T1", "U1", "U2"))
    assert len(stale_reasons(plan(joins("T1", "U1")), fresh, NOTHING_DONE)) == 1


NEW_IDS: dict[str, tuple[Change, Change]] = {
    "members of a team that was made": (joins(SALES, "U1"), joins("T7", "U1")),
    "a user who was made joins": (joins("T1", ANN, "U1"), joins("T1", "U1", "U7")),
    "a team moves below one that was made": (
        change("team.update", "T1", before={"parent_id": "T0"}, after={"parent_id": SALES}),
        change("team.update", "T1", before={"parent_id": "T0"}, after={"parent_id": "T7"}),
    ),
    "the children of a team that was made": (
        change(
            "team.sort", SALES, before={"team_ids": ["T2", "T1"]}, after={"team_ids": ["T1", "T2"]}
        ),
        change(
            "team.sort", "T7", before={"team_ids": ["T2", "T1"]}, after={"team_ids": ["T1", "T2"]}
        ),
    ),
    "a team that was made among others": (
        change("team.sort", "T0", after={"team_ids": [SALES, "T1"]}),
        change("team.sort", "T0", after={"team_ids": ["T7", "T1"]}),
    ),
}


@pytest.mark.parametrize(("stored", "fresh"), NEW_IDS.values(), ids=NEW_IDS)
def test_what_the_plan_made_is_known_by_its_new_id(stored: Change, fresh: Change) -> None:
    made = [change("user.create", ANN), change("team.create", SALES)]
    mine = joins("T1", ANN)  # so that the user's first team is the primary one by now
    before = plan(
        *made, replace(mine, change_id="sent"), stored, bindings=(user("u", ANN), team("g", SALES))
    )
    now = plan(fresh, bindings=(user("u", "U7"), team("g", "T7")))
    done = frozenset({*(c.change_id for c in made), "sent"})
    assert stale_reasons(before, now, done) == []
    elsewhere = replace(now, bindings=(user("u", "U8"), team("g", "T8")))
    assert len(stale_reasons(before, elsewhere, done)) == 1


def test_who_was_made_and_has_left_the_directory_since_is_missed() -> None:
    """No entry stands for the account any more, so its new id is not known."""
    made, both = change("user.create", ANN), joins("T1", ANN, "U1")
    stored = plan(made, both, bindings=(user("u", ANN),))
    assert stale_reasons(stored, plan(joins("T1", "U1")), frozenset({made.change_id})) == [
        f"membership.add of T1 ({ANN}@x, U1@x) would be another change now: U1@x."
    ]


def test_a_user_and_a_group_with_one_directory_id_are_two() -> None:
    stored = plan(joins(SALES, ANN), bindings=(user("same", ANN), team("same", SALES)))
    fresh = plan(joins("T7", "U7"), bindings=(user("same", "U7"), team("same", "T7")))
    assert stale_reasons(stored, fresh, NOTHING_DONE) == []


@pytest.mark.parametrize(
    ("stored", "fresh"),
    [
        (leaves("T1", "U1", "U2"), leaves("T1", "U2")),
        (
            change("team.delete", "T1", before={"name": "A", "members": ["U1", "U2"]}),
            change("team.delete", "T1", before={"name": "A", "members": ["U2"]}),
        ),
    ],
)
def test_users_that_this_plan_removed_are_missed_nowhere(stored: Change, fresh: Change) -> None:
    removed = change("user.remove", "U1")
    both = plan(removed, stored)
    assert stale_reasons(both, plan(fresh), frozenset({removed.change_id})) == []
    assert len(stale_reasons(both, plan(removed, fresh), NOTHING_DONE)) == 1


def primary(before: str | None, after: str) -> Change:
    values: tuple[Mapping[str, Any], ...] = ({"team_id": before}, {"team_id": after})
    return change("primary.update", "U1", before=values[0], after=values[1])


@pytest.mark.parametrize(
    "sent",
    [
        joins("T1", "U1"),
        leaves("T1", "U1"),
        change("team.delete", "T1", before={"members": ["U1"]}),
    ],
    ids=["joined", "left", "deleted"],
)
def test_the_primary_team_of_whom_this_plan_moved_may_be_another_by_now(sent: Change) -> None:
    """Swit itself gives and takes primary teams with memberships."""
    stored, fresh = plan(sent, primary("T1", "T2")), plan(primary(None, "T2"))
    assert stale_reasons(stored, fresh, frozenset({sent.change_id})) == []
    assert len(stale_reasons(stored, plan(sent, *fresh.changes), NOTHING_DONE)) == 1


def test_the_primary_team_of_a_user_who_was_made_is_known_by_new_ids() -> None:
    sent = joins("T1", ANN)
    sets = change("primary.update", ANN, before={"team_id": None}, after={"team_id": SALES})
    stored = plan(sent, sets, bindings=(user("u", ANN), team("g", SALES)))
    fresh = change("primary.update", "U7", before={"team_id": "T1"}, after={"team_id": "T7"})
    for made, moved in (("T7", 0), ("T8", 1)):
        now = plan(fresh, bindings=(user("u", "U7"), team("g", made)))
        assert len(stale_reasons(stored, now, frozenset({sent.change_id}))) == moved


def test_a_primary_team_is_still_set_after_this_plans_own_additions_made_another_one_primary() -> (
    None
):
    """A new plan keeps the team that Swit chose; the rest of this one must not depend on it."""
    sent = joins("T9", "U1")
    stored = plan(sent, joins("T2", "U1"), primary(None, "T2"))
    fresh = plan(joins("T2", "U1"))
    assert stale_reasons(stored, fresh, frozenset({sent.change_id})) == []
    assert len(stale_reasons(stored, fresh, NOTHING_DONE)) == 2


def test_another_primary_team_is_wanted_by_now_even_so() -> None:
    sent = joins("T1", "U1")
    stored, fresh = plan(sent, primary("T1", "T2")), plan(primary("T1", "T3"))
    assert len(stale_reasons(stored, fresh, frozenset({sent.change_id}))) == 1


LETS_GO = change("user.deactivate", "U1")
IN_AGAIN = (user("cn=u1", "U1"),)
RETURNS = change("user.activate", "U1")
CREATES = change("user.create", ANN, after={"name": "Ann"})
TWO_IN_T1 = swit_state(
    organisation(
        by_hand_team("T1", "Sales", users=["U1", "U2"]),
        by_hand_team("T9", "IT"),
        users=["U1", "U2", "U3"],
    )
)


def test_who_is_in_the_directory_again_is_back() -> None:
    stored = plan(LETS_GO, change("user.remove", "U2"), change("user.deactivate", "U3"))
    fresh = plan(change("user.deactivate", "U3"), bindings=(*IN_AGAIN, user("cn=u2", "U2")))
    assert returning_users(stored, fresh, NOTHING_DONE) == {"U1", "U2"}
    assert returning_users(stored, fresh, frozenset({LETS_GO.change_id})) == {"U2"}


@pytest.mark.parametrize(
    "fresh",
    [
        pytest.param(plan(), id="the account is inactive or gone"),
        pytest.param(plan(LETS_GO, bindings=IN_AGAIN), id="it is to go still"),
        pytest.param(plan(change("user.remove", "U1"), bindings=IN_AGAIN), id="in another way"),
    ],
)
def test_who_is_not_called_for_for_another_reason_is_not_back(fresh: Plan) -> None:
    assert returning_users(plan(LETS_GO), fresh, NOTHING_DONE) == frozenset()


def test_a_plan_holds_though_somebody_of_it_is_back_with_the_memberships() -> None:
    stored = plan(
        LETS_GO, change("user.deactivate", "U2"), leaves("T1", "U1", "U2"), leaves("T2", "U1")
    )
    fresh = plan(change("user.deactivate", "U2"), leaves("T1", "U2"), bindings=IN_AGAIN)
    back = returning_users(stored, fresh, NOTHING_DONE)
    assert stale_reasons(stored, fresh, NOTHING_DONE, back) == []
    assert len(stale_reasons(stored, fresh, NOTHING_DONE)) == 3


def test_what_moved_beside_somebody_who_is_back_is_named() -> None:
    stored = plan(LETS_GO, leaves("T1", "U1", "U2"))
    fresh = plan(bindings=IN_AGAIN)
    (moved,) = stale_reasons(stored, fresh, NOTHING_DONE, frozenset({"U1"}))
    assert moved.startswith("membership.remove of T1")


def test_who_is_back_is_taken_out_of_removals_alone() -> None:
    back = frozenset({"U1"})
    assert without_users(leaves("T1", "U1", "U2"), back).before == members("U2")
    for untouched in (leaves("T1", "U2"), joins("T1", "U1"), LETS_GO):
        assert without_users(untouched, back) == untouched


def test_each_change_that_moved_is_known_by_its_id() -> None:
    stored = plan(RENAMED, LETS_GO, joins("T1", "U2"))
    moved = stale_changes(stored, plan(joins("T1", "U2")), NOTHING_DONE, frozenset({"U1"}))
    assert set(moved) == {RENAMED.change_id}


@pytest.mark.parametrize(
    ("sent", "fresh", "repeated"),
    [
        pytest.param(DELETION, plan(DELETION), True, id="the team is to go still"),
        pytest.param(DELETION, plan(), True, id="it is gone: deleting it again changes nothing"),
        pytest.param(
            DELETION, plan(bindings=(team("cn=t1", "T1"),)), False, id="its group is there again"
        ),
        pytest.param(leaves("T1", "U1"), plan(leaves("T1", "U1")), True, id="members still leave"),
        pytest.param(leaves("T1", "U1"), plan(), False, id="none leaves any more"),
        pytest.param(
            leaves("T1", "U1", "U2"), plan(leaves("T1", "U2")), False, id="one member is back"
        ),
        pytest.param(
            leaves("T1", "U1"), plan(leaves("T1", "U1", "U2")), True, id="more members leave"
        ),
        pytest.param(joins("T9", "U1"), plan(joins("T9", "U1", "U2")), True, id="more join"),
        pytest.param(joins("T9", "U1"), plan(), False, id="she has joined, or left the group"),
        pytest.param(
            joins("T9", "U1", "U2"), plan(joins("T9", "U2")), False, id="one has left the group"
        ),
        pytest.param(
            joins("T1", "U1", "U3"),
            plan(joins("T1", "U3")),
            True,
            id="one was added, one is missing",
        ),
        pytest.param(
            joins("T1", "U1", "U3"),
            plan(leaves("T1", "U1"), joins("T1", "U3")),
            False,
            id="the one who was added has left the group",
        ),
        pytest.param(
            leaves("T1", "U1", "U3"),
            plan(leaves("T1", "U1")),
            True,
            id="one was removed, one is there",
        ),
        pytest.param(
            leaves("T1", "U1", "U3"),
            plan(joins("T1", "U3"), leaves("T1", "U1")),
            False,
            id="the one who was removed is in the group again",
        ),
        pytest.param(RENAMED, plan(RENAMED), True, id="the name is still wanted"),
        pytest.param(RENAMED, plan(), False, id="it has that name, or keeps the old one"),
        pytest.param(
            RENAMED, plan(renamed("T1", "Sales", "Shop")), False, id="another name is wanted"
        ),
        pytest.param(RETURNS, plan(RETURNS, bindings=IN_AGAIN), True, id="she is still back"),
        pytest.param(RETURNS, plan(), False, id="she was disabled in the directory since"),
        pytest.param(LETS_GO, plan(LETS_GO), True, id="she is to go still"),
        pytest.param(LETS_GO, plan(), False, id="she is inactive, or left alone"),
        pytest.param(primary("T1", "T2"), plan(), False, id="that primary team is not wanted"),
    ],
)
def test_a_change_that_was_sent_is_repeated_only_where_a_new_plan_calls_for_it(
    sent: Change, fresh: Plan, *, repeated: bool
) -> None:
    """It was sent, and failed, or its answer was lost."""
    stored = plan(sent, joins("T2", "U2"))
    never = not_repeatable(stored, fresh, TWO_IN_T1, frozenset({sent.change_id}))
    assert never == (frozenset() if repeated else {sent.change_id})
    assert not_repeatable(stored, fresh, TWO_IN_T1, NOTHING_DONE) == frozenset()


@pytest.mark.parametrize(
    ("fresh", "repeated"),
    [
        pytest.param(plan(CREATES, bindings=(user("u", ANN),)), True, id="it is called for"),
        pytest.param(plan(bindings=(user("u", "U7"),)), True, id="Swit made it: it is found"),
        pytest.param(plan(bindings=(user("v", "U7"),)), False, id="she has left the directory"),
        pytest.param(
            plan(change("user.create", ANN, after={"name": "Ann B"}), bindings=(user("u", ANN),)),
            False,
            id="her name is another one",
        ),
        pytest.param(
            plan(change("user.create", "new:user:b@x"), bindings=(user("u", "new:user:b@x"),)),
            False,
            id="her address is another one",
        ),
    ],
)
def test_a_creation_that_was_sent_is_repeated_while_its_entry_is_there(
    fresh: Plan, *, repeated: bool
) -> None:
    stored = plan(CREATES, bindings=(user("u", ANN),))
    never = not_repeatable(stored, fresh, TWO_IN_T1, frozenset({CREATES.change_id}))
    assert never == (frozenset() if repeated else {CREATES.change_id})


def test_members_that_this_plan_made_join_by_their_new_ids() -> None:
    adds = joins(SALES, ANN)
    stored = plan(adds, bindings=(user("u", ANN), team("g", SALES)))
    fresh = plan(joins("T7", "U7"), bindings=(user("u", "U7"), team("g", "T7")))
    assert not_repeatable(stored, fresh, TWO_IN_T1, frozenset({adds.change_id})) == NOTHING_DONE


def test_a_removal_is_repeated_without_the_members_who_are_back() -> None:
    takes = leaves("T1", "U1", "U2")
    never = not_repeatable(
        plan(takes),
        plan(leaves("T1", "U2")),
        TWO_IN_T1,
        frozenset({takes.change_id}),
        returning=frozenset({"U1"}),
    )
    assert never == NOTHING_DONE


@pytest.mark.parametrize(
    ("sent", "is_so"),
    [
        pytest.param(
            change("user.activate", "ann", after={"active": True}), True, id="she is active"
        ),
        pytest.param(
            change("user.activate", "bob", after={"active": True}), False, id="he is not active"
        ),
        pytest.param(
            change("user.deactivate", "bob", after={"active": False}), True, id="he is inactive"
        ),
        pytest.param(
            change("user.deactivate", "ann", after={"active": False}),
            False,
            id="she is not inactive",
        ),
        pytest.param(change("user.remove", "cyd"), True, id="there is no such account"),
        pytest.param(change("user.remove", "bob"), False, id="there is the account"),
        pytest.param(
            change("user.update", "ann", after={"name": "Ann", "phone_number": None}),
            True,
            id="she has that name and no number",
        ),
        pytest.param(
            change("user.update", "ann", after={"name": "Anna"}), False, id="she has another name"
        ),
        pytest.param(renamed("T1", "Trade", "Sales"), True, id="the team has that name"),
        pytest.param(renamed("T1", "Sales", "Trade"), False, id="the team has another name"),
        pytest.param(primary("T2", "T1"), False, id="nobody of that id"),
        pytest.param(
            change("primary.update", "ann", after={"team_id": "T1"}), True, id="her primary team"
        ),
        pytest.param(
            change("primary.update", "ann", after={"team_id": "T2"}), False, id="another one"
        ),
        pytest.param(
            change("team.sort", "T1", after={"team_ids": ["T2", SALES]}), True, id="that order"
        ),
        pytest.param(
            change("team.sort", "T1", after={"team_ids": [SALES, "T2"]}), False, id="another order"
        ),
        pytest.param(joins("T1", "ann"), True, id="she is a member"),
        pytest.param(joins("T1", "ann", "bob"), False, id="one is no member"),
        pytest.param(joins(SALES, "ann"), False, id="no member of a team made since"),
        pytest.param(leaves("T1", "bob"), True, id="he is no member"),
        pytest.param(leaves("T1", "ann", "bob"), False, id="one is a member still"),
        pytest.param(DELETION, False, id="deletions are not looked at"),
    ],
)
def test_a_change_that_swit_shows_was_done_though_its_answer_was_lost(
    sent: Change, *, is_so: bool
) -> None:
    """The new plan lacks it, and so a plan whose run was killed goes on to its end."""
    swit = organisation(
        by_hand_team("T1", "Sales", users=["ann"]),
        by_hand_team("T2", "A", below="T1"),
        by_hand_team("T3", "B", below="T1"),
        inactive=["bob"],
    )
    swit.users["ann"].teams["T1"] = True
    bindings = (team("g", SALES),)
    fresh = plan(bindings=(team("g", "T3"),))
    found = in_effect(
        plan(sent, bindings=bindings), fresh, swit_state(swit), frozenset({sent.change_id})
    )
    assert found == (frozenset({sent.change_id}) if is_so else frozenset())
    assert in_effect(plan(sent), fresh, swit_state(swit), NOTHING_DONE) == frozenset()
