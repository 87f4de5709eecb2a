"""What is wrong beside runs: told once when it begins, and once when it is over."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Self
from zoneinfo import ZoneInfo

import dagster as dg

from swit_provisioning.operations.connections import TokensInStore, oauth_client
from swit_provisioning.operations.names import SCHEDULE_TAG
from swit_provisioning.operations.runs import SeenRun, newest_runs, newest_that_counts, next_run
from swit_provisioning.operations.webhooks import channels, tell
from swit_provisioning.planning.match_users import OWNER_LEFT
from swit_provisioning.planning.model import Plan
from swit_provisioning.planning.normalize import clock
from swit_provisioning.report.messages import Message, Severity
from swit_provisioning.report.redaction import code_of
from swit_provisioning.settings import ScheduleSettings, Settings
from swit_provisioning.state.errors import TokensUnreadableError
from swit_provisioning.state.store import Store
from swit_provisioning.swit.auth import StoredTokens, TokenPair
from swit_provisioning.swit.errors import SwitError, SwitUnauthorizedError

NIGHT_MISSED: Final = "night missed"
NO_SUCCESS: Final = "no success"
LOGIN: Final = "login"
OWNER: Final = "owner of the login"
"""What a message that is about no run is about: its `event`."""


def begin(store: Store, settings: Settings, name: str, about: str, *lines: str) -> None:
    """It is wrong: tell it, unless it stands already and is about the same."""
    standing = store.alarms.standing(name)
    # Once there is somebody to tell, it is told.
    if channels(settings) and (standing is None or standing.about != about):
        # Told first: who dies in between tells it again under the same subject, so not twice.
        tell(store, settings, _subject(name, about), notice(settings, name, "error", *lines))
        store.alarms.begin(name, about)


def end(store: Store, settings: Settings, name: str, *lines: str) -> None:
    """It is over: tell it, if it was wrong."""
    standing = store.alarms.standing(name)
    if standing is not None:
        subject = f"{_subject(name, standing.about)}, over"
        tell(store, settings, subject, notice(settings, name, "info", *lines))
        store.alarms.end(name)


def notice(settings: Settings, name: str, severity: Severity, *lines: str) -> Message:
    """A message that is about no run."""
    mode = "" if settings.mode == "live" else f"{settings.mode} · "
    first, *more = lines
    return Message(
        event=name,
        severity=severity,
        lines=(f"{mode}Swit provisioning: {first}", *more),
        facts={"mode": settings.mode, "organization": settings.expected_organization},
    )


def _subject(name: str, about: str) -> str:
    """The same may begin again another day."""
    return f"{name}, {about}, {datetime.now(UTC):%Y-%m-%d}"


AWAY: Final = timedelta(minutes=10)
"""Who did not look for so long was off; the daemon looks every minute."""


@dataclass(frozen=True, kw_only=True)
class Watch:
    """Times are aware."""

    since: datetime
    """The first look of all."""
    up_since: datetime
    """The first look after the daemon was off."""
    seen: datetime
    """The last look."""
    asked: datetime | None = None
    """When Swit was last asked to renew the login."""

    @classmethod
    def of(cls, cursor: str | None, now: datetime) -> Self:
        """What was kept; without it, or where nobody can read it, one that begins now."""
        try:
            kept = {key: datetime.fromisoformat(v) for key, v in json.loads(cursor or "").items()}
            return cls(**kept)
        except (ValueError, TypeError, AttributeError):
            return cls(since=now, up_since=now, seen=now)

    def cursor(self) -> str:
        """To be kept."""
        return json.dumps({key: time.isoformat() for key, time in vars(self).items() if time})

    def was_off(self, now: datetime) -> bool:
        """Whether nobody has looked for a while."""
        return now - self.seen > AWAY

    def looked(self, now: datetime) -> Self:
        """The same after a look."""
        return replace(self, seen=now, up_since=now if self.was_off(now) else self.up_since)


_MOST: Final = 400
"""Nights looked at: who was off for longer knows it."""
_NAMED: Final = 5


def tell_of_missed_nights(
    store: Store, settings: Settings, dagster: dg.DagsterInstance, watch: Watch, now: datetime
) -> None:
    """Tell once, when the daemon is back; nobody misses what is paused."""
    missed = [time for time in nights(settings, watch, now) if not _ran(dagster, time)]
    if not missed or (settings.schedule_action == "sync" and store.pauses.now() is not None):
        return
    count = "a nightly run was" if len(missed) == 1 else f"{len(missed)} nightly runs were"
    zone = ZoneInfo(settings.schedule_timezone)
    named = [f"{time.astimezone(zone):%Y-%m-%d %H:%M}" for time in missed[-_NAMED:]]
    more = f" and {len(missed) - _NAMED} before" if len(missed) > _NAMED else ""
    message = notice(
        settings,
        NIGHT_MISSED,
        "error",
        f"{count} missed: {', '.join(named)}{more} ({settings.schedule_timezone}).",
        "This machine, or Dagster's daemon on it, was off. Dagster makes up for the last one as it"
        " starts, if the schedule daily_sync is on; what comes of it is told by itself.",
    )
    tell(store, settings, f"{NIGHT_MISSED}, {missed[-1].isoformat()}", message)


def nights(settings: ScheduleSettings, watch: Watch, now: datetime) -> list[datetime]:
    """Times of the schedule that passed while nobody looked."""
    if not watch.was_off(now):
        return []
    times: list[datetime] = []
    at = next_run(settings, watch.seen)
    while at is not None and at < now - AWAY and len(times) < _MOST:
        times.append(at)
        at = next_run(settings, at)
    return times


def _ran(dagster: dg.DagsterInstance, time: datetime) -> bool:
    """Whether the schedule launched a run then: somebody had only switched off who looks."""
    launched = dg.RunsFilter(
        tags={SCHEDULE_TAG: "daily_sync"},
        created_after=time - timedelta(seconds=1),
        created_before=time + AWAY,
    )
    return bool(dagster.get_run_records(launched, limit=1))


_TIME_TO_MAKE_UP: Final = timedelta(hours=1)
"""After the daemon was off: the run that Dagster makes up for comes first."""


def tell_of_silence(
    store: Store, settings: Settings, dagster: dg.DagsterInstance, watch: Watch, now: datetime
) -> None:
    """Tell once for each last success, and once more when the next one is there."""
    plans_count = settings.schedule_action == "plan"
    succeeded = newest_runs(dagster, dg.DagsterRunStatus.SUCCESS)
    last = newest_that_counts(succeeded, plans_count=plans_count)
    standing = store.alarms.standing(NO_SUCCESS)
    about = last.run_id if last else "never"
    if standing is not None and last is not None and standing.about != about:
        end(
            store,
            settings,
            NO_SUCCESS,
            f"over: a run has succeeded again on {clock(_ended(last, now))}.",
            f"Run {last.run_id}",
        )
    hours = settings.alert_after_hours
    since = _ended(last, now) if last else watch.since
    if not _is_wanted(store, settings) or now - since < timedelta(hours=hours):
        return
    if now - watch.up_since < _TIME_TO_MAKE_UP and watch.up_since != watch.since:
        return
    tried = newest_that_counts(newest_runs(dagster), plans_count=plans_count)
    begin(
        store,
        settings,
        NO_SUCCESS,
        about,
        f"nothing has succeeded for {(now - since).total_seconds() / 3600:.0f} hours"
        f" (ALERT_AFTER_HOURS={hours:g}).",
        f"The last success: {_told(last)}",
        f"The last run: {_told(tried)}",
        "Look at swit-provisioning status, and whether the schedule daily_sync is on in the UI.",
    )


def _is_wanted(store: Store, settings: Settings) -> bool:
    """Whether something should succeed every day at all."""
    if settings.schedule_time is None or not settings.alert_after_hours:
        return False
    return settings.schedule_action == "plan" or store.pauses.now() is None


def _ended(run: SeenRun, now: datetime) -> datetime:
    return run.ended_at or run.started_at or now


def _told(run: SeenRun | None) -> str:
    return "none yet" if run is None else run.in_words


def tell_of_owner(store: Store, settings: Settings, plan: Plan) -> None:
    """Tell of the owner whom this plan misses, or that it is over."""
    left = next((finding for finding in plan.findings if finding.kind == OWNER_LEFT), None)
    if left is None:
        said = "over: the owner of the login is in the directory, or another one has logged in."
        end(store, settings, OWNER, said)
        return
    code = code_of(left.subject)
    who = left.subject if settings.hide_names == "nowhere" else code
    said = f"the owner of the login has left the directory: {who}."
    begin(store, settings, OWNER, code, said, left.message)


DAYS_AHEAD: Final = timedelta(days=3)
"""Of a login that can't be renewed: it is told so long before its end."""
_ASKED_EVERY: Final = timedelta(hours=1)
_HALF: Final = 1 / 2
_EIGHTH: Final = 1 / 8
_WAY_OUT: Final = "Log in again: swit-provisioning login. What is stored is replaced by it."


def look_after_login(store: Store, settings: Settings, watch: Watch, now: datetime) -> Watch:
    """Renew the stored login in good time; tell if that can't be done, and when it is over."""
    pair = _stored(store, settings)
    if pair is None or pair.expires_at is None:
        return watch
    if pair.refresh_token is None:
        _tell_of_the_end(store, settings, pair, pair.expires_at, now)
    elif pair.has_left(_HALF, now):
        _well(store, settings, pair.expires_at)
    elif not (settings.missing("swit", token_stored=True) or _asked_lately(watch, now)):
        _renew(store, settings, pair, pair.expires_at, now)
        return replace(watch, asked=now)
    return watch


def _stored(store: Store, settings: Settings) -> TokenPair | None:
    """The pair, unless nobody needs one; one that can't be read is told."""
    if settings.is_on_bundled_sandbox:
        return None
    try:
        return TokensInStore(store).load()
    except TokensUnreadableError as error:
        begin(store, settings, LOGIN, "unreadable", "the stored login can't be read.", str(error))
        return None


def _asked_lately(watch: Watch, now: datetime) -> bool:
    return watch.asked is not None and now - watch.asked < _ASKED_EVERY


def _tell_of_the_end(
    store: Store, settings: Settings, pair: TokenPair, ends: datetime, now: datetime
) -> None:
    if ends - now > DAYS_AHEAD and pair.has_left(_HALF, now):
        _well(store, settings, ends)
        return
    verb = "ended" if ends <= now else "ends"
    begin(
        store,
        settings,
        LOGIN,
        _about(pair),
        f"the login {verb} on {clock(ends)} and can't be renewed: it has no refresh token.",
        _WAY_OUT,
    )


def _renew(
    store: Store, settings: Settings, pair: TokenPair, ends: datetime, now: datetime
) -> None:
    try:
        StoredTokens(oauth_client(settings), TokensInStore(store)).renew(pair)
    except SwitUnauthorizedError as error:
        verb = "has ended" if ends <= now else f"works until {clock(ends)}"
        said = f"Swit refuses to renew the login; it {verb}."
        begin(store, settings, LOGIN, _about(pair), said, str(error), _WAY_OUT)
    except SwitError as error:
        # Swit may be down for a night; a run tells that by itself.
        if not pair.has_left(_EIGHTH, now):
            said = f"the login ends on {clock(ends)}, and Swit can't be asked to renew it."
            begin(store, settings, LOGIN, _about(pair), said, str(error))
    else:
        renewed = TokensInStore(store).load()
        _well(store, settings, renewed.expires_at if renewed else None)


def _well(store: Store, settings: Settings, ends: datetime | None) -> None:
    until = f", good until {clock(ends)}" if ends else ""
    end(store, settings, LOGIN, f"over: there is a login that works{until}.")


def _about(pair: TokenPair) -> str:
    return pair.obtained_at.isoformat() if pair.obtained_at else "the stored one"
