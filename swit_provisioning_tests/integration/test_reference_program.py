"""The one known production client runs on the sandbox: its calls, in its order, and its models."""

import pytest
import requests

from swit_provisioning.sandbox.editions import Edition
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning_tests.directories import (
    GROUPS,
    PEOPLE,
    TREE,
    address,
    members,
    twenty_people,
)
from swit_provisioning_tests.integration.reference_program import Directory, ReferenceProgram

EXCLUDED = "Back Office"


def night(server: SandboxServer, directory: Directory) -> ReferenceProgram:
    program = ReferenceProgram(server, directory, excluded=EXCLUDED)
    program.run()
    return program


@pytest.mark.parametrize("edition", ["new", "production"])
def test_the_reference_program_builds_and_follows_an_organisation(edition: Edition) -> None:
    with SandboxServer(edition=edition) as server:
        server.organisation.add_user("left@example.com")
        hand = server.organisation.add_team("Chess Club")
        directory = twenty_people()
        directory["users"][3]["mobile"] = None
        program = night(server, directory)

        users, teams = program.users(), program.teams()
        assert {user.user_name for user in users.values() if user.is_active} >= set(PEOPLE)
        assert not users["left@example.com"].is_active
        assert users[address(PEOPLE[3])].tel == ""
        names = {team.team_id: team.team_name for team in teams if team.depth > 0}
        assert {t.team_name: names.get(t.parent_id) for t in teams if t.reference} == TREE
        (root,) = (team for team in teams if team.depth == 0)
        assert root.parent_id == ""
        assert hand not in names
        for parent in set(TREE.values()):
            below = {name for name, above in TREE.items() if above == parent}
            shown = [team.team_name for team in teams if team.team_name in below]
            assert shown == [name for name in GROUPS if name in below]
        for team in teams:
            if team.reference:
                theirs = {users[address(person)].user_id for person in members(team.team_name)}
                assert set(team.users) == theirs

        directory["users"].pop()
        directory["users"][0]["displayName"] = "Ann; Other (2)"
        group = next(g for g in directory["groups"] if len(g["member"]) > 1)
        group["displayName"] += " & More"
        group["member"].pop(0)
        directory["groups"].reverse()
        program = night(server, directory)
        users = program.users()
        assert users[address(PEOPLE[0])].user_name == "Ann_ Other"
        assert not users[address(PEOPLE[-1])].is_active
        assert group["displayName"] in {team.team_name for team in program.teams()}
        asked = {entry.call for entry in server.log.of()}
        assert asked == {
            "organization.user.list",
            "user.team.list",
            "organization.user.create",
            "scim.user.update",
            "organization.user.deactivate",
            "team.delete",
            "team.create",
            "team.update",
            "team.sort",
            "team.user.add",
            "team.user.remove",
            "team.user.primary.update",
        }


def test_its_activation_call_uses_a_field_that_swit_rejects() -> None:
    with SandboxServer(edition="production") as server:
        directory = twenty_people()
        server.organisation.add_user(address(PEOPLE[0]), active=False)
        with pytest.raises(requests.HTTPError, match=r"400 .*organization\.user\.activate"):
            night(server, directory)
