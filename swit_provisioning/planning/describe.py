"""Changes and counts in a few words, the same in the terminal and in the UI."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from swit_provisioning.planning.model import Action

MOST_NAMED: Final = 5
"""People or teams named in one cell."""


def what(action: Action, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """What a change does; `before` and `after` as `Change` has them."""
    say: dict[Action, Callable[[], str]] = {
        "user.create": lambda: _listed(after.get("name"), after.get("phone_number")),
        "user.deactivate": lambda: "the account stays, inactive",
        "user.remove": lambda: "the account is gone for good",
        "user.activate": lambda: "active again",
        "team.create": lambda: f"under {after.get('parent', after['parent_id'])}",
        "team.delete": lambda: _members(len(before.get("members", ()))),
        "team.sort": lambda: _first_of(named_in(action, before, after)),
        "membership.add": lambda: _first_of(named_in(action, before, after)),
        "membership.remove": lambda: _first_of(named_in(action, before, after)),
        "primary.update": lambda: f"primary team: {after.get('team', after['team_id'])}",
    }
    return say.get(action, lambda: _differences(before, after))()


def named_in(action: Action, before: Mapping[str, Any], after: Mapping[str, Any]) -> Sequence[str]:
    """All people or teams that a change of several is about, of whom `what` names the first."""
    if action == "team.sort":
        teams: Sequence[str] = after.get("teams", after["team_ids"])
        return teams
    values = {"membership.add": after, "membership.remove": before}.get(action, {})
    emails: Sequence[str] = values.get("emails", ())
    return emails


def counts_in_words(counts: Mapping[str, int]) -> str:
    """`300 read: 297 usable, 2 disabled, 1 without an address`: the parts add up to the first."""
    parts = (f"{count} {what}" for what, count in counts.items() if count or what == "usable")
    return f"{sum(counts.values())} read: {', '.join(parts)}"


def _members(number: int) -> str:
    return "1 member" if number == 1 else f"{number or 'no'} members"


def _first_of(names: Sequence[str]) -> str:
    shown = ", ".join(names[:MOST_NAMED])
    more = len(names) - MOST_NAMED
    return shown if more <= 0 else f"{shown} and {more} more"


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """`name: A → B`; a parent by its name rather than its id."""
    hidden = {"parent_id"} if "parent" in after else set()
    return ", ".join(
        f"{key}: {before.get(key) or '-'} → {value or '-'}"
        for key, value in after.items()
        if key not in hidden
    )


def _listed(*values: object) -> str:
    return ", ".join(str(value) for value in values if value)
