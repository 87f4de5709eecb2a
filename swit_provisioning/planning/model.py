"""A plan is one immutable value: changes in order, what they rest on, and a hash that names it."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Literal, NewType, Self, get_args

from swit_provisioning.planning.actions import DEPARTURES, Action, Step

# Swit's roles by number: reference/swit-api, "User fields". Others that may come are protected.
ROLES = {10: "master", 20: "admin", 30: "member", 40: "guest"}

ReferenceAttribute = Literal["distinguishedName", "entryUUID", "objectGUID"]


ExemptKind = Literal["group", "team"]
KINDS: Final[tuple[ExemptKind, ...]] = get_args(ExemptKind)
ExemptingSetting = Literal["TEAMS_TO_EXCLUDE", "SWIT_TEAMS_TO_KEEP"]
ExemptingEntry = tuple[ExemptingSetting, str]
"""A setting, and one of its names, patterns or ids as `name_key` compares it."""


@dataclass(frozen=True, kw_only=True, order=True)
class Exemption:
    """A group or team that a setting once named. It stays exempt under any other name."""

    kind: ExemptKind
    object_id: str
    """The group's id in the directory, or the team's in Swit."""
    setting: ExemptingSetting
    entry: str
    """As in `ExemptingEntry`. The exemption ends when the setting no longer has it."""


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


PlanHash = NewType("PlanHash", str)
"""SHA-256 of a plan, 64 hexadecimal digits: what is kept of a plan is kept by it."""

_SHOWN_DIGITS: Final = 12

NEW_USER = "new:user:"
"""Prefix of the object id of a user this plan creates; the rest is the address."""
NEW_TEAM = "new:team:"
"""Prefix of the object id of a team this plan creates; the rest is the group's key."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """One call to Swit (a membership change: one team's additions, or its removals).

    `before` and `after` hold, by action:

    - user.create: after `email, name, phone_number, language, timezone`
    - user.update: `name` and/or `phone_number`
    - user.deactivate, user.remove, user.activate: `active`, after a removal nothing
    - team.create: after `name, parent_id, reference` and, beside, `parent` (its name)
    - team.update: those of `name, parent_id` (`parent` beside), `reference` that differ
    - team.delete: before `name, parent_id, reference, members` (ids)
    - team.sort: `team_ids`, the children in order, and, beside, `teams` (object id: the parent)
    - membership.add, membership.remove: `user_ids` and, beside, `emails` in the same order;
      additions under after, removals under before
    - primary.update: `team_id` and, beside, `team` (its name)

    Ids of what the plan itself makes begin with `new:user:` or `new:team:`.
    """

    change_id: str
    step: Step
    action: Action
    target: str
    object_id: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    reason: str
    depends_on: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "change_id": self.change_id,
            "step": self.step,
            "action": self.action,
            "target": self.target,
            "object_id": self.object_id,
            "before": dict(self.before),
            "after": dict(self.after),
            "reason": self.reason,
            "depends_on": list(self.depends_on),
        }

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """The change that `document` came from."""
        return cls(**{**document, "depends_on": tuple(document["depends_on"])})


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something a person should know: a record left alone, a name changed, a standing risk."""

    kind: str
    """A short fixed phrase: `no address`, `two with one address`, `ring`..."""
    subject: str
    """Who or what: a DN, an address, a team's name."""
    message: str
    """What is wrong, what comes of it, what to do."""
    attribute: str = ""
    """The directory's attribute to look at, where there is one."""
    side: Literal["directory", "swit"] = "directory"
    """Where it is mended; the settings of this program count as Swit's side."""

    def document(self) -> dict[str, str]:
        """As plain JSON values."""
        return {
            "kind": self.kind,
            "subject": self.subject,
            "message": self.message,
            "attribute": self.attribute,
            "side": self.side,
        }


@dataclass(frozen=True, kw_only=True)
class Binding:
    """Which Swit object stands for which directory entry: remembered once the plan is applied."""

    kind: Literal["user", "group"]
    directory_id: str
    object_id: str


@dataclass(frozen=True, kw_only=True)
class TeamBefore:
    """A team as it was read, for the picture of the tree."""

    team_id: str
    name: str
    parent_id: str | None
    others: int = 0
    """Child teams that are not in the picture: nothing changes there."""

    def document(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "team_id": self.team_id,
            "name": self.name,
            "parent_id": self.parent_id,
            "others": self.others,
        }


@dataclass(frozen=True, kw_only=True)
class Baselines:
    """The counts of which percentage limits are taken, before the plan.

    `directory` and `read` count the directory, all others count objects in Swit.
    """

    active_users_that_may_go: int = 0
    teams_that_may_go: int = 0
    memberships: int = 0
    members_by_team: Mapping[str, int] = field(default_factory=dict)
    """Team id -> members now, of the teams that the plan takes members from."""
    membership_removals_by_team: Mapping[str, int] = field(default_factory=dict)
    """Team id -> members it loses, leavers not counted; teams deleted lose all theirs."""
    users: int = 0
    teams: int = 0
    protected: Mapping[str, str] = field(default_factory=dict)
    """Object id -> why it must not be touched (users and teams)."""
    never_deactivated: Mapping[str, str] = field(default_factory=dict)
    """User id -> why the account is never deactivated or removed, in the directory or not."""
    directory: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Search base -> usable `users` and `groups` in this read."""
    read: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """`users` and `groups` -> `usable`, `disabled`... -> how many of those that were read; plans of
    earlier versions do not have it."""
    swit: Mapping[str, Any] = field(default_factory=dict)
    """`total_rows`, `distinct_users`, `roots`, `orphans` (teams whose parent isn't there),
    `authorised_user` (present), `authorised_active`, `authorised_admin`."""

    def document(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "active_users_that_may_go": self.active_users_that_may_go,
            "teams_that_may_go": self.teams_that_may_go,
            "memberships": self.memberships,
            "members_by_team": dict(self.members_by_team),
            "membership_removals_by_team": dict(self.membership_removals_by_team),
            "users": self.users,
            "teams": self.teams,
            "protected": dict(self.protected),
            "never_deactivated": dict(self.never_deactivated),
            "directory": {k: dict(v) for k, v in self.directory.items()},
            "read": {k: dict(v) for k, v in self.read.items()},
            "swit": dict(self.swit),
        }


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What one run would do. `plan_hash` covers changes, policy, organisation and directory.

    The same input gives the same plan and the same hash; no time is in it.
    """

    changes: tuple[Change, ...]
    disabled: tuple[Change, ...] = ()
    """What a disabled action would have done: listed beside, never sent."""
    held: tuple[Change, ...] = ()
    """What does not stick, and what needs it: listed beside, not sent (`sticking`)."""
    findings: tuple[Finding, ...] = ()
    bindings: tuple[Binding, ...] = ()
    baselines: Baselines = Baselines()
    policy: Mapping[str, Any] = field(default_factory=dict)
    organization_id: str = ""
    organization_name: str = ""
    directory: str = ""
    """For people: which server or file was read."""
    directory_identity: str = ""
    """What stays the same whichever of several servers answers: the search base, or the file."""
    exempt: tuple[Exemption, ...] = ()
    """What the settings exempt, to be remembered; the hash leaves them out."""
    teams: tuple[TeamBefore, ...] = ()
    """The teams that change and those above them, in the order shown; the id leaves them out."""

    @property
    def plan_hash(self) -> PlanHash:
        """SHA-256 over what is sent, to whom, and by which rules."""
        content = {
            "changes": [change.document() for change in self.changes],
            "policy": self.policy,
            "organization": self.organization_id,
            "directory": self.directory_identity,
        }
        text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return PlanHash(hashlib.sha256(text.encode()).hexdigest())

    @property
    def plan_id(self) -> str:
        """The plan's name for people; only `plan_hash` tells it from every other plan."""
        return shown_id(self.plan_hash)

    def counts(self) -> dict[str, int]:
        """How many changes of each action, in the order of `ACTIONS`, none with 0."""
        return dict(Counter(change.action for change in self.changes))

    def of_step(self, step: Step) -> tuple[Change, ...]:
        """The changes that one op sends, in order."""
        return tuple(change for change in self.changes if change.step == step)

    def document(self) -> dict[str, Any]:
        """Everything, as plain JSON values."""
        return {
            "changes": [change.document() for change in self.changes],
            "disabled": [change.document() for change in self.disabled],
            "held": [change.document() for change in self.held],
            "findings": [finding.document() for finding in self.findings],
            "bindings": [vars(binding) for binding in self.bindings],
            "bases": self.baselines.document(),
            "policy": dict(self.policy),
            "organization_id": self.organization_id,
            "organization_name": self.organization_name,
            "directory": self.directory,
            "directory_identity": self.directory_identity,
            "exempt": [vars(exemption) for exemption in self.exempt],
            "teams": [team.document() for team in self.teams],
        }

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """The plan that `document` came from."""
        return cls(
            changes=tuple(Change.of(c) for c in document["changes"]),
            disabled=tuple(Change.of(c) for c in document["disabled"]),
            held=tuple(Change.of(c) for c in document["held"]),
            findings=tuple(Finding(**f) for f in document["findings"]),
            bindings=tuple(Binding(**b) for b in document["bindings"]),
            baselines=Baselines(**document["bases"]),
            policy=document["policy"],
            organization_id=document["organization_id"],
            organization_name=document["organization_name"],
            directory=document["directory"],
            directory_identity=document["directory_identity"],
            # Plans of earlier versions have neither, and may still be shown.
            exempt=tuple(Exemption(**e) for e in document.get("exempt", ())),
            teams=tuple(TeamBefore(**t) for t in document.get("teams", ())),
        )

    def without(self, change_ids: Iterable[str]) -> Self:
        """The same plan less some changes; its id differs."""
        gone = set(change_ids)
        return replace(self, changes=tuple(c for c in self.changes if c.change_id not in gone))


def shown_id(plan_hash: PlanHash) -> str:
    """The first digits of a plan's hash, as people see them."""
    return plan_hash[:_SHOWN_DIGITS]


class ChangeNames:
    """Gives each change its id: action and object, numbered where an object changes again."""

    def __init__(self) -> None:
        """Start with no name given."""
        self._given: Counter[str] = Counter()

    def name(self, action: Action, object_id: str) -> str:
        """The id of the next change of that kind to that object."""
        plain = f"{action}:{object_id}"
        self._given[plain] += 1
        return plain if self._given[plain] == 1 else f"{plain}:{self._given[plain]}"


def single_change(
    *,
    step: Step,
    action: Action,
    object_id: str,
    target: str,
    reason: str,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    depends_on: Iterable[str] = (),
) -> Change:
    """A change to an object that changes in this way but once."""
    return Change(
        change_id=f"{action}:{object_id}",
        step=step,
        action=action,
        target=target,
        object_id=object_id,
        before=before or {},
        after=after or {},
        reason=reason,
        depends_on=tuple(depends_on),
    )


def another(names: Iterable[str]) -> str:
    """The reason for an update of so named values: `the directory has another name, parent`."""
    told = (name.removesuffix("_id").replace("_", " ") for name in names)
    return f"the directory has another {', '.join(told)}"


def removals_by_team(changes: Iterable[Change]) -> dict[str, int]:
    """Team id -> members it loses, those of users that the same plan lets go not counted."""
    changes = list(changes)
    departing = {c.object_id for c in changes if c.action in DEPARTURES}
    lost: dict[str, int] = {}
    for change in changes:
        if change.action == "membership.remove":
            members = change.before["user_ids"]
        elif change.action == "team.delete":
            members = change.before["members"]
        else:
            continue
        lost[change.object_id] = sum(member not in departing for member in members)
    return lost


def is_first_primary_team(change: Change) -> bool:
    """Whether the change sets the primary team of a user who has none: that replaces nothing."""
    return change.action == "primary.update" and change.before.get("team_id", "") is None
