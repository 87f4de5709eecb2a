"""Problems beside runs: each webhook gets one message when one begins, and one when it is over.

The memory of the sensor `alarms` (`Watch`) rests in its cursor: when it looked, which problems
last, and the messages that a webhook has not taken yet.
"""

from datetime import UTC, datetime, timedelta
from typing import Final, Self
from zoneinfo import ZoneInfo

import dagster as dg
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from swit_provisioning.operations.connections import TokensInStore, oauth_client
from swit_provisioning.operations.dagster_runs import (
    SCHEDULE_TAG,
    SeenRun,
    newest_runs,
    newest_that_counts,
)
from swit_provisioning.operations.installation_status import next_run
from swit_provisioning.operations.webhooks import channels, deliver
from swit_provisioning.planning.match_users import OWNER_LEFT
from swit_provisioning.planning.normalize import clock
from swit_provisioning.report.messages import Message, Severity
from swit_provisioning.report.redaction import code_of
from swit_provisioning.settings import ScheduleSettings, Settings
from swit_provisioning.state.store import Store
from swit_provisioning.state.token_store import TokensUnreadableError
from swit_provisioning.swit.auth import StoredTokens, TokenPair
from swit_provisioning.swit.errors import SwitError, SwitUnauthorizedError

NIGHT_MISSED: Final = "night missed"
NO_SUCCESS: Final = "no success"
LOGIN: Final = "login"
OWNER: Final = "owner of the login"
"""The `event` of a message that is about no run."""

AWAY: Final = timedelta(minutes=10)
"""A daemon that has not looked for so long was off: it looks every minute."""
_GIVEN_UP_AFTER: Final = timedelta(hours=24)


class _Pending(BaseModel):
    """A message that one channel has not taken yet."""

    channel: str
    posts: list[str]
    posted: int = 0
    made_at: datetime


class Watch(BaseModel):
    """What the sensor remembers from look to look. Times are aware."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    since: datetime
    """The first look of all."""
    up_since: datetime
    """The first look after the daemon was off."""
    seen: datetime
    """The last look."""
    asked: datetime | None = None
    """When Swit was last asked to renew the login."""
    plan_of: str = ""
    """The run whose plan was last searched for a departed owner of the login."""
    problems: dict[str, str] = Field(default_factory=dict)
    """Event of a problem that lasts -> what it is about, which tells it from the next one."""
    pending: list[_Pending] = Field(default_factory=list)

    @classmethod
    def of(cls, cursor: str | None, now: datetime) -> Self:
        """Read a cursor; without one, or if it can't be read, the watch begins now."""
        try:
            return cls.model_validate_json(cursor or "")
        except ValidationError:
            return cls(since=now, up_since=now, seen=now)

    def cursor(self) -> str:
        """The watch as the sensor keeps it."""
        return self.model_dump_json(exclude_defaults=True)

    def was_off(self, now: datetime) -> bool:
        """Whether nobody has looked for a while."""
        return now - self.seen > AWAY

    def look(self, now: datetime) -> None:
        """Note a look at this time."""
        if self.was_off(now):
            self.up_since = now
        self.seen = now

    def begin(self, settings: Settings, name: str, about: str, *lines: str) -> None:
        """A problem exists: make a message, unless it lasts already and is about the same."""
        # As soon as there is a webhook, it gets the message.
        if channels(settings) and self.problems.get(name) != about:
            self.problems[name] = about
            self.add(settings, name, "error", *lines)

    def end(self, settings: Settings, name: str, *lines: str) -> None:
        """A problem is over: make a message if it lasted."""
        if self.problems.pop(name, None) is not None:
            self.add(settings, name, "info", *lines)

    def add(self, settings: Settings, name: str, severity: Severity, *lines: str) -> None:
        """Make a message that is about no run, for each webhook that is set."""
        mode = "" if settings.mode == "live" else f"{settings.mode} · "
        first, *more = lines
        message = Message(
            event=name,
            severity=severity,
            lines=(f"{mode}Swit provisioning: {first}", *more),
            facts={"mode": settings.mode, "organization": settings.expected_organization},
        )
        now = datetime.now(UTC)
        self.pending += [
            _Pending(channel=channel.name, posts=channel.posts(message), made_at=now)
            for channel in channels(settings)
        ]

    def deliver(self, settings: Settings) -> list[str]:
        """Post the pending messages, oldest first; what went wrong, a sentence each.

        A webhook that is down gets the rest at a later look; after a day they are given up.
        """
        known = {channel.name: channel for channel in channels(settings)}
        problems: dict[str, str] = {}
        rest = []
        for pending in self.pending:
            channel = known.get(pending.channel)
            if channel is None or datetime.now(UTC) - pending.made_at > _GIVEN_UP_AFTER:
                continue
            if pending.channel not in problems:
                result = deliver(channel, pending.posts, posted=pending.posted)
                pending.posted = result.posted
                if result.problem:
                    problems[pending.channel] = result.problem
                if result.is_over:
                    continue
            rest.append(pending)
        self.pending = rest
        return list(problems.values())


_MOST_NIGHTS: Final = 400
_NAMED: Final = 5


def check_missed_nights(
    watch: Watch, store: Store, settings: Settings, dagster: dg.DagsterInstance, now: datetime
) -> None:
    """Report missed nights once, when the daemon is back; while runs are paused none is missed."""
    missed = [time for time in nights(settings, watch, now) if not _ran(dagster, time)]
    if not missed or (settings.schedule_action == "sync" and store.pauses.now() is not None):
        return
    count = "a nightly run was" if len(missed) == 1 else f"{len(missed)} nightly runs were"
    zone = ZoneInfo(settings.schedule_timezone)
    named = [f"{time.astimezone(zone):%Y-%m-%d %H:%M}" for time in missed[-_NAMED:]]
    more = f" and {len(missed) - _NAMED} before" if len(missed) > _NAMED else ""
    watch.add(
        settings,
        NIGHT_MISSED,
        "error",
        f"{count} missed: {', '.join(named)}{more} ({settings.schedule_timezone}).",
        "This machine, or Dagster's daemon on it, was off. Dagster catches up on the last one when"
        " it starts, if the schedule daily_sync is on. You get a message about that run.",
    )


def nights(settings: ScheduleSettings, watch: Watch, now: datetime) -> list[datetime]:
    """Times of the schedule that passed while the daemon was off."""
    if not watch.was_off(now):
        return []
    times: list[datetime] = []
    at = next_run(settings, watch.seen)
    while at is not None and at < now - AWAY and len(times) < _MOST_NIGHTS:
        times.append(at)
        at = next_run(settings, at)
    return times


def _ran(dagster: dg.DagsterInstance, time: datetime) -> bool:
    """Whether the schedule launched a run then: only this sensor was switched off."""
    launched = dg.RunsFilter(
        tags={SCHEDULE_TAG: "daily_sync"},
        created_after=time - timedelta(seconds=1),
        created_before=time + AWAY,
    )
    return bool(dagster.get_run_records(launched, limit=1))


_TIME_TO_CATCH_UP: Final = timedelta(hours=1)
"""After the daemon was off, the run that Dagster catches up on comes first."""


def check_last_success(
    watch: Watch, store: Store, settings: Settings, dagster: dg.DagsterInstance, now: datetime
) -> None:
    """Report once for each last success that it is too long ago, and that there is a new one."""
    plans_count = settings.schedule_action == "plan"
    succeeded = newest_runs(dagster, dg.DagsterRunStatus.SUCCESS)
    last = newest_that_counts(succeeded, plans_count=plans_count)
    about = last.run_id if last else "never"
    if last is not None and watch.problems.get(NO_SUCCESS) != about:
        ended = clock(_ended(last, now))
        lines = f"over: a run has succeeded again on {ended}.", f"Run {last.run_id}"
        watch.end(settings, NO_SUCCESS, *lines)
    hours = settings.alert_after_hours
    since = _ended(last, now) if last else watch.since
    if not _is_wanted(store, settings) or now - since < timedelta(hours=hours):
        return
    if now - watch.up_since < _TIME_TO_CATCH_UP and watch.up_since != watch.since:
        return
    tried = newest_that_counts(newest_runs(dagster), plans_count=plans_count)
    watch.begin(
        settings,
        NO_SUCCESS,
        about,
        f"nothing has succeeded for {(now - since).total_seconds() / 3600:.0f} hours"
        f" (ALERT_AFTER_HOURS={hours:g}).",
        f"The last success: {_in_words(last)}",
        f"The last run: {_in_words(tried)}",
        "Look at swit-provisioning status, and whether the schedule daily_sync is on in the UI.",
    )


def _is_wanted(store: Store, settings: Settings) -> bool:
    """Whether something should succeed every day at all."""
    if settings.schedule_time is None or not settings.alert_after_hours:
        return False
    return settings.schedule_action == "plan" or store.pauses.now() is None


def _ended(run: SeenRun, now: datetime) -> datetime:
    return run.ended_at or run.started_at or now


def _in_words(run: SeenRun | None) -> str:
    return "none yet" if run is None else run.in_words


def check_owner(watch: Watch, store: Store, settings: Settings) -> None:
    """Report if the newest plan finds that the owner of the login has left the directory."""
    newest = next(iter(store.plans.listed(limit=1)), None)
    stored = store.plans.get(newest.plan_hash) if newest else None
    if newest is None or stored is None or newest.run_id == watch.plan_of:
        return
    watch.plan_of = newest.run_id
    left = next((finding for finding in stored.plan.findings if finding.kind == OWNER_LEFT), None)
    if left is None:
        found = "over: the owner of the login is in the directory, or another one has logged in."
        watch.end(settings, OWNER, found)
        return
    code = code_of(left.subject)
    owner = left.subject if settings.hide_names == "nowhere" else code
    found = f"the owner of the login has left the directory: {owner}."
    watch.begin(settings, OWNER, code, found, left.message)


DAYS_AHEAD: Final = timedelta(days=3)
"""A login that can't be renewed is reported so long before its end."""
_ASKED_EVERY: Final = timedelta(hours=1)
_HALF: Final = 1 / 2
_EIGHTH: Final = 1 / 8
_ADVICE: Final = "Log in again: swit-provisioning login. It replaces the stored login."


def check_login(watch: Watch, store: Store, settings: Settings, now: datetime) -> None:
    """Renew the stored login in good time; report if that can't be done, and when it is over."""
    pair = _stored(watch, store, settings)
    if pair is None or pair.expires_at is None:
        return
    if pair.refresh_token is None:
        if pair.expires_at - now > DAYS_AHEAD and pair.has_left(_HALF, now):
            _works(watch, settings, pair.expires_at)
            return
        verb = "ended" if pair.expires_at <= now else "ends"
        found = (
            f"the login {verb} on {clock(pair.expires_at)} and can't be renewed: it has no refresh"
            " token."
        )
        watch.begin(settings, LOGIN, _about(pair), found, _ADVICE)
    elif pair.has_left(_HALF, now):
        _works(watch, settings, pair.expires_at)
    elif not settings.missing("swit", token_stored=True) and (
        watch.asked is None or now - watch.asked >= _ASKED_EVERY
    ):
        watch.asked = now
        _renew(watch, store, settings, pair, pair.expires_at, now)


def _stored(watch: Watch, store: Store, settings: Settings) -> TokenPair | None:
    """The stored login, if one is needed; one that can't be read is reported."""
    if settings.is_on_bundled_sandbox:
        return None
    try:
        return TokensInStore(store).load()
    except TokensUnreadableError as error:
        found = "the stored login can't be read."
        watch.begin(settings, LOGIN, "unreadable", found, str(error))
        return None


def _renew(
    watch: Watch, store: Store, settings: Settings, pair: TokenPair, ends: datetime, now: datetime
) -> None:
    try:
        StoredTokens(oauth_client(settings), TokensInStore(store)).renew(pair)
    except SwitUnauthorizedError as error:
        verb = "has ended" if ends <= now else f"works until {clock(ends)}"
        found = f"Swit refuses to renew the login; it {verb}."
        watch.begin(settings, LOGIN, _about(pair), found, str(error), _ADVICE)
    except SwitError as error:
        # Swit may be down for a night; a run reports that by itself.
        if not pair.has_left(_EIGHTH, now):
            found = f"the login ends on {clock(ends)}, and Swit can't be asked to renew it."
            watch.begin(settings, LOGIN, _about(pair), found, str(error))
    else:
        renewed = TokensInStore(store).load()
        _works(watch, settings, renewed.expires_at if renewed else None)


def _works(watch: Watch, settings: Settings, ends: datetime | None) -> None:
    until = f", good until {clock(ends)}" if ends else ""
    watch.end(settings, LOGIN, f"over: there is a login that works{until}.")


def _about(pair: TokenPair) -> str:
    return pair.obtained_at.isoformat() if pair.obtained_at else "the stored one"
