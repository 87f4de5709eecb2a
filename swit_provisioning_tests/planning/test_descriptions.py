"""A change in a few words."""

from typing import Any

import pytest

from swit_provisioning.planning.actions import Action, describe, names_in

Values = dict[str, Any]
NONE: Values = {}


@pytest.mark.parametrize(
    ("action", "before", "after", "says"),
    [
        ("team.update", {"name": "Sales"}, {"name": "Sales EMEA"}, "name: Sales → Sales EMEA"),
        (
            "team.update",
            {"parent_id": "t7", "parent": "Old"},
            {"parent_id": "t8", "parent": "New"},
            "parent: Old → New",
        ),
        ("team.update", {"parent_id": "t7"}, {"parent_id": "t8"}, "parent_id: t7 → t8"),
        ("team.update", {"reference": None}, {"reference": "cn=a"}, "reference: - → cn=a"),
        ("team.create", NONE, {"parent_id": "t7", "parent": "House"}, "under House"),
        ("team.create", NONE, {"parent_id": "t7"}, "under t7"),
        ("team.delete", {"members": ["u1", "u2"]}, NONE, "2 members"),
        ("team.delete", {"members": ["u1"]}, NONE, "1 member"),
        ("team.delete", {"members": []}, NONE, "no members"),
        ("team.sort", NONE, {"team_ids": ["a", "b"], "teams": ["Sales", "IT"]}, "Sales, IT"),
        (
            "membership.add",
            NONE,
            {"emails": [f"{n}@x" for n in range(7)]},
            "0@x, 1@x, 2@x, 3@x, 4@x and 2 more",
        ),
        (
            "membership.add",
            NONE,
            {"emails": [f"{n}@x" for n in range(6)]},
            "0@x, 1@x, 2@x, 3@x, 4@x and 1 more",
        ),
        (
            "membership.add",
            NONE,
            {"emails": [f"{n}@x" for n in range(5)]},
            "0@x, 1@x, 2@x, 3@x, 4@x",
        ),
        ("membership.remove", {"emails": ["a@x"]}, NONE, "a@x"),
        ("user.create", NONE, {"name": "Ann", "phone_number": None}, "Ann"),
        ("user.create", NONE, {"name": "Ann", "phone_number": "+1 23"}, "Ann, +1 23"),
        ("user.update", {"name": "A"}, {"name": "B"}, "name: A → B"),
        (
            "user.update",
            {"name": "A", "phone_number": "1"},
            {"name": "B", "phone_number": "2"},
            "name: A → B, phone_number: 1 → 2",
        ),
        ("user.update", {"phone_number": "1"}, {"phone_number": ""}, "phone_number: 1 → -"),
        ("user.activate", {"active": False}, {"active": True}, "active again"),
        ("user.deactivate", {"active": True}, {"active": False}, "the user stays, inactive"),
        ("user.remove", {"active": True}, NONE, "the user is gone for good"),
        ("primary.update", NONE, {"team_id": "t1", "team": "Sales"}, "primary team: Sales"),
        ("primary.update", NONE, {"team_id": "t1"}, "primary team: t1"),
    ],
)
def test_each_change_is_told_in_a_few_words(
    action: Action, before: Values, after: Values, says: str
) -> None:
    assert describe(action, before, after) == says


def test_only_changes_of_several_name_them() -> None:
    several = {"emails": ["a@x"], "team_ids": ["T1"]}
    assert names_in("team.sort", NONE, several) == ["T1"]
    assert names_in("membership.add", NONE, several) == ["a@x"]
    assert names_in("membership.remove", several, NONE) == ["a@x"]
    assert names_in("membership.add", several, NONE) == ()
    assert names_in("user.update", several, several) == ()
