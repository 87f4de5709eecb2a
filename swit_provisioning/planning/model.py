"""The plan: an immutable value with ordered changes, their reasons, and a hash that names it."""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any, Final, Literal, NewType, Self, get_args

from swit_provisioning.planning.actions import DEPARTURES, SPECS, Action, Step
from swit_provisioning.planning.finding_kinds import current_kind
from swit_provisioning.planning.policy import Exemption

PlanHash = NewType("PlanHash", str)
"""SHA-256 of a plan, 64 hexadecimal digits. Stored plans, approvals and journals use it as key."""

_SHOWN_DIGITS: Final = 12

NEW_USER = "new:user:"
"""Prefix of the object id of a user this plan creates; the rest is the address."""
NEW_TEAM = "new:team:"
"""Prefix of the object id of a team this plan creates; the rest is the group's key."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """One call to Swit; of memberships, all additions or all removals of one team.

    `before` and `after` hold, by action:

    - user.create: after `email, name, phone_number, language, timezone`
    - user.update: `name` and/or `phone_number`
    - user.deactivate, user.remove, user.activate: `active`, after a removal nothing
    - team.create: after `name, parent_id, reference` and, for people, `parent` (its name)
    - team.update: those of `name, parent_id` (with `parent`), `reference` that differ
    - team.delete: before `name, parent_id, reference, members` (ids)
    - team.sort: `team_ids`, the children in order, and `teams`, their names (object id: the parent)
    - membership.add, membership.remove: `user_ids` and `emails` in the same order;
      additions under after, removals under before
    - primary.update: `team_id` and `team` (its name)

    Ids of objects that the plan itself creates begin with `new:user:` or `new:team:`.
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
            **vars(self),
            "before": dict(self.before),
            "after": dict(self.after),
            "depends_on": list(self.depends_on),
        }

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """The change with this `document`."""
        return cls(**{**document, "depends_on": tuple(document["depends_on"])})


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A record or state that a person should mend or know of."""

    kind: str
    """A name in the table `finding_kinds`; a source may add its own."""
    subject: str
    """A DN, an address, or a team's name."""
    message: str
    """What is wrong, what follows from it, and what to do."""
    attribute: str = ""
    """The directory's attribute that is wrong, if it is one."""
    side: Literal["directory", "swit"] = "directory"
    """Where to mend it; the settings of this program belong to Swit's side."""

    def document(self) -> dict[str, str]:
        """As plain JSON values."""
        return dict(vars(self))

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """The finding with this `document`; kinds of earlier versions become the current ones."""
        return cls(**{**document, "kind": current_kind(document["kind"])})


@dataclass(frozen=True, kw_only=True)
class Binding:
    """A match to remember once the plan is applied."""

    kind: Literal["user", "group"]
    directory_id: str
    object_id: str


@dataclass(frozen=True, kw_only=True)
class TeamBefore:
    """A team as it was read, for the tree in previews."""

    team_id: str
    name: str
    parent_id: str | None
    others: int = 0
    """Number of child teams that are left out because nothing changes there."""

    def document(self) -> dict[str, Any]:
        """As plain JSON values."""
        return dict(vars(self))


TOTAL: Final = "total"
ACCOUNT_STATE: Final = "account state"
DISABLED: Final = "disabled"
MEMBERS: Final = "members"
"""Labels in `Baselines.presence` beside those of mapped attributes, as in `name (displayName)`."""
LimitedCount = Literal[
    "active_users_that_may_go", "teams_that_may_go", "memberships", "users", "teams"
]
LIMITED_COUNTS: Final[tuple[LimitedCount, ...]] = get_args(LimitedCount)
_SETTINGS_OF_COUNTS: Final = ("unmanaged_users", "team_removal", "unmanaged_teams")


@dataclass(frozen=True, kw_only=True)
class Baselines:
    """The counts of which percentage limits are taken, before the plan.

    `directory` and `read` count the directory, all others count objects in Swit.
    """

    active_users_that_may_go: int = 0
    teams_that_may_go: int = 0
    memberships: int = 0
    members_by_team: Mapping[str, int] = field(default_factory=dict)
    """Team id -> number of members, of the teams that lose members."""
    membership_removals_by_team: Mapping[str, int] = field(default_factory=dict)
    """Team id -> number of members it loses, without departures; a deleted team loses all."""
    users: int = 0
    teams: int = 0
    protected: Mapping[str, str] = field(default_factory=dict)
    """Id of a user or team -> why it must not be changed."""
    never_deactivated: Mapping[str, str] = field(default_factory=dict)
    """User id -> why the user is never deactivated or removed, in the directory or not."""
    directory: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Search base -> usable `users` and `groups` in this read."""
    read: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """`users` and `groups` -> `usable`, `disabled`... -> number of records read; absent in plans of
    earlier versions."""
    presence: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """`people` and `groups` -> label -> how many have it: each mapped attribute, the labels above,
    and the `TOTAL`. Absent in plans of earlier versions."""
    swit: Mapping[str, Any] = field(default_factory=dict)
    """`total_rows`, `distinct_users`, `roots`, `orphans` (teams whose parent isn't there),
    `authorised_user` (present), `authorised_active`, `authorised_admin`."""

    def limited_counts(self) -> dict[str, int]:
        """The counts that are remembered, because limits are percentages of them, by field."""
        return {name: getattr(self, name) for name in LIMITED_COUNTS}

    def document(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            **vars(self),
            "members_by_team": dict(self.members_by_team),
            "membership_removals_by_team": dict(self.membership_removals_by_team),
            "protected": dict(self.protected),
            "never_deactivated": dict(self.never_deactivated),
            "directory": {base: dict(counts) for base, counts in self.directory.items()},
            "read": {kind: dict(counts) for kind, counts in self.read.items()},
            "presence": {kind: dict(counts) for kind, counts in self.presence.items()},
            "swit": dict(self.swit),
        }


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The changes of one run. `plan_hash` covers changes, policy, both sides and the person.

    The same input gives the same plan and the same hash. A plan contains no time.
    """

    changes: tuple[Change, ...]
    disabled: tuple[Change, ...] = ()
    """Changes of disabled actions: listed, never sent."""
    held: tuple[Change, ...] = ()
    """Changes that do not stick, and those that depend on them: listed, not sent."""
    findings: tuple[Finding, ...] = ()
    bindings: tuple[Binding, ...] = ()
    baselines: Baselines = Baselines()
    policy: Mapping[str, Any] = field(default_factory=dict)
    organization_id: str = ""
    organization_name: str = ""
    directory: str = ""
    """The server or file that was read, for people."""
    directory_identity: str = ""
    """The search base or the file: equal for all servers of one directory."""
    person: str = ""
    """The only person whose changes it has, by address or DN; empty: it is for everyone."""
    waiting: tuple[Change, ...] = ()
    """Changes that wait for an approval as a plan of their own (`ON_LIMIT=hold_back`): not sent and
    not part of the hash. Of a membership change, a part may wait."""
    waiting_hash: str = ""
    """Hash of that plan."""
    includes: str = ""
    """Hash of the approved plan whose changes are among these, though they waited before."""
    exempt: tuple[Exemption, ...] = ()
    """What the settings exempt, to be remembered; not part of the hash."""
    teams: tuple[TeamBefore, ...] = ()
    """The teams that change and those above them, in the order shown; not part of the hash."""

    @property
    def plan_hash(self) -> PlanHash:
        """SHA-256 of the changes, the policy, the organisation, the directory and the person."""
        content = {
            "changes": [change.document() for change in self.changes],
            "policy": self.policy,
            "organization": self.organization_id,
            "directory": self.directory_identity,
            **self._person_document,
        }
        text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return PlanHash(hashlib.sha256(text.encode()).hexdigest())

    @property
    def plan_id(self) -> str:
        """The first digits of the hash, for people; only `plan_hash` is unique."""
        return shown_id(self.plan_hash)

    @property
    def waiting_id(self) -> str:
        """The short id of the plan that waits; empty if none does."""
        return shown_id(PlanHash(self.waiting_hash))

    def counts(self) -> dict[str, int]:
        """The number of changes of each action that the plan has, in the order of the plan."""
        return dict(Counter(change.action for change in self.changes))

    def counted_by(self) -> dict[str, Any]:
        """The settings that decide what counts as a user or team that may go."""
        return {name: self.policy.get(name) for name in _SETTINGS_OF_COUNTS}

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
            **self._person_document,
            **self._hold_back_document,
        }

    @property
    def _hold_back_document(self) -> dict[str, Any]:
        """Nothing for a plan with which nothing waits or waited, as in earlier versions."""
        waiting = [change.document() for change in self.waiting]
        found = {"waiting": waiting, "waiting_hash": self.waiting_hash, "includes": self.includes}
        return {name: value for name, value in found.items() if value}

    @property
    def _person_document(self) -> dict[str, str]:
        """Nothing for a plan for everyone, whose hash is the same as in earlier versions."""
        return {"person": self.person} if self.person else {}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """The plan with this `document`."""
        return cls(
            changes=tuple(Change.of(c) for c in document["changes"]),
            disabled=tuple(Change.of(c) for c in document["disabled"]),
            held=tuple(Change.of(c) for c in document["held"]),
            findings=tuple(Finding.of(f) for f in document["findings"]),
            bindings=tuple(Binding(**b) for b in document["bindings"]),
            baselines=Baselines(**document["bases"]),
            policy=document["policy"],
            organization_id=document["organization_id"],
            organization_name=document["organization_name"],
            directory=document["directory"],
            directory_identity=document["directory_identity"],
            # Stored plans of earlier versions lack these keys.
            exempt=tuple(Exemption(**e) for e in document.get("exempt", ())),
            teams=tuple(TeamBefore(**t) for t in document.get("teams", ())),
            person=document.get("person", ""),
            waiting=tuple(Change.of(c) for c in document.get("waiting", ())),
            waiting_hash=document.get("waiting_hash", ""),
            includes=document.get("includes", ""),
        )

    def without(self, change_ids: Iterable[str]) -> Self:
        """The plan without some changes; its id differs."""
        gone = set(change_ids)
        return replace(self, changes=tuple(c for c in self.changes if c.change_id not in gone))


def shown_id(plan_hash: PlanHash) -> str:
    """The first digits of a plan's hash, which people see."""
    return plan_hash[:_SHOWN_DIGITS]


def is_new(object_id: str) -> bool:
    """Whether the plan itself creates the object with this id."""
    return object_id.startswith((NEW_USER, NEW_TEAM))


def creations_of(*object_ids: str) -> tuple[str, ...]:
    """Ids of the changes that create these objects; none for objects that exist."""
    actions: dict[str, Action] = {NEW_USER: "user.create", NEW_TEAM: "team.create"}
    return tuple(
        f"{actions[prefix]}:{object_id}"
        for object_id in object_ids
        for prefix in actions
        if object_id.startswith(prefix)
    )


def single_change(
    *,
    action: Action,
    object_id: str,
    target: str,
    reason: str,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    depends_on: Iterable[str] = (),
) -> Change:
    """The only change of this action to an object, sent by the action's first step."""
    return Change(
        change_id=f"{action}:{object_id}",
        step=SPECS[action].steps[0],
        action=action,
        target=target,
        object_id=object_id,
        before=before or {},
        after=after or {},
        reason=reason,
        depends_on=tuple(depends_on),
    )


def another(names: Iterable[str]) -> str:
    """The reason for an update of these fields: `the directory has another name, parent`."""
    fields = (name.removesuffix("_id").replace("_", " ") for name in names)
    return f"the directory has another {', '.join(fields)}"


def removals_by_team(changes: Iterable[Change]) -> dict[str, int]:
    """Team id -> number of members it loses, without the users whom the changes let go."""
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


def only_users(values: Mapping[str, Any], users: Collection[str]) -> Mapping[str, Any]:
    """One side of a membership change with only these users; other values as they are."""
    if "user_ids" not in values:
        return values
    pairs = zip(values["user_ids"], values["emails"], strict=True)
    kept = [(user, email) for user, email in pairs if user in users]
    return {"user_ids": [user for user, _ in kept], "emails": [email for _, email in kept]}


def users_of(change: Change) -> frozenset[str]:
    """Ids of the users whom a change to users, members or primary teams is about."""
    if SPECS[change.action].object == "user":
        return frozenset({change.object_id})
    return frozenset({*change.before.get("user_ids", ()), *change.after.get("user_ids", ())})


def only_about(change: Change, users: Collection[str]) -> Change:
    """A membership change of only these users, if it is about one of them; else as it is."""
    mentioned = users_of(change)
    if not SPECS[change.action].members or mentioned.isdisjoint(users):
        return change
    return replace(
        change,
        before=only_users(change.before, users),
        after=only_users(change.after, users),
    )


def is_first_primary_team(change: Change) -> bool:
    """Whether the change sets the primary team of a user without one, so it replaces nothing."""
    return change.action == "primary.update" and change.before.get("team_id", "") is None


READING: Final = "reading"
"""The calls that only read."""
_USERS_A_PAGE = 1000
READ_BEFORE: tuple[Step, ...] = ("delete_teams", "delete_emptied_teams", "sort_teams")
"""Steps before which the teams are read again."""


def estimate(plan: Plan, per_second: float) -> tuple[int, float]:
    """The number of calls that apply a plan, and the seconds they take at `per_second`."""
    calls = sum(calls_by_kind(plan).values())
    return calls, calls / per_second


def calls_by_kind(plan: Plan) -> dict[str, int]:
    """The number of calls for `reading` and for each action; empty for an empty plan.

    Both sides are read again first (organisation, authorised user, users, teams); teams are read
    again before each op that deletes or sorts, users before primary teams are set where
    memberships change.
    """
    if not plan.changes:
        return {}
    pages = max(ceil(plan.baselines.users / _USERS_A_PAGE), 1)
    reads = 3 + pages + sum(bool(plan.of_step(step)) for step in READ_BEFORE)
    if plan.of_step("update_primary_teams") and (
        plan.of_step("add_members") or plan.of_step("remove_members")
    ):
        made = len(plan.of_step("create_users"))
        reads += max(ceil((plan.baselines.users + made) / _USERS_A_PAGE), 1)
    return {READING: reads, **plan.counts()}
