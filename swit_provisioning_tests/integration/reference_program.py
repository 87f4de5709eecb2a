"""An organisation as Swit's provisioning example leaves it: what it wrote, not how.

Known from its description and from what it writes: users by address, forbidden characters replaced
in names, ` (2)` at the end of a user's name dropped, phone numbers reduced to digits, `+` and `-`;
teams with the DN as reference, below their group's first parent in scope, in the file's order;
direct members; the first team of a user is the primary one.
"""

import re
from typing import Any

from swit_provisioning.sandbox.organisation import Organisation

_FORBIDDEN = re.compile(r"[@#<>§▒{};*]")


def provision(
    organisation: Organisation, directory: dict[str, list[dict[str, Any]]], *, excluded: str
) -> None:
    """Make users, teams and memberships."""
    users = {}
    for user in directory["users"]:
        name = re.sub(r" \(\d+\)$", "", _FORBIDDEN.sub("_", user["displayName"]))
        phone = re.sub(r"[^\d+-]", "", user["mobile"] or "") or None
        users[user["distinguishedName"]] = organisation.add_user(
            user["mail"], name, phone_number=phone
        )
    groups = {
        group["distinguishedName"]: group
        for group in directory["groups"]
        if f"CN={excluded}," not in group["distinguishedName"]
    }
    teams: dict[str, str] = {}
    waiting = list(groups)
    while waiting:
        for dn in list(waiting):
            above = next((p for p in groups[dn].get("memberOf", ()) if p in groups), None)
            if above in waiting:
                continue
            teams[dn] = organisation.add_team(
                _FORBIDDEN.sub("_", groups[dn]["displayName"]),
                parent_id=teams.get(above or ""),
                reference=dn,
            )
            waiting.remove(dn)
    _sort(organisation, [teams[dn] for dn in groups])
    for dn, group in groups.items():
        members = [users[member] for member in group["member"] if member in users]
        if members:
            with organisation.lock:
                organisation.memberships.add(teams[dn], members)


def _sort(organisation: Organisation, wanted: list[str]) -> None:
    state = organisation.snapshot()
    parents = {team["id"]: team["parent_id"] for team in state["teams"]}
    for parent in {parents[team] for team in wanted}:
        children = [team for team in wanted if parents[team] == parent]
        own = [t for t, above in parents.items() if above == parent and t not in children]
        with organisation.lock:
            organisation.teams.sort(parent, [*own, *children])
