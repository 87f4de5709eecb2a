"""The status of the installation: last and next run, login, pause, lease, waiting plans."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from swit_provisioning.apply.approvals import PlanState
from swit_provisioning.operations.dagster_runs import RunSummary, newest_runs, newest_that_counts
from swit_provisioning.operations.services import plan_judge
from swit_provisioning.settings import ScheduleSettings, Settings
from swit_provisioning.state.coordination import LeaseHolder, Pause
from swit_provisioning.state.identities import AcceptedRead
from swit_provisioning.state.plan_approvals import Restoration
from swit_provisioning.state.store import Store


def next_run(settings: ScheduleSettings, now: datetime) -> datetime | None:
    """When the schedule starts the next run; `None` without `SCHEDULE_TIME`."""
    if settings.schedule_time is None:
        return None
    return next_daily(settings.schedule_time, settings.schedule_timezone, after=now)


def next_daily(clock: str, timezone: str, *, after: datetime) -> datetime:
    """The next time that it is `clock` (`HH:MM`) in `timezone`, in UTC.

    If the clock change skips the time, it is the end of the gap; if it comes twice, the second.
    """
    zone, due = ZoneInfo(timezone), time.fromisoformat(clock)
    day = after.astimezone(zone).date()
    while True:
        found = _on(datetime.combine(day, due), zone)
        if found > after:
            return found
        day += timedelta(days=1)


def _on(local: datetime, zone: ZoneInfo) -> datetime:
    found = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if found.astimezone(zone).replace(tzinfo=None) == local:
        return found
    # The clock change skips it: by the two offsets of that night it lies on both sides of the gap.
    before, minute = found, timedelta(minutes=1)
    while (before + minute).astimezone(zone).utcoffset() == before.astimezone(zone).utcoffset():
        before += minute
    return before + minute


@dataclass(frozen=True, kw_only=True)
class StoredLogin:
    """The stored login."""

    stored: bool
    expires_at: datetime | None = None
    """When the access token expires; it is renewed when it is needed."""
    renewable: bool = False

    @property
    def days_left(self) -> float | None:
        """Days until the access token expires."""
        if self.expires_at is None:
            return None
        return (self.expires_at - datetime.now(UTC)).total_seconds() / 86400


@dataclass(frozen=True, kw_only=True)
class Status:
    """The state of the whole installation."""

    test_mode: bool
    organization_id: str | None
    last_run: RunSummary | None
    last_success: RunSummary | None
    next_run: datetime | None
    """When the schedule starts the next run; `None` without `SCHEDULE_TIME`."""
    next_action: str
    pause: Pause | None
    lease: LeaseHolder | None
    token: StoredLogin
    waiting: tuple[PlanState, ...]
    """Plans that a guard has stopped and that may still be approved."""
    begun: tuple[PlanState, ...] = ()
    """Plans that were applied in part, and whose remaining changes can still be sent."""
    last_read: AcceptedRead | None = None
    """The last read whose plan was applied whole: what the next read is compared with."""
    restored: Restoration | None = None
    """Set if the state came back from a backup and no run has planned since."""


def status_of(settings: Settings, store: Store, instance: dg.DagsterInstance) -> Status:
    """Read it from the settings, the state database and Dagster's runs; Swit is not asked."""
    plans_count = settings.schedule_action == "plan"
    pair, restored = store.tokens.load(), store.restorations.latest()
    plans = plan_judge(settings, store).states(limit=100)
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
        token=StoredLogin(
            stored=pair is not None,
            expires_at=pair.expires_at if pair else None,
            renewable=pair is not None and pair.refresh_token is not None,
        ),
        waiting=tuple(state for state in plans if state.name == "waiting for approval"),
        begun=tuple(state for state in plans if state.name == "begun"),
        last_read=store.reads.last(),
        restored=restored if restored and restored.planned_by is None else None,
    )
