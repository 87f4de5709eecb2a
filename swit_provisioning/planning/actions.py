"""The table of actions: everything that is declared once about each kind of change.

Previews, redaction, limits, headings, summaries, diffs, steps and the reference table in the
documentation derive from it. `apply/senders.py` binds a sender to each action.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Literal, NamedTuple, get_args

from swit_provisioning.planning.normalize import REMOVED

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
ACTIONS: Final[tuple[Action, ...]] = get_args(Action)

Step = Literal[
    "create_users",
    "update_users",
    "deactivate_users",
    "activate_users",
    "delete_teams",
    "free_team_names",
    "create_teams",
    "update_teams",
    "delete_emptied_teams",
    "sort_teams",
    "add_members",
    "remove_members",
    "update_primary_teams",
]
STEPS: Final[tuple[Step, ...]] = get_args(Step)
"""The ops that send changes, in the order in which they run."""
STEP_DESCRIPTIONS: Final[Mapping[Step, str]] = {
    "create_users": "Create accounts (`POST organization.user.create`).",
    "update_users": "Update names and phone numbers (`PATCH scim/v2/Users/{id}`).",
    "deactivate_users": "Deactivate or remove departed users (`organization.user.deactivate`).",
    "activate_users": "Activate returning users (`POST organization.user.activate`).",
    "delete_teams": "Delete teams with nothing below, bottom up (`POST team.delete`).",
    "free_team_names": "Free the names that new teams need (`POST team.update`).",
    "create_teams": "Create teams, parents first (`POST team.create`).",
    "update_teams": "Rename, move and re-key teams, top down (`POST team.update`).",
    "delete_emptied_teams": "Delete the teams that moves have emptied (`POST team.delete`).",
    "sort_teams": "Sort child teams as the directory lists them (`POST team.sort`).",
    "add_members": "Add members, one call a team (`POST team.user.add`).",
    "remove_members": "Remove members, one call a team (`POST team.user.remove`).",
    "update_primary_teams": "Set primary teams (`POST team.user.primary.update`).",
}

Diff = Literal["user_diff", "team_diff", "sort_diff", "membership_diff"]
LimitGuard = Literal[
    "deactivations_within_limit",
    "activations_within_limit",
    "team_deletions_within_limit",
    "membership_removals_within_limit",
    "creations_within_limit",
    "updates_within_limit",
]
Redaction = Literal["code", "hide", "mask"]
"""How a personal value is shown without names: as the person's code, as `(hidden)`, or as text in
which addresses and numbers are replaced."""
Values = Mapping[str, Any]

MOST_NAMED: Final = 5
"""People or teams named in one cell."""


class Phrase(NamedTuple):
    """One thing that the changes of an action do, as the summary of a plan counts it."""

    noun: str
    """What is counted, in the singular: `user`, `membership`."""
    verb: str
    """What happens to it: `to create`."""
    number: Callable[[Values, Values], int] = lambda _before, _after: 1
    """How often a change with these `before` and `after` does it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ActionSpec:
    """What an action is."""

    name: Action
    object: Literal["user", "team"]
    """What `object_id` and `target` of its changes name."""
    effect: Literal["adds", "changes", "takes away"]
    steps: tuple[Step, ...]
    diff: Diff
    """The asset that lists its changes."""
    limit: LimitGuard | None
    """The guard that counts its changes; none: they are not limited."""
    danger: int
    """Rank in previews and summaries; the most dangerous action has 1."""
    heading: str
    phrases: tuple[Phrase, ...]
    describe: Callable[[Values, Values], str]
    """What a change does in a few words, by its `before` and `after`."""
    personal: Mapping[str, Redaction] = field(default_factory=dict)
    """`target` or a field of `before` and `after` -> how it is shown without names."""
    creates: bool = False
    """Whether its changes create their object."""
    members: Literal["before", "after"] | None = None
    """The side of a membership change that lists `user_ids` and `emails`."""
    value: str = ""
    """The field of `after` that tells two changes of one object apart, where only one is set."""
    by_field: bool = False
    """Whether each field of `after` is a change of its own."""


def _first_of(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    shown = ", ".join(names[:MOST_NAMED])
    return shown if more <= 0 else f"{shown} and {more} more"


def _listed(after: Values) -> str:
    return ", ".join(str(v) for v in (after.get("name"), after.get("phone_number")) if v)


def _differences(before: Values, after: Values) -> str:
    """`name: A → B`; a parent by its name rather than its id."""
    hidden = {"parent_id"} if "parent" in after else set()
    return ", ".join(
        f"{key}: {before.get(key) or '-'} → {value or '-'}"
        for key, value in after.items()
        if key not in hidden
    )


def _members(before: Values) -> str:
    number = len(before.get("members", ()))
    return "1 member" if number == 1 else f"{number or 'no'} members"


def _teams(after: Values) -> Sequence[str]:
    teams: Sequence[str] = after.get("teams", after["team_ids"])
    return teams


def is_marking(after: Values) -> bool:
    """Whether a `team.update` renames the team as removed."""
    return str(after.get("name", "")).startswith(REMOVED)


_about_user = partial(
    ActionSpec,
    object="user",
    diff="user_diff",
    personal={"target": "code", "email": "code", "name": "hide", "phone_number": "hide"},
)
_about_team = partial(ActionSpec, object="team", diff="team_diff")
_about_members = partial(
    ActionSpec,
    object="team",
    diff="membership_diff",
    personal={"emails": "code", "user_ids": "mask"},
)

SPECS: Final[Mapping[Action, ActionSpec]] = {
    spec.name: spec
    for spec in (
        _about_user(
            name="user.create",
            effect="adds",
            steps=("create_users",),
            limit="creations_within_limit",
            danger=9,
            heading="Users created",
            phrases=(Phrase("user", "to create"),),
            describe=lambda _, after: _listed(after),
            creates=True,
        ),
        _about_user(
            name="user.update",
            effect="changes",
            steps=("update_users",),
            limit="updates_within_limit",
            danger=6,
            heading="Users updated",
            phrases=(Phrase("user", "to update"),),
            describe=_differences,
            by_field=True,
        ),
        _about_user(
            name="user.deactivate",
            effect="takes away",
            steps=("deactivate_users",),
            limit="deactivations_within_limit",
            danger=2,
            heading="Users deactivated",
            phrases=(Phrase("user", "to deactivate"),),
            describe=lambda _before, _after: "the user stays, inactive",
        ),
        _about_user(
            name="user.remove",
            effect="takes away",
            steps=("deactivate_users",),
            limit="deactivations_within_limit",
            danger=1,
            heading="Users removed for good",
            phrases=(Phrase("user", "to remove"),),
            describe=lambda _before, _after: "the user is gone for good",
        ),
        _about_user(
            name="user.activate",
            effect="adds",
            steps=("activate_users",),
            limit="activations_within_limit",
            danger=7,
            heading="Users activated again",
            phrases=(Phrase("user", "to activate"),),
            describe=lambda _before, _after: "active again",
        ),
        _about_team(
            name="team.delete",
            effect="takes away",
            steps=("delete_teams", "delete_emptied_teams"),
            limit="team_deletions_within_limit",
            danger=3,
            heading="Teams deleted",
            phrases=(Phrase("team", "to delete"),),
            describe=lambda before, _: _members(before),
            personal={"members": "mask"},
        ),
        _about_team(
            name="team.create",
            effect="adds",
            steps=("create_teams",),
            limit="creations_within_limit",
            danger=8,
            heading="Teams created",
            phrases=(Phrase("team", "to create"),),
            describe=lambda _, after: f"under {after.get('parent', after['parent_id'])}",
            creates=True,
        ),
        _about_team(
            name="team.update",
            effect="changes",
            steps=("free_team_names", "update_teams"),
            limit="updates_within_limit",
            danger=5,
            heading="Teams renamed, moved or re-keyed",
            phrases=(
                Phrase("team", "to mark as removed", lambda _, after: is_marking(after)),
                Phrase(
                    "team",
                    "to rename",
                    lambda _, after: "name" in after and not is_marking(after),
                ),
                Phrase("team", "to move", lambda _, after: "parent_id" in after),
                # Next to a new name or place, the reference is not worth counting.
                Phrase("team", "to re-key", lambda _, after: {*after} == {"reference"}),
            ),
            describe=_differences,
            by_field=True,
        ),
        _about_team(
            name="team.sort",
            effect="changes",
            steps=("sort_teams",),
            diff="sort_diff",
            limit="updates_within_limit",
            danger=12,
            heading="Teams whose child teams are sorted",
            phrases=(Phrase("team order", "to change"),),
            describe=lambda _, after: _first_of(_teams(after)),
            value="team_ids",
        ),
        _about_members(
            name="membership.add",
            effect="adds",
            steps=("add_members",),
            limit=None,
            danger=10,
            heading="Teams that gain members",
            phrases=(Phrase("membership", "to add", lambda _, after: len(after["user_ids"])),),
            describe=lambda _, after: _first_of(after.get("emails", ())),
            members="after",
        ),
        _about_members(
            name="membership.remove",
            effect="takes away",
            steps=("remove_members",),
            limit="membership_removals_within_limit",
            danger=4,
            heading="Teams that lose members",
            phrases=(Phrase("membership", "to remove", lambda before, _: len(before["user_ids"])),),
            describe=lambda before, _: _first_of(before.get("emails", ())),
            members="before",
        ),
        ActionSpec(
            name="primary.update",
            object="user",
            effect="changes",
            steps=("update_primary_teams",),
            diff="membership_diff",
            limit="updates_within_limit",
            danger=11,
            heading="Primary teams set",
            phrases=(Phrase("primary team", "to set"),),
            describe=lambda _, after: f"primary team: {after.get('team', after['team_id'])}",
            personal={"target": "code"},
            value="team_id",
        ),
    )
}

DANGEROUS_FIRST: Final = tuple(sorted(SPECS, key=lambda action: SPECS[action].danger))
CREATIONS: Final = frozenset(name for name, spec in SPECS.items() if spec.creates)
MEMBERSHIPS: Final = frozenset(name for name, spec in SPECS.items() if spec.members)
TAKE_AWAY: Final = frozenset(n for n, spec in SPECS.items() if spec.effect == "takes away")
DEPARTURES: Final = frozenset(name for name in TAKE_AWAY if SPECS[name].object == "user")


def actions_named(names: Iterable[str]) -> frozenset[Action]:
    """The actions that `user.create`, `user.*` or `all` name.

    Raises:
        ValueError: a name matches no action; the message lists the valid names.

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


def actions_of(diff: Diff) -> tuple[Action, ...]:
    """The actions whose changes one diff lists, in the order of `ACTIONS`."""
    return tuple(action for action in ACTIONS if SPECS[action].diff == diff)


def steps_of(diff: Diff) -> tuple[Step, ...]:
    """The steps that send the changes of one diff, in the order in which they run."""
    return tuple(s for s in STEPS if any(s in SPECS[a].steps for a in actions_of(diff)))


def describe(action: Action, before: Values, after: Values) -> str:
    """What a change does, in a few words; `before` and `after` as `Change` has them."""
    return SPECS[action].describe(before, after)


def names_in(action: Action, before: Values, after: Values) -> Sequence[str]:
    """All people or teams that one change of several concerns; `describe` names the first."""
    if SPECS[action].value == "team_ids":
        return _teams(after)
    side = {"before": before, "after": after}.get(SPECS[action].members or "", {})
    emails: Sequence[str] = side.get("emails", ())
    return emails


def users_of(
    action: Action, object_id: str, target: str, before: Values, after: Values
) -> Iterator[tuple[str, str]]:
    """Id and address of each user that a change concerns; no address for a deleted team's."""
    spec = SPECS[action]
    if spec.members is not None:
        side = before if spec.members == "before" else after
        yield from zip(side["user_ids"], side["emails"], strict=True)
    elif spec.object == "user":
        yield object_id, target
    else:
        yield from ((user, "") for user in before.get("members", ()))
