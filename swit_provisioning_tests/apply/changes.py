"""Changes as the planner writes them, and a plan of them."""

from collections.abc import Sequence
from typing import Any, Final

from swit_provisioning.planning.actions import Action, Step
from swit_provisioning.planning.model import NEW_TEAM, NEW_USER, Baselines, Binding, Change, Plan

ACTIVE_USERS: Final = 20


def new_user(email: str) -> str:
    return f"{NEW_USER}{email}"


def new_team(name: str) -> str:
    return f"{NEW_TEAM}cn={name.lower()}"


def reference(name: str) -> str:
    return f"CN={name},OU=Groups,DC=example,DC=com"


def _change(
    step: Step,
    action: Action,
    object_id: str,
    target: str,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    needs: Sequence[str] = (),
) -> Change:
    return Change(
        change_id=f"{action}:{object_id}",
        step=step,
        action=action,
        target=target,
        object_id=object_id,
        before=before or {},
        after=after or {},
        reason="a test",
        depends_on=tuple(needs),
    )


def create_user(email: str, name: str | None = None) -> Change:
    values = {
        "email": email,
        "name": name or email.partition("@")[0],
        "phone_number": "+49 1",
        "language": "en",
        "timezone": "Europe/Berlin",
    }
    return _change("create_users", "user.create", new_user(email), email, after=values)


def update_user(user_id: str, **after: str) -> Change:
    return _change("update_users", "user.update", user_id, user_id, after=dict(after))


def deactivate_user(user_id: str) -> Change:
    before, after = {"active": True}, {"active": False}
    step: Step = "deactivate_users"
    return _change(step, "user.deactivate", user_id, user_id, before=before, after=after)


def remove_user(user_id: str) -> Change:
    return _change("deactivate_users", "user.remove", user_id, user_id, before={"active": True})


def activate_user(user_id: str) -> Change:
    return _change("activate_users", "user.activate", user_id, user_id, after={"active": True})


def create_team(name: str, parent_id: str) -> Change:
    values = {"name": name, "parent_id": parent_id, "reference": reference(name)}
    needs = [f"team.create:{parent_id}"] if parent_id.startswith(NEW_TEAM) else []
    return _change("create_teams", "team.create", new_team(name), name, after=values, needs=needs)


def update_team(team_id: str, *, needs: Sequence[str] = (), **after: str) -> Change:
    return _change("update_teams", "team.update", team_id, team_id, after=dict(after), needs=needs)


def delete_team(team_id: str, *, members: Sequence[str] = (), needs: Sequence[str] = ()) -> Change:
    before = {"members": list(members)}
    return _change("delete_teams", "team.delete", team_id, team_id, before=before, needs=needs)


def sort_teams(parent_id: str, *team_ids: str) -> Change:
    after = {"team_ids": list(team_ids)}
    return _change("sort_teams", "team.sort", parent_id, parent_id, after=after)


def add_members(team_id: str, *user_ids: str) -> Change:
    needs = [f"team.create:{team_id}"] if team_id.startswith(NEW_TEAM) else []
    after = _members(user_ids)
    return _change("add_members", "membership.add", team_id, team_id, after=after, needs=needs)


def remove_members(team_id: str, *user_ids: str) -> Change:
    before = _members(user_ids)
    return _change("remove_members", "membership.remove", team_id, team_id, before=before)


def update_primary(user_id: str, team_id: str) -> Change:
    after = {"team_id": team_id, "team": team_id}
    needs = [f"user.create:{user_id}"] if user_id.startswith(NEW_USER) else []
    step: Step = "update_primary_teams"
    return _change(step, "primary.update", user_id, user_id, after=after, needs=needs)


def plan_of(*changes: Change, bindings: Sequence[Binding] = ()) -> Plan:
    return Plan(changes=changes, bindings=tuple(bindings), organization_id="ORG")


def _members(user_ids: Sequence[str]) -> dict[str, list[str]]:
    emails = [user_id.removeprefix(NEW_USER) for user_id in user_ids]
    return {"user_ids": list(user_ids), "emails": emails}


SAMPLES: Final = (
    create_user("ann@example.com"),
    _change(
        "update_users",
        "user.update",
        "u1",
        "bob@example.com",
        before={"name": "Bob", "phone_number": "+49 1"},
        after={"name": "Bobby", "phone_number": "+49 12"},
    ),
    _change("deactivate_users", "user.deactivate", "u1", "bob@example.com"),
    _change("deactivate_users", "user.remove", "u1", "bob@example.com"),
    _change("activate_users", "user.activate", "u1", "bob@example.com"),
    _change(
        "delete_teams",
        "team.delete",
        "t1",
        "Sales",
        before={"members": [new_user("ann@example.com")]},
    ),
    create_team("Sales", "t0"),
    _change(
        "update_teams", "team.update", "t1", "Sales", before={"name": "S"}, after={"name": "T"}
    ),
    sort_teams("t0", "t2", "t1"),
    add_members("t1", new_user("ann@example.com")),
    remove_members("t1", new_user("ann@example.com")),
    _change(
        "update_primary_teams", "primary.update", "u1", "bob@example.com", after={"team_id": "t1"}
    ),
)
"""A change of each action."""


def departures(*numbers: int) -> Plan:
    """A plan that deactivates these of 20 active users; both sides were read completely."""
    return Plan(
        changes=tuple(
            Change(
                change_id=f"user.deactivate:U{n}",
                step="deactivate_users",
                action="user.deactivate",
                target=f"someone{n}@example.com",
                object_id=f"U{n}",
                before={"active": True},
                after={"active": False},
                reason="left the directory",
            )
            for n in numbers
        ),
        baselines=Baselines(
            active_users_that_may_go=ACTIVE_USERS,
            users=ACTIVE_USERS,
            directory={"OU=A": {"users": ACTIVE_USERS, "groups": 1}},
            swit={
                "total_rows": ACTIVE_USERS,
                "distinct_users": ACTIVE_USERS,
                "roots": 1,
                "orphans": 0,
                "authorised_user": True,
                "authorised_active": True,
                "authorised_admin": True,
            },
        ),
        organization_name="Example",
        directory="directory.json",
    )
