"""Which part of a new plan a run sends, and which waits for an approval (`ON_LIMIT=hold_back`)."""

from dataclasses import replace

from swit_provisioning.apply.approvals import PlanJudge
from swit_provisioning.planning.guards import GuardResult, judge
from swit_provisioning.planning.hold_back import hold_back, waiting_plan
from swit_provisioning.planning.model import Plan


def plan_to_send(judge_of_plans: PlanJudge, plan: Plan, *, applied_by: str | None = None) -> Plan:
    """The plan that a run makes of `plan`: all of it, or the part that is within the limits.

    - If changes exceed a limit and `ON_LIMIT` is `hold_back`, it is the other part. `Plan.waiting`
      has the changes that wait.
    - If the changes that would wait are an approved plan, it is the whole plan, which `includes`
      that one. With `two_people`, an approval by `applied_by` does not count.
    - If there would be no other part, it is the whole plan, which waits itself. If it was rejected,
      it is a plan without changes instead, so that a rejected plan does not block every run.

    A plan for one person is never divided.
    """
    if not judge_of_plans.holds_back or plan.person or not _stops(judge_of_plans.judge(plan)):
        return plan
    limits, history = judge_of_plans.limits, judge_of_plans.history(plan, but_not=None)
    rest = hold_back(plan, lambda part: _stops(judge(part, limits, history)))
    if rest is None:
        return plan
    held = waiting_plan(rest)
    whole = replace(plan, includes=held.plan_hash)
    if judge_of_plans.approval_of(held) is not None and not _stops(
        judge_of_plans.judge(whole, applied_by=applied_by)
    ):
        return whole
    is_rejected = judge_of_plans.store.rejections.of(held.plan_hash) is not None
    return rest if rest.changes or is_rejected else plan


def _stops(results: tuple[GuardResult, ...]) -> list[str]:
    return [result.name for result in results if result.stops]
