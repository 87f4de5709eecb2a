"""What a call on a team can't do without, of calls played on a tree one after the other."""

from collections.abc import Mapping

from swit_provisioning.planning.match_teams import Team
from swit_provisioning.planning.team_calls import TeamCalls, Tree


def calls_on(parents: Mapping[str, str]) -> TeamCalls:
    """Teams (id -> parent's id) under the root `R`, each called as its id."""
    teams = {
        key: Team(team_id=key, name=key, parent_id=parent, reference=None)
        for key, parent in {"R": None, **parents}.items()
    }
    return TeamCalls(Tree(teams.values()), {key: key for key in (*teams, "N1", "N2")}, {})


def update(calls: TeamCalls, team_id: str, **wanted: str) -> tuple[str, ...]:
    """Play a call; what it waits for."""
    calls.update(team_id, wanted, step="update_teams", reason="")
    return calls.changes[-1].depends_on


def create(calls: TeamCalls, team_id: str, name: str) -> tuple[str, ...]:
    calls.create(team_id, {"name": name, "parent_id": "R", "reference": ""}, reason="")
    return calls.changes[-1].depends_on


def test_all_ways_up_that_led_to_the_team_are_waited_for() -> None:
    """P was below T along two ways: whoever left one of them may be late."""
    calls = calls_on({"T": "R", "A": "T", "B": "T", "A1": "A", "B1": "B", "P": "B1"})
    for team_id, parent in (("A1", "R"), ("B1", "R"), ("A", "R"), ("B", "R"), ("P", "A1")):
        update(calls, team_id, parent_id=parent)
    waits = update(calls, "T", parent_id="P")
    assert set(waits) == {f"team.update:{team_id}" for team_id in ("A", "B", "A1", "B1", "P")}


def test_two_teams_that_were_below_each_other_make_no_endless_way_up() -> None:
    calls = calls_on({"X": "R", "T": "X", "Y": "R"})
    assert update(calls, "T", parent_id="R") == ()
    assert update(calls, "X", parent_id="T") == ("team.update:T",)
    assert update(calls, "Y", parent_id="X") == ()


def test_a_name_that_was_taken_again_is_freed_by_the_one_that_had_it_last() -> None:
    calls = calls_on({"A": "R", "B": "R", "C": "R"})
    assert update(calls, "A", name="Z") == ()
    assert update(calls, "B", name="A") == ("team.update:A",)
    assert update(calls, "B", name="Y") == ()
    assert update(calls, "C", name="A") == ("team.update:B:2",)
    assert update(calls, "C", name="X") == ()
    assert create(calls, "N1", "A") == ("team.update:C:2",)
    assert update(calls, "N1", name="W") == ()
    assert create(calls, "N2", "A") == ("team.update:N1",)
