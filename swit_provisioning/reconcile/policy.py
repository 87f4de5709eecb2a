"""The rules a company chooses: who is in scope, what may be done. They shape the plan's hash."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

Action = Literal[
    "user.create",
    "user.update",
    "user.deactivate",
    "user.remove",
    "user.activate",
    "team.delete",
    "team.create",
    "team.update",
    "team.sort",
    "membership.add",
    "membership.remove",
    "primary.update",
]
ACTIONS: tuple[Action, ...] = get_args(Action)


def actions_named(names: Iterable[str]) -> frozenset[Action]:
    """`user.create`, `user.*` and `all` as the actions they stand for.

    Raises:
        ValueError: a name stands for none; the message says which, and which there are.

    """
    names = tuple(names)
    known = {*ACTIONS, "user.*", "team.*", "membership.*", "all"}
    wrong = [name for name in names if name not in known]
    if wrong:
        message = f"{', '.join(wrong)} is no action; use any of {', '.join(sorted(known))}"
        raise ValueError(message)
    return frozenset(
        action
        for action in ACTIONS
        if any(name in {"all", action, f"{action.split('.')[0]}.*"} for name in names)
    )


# Swit's roles by number: reference/swit-api, "User fields". Others that may come are protected.
ROLES = {10: "master", 20: "admin", 30: "member", 40: "guest"}

ReferenceAttribute = Literal["distinguishedName", "entryUUID", "objectGUID"]


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Settings that shape a plan; names as the environment variables, in lower case."""

    reference_attribute: ReferenceAttribute = "distinguishedName"
    teams_to_exclude: tuple[str, ...] = ()
    teams_to_keep: tuple[str, ...] = ()
    """Names, `*` patterns and ids of Swit teams."""
    users_to_exclude: tuple[str, ...] = ()
    """E-mail patterns."""
    protected_roles: tuple[str, ...] = ("master", "admin", "guest")
    unmanaged_users: Literal["deactivate", "keep"] = "deactivate"
    user_removal: Literal["deactivate", "remove", "keep"] = "deactivate"
    team_removal: Literal["delete", "mark", "keep"] = "delete"
    unmanaged_teams: Literal["keep", "adopt", "delete"] = "keep"
    clear_empty_phone: bool = False
    disabled_actions: frozenset[Action] = frozenset()
    default_user_language: Literal["en", "ko"] = "en"
    default_user_timezone: str | None = None

    def document(self) -> dict[str, Any]:
        """As plain JSON values, in a fixed order."""
        values = asdict(self)
        values["disabled_actions"] = sorted(self.disabled_actions)
        return {k: list(v) if isinstance(v, tuple) else v for k, v in sorted(values.items())}
