"""What a plan counts for each limit, its baseline, and the words for it.

Percentages are of the counts before the plan, and never of more than was accepted in the last seven
days. What ran without an approval in the last 24 hours counts, too.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, get_args

from swit_provisioning.planning.actions import (
    DEPARTURES,
    SPECS,
    TAKE_AWAY,
    LimitGuard,
    is_marking,
)
from swit_provisioning.planning.model import (
    ACCOUNT_STATE,
    DISABLED,
    TOTAL,
    Change,
    LimitedCount,
    Plan,
    is_first_primary_team,
    removals_by_team,
)
from swit_provisioning.planning.policy import Limit, Limits

MARKINGS = "team.mark"
"""In `recent`: teams renamed to `(removed) ...`, which count as deletions."""
COUNTED: Final[Mapping[str, frozenset[str]]] = {
    guard: frozenset(action for action, spec in SPECS.items() if spec.limit == guard)
    for guard in get_args(LimitGuard)
} | {
    "team_deletions_within_limit": frozenset({"team.delete", MARKINGS}),
    "first_sync_takes_nothing_away": TAKE_AWAY | {MARKINGS, "user.activate"},
}
"""Guard -> the actions that it counts, as `recent` names them. An approval that lifts the guard
leaves these out of the last 24 hours. Guards that compare two reads count none."""


def is_counted(guard: str, change: Change, departing: Collection[str]) -> bool:
    """Whether a guard counts a change of a plan in which these users depart.

    Of a removal of members, it may count only some: the users that do not depart.
    """
    if change.action == "team.update" and is_marking(change.after):
        return MARKINGS in COUNTED[guard]
    if guard == "membership_removals_within_limit":
        loses = {"membership.remove": "user_ids", "team.delete": "members"}.get(change.action)
        return loses is not None and any(u not in departing for u in change.before[loses])
    if guard == "updates_within_limit" and is_first_primary_team(change):
        return False
    return change.action in COUNTED[guard]


_HARD_DELETE = "USER_REMOVAL=remove"
_MEMBERSHIPS_THAT_MAY_ALWAYS_GO = 5
_ACTIVATIONS_THAT_ALWAYS_PASS = 5
_CREATIONS_AND_UPDATES_THAT_ALWAYS_PASS = 20
_SMALLEST_TEAM_WITH_A_LIMIT = 10
_FEWEST_WITHOUT_AN_ATTRIBUTE = 5
_SMALLEST_TEAM_THAT_MAY_NOT_BE_EMPTIED = 5


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


@dataclass(frozen=True, kw_only=True)
class History:
    """What was accepted and sent before, as far as the guards take it into account."""

    last_read: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Search base -> `users` and `groups` in the last accepted read. Empty until one plan was
    applied completely, or a complete read found nothing to do."""
    last_presence: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Who had which attribute in the last accepted read, as in `Baselines.presence`."""
    recent: Mapping[str, int] = field(default_factory=dict)
    """Action -> objects changed in the last 24 hours (memberships: one for each user), without
    those of an approved plan that a lifted guard counts."""
    recent_counts: RecentCounts = RecentCounts()
    """How large the baselines may be."""


@dataclass(frozen=True, kw_only=True)
class Count:
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
    def is_within(self) -> bool:
        """Whether the limit allows it; so many as `always` says pass any share above 0%."""
        total = self.n + self.recent
        return self.n == 0 or self.limit.allows(total, self.base, always=self.always)

    @property
    def words(self) -> str:
        """The number, its baseline, and what was changed in the last 24 hours."""
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


class Counts:
    """Counts what a plan would change, for the limits."""

    def __init__(self, plan: Plan, limits: Limits, history: History) -> None:
        """Take what is counted, by which limits, and what the limits take into account."""
        self._plan, self._limits, self._history = plan, limits, history
        self._baseline, self._recent = history.recent_counts.baseline, history.recent
        self._is_first_sync = not history.last_read
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

    def disappeared(self) -> Iterator[Count]:
        """Users and groups of each base that were in the last accepted read and are not in this."""
        for base, before in sorted(self._history.last_read.items()):
            now = self._bases.directory.get(base)
            for what in ("users", "groups") if now is not None else ():
                had, has = before.get(what, 0), (now or {}).get(what, 0)
                yield Count(
                    n=max(had - has, 0),
                    what=f"{what} of {base} are gone since the last accepted read",
                    base=had,
                    limit=self._limits.max_directory_shrink,
                    setting="MAX_DIRECTORY_SHRINK",
                )

    def attributes_lost(self) -> Iterator[Count]:
        """People and groups that had an attribute in the last accepted read and do not now.

        Entries that are gone took their attributes with them: a share of each attribute, but as
        many disabled people as there can be, because their entries are the ones that are deleted.
        Nothing is compared if a search base is no longer read: those are other people.
        """
        if not self._history.last_read.keys() <= self._bases.directory.keys():
            return
        for kind, before in self._history.last_presence.items():
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
                yield Count(
                    n=lost if lost >= _FEWEST_WITHOUT_AN_ATTRIBUTE else 0,
                    what=f"{what} (may the account still read it?)",
                    base=expected,
                    limit=self._limits.max_directory_shrink,
                    setting="MAX_DIRECTORY_SHRINK",
                )

    def departures(self) -> Iterator[Count]:
        """Deactivations with removals; removals alone, which need an approval each time."""
        before = self._before("deactivations_within_limit")
        users = self._bases.active_users_that_may_go + before
        yield Count(
            n=self._departures,
            what="active users in scope would be deactivated or removed",
            base=self._baseline("active_users_that_may_go", users),
            now=users,
            limit=self._limits.max_deactivations,
            setting="MAX_DEACTIVATIONS",
            recent=before,
        )
        yield Count(
            n=self._sent["user.remove"],
            what="active users in scope would be removed for good",
            base=self._bases.active_users_that_may_go,
            limit=Limit(number=0),
            setting=_HARD_DELETE,
        )

    def activations(self) -> Count:
        """Inactive users that become active; those of the last 24 hours do not raise the base."""
        before, now = self._before("activations_within_limit"), self._bases.active_users_that_may_go
        return Count(
            n=self._sent["user.activate"],
            what="users would be activated",
            base=max(min(now - before, self._baseline("active_users_that_may_go", now)), 0),
            beside="active users in scope",
            limit=self._limits.max_activations,
            setting="MAX_ACTIVATIONS",
            recent=before,
            always=_ACTIVATIONS_THAT_ALWAYS_PASS,
        )

    def team_deletions(self) -> Count:
        """Teams that are deleted or marked as removed."""
        before = self._before("team_deletions_within_limit")
        teams = self._bases.teams_that_may_go + before
        return Count(
            n=self._sent["team.delete"] + self._marked,
            what="managed teams would be deleted or marked",
            base=self._baseline("teams_that_may_go", teams),
            now=teams,
            limit=self._limits.max_team_deletions,
            setting="MAX_TEAM_DELETIONS",
            recent=before,
        )

    def membership_removals(self) -> Iterator[Count]:
        """All removals, without those of departures; then those of each team with a limit."""
        before = self._before("membership_removals_within_limit")
        lost = removals_by_team(self._plan.changes)
        memberships = self._bases.memberships + before
        yield Count(
            n=sum(lost.values()),
            what="memberships would be removed, those of departed users not counted",
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
                yield Count(
                    n=n,
                    what=f"members of the team {change.target} would be removed",
                    base=members,
                    limit=self._limits.max_membership_removals_per_team,
                    setting="MAX_MEMBERSHIP_REMOVALS_PER_TEAM",
                    always=0 if is_emptied else _MEMBERSHIPS_THAT_MAY_ALWAYS_GO,
                )

    def creations(self) -> Iterator[Count]:
        """Users that are created, and teams; in a first sync a share above 0% limits neither."""
        bases, limits = self._bases, self._limits
        present: LimitedCount
        for setting, kind, present, limit in (
            ("MAX_USER_CREATIONS", "user", "users", limits.max_user_creations),
            ("MAX_TEAM_CREATIONS", "team", "teams", limits.max_team_creations),
        ):
            before, now = self._recent.get(f"{kind}.create", 0), getattr(bases, present)
            is_free = self._is_first_sync and bool(limit.percent)
            yield Count(
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

    def updates(self) -> Count:
        """Updates, without markings, and without the first primary team of a user."""
        updates = sum(self._sent[action] for action in COUNTED["updates_within_limit"])
        first = sum(is_first_primary_team(change) for change in self._plan.changes)
        return Count(
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

    def _before(self, guard: str) -> int:
        """What a guard counts of the last 24 hours, without the changes that it was lifted for."""
        return sum(self._recent.get(action, 0) for action in COUNTED[guard])
