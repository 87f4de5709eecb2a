"""The API's calls about teams and who is in them."""

from collections.abc import Mapping

from swit_provisioning.sandbox.asked import NO_CONTENT, READ, WRITE, Asked, Call, data
from swit_provisioning.sandbox.replies import Reply


def _list(asked: Asked) -> Reply:
    teams = asked.organisation.teams
    found = teams.listed(
        parent_id=asked.arguments.optional_text("parent_id"),
        direct_children_only=asked.arguments.flag("direct_children_only"),
    )
    reference = asked.arguments.optional_text("reference")
    # The newer editions lost this filter: they take the argument and answer with every team.
    if reference is not None and asked.shapes.edition == "old":
        found = [team for team in found if team.reference == reference]
    return data({"team": [asked.shapes.listed_team(team, teams.depth(team)) for team in found]})


def _create(asked: Asked) -> Reply:
    team = asked.organisation.teams.create(
        name=asked.arguments.text("name"),
        parent_id=_parent(asked, asked.arguments.text("parent_id")),
        reference=asked.arguments.optional_text("reference"),
    )
    return data(asked.shapes.created_team(team))


def _update(asked: Asked) -> Reply:
    parent_id = asked.arguments.optional_text("parent_id")
    team = asked.organisation.teams.update(
        asked.arguments.text("id"),
        name=asked.arguments.optional_text("name"),
        parent_id=None if parent_id is None else _parent(asked, parent_id),
        reference=asked.arguments.optional_text("reference"),
    )
    return data(asked.shapes.updated_team(team))


def _parent(asked: Asked, parent_id: str) -> str:
    records = asked.organisation.records
    is_organization = parent_id == records.organization_id
    return records.root_id if is_organization and asked.shapes.edition == "old" else parent_id


def _delete(asked: Asked) -> Reply:
    team = asked.organisation.teams.delete(asked.arguments.text("id"))
    return data(asked.shapes.touched_team(team))


def _sort(asked: Asked) -> Reply:
    parent_id, team_ids = asked.arguments.text("parent_id"), asked.arguments.texts("team_ids")
    asked.organisation.teams.sort(_parent(asked, parent_id), team_ids)
    return Reply(raw=b"") if asked.shapes.edition == "old" else data(None)


def _add_users(asked: Asked) -> Reply:
    team_id, user_ids = asked.arguments.text("id"), asked.arguments.texts("user_ids")
    asked.organisation.memberships.add(team_id, user_ids)
    return data(asked.shapes.touched_team(asked.organisation.teams.find(team_id)))


def _remove_users(asked: Asked) -> Reply:
    team_id, user_ids = asked.arguments.text("id"), asked.arguments.texts("user_ids")
    asked.organisation.memberships.remove(team_id, user_ids)
    return data(asked.shapes.touched_team(asked.organisation.teams.find(team_id)))


def _make_primary(asked: Asked) -> Reply:
    team_id, user_id = asked.arguments.text("id"), asked.arguments.text("user_id")
    asked.organisation.memberships.make_primary(team_id, user_id)
    return Reply(raw=b"") if asked.shapes.edition == "old" else NO_CONTENT


TEAM_CALLS: Mapping[str, Call] = {
    "user.team.list": Call(method="GET", scopes=READ, work=_list),
    "team.create": Call(method="POST", scopes=WRITE, work=_create),
    "team.update": Call(method="POST", scopes=WRITE, work=_update),
    "team.delete": Call(method="POST", scopes=WRITE, work=_delete),
    "team.sort": Call(method="POST", scopes=WRITE, work=_sort, bot=False),
    "team.user.add": Call(method="POST", scopes=WRITE, work=_add_users),
    "team.user.remove": Call(method="POST", scopes=WRITE, work=_remove_users),
    "team.user.primary.update": Call(method="POST", scopes=WRITE, work=_make_primary),
}
