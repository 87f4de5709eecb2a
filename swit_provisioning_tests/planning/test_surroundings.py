"""What of the tree is kept with a plan: teams that change, all above them, and no others."""

from swit_provisioning.planning.match_teams import Team
from swit_provisioning.planning.model import Change, TeamBefore
from swit_provisioning.planning.planner import teams_around
from swit_provisioning_tests.planning.made_plans import change

ABOVE = {"T0": None, "T1": "T0", "T2": "T1", "T3": "T2", "T4": "T0", "T5": "T4", "T6": "T4"}
TEAMS = {
    team_id: Team(team_id=team_id, name=f"name of {team_id}", parent_id=above, reference=None)
    for team_id, above in ABOVE.items()
}


def around(*changes: Change) -> list[str]:
    return [team.team_id for team in teams_around(changes, TEAMS)]


def test_a_team_comes_with_all_above_it_and_the_number_of_those_left_out() -> None:
    assert teams_around([change("team.update", "T2", after={"name": "B"})], TEAMS) == (
        TeamBefore(team_id="T0", name="name of T0", parent_id=None, others=1),
        TeamBefore(team_id="T1", name="name of T1", parent_id="T0"),
        TeamBefore(team_id="T2", name="name of T2", parent_id="T1", others=1),
    )


def test_where_a_team_goes_is_there_too() -> None:
    assert around(change("team.update", "T2", after={"parent_id": "T5"})) == [
        "T0",
        "T1",
        "T2",
        "T4",
        "T5",
    ]
    new = change("team.create", "new:team:a", after={"parent_id": "T4"})
    assert around(new) == ["T0", "T4"]


def test_changes_of_users_and_memberships_need_no_picture() -> None:
    joins = change("membership.add", "T1", after={"user_ids": ["U1"], "emails": ["a@x"]})
    assert around(joins, change("user.deactivate", "U1")) == []
