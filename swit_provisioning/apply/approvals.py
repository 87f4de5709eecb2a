"""The judge of plans: limits, approvals and rejections, and the state of each stored plan.

The checks, the gate, the commands, the page and the gateway all ask `PlanJudge`, so that they give
one answer. An approval is for one plan and for the limits that it breaks when it is given. A
rejection is for one plan, too: for exactly these changes, also when a later read plans them again.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from swit_provisioning.apply.outcomes import DONE
from swit_provisioning.apply.run_model import RefusedError, RunState
from swit_provisioning.planning.guards import (
    NEVER_LIFTED,
    GuardName,
    GuardResult,
    judge,
    without_advice,
)
from swit_provisioning.planning.limits import History, RecentCounts
from swit_provisioning.planning.model import LIMITED_COUNTS, Plan, PlanHash, shown_id
from swit_provisioning.planning.normalize import clock
from swit_provisioning.planning.policy import Limits
from swit_provisioning.planning.staleness import stale_reasons
from swit_provisioning.state.database import utc_now
from swit_provisioning.state.identities import BASELINE_WINDOW
from swit_provisioning.state.plan_approvals import Acceptance, Approval, Rejection
from swit_provisioning.state.store import Store
from swit_provisioning.state.stored_plans import AmbiguousPlanError, ListedPlan, StoredPlan

LIMIT_WINDOW: Final = timedelta(hours=24)
"""Changes that were sent without an approval in this time count against the limits."""

StateName = Literal[
    "nothing to do",
    "applied",
    "rejected",
    "begun",
    "expired",
    "stale",
    "blocked",
    "waiting for approval",
    "approved",
    "ready",
]
PENDING: Final[frozenset[StateName]] = frozenset(
    {"begun", "blocked", "waiting for approval", "approved", "ready"}
)
"""States of a plan that the guards can still stop or let through."""
WITH_KEY: Final = " (with APPROVAL_KEY)"
"""Follows the name of an approver who gave it with the key: nothing proves the name."""
_MAKE_A_NEW_ONE: Final = "To make a new plan: swit-provisioning plan"


@dataclass(frozen=True, kw_only=True)
class PlanState:
    """The state of one plan, who decided about it, and what to do next."""

    plan: ListedPlan
    name: StateName
    approval: Approval | None = None
    """The approval that is in force, or that lifted a limit for the run that applied the plan."""
    rejection: Rejection | None = None
    application: Acceptance | None = None
    """The last run that was allowed to send the plan as it was made last."""
    settled: int = 0
    """Changes that were applied or rejected; counted for a plan that is `begun`."""
    stale_because: str = ""
    """What made a `stale` plan stale, as a clause."""

    @property
    def stopped_by(self) -> list[str]:
        """Names of the guards that stop it, without those that its approval lifts."""
        lifted = self.approval.guards if self.approval else ()
        stops = (v["name"] for v in self.plan.guard_results if v["blocking"] and not v["passed"])
        return [str(name) for name in stops if name not in lifted]

    @property
    def sentences(self) -> list[str]:
        """The state in words: what it is, who approved it, who applied it, and when."""
        sentences = [self._state]
        approval = self.approval
        if approval is not None and self.name != "rejected":
            at = clock(approval.at)
            sentences.append(f"Approved by {approval.actor} on {at}: {approval.reason}")
        if self.name in PENDING and self.stopped_by:
            sentences.append(f"Stopped by {', '.join(self.stopped_by)}.")
        return sentences

    @property
    def advice(self) -> str:
        """What to do next, with the command; empty if there is nothing to do."""
        plan_id = self.plan.plan_id
        if self.name == "begun" and NEVER_LIFTED & set(self.stopped_by):
            return _MAKE_A_NEW_ONE
        if self.name in {"ready", "approved"} or (self.name == "begun" and not self.stopped_by):
            words = "To send the rest" if self.name == "begun" else "To apply it"
            return f"{words}: swit-provisioning apply {plan_id}"
        if self.name in {"waiting for approval", "begun"}:
            return f'To approve it: swit-provisioning approve {plan_id} --reason "reason"'
        if self.name == "rejected":
            approve = f'swit-provisioning approve {plan_id} --reason "reason"'
            return f"If it is meant after all: {approve}"
        if self.name == "nothing to do":
            return ""
        return _MAKE_A_NEW_ONE

    @property
    def _state(self) -> str:
        made = self.application
        by = f" by {made.actor}" if made is not None and made.actor else ""
        run = f" (run {made.run_id})" if made is not None else ""
        if made is not None and made.finished_at is not None and self.name == "applied":
            return f"Applied{by} on {clock(made.finished_at)}{run}."
        if made is not None and self.name == "begun":
            changes = sum(self.plan.counts.values())
            return (
                f"Partly applied{by} on {clock(made.accepted_at)}{run}: {self.settled:,} of"
                f" {changes:,} changes are done."
            )
        return {
            "nothing to do": "Nothing to do.",
            "ready": "Ready to be applied.",
            "approved": "Approved, not applied yet.",
            "rejected": self.rejection.words if self.rejection else "Rejected.",
            "waiting for approval": "Waiting for an approval.",
            "blocked": "Blocked: no approval can lift this. Correct what the guard names.",
            "stale": f"Stale: {self.stale_because}.",
            "expired": f"Expired: it was made on {clock(self.plan.created_at)}, longer ago than"
            " PLAN_MAX_AGE_HOURS allows.",
        }[self.name]


@dataclass(kw_only=True)
class PlanJudge:
    """Judges plans by the limits, records decisions about them, and says which state each is in.

    A pending plan is stale here when the newest stored plan for everyone no longer makes all of its
    changes.
    """

    store: Store
    limits: Limits
    max_age: timedelta
    """The highest age of a plan, and of its approval: `PLAN_MAX_AGE_HOURS`."""
    holds_back: bool = False
    """Whether changes that exceed a limit wait while the others are sent: `ON_LIMIT`."""
    two_people: bool = False
    """Whether another person has to approve a plan than who made it or applies it: `APPROVALS`."""
    clock: Callable[[], datetime] = utc_now
    _newest: tuple[tuple[PlanHash, datetime], Plan] | None = field(default=None, init=False)
    _left_out: dict[str, str] = field(default_factory=dict, init=False)

    def judge(
        self,
        plan: Plan,
        *,
        application_id: str | None = None,
        part: Plan | None = None,
        selection: str = "",
        applied_by: str | None = None,
    ) -> tuple[GuardResult, ...]:
        """Judge a plan by today's limits, the last accepted read, the last 24 hours and approvals.

        Changes that `application_id` itself has sent are part of the plan, so they are not counted
        twice. Of a plan of which only a `part` is sent that part is judged, by the approval of the
        whole plan; `selection` has the options of `apply` that choose it, for the messages.
        With `two_people`, an approval by `applied_by` does not count.
        """
        approval = self.approval_of(plan)
        does_not_count, note = self.store.restorations.void_approval(plan.plan_hash), ""
        if does_not_count is not None:
            note = (
                f"The approval by {does_not_count.actor} of {clock(does_not_count.at)}"
                f" ({does_not_count.reason}) is void: the state came back from a backup since. If"
                " it still holds, approve this anew."
            )
        if approval and applied_by and self.two_people and same_person(approval.actor, applied_by):
            does_not_count, approval = approval, None
            note = (
                f"The approval by {does_not_count.actor} does not count, because {applied_by}"
                " applies the plan (APPROVALS=two_people). Let another person approve or apply it."
            )
        results = judge(
            part or plan,
            self.limits,
            self.history(plan, but_not=application_id),
            approval=frozenset(approval.guards) if approval else frozenset(),
            apply_command=f"swit-provisioning apply {plan.plan_id}{selection}",
        )
        if does_not_count is None:
            return results
        noted = next((v for v in results if v.stops and v.name in does_not_count.guards), None)
        return tuple(
            replace(v, message=f"{v.message} {note}") if v is noted else v for v in results
        )

    def history(self, plan: Plan, *, but_not: str | None) -> History:
        """The last accepted read, and what was sent, without the application `but_not`."""
        last = self.store.reads.last()
        return History(
            last_read=last.directory if last else {},
            last_presence=last.presence if last else {},
            recent=self.store.journal.unapproved_since(
                self.clock() - LIMIT_WINDOW, but_not=but_not
            ),
            recent_counts=self._recent_counts(plan, but_not=but_not),
        )

    def _recent_counts(self, plan: Plan, *, but_not: str | None) -> RecentCounts:
        """The smallest accepted counts of the last seven days, and the users created since.

        Reads without an active user that may go, and counts of zero, are left out: percentages of
        nothing would stop an organisation that was just filled, and there was nothing yet that a
        wrong plan could take away. So are reads that were counted by other settings.
        """
        by = plan.counted_by()
        reads = [
            read
            for read in self.store.reads.of_last_days()
            if read.counted_by == by or not read.counts
        ]
        counted = [r.counts for r in reads if r.counts.get("active_users_that_may_go")]
        empty = [r.accepted_at for r in reads if not r.counts.get("active_users_that_may_go")]
        found = {name: [n for counts in counted if (n := counts[name])] for name in LIMITED_COUNTS}
        smallest: dict[str, int] = {
            name: min(numbers) for name, numbers in found.items() if numbers
        }
        since = max([self.clock() - BASELINE_WINDOW, *empty])
        created = self.store.journal.users_created_since(since, but_not=but_not)
        return RecentCounts(smallest=smallest, created_users=created)

    def approval_of(self, plan: Plan) -> Approval | None:
        """The approval in force (not spent or expired) of this plan or the one that it includes."""
        hashes = filter(None, (plan.plan_hash, plan.includes))
        found = (self.store.approvals.of(PlanHash(h), newer_than=self.max_age) for h in hashes)
        return next(filter(None, found), None)

    def lift(
        self,
        plan: Plan,
        *,
        actor: str,
        reason: str,
        application_id: str | None = None,
        part: Plan | None = None,
    ) -> tuple[GuardName, ...]:
        """Approve the limits that the plan breaks now, if it breaks any; their names.

        Raises:
            RefusedError: the actor applies the plan, too, and `two_people` forbids that.

        """
        results = self.judge(plan, application_id=application_id, part=part)
        broken = tuple(v.name for v in results if not v.passed and v.name not in NEVER_LIFTED)
        if broken and application_id is not None and self.two_people:
            message = (
                f"Plan {plan.plan_id} can't be approved by the person who applies it"
                " (APPROVALS=two_people). Leave the reason out, and let another person approve it:"
                f' swit-provisioning approve {plan.plan_id} --reason "reason"'
            )
            raise RefusedError(message, RunState.BLOCKED)
        if broken:
            self.store.approvals.add(plan.plan_hash, actor=actor, reason=reason, guards=broken)
        return broken

    def approve(self, plan_id: str, *, actor: str, reason: str) -> tuple[GuardName, ...]:
        """Let this plan past the limits it breaks now; a rejection of it is withdrawn.

        `plan_id` is a unique prefix of the plan's hash. Returns the names of the limits: none if
        the plan breaks none and so needs no approval.

        Raises:
            RefusedError: there is no such plan or more than one, it was applied already, it is too
                old, a guard stops it that no approval lifts, or `two_people` wants another person.

        """
        stored = self.stored(plan_id)
        self._refuse_applied(stored, verb="approve")
        self.refuse_expired(stored)
        maker = self.store.plans.maker(stored.plan_hash) if self.two_people else None
        if maker is not None and same_person(actor, maker):
            message = (
                f"Plan {stored.plan_id} was made by {maker}, so another person has to approve it"
                " (APPROVALS=two_people)."
            )
            raise RefusedError(message, RunState.BLOCKED)
        never = [v for v in self.judge(stored.plan) if v.stops and v.name in NEVER_LIFTED]
        if never:
            reasons = " ".join(f"{result.name}: {result.message}" for result in never)
            message = f"Plan {stored.plan_id} can't be approved, no approval lifts this. {reasons}"
            raise RefusedError(message, RunState.BLOCKED)
        self.store.rejections.lift(stored.plan_hash, actor=actor)
        return self.lift(stored.plan, actor=actor, reason=reason)

    def reject(self, plan_id: str, *, actor: str, reason: str) -> None:
        """Forbid exactly these changes until the plan is approved; its approvals become void.

        Raises:
            RefusedError: there is no such plan or more than one, it was applied already, or it
                changes nothing: all plans without changes are one and the same.

        """
        stored = self.stored(plan_id)
        if not stored.plan.changes:
            message = f"Plan {stored.plan_id} changes nothing, so there is nothing to reject."
            raise RefusedError(message, RunState.UNKNOWN_PLAN)
        self._refuse_applied(stored, verb="reject")
        self.store.rejections.add(stored.plan_hash, actor=actor, reason=reason)
        self.store.approvals.spend(stored.plan_hash)

    def refuse_expired(self, stored: StoredPlan) -> None:
        """Raise `RefusedError` (stale) for a plan that is too old to be applied or approved."""
        age = self.clock() - stored.created_at
        if age > self.max_age:
            message = (
                f"Plan {stored.plan_id} is {hours(age)} hours old, PLAN_MAX_AGE_HOURS is"
                f" {hours(self.max_age)}. Make a new one: swit-provisioning plan"
            )
            raise RefusedError(message, RunState.STALE)

    def stored(self, plan_id: str) -> StoredPlan:
        """The plan with this id, a unique prefix of its hash; else raise `RefusedError`."""
        try:
            plan_hash = self.store.plans.find(plan_id)
        except AmbiguousPlanError as error:
            raise RefusedError(str(error), RunState.WRONG_USE) from error
        stored = self.store.plans.get(plan_hash) if plan_hash else None
        if stored is None:
            message = f"There is no plan {plan_id}. `swit-provisioning plans` lists them."
            raise RefusedError(message, RunState.UNKNOWN_PLAN)
        return stored

    def _refuse_applied(self, stored: StoredPlan, *, verb: str) -> None:
        applied = self.store.acceptances.newest_of(stored.plan_hash)
        if applied is not None and applied.finished_at is not None:
            by = f" by {applied.actor}" if applied.actor else ""
            message = (
                f"Plan {stored.plan_id} was applied{by} on {clock(applied.finished_at)}, so there"
                f" is nothing left to {verb}. To see what would change now: swit-provisioning plan"
            )
            raise RefusedError(message, RunState.UNKNOWN_PLAN)

    def states(self, *, limit: int) -> list[PlanState]:
        """The states of the plans that were made last, newest first, by the results stored then."""
        return [self._state(plan) for plan in self.store.plans.listed(limit=limit)]

    def current(self, stored: StoredPlan) -> tuple[StoredPlan, PlanState]:
        """The plan and its state; a pending plan with the results of the guards as they are now.

        A plan that is not pending keeps the results of when it was made, without their advice.

        Raises:
            KeyError: the plan is not stored.

        """
        state = self._state(self._listed(stored.plan_hash))
        if state.name not in PENDING:
            lifted = state.approval.guards if state.approval else ()
            past = tuple(
                {
                    **result,
                    "message": without_advice(result["message"]),
                    "blocking": result["blocking"] and result["name"] not in lifted,
                }
                for result in stored.guard_results
            )
            return replace(stored, guard_results=past), state
        begun = state.application.application_id if state.application else None
        results = tuple(v.document() for v in self.judge(stored.plan, application_id=begun))
        listed = replace(self._listed(stored.plan_hash), guard_results=results)
        return replace(stored, guard_results=results), self._state(listed)

    def _listed(self, plan_hash: PlanHash) -> ListedPlan:
        found = self.store.plans.listed(limit=1, plan_hash=plan_hash)
        if not found:
            raise KeyError(plan_hash)
        return found[0]

    def _state(self, plan: ListedPlan) -> PlanState:
        rejection = self.store.rejections.of(plan.plan_hash)
        approval = self.store.approvals.of(plan.plan_hash, newer_than=self.max_age)
        if approval is None and any(result.get("lifted") for result in plan.guard_results):
            stored = self.store.plans.get(plan.plan_hash)  # it may include an approved plan
            approval = self.approval_of(stored.plan) if stored else None
        application = self.store.acceptances.newest_of(
            plan.plan_hash
        ) or self.store.acceptances.included(plan.plan_hash, made_at=plan.created_at)
        name = self._state_name(plan, rejection, approval, application)
        if application is not None and application.approval_id and name in {"applied", "begun"}:
            approval = self.store.approvals.get(application.approval_id)
        return PlanState(
            plan=plan,
            name=name,
            approval=approval,
            rejection=rejection,
            application=application,
            settled=self._settled(application) if application and name == "begun" else 0,
            stale_because=self._stale_because(plan) if name == "stale" else "",
        )

    def _settled(self, application: Acceptance) -> int:
        entries = self.store.journal.latest(
            application.application_id, plan_hash=application.plan_hash
        )
        return sum(entry.outcome in DONE | {"rejected"} for entry in entries.values())

    def _state_name(
        self,
        plan: ListedPlan,
        rejection: Rejection | None,
        approval: Approval | None,
        application: Acceptance | None,
    ) -> StateName:
        broken = {result["name"] for result in plan.guard_results if not result["passed"]}
        state: StateName = "waiting for approval"
        if not plan.counts:
            state = "nothing to do"
        elif application is not None and application.finished_at is not None:
            state = "applied"
        elif rejection is not None:
            state = "rejected"
        elif self.clock() - plan.created_at > self.max_age:
            state = "expired"
        elif self._overtaken_by(plan) or (application is None and self._stale_because(plan)):
            state = "stale"
        elif application is not None:
            state = "begun"
        elif broken & NEVER_LIFTED:
            state = "blocked"
        elif not broken:
            state = "ready"
        elif approval and broken <= set(approval.guards):
            state = "approved"
        return state

    def _stale_because(self, plan: ListedPlan) -> str:
        """Why the plan is stale, as a clause; empty if it is not."""
        newer = self._overtaken_by(plan)
        if newer is not None:
            return f"a newer plan, {newer.plan_id}, was accepted on {clock(newer.accepted_at)}"
        newest = self.store.plans.latest()
        if newest is None or newest == plan.plan_hash:
            return ""
        if plan.person and self._listed(newest).created_at < plan.created_at:
            return ""  # the plan for one person was made later
        stored = self.store.plans.get(plan.plan_hash)
        if stored is not None and stale_reasons(
            stored.plan, self._newest_plan(newest), frozenset()
        ):
            return f"the newest plan, {shown_id(newest)}, no longer makes all its changes"
        return ""

    def _newest_plan(self, plan_hash: PlanHash) -> Plan:
        """The newest plan with what waits beside it; read once until it is made again."""
        made_at = self._listed(plan_hash).created_at
        if self._newest is None or self._newest[0] != (plan_hash, made_at):
            stored = self.store.plans.get(plan_hash)
            plan = stored.plan if stored else Plan(changes=())
            whole = replace(plan, changes=plan.changes + plan.waiting)
            self._newest = (plan_hash, made_at), whole
        return self._newest[1]

    def _overtaken_by(self, plan: ListedPlan) -> Acceptance | None:
        """The newer plan that was accepted since this one was made: the gate refuses the rest."""
        newest = self.store.acceptances.newest()
        if newest is None or newest.plan_hash == plan.plan_hash:
            return None
        if newest.accepted_at <= plan.created_at or self.was_left_out_of(newest, plan.plan_hash):
            return None
        return newest

    def was_left_out_of(self, accepted: Acceptance, plan_hash: PlanHash) -> bool:
        """Whether the changes of this plan are those that wait beside the accepted plan."""
        if accepted.run_id not in self._left_out:
            stored = self.store.plans.get(accepted.plan_hash)
            self._left_out[accepted.run_id] = stored.plan.waiting_hash if stored else ""
        return self._left_out[accepted.run_id] == plan_hash


def same_person(first: str, second: str) -> bool:
    """Whether two names may belong to one person: `ann.kim@host`, `Ann Kim`, `AnnKim@example.com`.

    Names of a command (`user@host`), of the sign-on and of the key are compared without host,
    domain, case, spaces and punctuation.
    """

    def account(name: str) -> str:
        local = name.removesuffix(WITH_KEY).partition("@")[0]
        return "".join(filter(str.isalnum, local.casefold()))

    return account(first) == account(second)


def hours(time: timedelta) -> str:
    """`72`, `0.5`, or `1,234.5`."""
    return f"{round(time.total_seconds() / 3600, 1):,g}"
