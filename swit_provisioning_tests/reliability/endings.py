"""How an organisation ended, without its ids: what two histories that came right share."""

from collections import Counter
from typing import Any

from swit_provisioning.sandbox.organisation import Organisation
from swit_provisioning.sandbox.traffic import CallEntry

Ending = dict[str, Any]
_READS = frozenset(
    {"user.info", "organization.info", "organization.user.list", "user.team.list", "scim.user.list"}
)


def ending(organisation: Organisation) -> Ending:
    """Every account by address, every team by its path in the tree, in the order shown."""
    state = organisation.snapshot()
    teams = {team["id"]: team for team in state["teams"]}
    emails = {user["id"]: user["email"] for user in state["users"]}

    def path(team_id: str | None) -> str:
        team = teams.get(team_id or "")
        return f"{path(team['parent_id'])}/{team['name']}" if team else ""

    return {
        "users": {
            user["email"]: {
                **{name: user[name] for name in ("name", "phone_number", "role", "active")},
                "teams": sorted(map(path, user["teams"])),
                "primary": path(user["primary_team"]),
            }
            for user in state["users"]
        },
        "teams": [
            (path(team["id"]), team["reference"], sorted(emails[u] for u in team["user_ids"]))
            for team in state["teams"]
        ],
        "objects": (len(state["users"]), len(state["teams"])),
    }


def writes(calls: list[CallEntry]) -> list[CallEntry]:
    """Those that change something, or try to."""
    return [c for c in calls if c.call not in _READS and not c.call.startswith("oauth.")]


def sent_again(calls: list[CallEntry]) -> int:
    """How many of the writes were there before, the same to the letter."""
    kinds = Counter((entry.call, repr(entry.arguments)) for entry in writes(calls))
    return sum(times - 1 for times in kinds.values())


def made_again(calls: list[CallEntry]) -> int:
    """How many creations Swit had to refuse because the object was there."""
    conflict = 409
    return sum(c.call.endswith(".create") and c.status == conflict for c in calls)
