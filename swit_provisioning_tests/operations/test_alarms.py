"""Problems beside runs are reported once when they begin, and once when they are over."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from swit_provisioning.operations.alarms import Watch
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning.state.token_store import TokenRow
from swit_provisioning_tests.operations.office import Office, office

NOW = datetime(2026, 3, 10, 7, 0, tzinfo=UTC)
WEEK = timedelta(days=7)


def _watch(seen: datetime, *, up_for: timedelta = timedelta(days=9)) -> Watch:
    since = seen - timedelta(days=10)
    return Watch(since=since, up_since=seen - up_for, seen=seen)


@pytest.fixture
def nightly(monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    """A run is due each night at half past two in Berlin."""
    monkeypatch.setenv("SCHEDULE_TIME", "02:30")
    monkeypatch.setenv("SCHEDULE_TIMEZONE", "Europe/Berlin")
    with office() as made:
        yield made


def test_a_watch_is_kept_from_one_look_to_the_next() -> None:
    first = Watch.of(None, NOW)
    assert (first.since, first.up_since, first.seen) == (NOW, NOW, NOW)
    later = first.model_copy(deep=True)
    later.look(NOW + timedelta(minutes=1))
    later.problems["no success"] = "R1"
    assert Watch.of(later.cursor(), NOW).model_dump() == later.model_dump()
    assert later.up_since == NOW
    later.look(NOW + timedelta(hours=1))
    assert later.up_since == NOW + timedelta(hours=1)
    assert Watch.of("what an older version kept", NOW).model_dump() == first.model_dump()


@pytest.mark.parametrize(
    ("seen", "now", "missed"),
    [
        ("2026-03-10 01:00", "2026-03-10 07:00", ["10 01:30"]),
        ("2026-03-08 00:00", "2026-03-10 07:00", ["08 01:30", "09 01:30", "10 01:30"]),
        ("2026-03-10 01:31", "2026-03-10 07:00", []),
        ("2026-03-10 01:29", "2026-03-10 01:39", []),
        ("2026-03-10 01:28", "2026-03-10 01:41", ["10 01:30"]),
        # The clocks go forward: half past two is three o'clock, which is one in UTC.
        ("2026-03-29 00:30", "2026-03-29 06:00", ["29 01:00"]),
        # And back: the second half past two.
        ("2026-10-25 00:00", "2026-10-25 06:00", ["25 01:30"]),
    ],
)
def test_a_night_is_missed_if_the_daemon_was_off_when_it_was_due(
    nightly: Office, seen: str, now: str, missed: list[str]
) -> None:
    times = [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (seen, now)]
    found = nightly.alarms(_watch(times[0]), times[1]).missed_nights()
    assert [f"{time:%d %H:%M}" for time in found] == missed


def test_without_a_schedule_no_night_is_missed() -> None:
    with office() as made:
        assert made.alarms(_watch(NOW - timedelta(days=2)), NOW).missed_nights() == []


def test_missed_nights_are_reported_once_when_the_daemon_is_back(nightly: Office) -> None:
    off = _watch(NOW - timedelta(days=2))
    for _ in range(2):
        nightly.alarms(off, NOW).check_missed_nights()
        off.look(NOW)
    (text,) = nightly.told(off)
    assert text.startswith(
        "2 nightly runs were missed: 2026-03-09 02:30, 2026-03-10 02:30 (Europe/Berlin)."
    )


def test_a_night_on_which_the_schedule_did_run_is_not_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Somebody had only switched off the sensor that looks."""
    now = datetime.now(UTC)
    monkeypatch.setenv("SCHEDULE_TIME", f"{now:%H:%M}")
    with office() as made:
        made.ran("sync", schedule_name="daily_sync")
        later = now + timedelta(minutes=30)
        watch = _watch(now - timedelta(hours=1))
        made.alarms(watch, later).check_missed_nights()
        assert made.told(watch) == []


def test_a_paused_night_is_not_missed(nightly: Office) -> None:
    nightly.store.pauses.begin(actor="ann", reason="moving house", until=None)
    off = _watch(NOW - timedelta(days=2))
    nightly.alarms(off, NOW).check_missed_nights()
    off.look(NOW)
    nightly.alarms(off, NOW).check_last_success()
    assert nightly.told(off) == []


def _silence(made: Office, now: datetime, watch: Watch) -> list[str]:
    for _ in range(2):
        made.alarms(watch, now).check_last_success()
    return made.told(watch)


def test_a_lack_of_success_is_reported_once_and_again_when_it_is_over(nightly: Office) -> None:
    first = nightly.ran("sync")
    failed = nightly.ran("sync", well=False)
    now = datetime.now(UTC)
    watch = _watch(now)
    assert _silence(nightly, now + timedelta(hours=29), watch) == []
    (text,) = _silence(nightly, now + timedelta(hours=31), watch)
    assert text.startswith("nothing has succeeded for 31 hours (ALERT_AFTER_HOURS=30).")
    assert first in text
    assert f"failure · {datetime.now(UTC):%Y-%m-%d}" in text
    assert failed in text
    assert _silence(nightly, now + timedelta(hours=60), watch) == []
    second = nightly.ran("sync")
    (over,) = _silence(nightly, datetime.now(UTC), watch)
    assert over.startswith("over: a run has succeeded again")
    assert second in over
    assert len(_silence(nightly, datetime.now(UTC) + timedelta(hours=31), watch)) == 1


def test_where_nothing_ever_succeeded_it_counts_from_the_first_look(nightly: Office) -> None:
    (text,) = _silence(nightly, NOW, _watch(NOW))
    assert text.startswith("nothing has succeeded for 240 hours")
    assert "none yet" in text


@pytest.mark.parametrize(("action", "alarms"), [("sync", 1), ("plan", 0)])
def test_a_plan_is_a_success_only_where_the_schedule_does_no_more(
    monkeypatch: pytest.MonkeyPatch, action: str, alarms: int
) -> None:
    monkeypatch.setenv("SCHEDULE_TIME", "02:30")
    monkeypatch.setenv("SCHEDULE_ACTION", action)
    with office() as made:
        made.ran("plan")
        assert len(_silence(made, datetime.now(UTC), _watch(datetime.now(UTC)))) == alarms


def test_a_daemon_that_was_off_first_makes_up_for_the_night(nightly: Office) -> None:
    assert _silence(nightly, NOW, _watch(NOW, up_for=timedelta(minutes=59))) == []
    assert len(_silence(nightly, NOW, _watch(NOW, up_for=timedelta(minutes=61)))) == 1


@pytest.mark.parametrize("setting", [("ALERT_AFTER_HOURS", "0"), ("SCHEDULE_TIME", "")])
def test_the_alarm_can_be_switched_off(
    monkeypatch: pytest.MonkeyPatch, setting: tuple[str, str]
) -> None:
    monkeypatch.setenv("SCHEDULE_TIME", "02:30")
    monkeypatch.setenv(*setting)
    with office() as made:
        assert _silence(made, NOW, _watch(NOW)) == []


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    with SandboxServer() as running:
        yield running


@pytest.fixture
def logged_in(monkeypatch: pytest.MonkeyPatch, server: SandboxServer) -> Iterator[Office]:
    """A login got from the sandbox a moment ago, for a week."""
    monkeypatch.setenv("SWIT_BASE_URL", server.url)
    monkeypatch.setenv("SWIT_CLIENT_ID", server.client_id)
    monkeypatch.setenv("SWIT_CLIENT_SECRET", server.client_secret)
    with office() as made:
        tokens = server.issue_tokens()
        made.store.tokens.save(
            TokenRow(
                access_token=tokens["access_token"],
                refresh_token=tokens["refresh_token"],
                expires_at=NOW + WEEK,
                scope=None,
                obtained_at=NOW,
            )
        )
        yield made


def _login(made: Office, now: datetime, watch: Watch | None = None) -> list[str]:
    watch = watch or _watch(now)
    made.alarms(watch, now).check_login()
    return made.told(watch)


def test_a_login_is_renewed_before_half_of_its_life_is_over(
    logged_in: Office, server: SandboxServer
) -> None:
    before = logged_in.store.tokens.load()
    assert _login(logged_in, NOW + timedelta(days=3)) == []
    assert logged_in.store.tokens.load() == before
    assert _login(logged_in, NOW + timedelta(days=4)) == []
    after = logged_in.store.tokens.load()
    assert after is not None
    assert after != before
    assert len(server.log.of("oauth.token")) == 1


def test_a_login_that_swit_refuses_to_renew_is_reported_days_ahead_and_when_it_is_over(
    logged_in: Office, server: SandboxServer
) -> None:
    server.tokens.revoke_all()
    watch = _watch(NOW)
    (text,) = _login(logged_in, NOW + timedelta(days=4), watch)
    assert text.startswith("Swit refuses to renew the login; it works until 2026-03-17 07:00 UTC.")
    assert "swit-provisioning login" in text
    assert _login(logged_in, NOW + timedelta(days=5), watch) == []
    fresh = server.issue_tokens()
    row = logged_in.store.tokens.load()
    assert row is not None
    logged_in.store.tokens.save(
        replace(
            row,
            access_token=fresh["access_token"],
            refresh_token=fresh["refresh_token"],
            expires_at=NOW + 2 * WEEK,
            obtained_at=NOW + timedelta(days=6),
        )
    )
    (over,) = _login(logged_in, NOW + timedelta(days=6), watch)
    assert over.startswith("over: there is a login that works, good until 2026-03-24")


def test_swit_is_asked_to_renew_once_an_hour_at_most(
    logged_in: Office, server: SandboxServer
) -> None:
    server.tokens.revoke_all()
    now = NOW + timedelta(days=4)
    watch = _watch(now)
    logged_in.alarms(watch, now).check_login()
    later = now + timedelta(minutes=59)
    logged_in.alarms(watch, later).check_login()
    assert len(server.log.of("oauth.token")) == 1
    logged_in.alarms(watch, now + timedelta(minutes=60)).check_login()
    assert len(server.log.of("oauth.token")) == 2


def test_an_unreachable_swit_is_reported_only_when_the_login_is_about_to_expire(
    logged_in: Office,
) -> None:
    nowhere = logged_in.settings.model_copy(update={"swit_base_url": "http://127.0.0.1:1"})
    offline = replace(logged_in, settings=nowhere)
    assert _login(offline, NOW + timedelta(days=5)) == []
    (text,) = _login(offline, NOW + timedelta(days=6, hours=6))
    assert text.startswith("the login ends on 2026-03-17 07:00 UTC, and Swit can't be asked")


def test_a_login_without_a_refresh_token_is_reported_three_days_before_it_expires(
    logged_in: Office,
) -> None:
    row = logged_in.store.tokens.load()
    assert row is not None
    logged_in.store.tokens.save(replace(row, refresh_token=None))
    watch = _watch(NOW)
    assert _login(logged_in, NOW + timedelta(days=3), watch) == []
    (text,) = _login(logged_in, NOW + timedelta(days=4, minutes=1), watch)
    assert text.startswith("the login ends on 2026-03-17 07:00 UTC and can't be renewed")
    assert _login(logged_in, NOW + timedelta(days=6), watch) == []
