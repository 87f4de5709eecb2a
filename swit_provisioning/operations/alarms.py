"""Problems beside runs: each webhook gets one message when one begins, and one when it is over.

The memory of the sensor `alarms` (`Watch`) is in its cursor: when it looked, which problems
last, and the messages that a webhook has not taken yet.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Self
from zoneinfo import ZoneInfo

import dagster as dg
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from swit_provisioning.operations.connections import TokensInStore, oauth_client
from swit_provisioning.operations.dagster_runs import (
    SCHEDULE_TAG,
    newest_runs,
    newest_that_counts,
)
from swit_provisioning.operations.installation_status import next_run
from swit_provisioning.operations.webhooks import channels, deliver
from swit_provisioning.planning.finding_kinds import AUTHORISING_USER_DEPARTED
from swit_provisioning.planning.normalize import clock
from swit_provisioning.report.messages import Message, Severity
from swit_provisioning.report.redaction import code_of
from swit_provisioning.settings import Settings
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
"""The sensor runs every minute. After a longer gap, the daemon was off."""
_GIVEN_UP_AFTER: Final = timedelta(hours=24)


class PendingMessage(BaseModel):
    """A message that one channel has not taken yet."""

    channel: str
    posts: list[str]
    posted: int = 0
    made_at: datetime


class Watch(BaseModel):
    """What the sensor remembers from look to look. Times are aware."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    since: datetime
    """The first evaluation."""
    up_since: datetime
    """The first evaluation after the daemon was off."""
    seen: datetime
    """The last evaluation."""
    asked: datetime | None = None
    """When Swit was last asked to renew the login."""
    plan_of: str = ""
    """The run whose plan was last searched for a departed owner of the login."""
    problems: dict[str, str] = Field(default_factory=dict)
    """Event of a current problem -> its subject, which distinguishes it from the next problem."""
    pending: list[PendingMessage] = Field(default_factory=list)

    @classmethod
    def of(cls, cursor: str | None, now: datetime) -> Self:
        """Read a cursor. The watch begins now if there is none, or if it can't be read."""
        try:
            return cls.model_validate_json(cursor or "")
        except ValidationError:
            return cls(since=now, up_since=now, seen=now)

    def cursor(self) -> str:
        """The watch as the sensor keeps it."""
        return self.model_dump_json(exclude_defaults=True)

    def was_off(self, now: datetime) -> bool:
        """Whether the daemon was off: the last look was too long ago."""
        return now - self.seen > AWAY

    def look(self, now: datetime) -> None:
        """Note a look at this time."""
        if self.was_off(now):
            self.up_since = now
        self.seen = now

    def deliver(self, settings: Settings) -> list[str]:
        """Post the pending messages, oldest first. Returns a sentence for each problem.

        If a webhook is down, a later evaluation tries again. After a day the message is discarded.
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


DAYS_AHEAD: Final = timedelta(days=3)
"""A login that can't be renewed is reported this long before it expires."""
_TIME_TO_CATCH_UP: Final = timedelta(hours=1)
"""After the daemon was off, the run that Dagster catches up on comes first."""
_ASKED_EVERY: Final = timedelta(hours=1)
_HALF: Final = 1 / 2
_EIGHTH: Final = 1 / 8
_MOST_NIGHTS: Final = 400
_NAMED: Final = 5
_ADVICE: Final = "Log in again: swit-provisioning login. It replaces the stored login."


@dataclass(frozen=True, kw_only=True)
class Alarms:
    """Looks for problems at one time, and adds messages about them to the watch."""

    watch: Watch
    store: Store
    settings: Settings
    dagster: dg.DagsterInstance
    now: datetime

    def look(self) -> None:
        """Check everything.

        Raises:
            StoreError: the state database can't be read; the watch may be changed in part.

        """
        self.check_missed_nights()
        self.watch.look(self.now)
        self.check_last_success()
        self.check_owner()
        self.check_login()

    def check_missed_nights(self) -> None:
        """Report missed nights once, when the daemon is back; while runs are paused none is."""
        missed = [time for time in self.missed_nights() if not self._ran_at(time)]
        is_paused = self.settings.schedule_action == "sync" and self.store.pauses.now() is not None
        if not missed or is_paused:
            return
        count = "a nightly run was" if len(missed) == 1 else f"{len(missed)} nightly runs were"
        zone = ZoneInfo(self.settings.schedule_timezone)
        named = [f"{time.astimezone(zone):%Y-%m-%d %H:%M}" for time in missed[-_NAMED:]]
        more = f" and {len(missed) - _NAMED} before" if len(missed) > _NAMED else ""
        self._add(
            NIGHT_MISSED,
            "error",
            f"{count} missed: {', '.join(named)}{more} ({self.settings.schedule_timezone}).",
            "This machine, or Dagster's daemon on it, was off. Dagster catches up on the last one"
            " when it starts, if the schedule daily_sync is on. You get a message about that run.",
        )

    def missed_nights(self) -> list[datetime]:
        """Times of the schedule that passed while the daemon was off."""
        if not self.watch.was_off(self.now):
            return []
        times: list[datetime] = []
        at = next_run(self.settings, self.watch.seen)
        while at is not None and at < self.now - AWAY and len(times) < _MOST_NIGHTS:
            times.append(at)
            at = next_run(self.settings, at)
        return times

    def _ran_at(self, time: datetime) -> bool:
        """Whether the schedule launched a run then: only this sensor was switched off."""
        launched = dg.RunsFilter(
            tags={SCHEDULE_TAG: "daily_sync"},
            created_after=time - timedelta(seconds=1),
            created_before=time + AWAY,
        )
        return bool(self.dagster.get_run_records(launched, limit=1))

    def check_last_success(self) -> None:
        """Report once if the last success is too long ago, and when there is a new one."""
        plans_count = self.settings.schedule_action == "plan"
        succeeded = newest_runs(self.dagster, dg.DagsterRunStatus.SUCCESS)
        last = newest_that_counts(succeeded, plans_count=plans_count)
        about = last.run_id if last else "never"
        since = (last.ended_at or last.started_at or self.now) if last else self.watch.since
        if last is not None and self.watch.problems.get(NO_SUCCESS) != about:
            over = f"over: a run has succeeded again on {clock(since)}."
            self._end(NO_SUCCESS, over, f"Run {last.run_id}")
        hours = self.settings.alert_after_hours
        is_wanted = self.settings.schedule_time is not None and hours > 0
        is_paused = not plans_count and self.store.pauses.now() is not None
        if not is_wanted or is_paused or self.now - since < timedelta(hours=hours):
            return
        up_since = self.watch.up_since
        if self.now - up_since < _TIME_TO_CATCH_UP and up_since != self.watch.since:
            return
        tried = newest_that_counts(newest_runs(self.dagster), plans_count=plans_count)
        self._begin(
            NO_SUCCESS,
            about,
            f"nothing has succeeded for {(self.now - since).total_seconds() / 3600:.0f} hours"
            f" (ALERT_AFTER_HOURS={hours:g}).",
            f"The last success: {last.in_words if last else 'none yet'}",
            f"The last run: {tried.in_words if tried else 'none yet'}",
            "Look at swit-provisioning status, and whether the schedule daily_sync is on in the"
            " UI.",
        )

    def check_owner(self) -> None:
        """Report if the newest plan finds that the owner of the login has left the directory."""
        newest = next(iter(self.store.plans.listed(limit=1)), None)
        stored = self.store.plans.get(newest.plan_hash) if newest else None
        if newest is None or stored is None or newest.run_id == self.watch.plan_of:
            return
        self.watch.plan_of = newest.run_id
        left = next((f for f in stored.plan.findings if f.kind == AUTHORISING_USER_DEPARTED), None)
        if left is None:
            found = (
                "over: the owner of the login is in the directory, or another one has logged in."
            )
            self._end(OWNER, found)
            return
        code = code_of(left.subject)
        owner = left.subject if self.settings.hide_names == "nowhere" else code
        found = f"the owner of the login has left the directory: {owner}."
        self._begin(OWNER, code, found, left.message)

    def check_login(self) -> None:
        """Renew the stored login in good time; report if that fails, and when it is over."""
        if self.settings.is_on_bundled_sandbox:
            return
        try:
            pair = TokensInStore(self.store).load()
        except TokensUnreadableError as error:
            self._begin(LOGIN, "unreadable", "the stored login can't be read.", str(error))
            return
        if pair is None or pair.expires_at is None:
            return
        has_half_left = pair.has_left(_HALF, self.now)
        if pair.refresh_token is None:
            if pair.expires_at - self.now > DAYS_AHEAD and has_half_left:
                self._login_works(pair.expires_at)
                return
            verb = "ended" if pair.expires_at <= self.now else "ends"
            found = (
                f"the login {verb} on {clock(pair.expires_at)} and can't be renewed: it has no"
                " refresh token."
            )
            self._begin(LOGIN, _about(pair), found, _ADVICE)
        elif has_half_left:
            self._login_works(pair.expires_at)
        elif not self.settings.missing("swit", token_stored=True) and (
            self.watch.asked is None or self.now - self.watch.asked >= _ASKED_EVERY
        ):
            self.watch.asked = self.now
            self._renew(pair, pair.expires_at)

    def _renew(self, pair: TokenPair, ends: datetime) -> None:
        tokens = TokensInStore(self.store)
        try:
            StoredTokens(oauth_client(self.settings), tokens).renew(pair)
        except SwitUnauthorizedError as error:
            verb = "has ended" if ends <= self.now else f"works until {clock(ends)}"
            found = f"Swit refuses to renew the login; it {verb}."
            self._begin(LOGIN, _about(pair), found, str(error), _ADVICE)
        except SwitError as error:
            # Swit may be down for a night; a run reports that by itself.
            if not pair.has_left(_EIGHTH, self.now):
                found = f"the login ends on {clock(ends)}, and Swit can't be asked to renew it."
                self._begin(LOGIN, _about(pair), found, str(error))
        else:
            renewed = tokens.load()
            self._login_works(renewed.expires_at if renewed else None)

    def _login_works(self, ends: datetime | None) -> None:
        until = f", good until {clock(ends)}" if ends else ""
        self._end(LOGIN, f"over: there is a login that works{until}.")

    def _begin(self, name: str, about: str, *lines: str) -> None:
        """Add a message about a new problem; none if it was reported with the same subject."""
        # As soon as there is a webhook, it gets the message.
        if channels(self.settings) and self.watch.problems.get(name) != about:
            self.watch.problems[name] = about
            self._add(name, "error", *lines)

    def _end(self, name: str, *lines: str) -> None:
        """Add a message that a problem is over, if it was reported."""
        if self.watch.problems.pop(name, None) is not None:
            self._add(name, "info", *lines)

    def _add(self, name: str, severity: Severity, *lines: str) -> None:
        """Add a message for each webhook that is set."""
        mode = self.settings.mode
        first, *more = lines
        message = Message(
            event=name,
            severity=severity,
            lines=(f"{'' if mode == 'live' else f'{mode} · '}Swit provisioning: {first}", *more),
            facts={"mode": mode, "organization": self.settings.expected_organization},
        )
        self.watch.pending += [
            PendingMessage(
                channel=channel.name, posts=channel.posts(message), made_at=datetime.now(UTC)
            )
            for channel in channels(self.settings)
        ]


def _about(pair: TokenPair) -> str:
    return pair.obtained_at.isoformat() if pair.obtained_at else "the stored one"
