"""The guards, as this run sees them: one function for the checks, the gate and the stored plan."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import dagster as dg

from swit_provisioning.assets.common import told
from swit_provisioning.reconcile.guards import GUARDS, GuardName, Verdict, judge
from swit_provisioning.reconcile.plan import Plan
from swit_provisioning.settings import Settings
from swit_provisioning.store.approvals import Approval
from swit_provisioning.store.store import Store

LIMIT_WINDOW: Final = timedelta(hours=24)

GUARD_SAYS: Final[Mapping[GuardName, str]] = {
    "directory_read_is_complete": "The directory was read whole, and every base gave users.",
    "swit_read_is_complete": "Swit was read whole, by an active administrator's account.",
    "protected_users_untouched": "No protected user and no kept team is changed.",
    "directory_has_not_shrunk": "No base shrank by more than MAX_DIRECTORY_SHRINK allows.",
    "deactivations_within_limit": "No more people leave than MAX_DEACTIVATIONS allows.",
    "team_deletions_within_limit": "No more teams go than MAX_TEAM_DELETIONS allows.",
    "membership_removals_within_limit": "No more memberships end than MAX_MEMBERSHIP_REMOVALS.",
    "creations_within_limit": "No more is made than MAX_USER_CREATIONS, MAX_TEAM_CREATIONS.",
    "updates_within_limit": "No more is updated than MAX_UPDATES allows.",
}


def guard_specs(asset: str) -> list[dg.AssetCheckSpec]:
    """The guards as blocking checks of one asset."""
    return [
        dg.AssetCheckSpec(name, asset=asset, blocking=True, description=GUARD_SAYS[name])
        for name in GUARDS
    ]


def root_run_id(run: dg.DagsterRun) -> str:
    """The first run of a chain of re-executions: plans and journal belong to it."""
    return run.root_run_id or run.run_id


def valid_approval(plan: Plan, settings: Settings, store: Store) -> Approval | None:
    """What was approved for this plan, unless it is spent or too old."""
    hours = settings.plan_max_age_hours
    return store.approvals.of(plan.plan_id, newer_than=timedelta(hours=hours))


def judged(
    plan: Plan, settings: Settings, store: Store, *, application_id: str | None = None
) -> tuple[Verdict, ...]:
    """Judge a plan by today's limits, what ran in the last 24 hours, and its approval, if any.

    What `application_id` itself has done already is part of the plan, so it is not counted twice.
    """
    approval = valid_approval(plan, settings, store)
    return judge(
        plan,
        settings.limits(),
        last_read=store.reads.last_accepted(),
        recent=store.journal.unapproved_since(
            datetime.now(UTC) - LIMIT_WINDOW, but_not=application_id
        ),
        approval=frozenset(approval.guards) if approval else None,
    )


def check_result(verdict: Verdict, asset: str, settings: Settings) -> dg.AssetCheckResult:
    """A verdict as the UI shows it: its message is the first thing to read."""
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=verdict.name,
        passed=not verdict.stops,
        description=told(settings, verdict.message),
        metadata={"approved": verdict.lifted},
    )


def refuse_env_references(config: Mapping[str, Any]) -> None:
    """Refuse `{env: NAME}` in a run's config: it would show any variable of the server."""
    for value in config.values():
        if isinstance(value, Mapping):
            if set(value) == {"env"}:
                message = (
                    "{env: NAME} is not allowed in a run's configuration: it would show any"
                    " variable of the server. Write the value itself."
                )
                raise dg.Failure(message, metadata={"status": "failed"}, allow_retries=False)
            refuse_env_references(value)
