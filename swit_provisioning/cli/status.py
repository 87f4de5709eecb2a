"""`status`, `settings`, `pause` and `resume`."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import click
import dagster as dg
from rich.console import Console
from rich.markup import escape

from swit_provisioning.cli.framework import (
    errors,
    output,
    prepare_home,
    print_json,
    print_text,
    warn_of_open_files,
)
from swit_provisioning.cli.options import parse_time
from swit_provisioning.cli.plans import plan_row, print_plans
from swit_provisioning.cli.render import print_table, state_header
from swit_provisioning.operations.connections import swit_connection
from swit_provisioning.operations.installation_status import Status, StoredLogin, status_of
from swit_provisioning.operations.services import current_actor, open_store
from swit_provisioning.planning.normalize import clock
from swit_provisioning.setting_sources import shown_settings, unknown_variables
from swit_provisioning.settings import Settings, SettingsError
from swit_provisioning.state.coordination import Pause
from swit_provisioning.state.database import StoreError
from swit_provisioning.state.store import Store
from swit_provisioning.swit.errors import SwitError, SwitUnauthorizedError, SwitUnavailableError

_PATIENCE_SECONDS: Final = 5.0
"""Timeout of the call that asks whose the login is."""


def show_status(settings: Settings, *, as_json: bool) -> int:
    """Print the state of the installation. Swit is asked only whose the login is."""
    prepare_home(settings)
    warn_of_open_files(settings)
    with open_store(settings) as store:
        if not as_json:
            state_header(output(), settings, store)
        account, login = _login(settings, store)
        with dg.DagsterInstance.get() as instance:
            status = status_of(settings, store, instance)
    if as_json:
        print_json(_document(status, account, login))
        return 0
    console = output()
    for name, text in _lines(status, account, login):
        console.print(f"{name:<14} {text}", markup=False, highlight=False, soft_wrap=True)
    if status.waiting:
        print_plans(console, list(status.waiting))
        advice = 'show PLAN_ID, then approve PLAN_ID --reason "...", or reject PLAN_ID'
        print_text(console, f"swit-provisioning {advice}")
    return 0


def _login(settings: Settings, store: Store) -> tuple[str | None, str]:
    """The address of the authorised account, and whether the login works."""
    if settings.is_on_bundled_sandbox:
        return None, "not needed: the sandbox accepts everyone"
    seconds = min(settings.swit_timeout_seconds, _PATIENCE_SECONDS)
    impatient = settings.model_copy(update={"swit_timeout_seconds": seconds})
    try:
        settings.require("swit", token_stored=store.tokens.load() is not None)
        with swit_connection(impatient, store) as client:
            return client.user_info().email, "works"
    except SettingsError as error:
        return None, f"missing: {'; '.join(error.problems)}"
    except SwitUnauthorizedError as error:
        return None, f"refused: {error}"
    except SwitUnavailableError as error:
        return None, f"unknown, Swit cannot be reached: {error}"
    except SwitError as error:
        return None, f"does not work: {error}"


def _lines(status: Status, account: str | None, login: str) -> Iterator[tuple[str, str]]:
    last, success = status.last_run, status.last_success
    yield "Last run", last.in_words if last else "none yet"
    yield "Last success", success.in_words if success else "none yet"
    yield "Next run", _next_run(status)
    yield "Pause", status.pause.sentence if status.pause else "none"
    if lease := status.lease:
        times = f"since {clock(lease.since)}, until {clock(lease.until)} unless it is renewed"
        yield "Lease", f"held by the run {lease.run_id}, started by {lease.actor}, {times}"
    else:
        yield "Lease", "free"
    yield "Login", " · ".join(filter(None, [account, login, _expiry(status.token)]))
    waiting = len(status.waiting)
    plans = f"{waiting} plan{'s' if waiting > 1 else ''} blocked by a guard, to approve or reject"
    yield "Waiting", plans if waiting else "no plan waits for an approval"
    for state in status.begun:
        sentences = " ".join(state.sentences)
        yield "Half applied", f"plan {state.plan.plan_id}: {sentences} {state.advice}"
    if status.restored:
        yield "Restored", f"{status.restored.sentence}: the next run only plans"


def _next_run(status: Status) -> str:
    if status.next_run is None:
        return "none: SCHEDULE_TIME is not set"
    text = f"{clock(status.next_run)} · {status.next_action} (while Dagster's daemon runs)"
    pause = status.pause
    is_paused = pause is not None and (pause.until is None or pause.until > status.next_run)
    return f"{text}; it will be skipped" if is_paused and status.next_action == "sync" else text


def _expiry(token: StoredLogin) -> str:
    if not token.stored or token.expires_at is None:
        return ""
    renewal = "renewed automatically" if token.renewable else "cannot be renewed: log in again"
    if token.days_left is not None and token.days_left <= 0:
        return f"the access token expired {clock(token.expires_at)}, {renewal}"
    days = f"{token.days_left:.1f} days left" if token.days_left is not None else ""
    return f"the access token expires {clock(token.expires_at)}, {days}, {renewal}"


def _document(status: Status, account: str | None, login: str) -> dict[str, Any]:
    """The document of `status`; times in ISO 8601."""
    token = status.token
    return {
        "mode": "test" if status.test_mode else "live",
        "organization_id": status.organization_id,
        "last_run": _plain(status.last_run),
        "last_success": _plain(status.last_success),
        "next_run": _iso(status.next_run),
        "next_action": status.next_action,
        "pause": _plain(status.pause),
        "lease": _plain(status.lease),
        "token": {
            "account": account,
            "state": login,
            "stored": token.stored,
            "expires_at": _iso(token.expires_at),
            "days_left": None if token.days_left is None else round(token.days_left, 1),
            "renewable": token.renewable,
        },
        "waiting": [plan_row(state) for state in status.waiting],
        "begun": [plan_row(state) for state in status.begun],
        "restored": _plain(status.restored),
    }


_JSON_NAMES: Final = {"actor": "who", "reason": "why"}


def _plain(value: object) -> dict[str, Any] | None:
    if value is None:
        return None
    return {
        _JSON_NAMES.get(name, name): _iso(part) if isinstance(part, datetime) else part
        for name, part in vars(value).items()
    }


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def list_settings(settings: Settings, *, as_json: bool) -> int:
    """Print all settings; as JSON, also unknown variables that look like settings."""
    shown = shown_settings(settings)
    if as_json:
        document = {
            "settings": [vars(setting) for setting in shown],
            "unknown": [
                {"name": name, "meant": meant or None}
                for name, meant in unknown_variables().items()
            ],
        }
        print_json(document)
        return 0
    console = output()
    with open_store(settings) as store:
        state_header(console, settings, store)
    rows = []
    for setting in shown:
        name = escape(setting.name) if setting.source == "default" else f"[bold]{setting.name}[/]"
        rows.append([name, escape(setting.value), escape(setting.source)])
    print_table(console, ("setting", "value", "from"), rows, whole={"setting"})
    return 0


def pause_runs(settings: Settings, *, until: str | None, why: str) -> int:
    """Start a pause and print how long it lasts."""
    zone = ZoneInfo(settings.schedule_timezone)
    try:
        end = until and parse_time(until, now=datetime.now(UTC), zone=zone, ahead=True)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--until") from error
    with open_store(settings) as store:
        store.pauses.begin(actor=current_actor(), reason=why, until=end or None)
        pause = store.pauses.now()
    if pause is not None:
        _say(output(), pause)
        output().print("`sync` and `apply` on the command line and in the UI still write.")
    return 0


def resume_runs(settings: Settings) -> int:
    """End the pause if there is one."""
    with open_store(settings) as store:
        ended = store.pauses.end(actor=current_actor())
    if ended is None:
        output().print("Nothing was paused.")
    else:
        output().print(f"Resumed. It was {ended.sentence}", markup=False, highlight=False)
    return 0


def mention_pause(settings: Settings) -> None:
    """Warn before a run that is started by hand if scheduled runs are paused."""
    try:
        with open_store(settings) as store:
            pause = store.pauses.now()
    except StoreError:
        # The run itself reports this and fails.
        return
    if pause is not None:
        _say(errors(), pause)


def _say(console: Console, pause: Pause) -> None:
    console.print(
        f"Scheduled runs are {pause.sentence}",
        style="yellow",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
