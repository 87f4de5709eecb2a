"""The table of actions: everything that is declared once about each kind of change.

Previews, redaction, limits, headings, summaries, diffs, steps and the reference table in the
documentation derive from it. `apply/senders.py` binds a sender to each action.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

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


@dataclass(frozen=True, kw_only=True, slots=True)
class Phrase:
    """One thing that the changes of an action do, as the summary of a plan counts it."""

    one: str
    many: str
    """With `{}` for the number."""
    count: Callable[[Values, Values], int] = lambda _before, _after: 1
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


def _is_marking(after: Values) -> bool:
    return str(after.get("name", "")).startswith(REMOVED)


_USER: Final[Mapping[str, Redaction]] = {
    "target": "code",
    "email": "code",
    "name": "hide",
    "phone_number": "hide",
}
_MEMBERS: Final[Mapping[str, Redaction]] = {"emails": "code", "user_ids": "mask"}

SPECS: Final[Mapping[Action, ActionSpec]] = {
    spec.name: spec
    for spec in (
        ActionSpec(
            name="user.create",
            object="user",
            effect="adds",
            steps=("create_users",),
            diff="user_diff",
            limit="creations_within_limit",
            danger=9,
            heading="Accounts created",
            phrases=(Phrase(one="1 joins", many="{} join"),),
            describe=lambda _, after: _listed(after),
            personal=_USER,
            creates=True,
        ),
        ActionSpec(
            name="user.update",
            object="user",
            effect="changes",
            steps=("update_users",),
            diff="user_diff",
            limit="updates_within_limit",
            danger=6,
            heading="Accounts updated",
            phrases=(Phrase(one="1 person's data change", many="{} people's data change"),),
            describe=_differences,
            personal=_USER,
            by_field=True,
        ),
        ActionSpec(
            name="user.deactivate",
            object="user",
            effect="takes away",
            steps=("deactivate_users",),
            diff="user_diff",
            limit="deactivations_within_limit",
            danger=2,
            heading="Accounts deactivated",
            phrases=(Phrase(one="1 leaves", many="{} leave"),),
            describe=lambda _before, _after: "the account stays, inactive",
            personal=_USER,
        ),
        ActionSpec(
            name="user.remove",
            object="user",
            effect="takes away",
            steps=("deactivate_users",),
            diff="user_diff",
            limit="deactivations_within_limit",
            danger=1,
            heading="Accounts removed for good",
            phrases=(Phrase(one="1 is removed for good", many="{} are removed for good"),),
            describe=lambda _before, _after: "the account is gone for good",
            personal=_USER,
        ),
        ActionSpec(
            name="user.activate",
            object="user",
            effect="adds",
            steps=("activate_users",),
            diff="user_diff",
            limit="updates_within_limit",
            danger=7,
            heading="Accounts activated again",
            phrases=(Phrase(one="1 is back", many="{} are back"),),
            describe=lambda _before, _after: "active again",
            personal=_USER,
        ),
        ActionSpec(
            name="team.delete",
            object="team",
            effect="takes away",
            steps=("delete_teams", "delete_emptied_teams"),
            diff="team_diff",
            limit="team_deletions_within_limit",
            danger=3,
            heading="Teams deleted",
            phrases=(Phrase(one="1 team deleted", many="{} teams deleted"),),
            describe=lambda before, _: _members(before),
            personal={"members": "mask"},
        ),
        ActionSpec(
            name="team.create",
            object="team",
            effect="adds",
            steps=("create_teams",),
            diff="team_diff",
            limit="creations_within_limit",
            danger=8,
            heading="Teams created",
            phrases=(Phrase(one="1 team created", many="{} teams created"),),
            describe=lambda _, after: f"under {after.get('parent', after['parent_id'])}",
            creates=True,
        ),
        ActionSpec(
            name="team.update",
            object="team",
            effect="changes",
            steps=("free_team_names", "update_teams"),
            diff="team_diff",
            limit="updates_within_limit",
            danger=5,
            heading="Teams renamed, moved or re-keyed",
            phrases=(
                Phrase(
                    one="1 team marked as removed",
                    many="{} teams marked as removed",
                    count=lambda _, after: _is_marking(after),
                ),
                Phrase(
                    one="1 team renamed",
                    many="{} teams renamed",
                    count=lambda _, after: "name" in after and not _is_marking(after),
                ),
                Phrase(
                    one="1 team moved",
                    many="{} teams moved",
                    count=lambda _, after: "parent_id" in after,
                ),
                # Next to a new name or place, the reference is not worth counting.
                Phrase(
                    one="1 team re-keyed",
                    many="{} teams re-keyed",
                    count=lambda _, after: "reference" in after and {*after} == {"reference"},
                ),
            ),
            describe=_differences,
            by_field=True,
        ),
        ActionSpec(
            name="team.sort",
            object="team",
            effect="changes",
            steps=("sort_teams",),
            diff="sort_diff",
            limit="updates_within_limit",
            danger=12,
            heading="Teams whose child teams are sorted",
            phrases=(
                Phrase(one="the teams below 1 team sorted", many="the teams below {} teams sorted"),
            ),
            describe=lambda _, after: _first_of(_teams(after)),
            value="team_ids",
        ),
        ActionSpec(
            name="membership.add",
            object="team",
            effect="adds",
            steps=("add_members",),
            diff="membership_diff",
            limit=None,
            danger=10,
            heading="Teams that gain members",
            phrases=(
                Phrase(
                    one="1 membership begins",
                    many="{} memberships begin",
                    count=lambda _, after: len(after["user_ids"]),
                ),
            ),
            describe=lambda _, after: _first_of(after.get("emails", ())),
            personal=_MEMBERS,
            members="after",
        ),
        ActionSpec(
            name="membership.remove",
            object="team",
            effect="takes away",
            steps=("remove_members",),
            diff="membership_diff",
            limit="membership_removals_within_limit",
            danger=4,
            heading="Teams that lose members",
            phrases=(
                Phrase(
                    one="1 membership ends",
                    many="{} memberships end",
                    count=lambda before, _: len(before["user_ids"]),
                ),
            ),
            describe=lambda before, _: _first_of(before.get("emails", ())),
            personal=_MEMBERS,
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
            phrases=(Phrase(one="1 primary team set", many="{} primary teams set"),),
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


def actions_counted_by(guard: str) -> frozenset[Action]:
    """The actions whose changes a guard counts."""
    return frozenset(name for name, spec in SPECS.items() if spec.limit == guard)


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
