"""What of a change is counted as one wish: a part is another one if anything of it is other."""

from datetime import UTC, datetime

from swit_provisioning.planning.convergence import count_repeats, part_keys
from swit_provisioning.planning.policy import Repeat


def test_each_field_of_an_update_is_a_part_by_object_and_value() -> None:
    parts = part_keys("user.update", "U1", {}, {"name": "1", "phone_number": "1"})
    assert list(parts) == ["name", "phone_number"]
    others = [
        part_keys("user.update", "U2", {}, {"name": "1"})["name"],
        part_keys("user.update", "U1", {}, {"name": "2"})["name"],
        part_keys("team.update", "U1", {}, {"name": "1"})["name"],
    ]
    assert len({*parts.values(), *others}) == 5


def test_what_is_told_beside_a_value_is_no_part() -> None:
    moved = part_keys("team.update", "T1", {}, {"parent_id": "T2", "parent": "House"})
    assert list(moved) == ["parent_id"]


def test_each_member_of_a_batch_is_a_part_by_team_and_direction() -> None:
    users = {"user_ids": ["U1", "U2"], "emails": ["a", "b"]}
    joins = part_keys("membership.add", "T1", {}, users)
    leaves = part_keys("membership.remove", "T1", users, {})
    assert list(joins) == list(leaves) == ["U1", "U2"]
    elsewhere = part_keys("membership.add", "T2", {}, users)
    assert len({*joins.values(), *leaves.values(), *elsewhere.values()}) == 6


def test_what_a_plan_made_is_known_by_the_id_that_it_got() -> None:
    real = {"new:team:a": "T1", "new:user:u": "U1"}

    def known(text: str) -> str:
        return real.get(text, text)

    users = {"user_ids": ["new:user:u"]}
    joins = part_keys("membership.add", "new:team:a", {}, users, real=known)
    assert joins == {
        "new:user:u": part_keys("membership.add", "T1", {}, {"user_ids": ["U1"]})["U1"]
    }
    moves = part_keys("team.update", "T2", {}, {"parent_id": "new:team:a"}, real=known)
    assert moves == part_keys("team.update", "T2", {}, {"parent_id": "T1"})
    order = part_keys("team.sort", "T0", {}, {"team_ids": ["T2", "new:team:a"]}, real=known)
    assert order == part_keys("team.sort", "T0", {}, {"team_ids": ["T2", "T1"]})


def test_what_is_made_or_taken_away_is_one_part_by_action_and_object() -> None:
    made = part_keys("user.create", "new:user:a", {}, {"name": "A"}, real=lambda _: "U1")
    assert made == part_keys("user.create", "new:user:a", {}, {"name": "Another"})
    others = [
        part_keys("user.create", "new:user:b", {}, {}),
        part_keys("team.create", "new:user:a", {}, {}),
        part_keys("team.delete", "T1", {}, {}),
        part_keys("team.delete", "T2", {}, {}),
        part_keys("user.deactivate", "T1", {"active": True}, {"active": False}),
    ]
    assert {part for each in (made, *others) for part in each} == {""}
    assert len({each[""] for each in (made, *others)}) == 6


def test_what_is_applied_again_counts_and_what_was_not_sent_stays_as_it_was() -> None:
    day, next_day = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)
    known = {name: Repeat(times=2, last_at=day) for name in ("again", "held", "stuck")}
    found = count_repeats(
        ["again", "held", "first", "new"],
        repeats=known,
        applied={"again": next_day, "first": next_day, "stuck": next_day},
    )
    assert found == {
        "again": Repeat(times=3, last_at=next_day),
        "held": Repeat(times=2, last_at=day),
        "first": Repeat(times=1, last_at=next_day),
    }
