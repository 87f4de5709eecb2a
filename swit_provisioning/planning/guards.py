"""The guards: whether a plan may be sent, judged on exactly the changes that would be sent."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, get_args

from swit_provisioning.planning.actions import (
    DEPARTURES,
    SPECS,
    TAKE_AWAY,
    LimitGuard,
    is_marking,
)
from swit_provisioning.planning.limits import Limit, Limits
from swit_provisioning.planning.model import (
    ACCOUNT_STATE,
    DISABLED,
    TOTAL,
    LimitedCount,
    Plan,
    is_first_primary_team,
    removals_by_team,
)

GuardName = Literal[
    "directory_read_is_complete",
    "swit_read_is_complete",
    "protected_users_untouched",
    "first_sync_takes_nothing_away",
    "directory_has_not_shrunk",
    "directory_attributes_still_there",
    "deactivations_within_limit",
    "activations_within_limit",
    "team_deletions_within_limit",
    "membership_removals_within_limit",
    "creations_within_limit",
    "updates_within_limit",
]
GUARDS: tuple[GuardName, ...] = get_args(GuardName)
NEVER_LIFTED: frozenset[GuardName] = frozenset(
    {"directory_read_is_complete", "swit_read_is_complete", "protected_users_untouched"}
)
"""Guards that cannot be approved."""

MARKINGS = "team.mark"
"""In `recent`: teams renamed to `(removed) ...`, which count as deletions."""
COUNTED: Final[Mapping[GuardName, frozenset[str]]] = {
    guard: frozenset(action for action, spec in SPECS.items() if spec.limit == guard)
    for guard in get_args(LimitGuard)
} | {
    "team_deletions_within_limit": frozenset({"team.delete", MARKINGS}),
    "first_sync_takes_nothing_away": TAKE_AWAY | {MARKINGS, "user.activate"},
}
"""Guard -> the actions that it counts, as `recent` names them. An approval that lifts the guard
leaves these out of the last 24 hours. Guards that compare two reads count none."""
_HARD_DELETE = "USER_REMOVAL=remove"
_NOTHING: Mapping[GuardName, str] = {
    "directory_has_not_shrunk": "no base lost users or groups since the last accepted read",
    "directory_attributes_still_there": "no attribute disappeared since the last accepted read",
}
"""Message of a guard that found nothing to count."""
_MEMBERSHIPS_THAT_MAY_ALWAYS_GO = 5
_ACTIVATIONS_THAT_ALWAYS_PASS = 5
_CREATIONS_AND_UPDATES_THAT_ALWAYS_PASS = 20
_SMALLEST_TEAM_WITH_A_LIMIT = 10
_FEWEST_WITHOUT_AN_ATTRIBUTE = 5
_SMALLEST_TEAM_THAT_MAY_NOT_BE_EMPTIED = 5


@dataclass(frozen=True, kw_only=True)
class GuardResult:
    """The result of one guard for a plan."""

    name: GuardName
    passed: bool
    blocking: bool
    """Whether the plan must not be sent if the guard has not passed; an approval lifts that."""
    message: str
    """One sentence: the numbers, the limit with its setting, and the command that approves."""
    lifted: bool = False
    """Not passed, but approved for this plan."""

    @property
    def stops(self) -> bool:
        """Whether nothing may be written because of this guard."""
        return self.blocking and not self.passed

    def document(self) -> dict[str, str | bool]:
        """As plain JSON values."""
        return dict(vars(self))


def counts_in_words(counts: Mapping[str, int]) -> str:
    """`300 read: 297 usable, 2 disabled, 1 without an address`: the parts add up to the total."""
    parts = (f"{count} {what}" for what, count in counts.items() if count or what == "usable")
    return f"{sum(counts.values())} read: {', '.join(parts)}"


_IF_MEANT = "if this is meant: "


@dataclass(frozen=True, kw_only=True)
class RecentCounts:
    """What the last seven days allow as a baseline: objects added meanwhile don't raise a limit."""

    smallest: Mapping[str, int] = field(default_factory=dict)
    """Field of `Baselines` -> the smallest count above zero of an accepted read."""
    created_users: int = 0
    """Users that this program created since the first of these reads that had any."""

    def baseline(self, name: LimitedCount, now: int) -> int:
        """The smaller one of `now`, without users created meanwhile, and the accepted counts."""
        if name in {"users", "active_users_that_may_go"}:
            now -= self.created_users
        return max(min(now, self.smallest.get(name, now)), 0)


NO_HISTORY: Final = RecentCounts()


@dataclass(frozen=True, kw_only=True)
class _Count:
    """A count, its baseline, and the limit of one setting."""

    n: int
    """The number that the plan would change."""
    what: str
    """The words after the numbers: `active users would be deactivated or removed`."""
    base: int
    limit: Limit
    setting: str
    recent: int = 0
    """The number that was changed in the last 24 hours without an approval."""
    always: int = 1
    beside: str = ""
    """The words after the base if the objects are not part of it: `there are`."""
    note: str = ""
    """Why a count passes, instead of the setting."""
    now: int = 0
    """The present count that the `base` stands for."""

    @property
    def within(self) -> bool:
        total = self.n + self.recent
        return self.n == 0 or self.limit.allows(total, self.base, always=self.always)

    @property
    def words(self) -> str:
        before = f", after {self.recent} in the last 24 hours" if self.recent else ""
        if self.beside:
            return f"{self.n} {self.what}, beside the {self.base} {self.beside}{before}"
        words = f"{self.n} of {self.base} {self.what}{before}"
        if self.now > self.base:
            words += f" ({self.now} are there, those added in the last 7 days do not count)"
        return words

    @property
    def allowed(self) -> str:
        """What the setting allows."""
        if self.setting == _HARD_DELETE:
            return f"{self.setting} needs an approval each time"
        return f"{self.setting}={self.limit} allows fewer"


def judge(
    plan: Plan,
    limits: Limits,
    *,
    last_read: Mapping[str, Mapping[str, int]],
    recent: Mapping[str, int],
    approval: frozenset[str] | None,
    last_presence: Mapping[str, Mapping[str, int]] | None = None,
    recent_counts: RecentCounts = NO_HISTORY,
    apply_command: str | None = None,
) -> tuple[GuardResult, ...]:
    """The results of all guards, in the order of `GUARDS`.

    `last_read` has `users` and `groups` of each search base in the last accepted read; it is empty
    until one plan was applied completely, or a complete read found nothing to do. `last_presence`
    has who had which attribute, as in `Baselines.presence`. `recent` has the objects changed in the
    last 24 hours, by action (memberships: one for each user), but for those of an approved plan
    that a lifted guard counts. `approval` has the guards that someone lifted for this plan.
    `recent_counts` says how large the baselines may be. `apply_command` is the command that the
    messages name, if `plan` is a selection of a stored one.
    """
    approved = frozenset(approval or ()) - NEVER_LIFTED
    command = apply_command or f"swit-provisioning apply {plan.plan_id}"
    advice = f'{command} --approve "reason"'
    counts = _Counts(plan, limits, recent, recent_counts, is_first_sync=not last_read)
    limited: dict[GuardName, list[_Count]] = {
        "directory_has_not_shrunk": list(counts.disappeared(last_read)),
        "directory_attributes_still_there": list(
            counts.attributes_lost(last_presence or {}, last_read)
        ),
        "deactivations_within_limit": list(counts.departures()),
        "activations_within_limit": [counts.activations()],
        "team_deletions_within_limit": [counts.team_deletions()],
        "membership_removals_within_limit": list(counts.membership_removals()),
        "creations_within_limit": list(counts.creations()),
        "updates_within_limit": [counts.updates()],
    }
    baselines = plan.baselines
    users, teams = baselines.swit.get("total_rows", 0), baselines.teams
    protected = len(baselines.protected.keys() | baselines.never_deactivated.keys())
    return (
        _exact(
            "directory_read_is_complete",
            _directory_problems(plan, last_read),
            _directory_read(plan),
        ),
        _exact(
            "swit_read_is_complete",
            _swit_problems(plan),
            f"all {users} users were read, and {teams} teams",
        ),
        _exact(
            "protected_users_untouched",
            _touched(plan),
            f"none of {protected} protected users and kept teams is touched",
        ),
        _liftable(
            "first_sync_takes_nothing_away", *counts.first_sync(), approved=approved, advice=advice
        ),
        *(_limited(name, found, approved, advice) for name, found in limited.items()),
    )


def without_advice(message: str) -> str:
    """The message of a guard without the command that it names."""
    found, advice, _ = message.partition(f"; {_IF_MEANT}")
    return f"{found}." if advice else message


def _exact(name: GuardName, problems: Iterable[str], fine: str) -> GuardResult:
    found = list(problems)
    return GuardResult(
        name=name, passed=not found, blocking=True, message=_sentence("; ".join(found) or fine)
    )


def _limited(
    name: GuardName, counts: list[_Count], approved: frozenset[str], advice: str
) -> GuardResult:
    problem = "; ".join(f"{c.words}, {c.allowed}" for c in counts if not c.within)
    fine = "; ".join(f"{c.words} ({c.note or f'{c.setting}={c.limit}'})" for c in counts if c.n)
    fine = fine or _NOTHING.get(name, "nothing of this kind is planned")
    return _liftable(name, problem, fine, approved=approved, advice=advice)


def _liftable(
    name: GuardName, problem: str, fine: str, *, approved: frozenset[str], advice: str
) -> GuardResult:
    """The result of a guard that an approval lifts; it has passed if there is no problem."""
    if not problem:
        return GuardResult(name=name, passed=True, blocking=True, message=_sentence(fine))
    lifted = name in approved
    way = "approved for this plan" if lifted else f"{_IF_MEANT}{advice}"
    return GuardResult(
        name=name,
        passed=False,
        blocking=not lifted,
        message=_sentence(f"{problem}; {way}"),
        lifted=lifted,
    )


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


def _directory_read(plan: Plan) -> str:
    if read := plan.baselines.read:
        return (
            f"every base was read. Users: {counts_in_words(read['users'])}. Groups:"
            f" {counts_in_words(read['groups'])}"
        )
    bases = plan.baselines.directory.values()
    users, groups = (sum(base.get(what, 0) for base in bases) for what in ("users", "groups"))
    return f"every base was read: {users} usable users and {groups} groups in all"


def _directory_problems(plan: Plan, last_read: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    now = plan.baselines.directory
    if not any(base.get("users") for base in now.values()):
        yield "no usable user was read from the directory: check its filter, bases and account"
    for base, counts in sorted(now.items()):
        before = last_read.get(base, {}).get("users")
        if before and not counts.get("users"):
            yield (
                f"the base {base} gave {before} users in the last accepted read and none now: check"
                " the account's rights, or take the base out of the settings if it is meant to be"
                " empty"
            )


def _swit_problems(plan: Plan) -> Iterator[str]:
    swit = plan.baselines.swit
    total, distinct = swit.get("total_rows", 0), swit.get("distinct_users", 0)
    if total != distinct:
        yield f"Swit says it has {total} users, {distinct} were read: read again"
    if swit.get("roots") != 1:
        yield f"{swit.get('roots', 0)} root teams were read, there must be one: read again"
    if swit.get("orphans"):
        yield f"teams whose parent was not read: {swit['orphans']}; read again"
    if not swit.get("authorised_user"):
        yield "the account that authorised this program is not among the users: log in again"
    elif not (swit.get("authorised_active") and swit.get("authorised_admin")):
        yield "the account that authorised this program is not an active admin: log in with one"


def _touched(plan: Plan) -> Iterator[str]:
    protected, never = plan.baselines.protected, plan.baselines.never_deactivated
    for change in plan.changes:
        touched = [*change.before.get("user_ids", ()), *change.after.get("user_ids", ())]
        if change.action != "team.sort":  # a sort modifies no team
            touched.insert(0, change.object_id)
        if change.action == "primary.update":
            touched.append(change.after["team_id"])
        for object_id in touched:
            if object_id in protected:
                why = protected[object_id]
                yield f"the change {change.change_id} touches what is left alone: {why}"
        if change.action in DEPARTURES and change.object_id in never:
            yield f"the change {change.change_id} lets go: {never[change.object_id]}"


class _Counts:
    """Counts what a plan would change, for the limits."""

    def __init__(
        self,
        plan: Plan,
        limits: Limits,
        recent: Mapping[str, int],
        recent_counts: RecentCounts,
        *,
        is_first_sync: bool,
    ) -> None:
        self._plan, self._limits, self._recent = plan, limits, recent
        self._baseline, self._is_first_sync = recent_counts.baseline, is_first_sync
        self._bases = plan.baselines
        self._sent: Counter[str] = Counter(change.action for change in plan.changes)
        self._departures = sum(self._sent[action] for action in DEPARTURES)
        # Teams that are renamed to `(removed) ...`; no group's team ever has such a name.
        self._marked = len(
            {
                change.object_id
                for change in plan.changes
                if change.action == "team.update" and is_marking(change.after)
            }
        )

    def first_sync(self) -> tuple[str, str]:
        """What a first sync may not do without an approval; what to say if there is nothing."""
        if not self._is_first_sync:
            return "", "this is not the first sync"
        if self._limits.first_sync == "full":
            return "", "FIRST_SYNC=full: what the first sync takes away is limited as on any day"
        counts = {
            "users would be deactivated or removed": self._departures,
            "teams would be deleted or marked": self._sent["team.delete"] + self._marked,
            "memberships would be removed": sum(removals_by_team(self._plan.changes).values()),
            "users would be activated": self._sent["user.activate"],
        }
        found = ", ".join(f"{n} {what}" for what, n in counts.items() if n)
        rule = (
            "no plan was applied completely so far, and without an approval a first sync takes"
            f" nothing away and activates nobody (FIRST_SYNC=additive): {found}"
        )
        return rule if found else "", "this first sync takes nothing away and activates nobody"

    def disappeared(self, last_read: Mapping[str, Mapping[str, int]]) -> Iterator[_Count]:
        """Users and groups of each base that were in the last accepted read and are not in this."""
        for base, before in sorted(last_read.items()):
            now = self._bases.directory.get(base)
            for what in ("users", "groups") if now is not None else ():
                had, has = before.get(what, 0), (now or {}).get(what, 0)
                yield _Count(
                    n=max(had - has, 0),
                    what=f"{what} of {base} are gone since the last accepted read",
                    base=had,
                    limit=self._limits.max_directory_shrink,
                    setting="MAX_DIRECTORY_SHRINK",
                )

    def attributes_lost(
        self, last: Mapping[str, Mapping[str, int]], last_read: Mapping[str, Mapping[str, int]]
    ) -> Iterator[_Count]:
        """People and groups that had an attribute in the last accepted read and do not now.

        Entries that are gone took their attributes with them: a share of each attribute, but as
        many disabled people as there can be, because their entries are the ones that are deleted.
        Nothing is compared if a search base is no longer read: those are other people.
        """
        if not last_read.keys() <= self._bases.directory.keys():
            return
        for kind, before in last.items():
            now = self._bases.presence.get(kind, {})
            total, present = before.get(TOTAL, 0), now.get(TOTAL, 0)
            gone = max(total - present, 0)
            for label, had in before.items():
                if label == TOTAL or label not in now:
                    continue
                of_accounts = label in {ACCOUNT_STATE, DISABLED}
                expected = had - gone if of_accounts else had * (total - gone) // max(total, 1)
                lost = expected - now[label]
                what = f"{kind} that had {label} in the last accepted read no longer have it"
                if label == DISABLED:
                    what = f"{kind} that were disabled in the last accepted read no longer are"
                yield _Count(
                    n=lost if lost >= _FEWEST_WITHOUT_AN_ATTRIBUTE else 0,
                    what=f"{what} (may the account still read it?)",
                    base=expected,
                    limit=self._limits.max_directory_shrink,
                    setting="MAX_DIRECTORY_SHRINK",
                )

    def departures(self) -> Iterator[_Count]:
        """Deactivations with removals; removals alone, which need an approval each time."""
        before = self._before("deactivations_within_limit")
        users = self._bases.active_users_that_may_go + before
        yield _Count(
            n=self._departures,
            what="active users that may go would be deactivated or removed",
            base=self._baseline("active_users_that_may_go", users),
            now=users,
            limit=self._limits.max_deactivations,
            setting="MAX_DEACTIVATIONS",
            recent=before,
        )
        yield _Count(
            n=self._sent["user.remove"],
            what="active users that may go would be removed for good",
            base=self._bases.active_users_that_may_go,
            limit=Limit(number=0),
            setting=_HARD_DELETE,
        )

    def activations(self) -> _Count:
        """Inactive users that become active; those of the last 24 hours do not raise the base."""
        before, now = self._before("activations_within_limit"), self._bases.active_users_that_may_go
        return _Count(
            n=self._sent["user.activate"],
            what="users would be activated",
            base=max(min(now - before, self._baseline("active_users_that_may_go", now)), 0),
            beside="active users that may go",
            limit=self._limits.max_activations,
            setting="MAX_ACTIVATIONS",
            recent=before,
            always=_ACTIVATIONS_THAT_ALWAYS_PASS,
        )

    def team_deletions(self) -> _Count:
        """Teams that are deleted or marked as removed."""
        before = self._before("team_deletions_within_limit")
        teams = self._bases.teams_that_may_go + before
        return _Count(
            n=self._sent["team.delete"] + self._marked,
            what="teams that may go would be deleted or marked",
            base=self._baseline("teams_that_may_go", teams),
            now=teams,
            limit=self._limits.max_team_deletions,
            setting="MAX_TEAM_DELETIONS",
            recent=before,
        )

    def membership_removals(self) -> Iterator[_Count]:
        """All removals, without those of departures; then those of each team with a limit."""
        before = self._before("membership_removals_within_limit")
        lost = removals_by_team(self._plan.changes)
        memberships = self._bases.memberships + before
        yield _Count(
            n=sum(lost.values()),
            what="memberships would be removed, those of leavers not counted",
            base=self._baseline("memberships", memberships),
            now=memberships,
            limit=self._limits.max_membership_removals,
            setting="MAX_MEMBERSHIP_REMOVALS",
            recent=before,
            always=_MEMBERSHIPS_THAT_MAY_ALWAYS_GO,
        )
        for change in self._plan.changes:
            if change.action != "membership.remove":
                continue
            members = self._bases.members_by_team.get(change.object_id, 0)
            n = lost[change.object_id]
            # A call that names leavers, too, may leave nobody in the team.
            loses_all = 0 < members <= len(change.before["user_ids"])
            is_emptied = loses_all and n >= _SMALLEST_TEAM_THAT_MAY_NOT_BE_EMPTIED
            if is_emptied or members >= _SMALLEST_TEAM_WITH_A_LIMIT:
                yield _Count(
                    n=n,
                    what=f"members of the team {change.target} would be removed",
                    base=members,
                    limit=self._limits.max_membership_removals_per_team,
                    setting="MAX_MEMBERSHIP_REMOVALS_PER_TEAM",
                    always=0 if is_emptied else _MEMBERSHIPS_THAT_MAY_ALWAYS_GO,
                )

    def creations(self) -> Iterator[_Count]:
        """Users that are created, and teams; in a first sync a share above 0% limits neither."""
        bases, limits = self._bases, self._limits
        present: LimitedCount
        for setting, kind, present, limit in (
            ("MAX_USER_CREATIONS", "user", "users", limits.max_user_creations),
            ("MAX_TEAM_CREATIONS", "team", "teams", limits.max_team_creations),
        ):
            before, now = self._recent.get(f"{kind}.create", 0), getattr(bases, present)
            is_free = self._is_first_sync and bool(limit.percent)
            yield _Count(
                n=self._sent[f"{kind}.create"],
                what=f"{kind}s would be created",
                base=max(min(now - before, self._baseline(present, now)), 0),
                limit=replace(limit, percent=None) if is_free else limit,
                setting=setting,
                beside="there are",
                note="a first sync may create all" if is_free and limit.number is None else "",
                recent=before,
                always=_CREATIONS_AND_UPDATES_THAT_ALWAYS_PASS,
            )

    def updates(self) -> _Count:
        """Updates, without markings, and without the first primary team of a user."""
        updates = sum(self._sent[action] for action in COUNTED["updates_within_limit"])
        first = sum(is_first_primary_team(change) for change in self._plan.changes)
        return _Count(
            n=updates - self._marked - first,
            what="users and teams would be updated",
            base=self._baseline("users", self._bases.users)
            + self._baseline("teams", self._bases.teams),
            now=self._bases.users + self._bases.teams,
            limit=self._limits.max_updates,
            setting="MAX_UPDATES",
            recent=self._before("updates_within_limit"),
            always=_CREATIONS_AND_UPDATES_THAT_ALWAYS_PASS,
        )

    def _before(self, guard: GuardName) -> int:
        """What a guard counts of the last 24 hours, without the changes that it was lifted for."""
        return sum(self._recent.get(action, 0) for action in COUNTED[guard])
