"""The guards: whether a plan may be sent, judged on exactly the changes that would be sent."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from swit_provisioning.planning.actions import DEPARTURES
from swit_provisioning.planning.limits import Count, Counts, History
from swit_provisioning.planning.model import Plan
from swit_provisioning.planning.policy import Limits

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

_NOTHING: Mapping[GuardName, str] = {
    "directory_has_not_shrunk": "no base lost users or groups since the last accepted read",
    "directory_attributes_still_there": "no attribute disappeared since the last accepted read",
}
"""Message of a guard that found nothing to count."""


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


def judge(
    plan: Plan,
    limits: Limits,
    history: History,
    *,
    approval: frozenset[str] = frozenset(),
    apply_command: str | None = None,
) -> tuple[GuardResult, ...]:
    """The results of all guards, in the order of `GUARDS`.

    `approval` has the guards that someone lifted for this plan. `apply_command` is the command that
    the messages name, if `plan` is a selection of a stored one.
    """
    approved = approval - NEVER_LIFTED
    command = apply_command or f"swit-provisioning apply {plan.plan_id}"
    advice = f'{command} --approve "reason"'
    counts = Counts(plan, limits, history)
    limited: dict[GuardName, list[Count]] = {
        "directory_has_not_shrunk": list(counts.disappeared()),
        "directory_attributes_still_there": list(counts.attributes_lost()),
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
            _directory_problems(plan, history.last_read),
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
    name: GuardName, counts: list[Count], approved: frozenset[str], advice: str
) -> GuardResult:
    problem = "; ".join(f"{c.words}, {c.allowed}" for c in counts if not c.is_within)
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
                " the account's rights. If the base is meant to be empty, take it out of the"
                " settings"
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
            why = never[change.object_id]
            yield f"the change {change.change_id} takes away a protected user: {why}"
