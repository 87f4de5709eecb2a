"""How things stand: runs, schedule, pause, lease, login, plans that wait. Nothing is changed."""

from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg

from swit_provisioning.apply.plan_states import PlanState, PlanStates
from swit_provisioning.daily import next_run
from swit_provisioning.resources.approving import max_age
from swit_provisioning.resources.seen_runs import SeenRun, newest_runs, newest_that_counts
from swit_provisioning.settings import Settings
from swit_provisioning.store.lease import LeaseHolder
from swit_provisioning.store.pauses import Pause
from swit_provisioning.store.restorations import Restoration
from swit_provisioning.store.store import Store


@dataclass(frozen=True, kw_only=True)
class TokenStanding:
    """The stored login."""

    stored: bool
    expires_at: datetime | None = None
    """When the access token ends; it is renewed when it is needed."""
    renewable: bool = False

    @property
    def days_left(self) -> float | None:
        """Days until the access token ends."""
        if self.expires_at is None:
            return None
        return (self.expires_at - datetime.now(UTC)).total_seconds() / 86400


@dataclass(frozen=True, kw_only=True)
class Status:
    """How things stand."""

    test_mode: bool
    organization_id: str | None
    last_run: SeenRun | None
    last_success: SeenRun | None
    next_run: datetime | None
    """When the schedule starts the next run; `None` without `SCHEDULE_TIME`."""
    next_action: str
    pause: Pause | None
    lease: LeaseHolder | None
    token: TokenStanding
    waiting: tuple[PlanState, ...]
    """Plans that a guard has stopped and that may still be approved."""
    begun: tuple[PlanState, ...] = ()
    """Plans that were applied in part, and whose rest can still be sent."""
    restored: Restoration | None = None
    """The state came back from a backup, and no run has planned since: the next one only plans."""


def status_of(settings: Settings, store: Store, instance: dg.DagsterInstance) -> Status:
    """Look at the settings, the state database and Dagster's runs; Swit is not asked."""
    plans_count = settings.schedule_action == "plan"
    plans = PlanStates(store, max_age=max_age(settings)).listed(limit=100)
    return Status(
        test_mode=settings.is_test_mode,
        organization_id=store.organization.bound_to(),
        last_run=newest_that_counts(newest_runs(instance), plans_count=plans_count),
        last_success=newest_that_counts(
            newest_runs(instance, dg.DagsterRunStatus.SUCCESS), plans_count=plans_count
        ),
        next_run=next_run(settings, datetime.now(UTC)),
        next_action=settings.schedule_action,
        pause=store.pauses.now(),
        lease=store.lease.held(),
        token=_token(store),
        waiting=tuple(state for state in plans if state.name == "waiting for approval"),
        begun=tuple(state for state in plans if state.name == "begun"),
        restored=_restored(store),
    )


def _restored(store: Store) -> Restoration | None:
    latest = store.restorations.latest()
    return latest if latest is not None and latest.planned_by is None else None


def _token(store: Store) -> TokenStanding:
    pair = store.tokens.load()
    if pair is None:
        return TokenStanding(stored=False)
    renewable = pair.refresh_token is not None
    return TokenStanding(stored=True, expires_at=pair.expires_at, renewable=renewable)
