"""`status`: how things stand, for a person and for a monitor."""

from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import click
import dagster as dg
from rich.console import Console
from rich.markup import escape

from swit_provisioning.apply.approvals import PlanState
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
from swit_provisioning.cli.render import own_header, print_table
from swit_provisioning.operations.connections import swit_connection
from swit_provisioning.operations.runs import SeenRun, Status, StoredLogin, status_of
from swit_provisioning.operations.services import current_actor, open_store
from swit_provisioning.planning.normalize import clock
from swit_provisioning.setting_sources import shown_settings, unknown_variables
from swit_provisioning.settings import Settings, SettingsError
from swit_provisioning.state.coordination import Pause
from swit_provisioning.state.errors import StoreError
from swit_provisioning.state.store import Store
from swit_provisioning.swit.errors import SwitError, SwitUnauthorizedError, SwitUnavailableError

_PATIENCE_SECONDS: Final = 5.0
"""How long Swit may take to say whose the login is."""


def show_status(settings: Settings, *, as_json: bool) -> int:
    """Print it; Swit is asked one thing, whose the login is."""
    prepare_home(settings)
    warn_of_open_files(settings)
    with open_store(settings) as store:
        account, login = _account(settings, store)
        with dg.DagsterInstance.get() as instance:
            status = status_of(settings, store, instance)
    if as_json:
        document = _document(status, account, login)
        print_json(document)
        return 0
    console = output()
    own_header(console, settings, status.organization_id)
    for name, text in _lines(status, account, login):
        console.print(f"{name:<14} {text}", markup=False, highlight=False, soft_wrap=True)
    if status.waiting:
        _say_waiting(console, status)
    return 0


def _account(settings: Settings, store: Store) -> tuple[str | None, str]:
    """Whose the login is, and whether it works."""
    if settings.is_on_bundled_sandbox:
        return None, "not needed: the sandbox lets everybody in"
    try:
        settings.require("swit", token_stored=store.tokens.load() is not None)
        with swit_connection(_impatient(settings), store) as client:
            return client.user_info().email, "works"
    except SettingsError as error:
        return None, f"missing: {'; '.join(error.problems)}"
    except SwitUnauthorizedError as error:
        return None, f"refused: {error}"
    except SwitUnavailableError as error:
        return None, f"not known, Swit can't be asked: {error}"
    except SwitError as error:
        return None, f"does not work: {error}"


def _impatient(settings: Settings) -> Settings:
    seconds = min(settings.swit_timeout_seconds, _PATIENCE_SECONDS)
    return settings.model_copy(update={"swit_timeout_seconds": seconds})


def _lines(status: Status, account: str | None, login: str) -> list[tuple[str, str]]:
    pause, lease, restored = status.pause, status.lease, status.restored
    return [
        ("Last run", _run(status.last_run)),
        ("Last success", _run(status.last_success)),
        ("Next run", _next(status)),
        ("Pause", "none" if pause is None else pause.sentence),
        (
            "Lease",
            "free"
            if lease is None
            else f"held by the run {lease.run_id}, started by {lease.actor}, since"
            f" {clock(lease.since)}, until {clock(lease.until)} unless it is renewed",
        ),
        ("Login", " · ".join(filter(None, [account, login, _expiry(status.token)]))),
        ("Waiting", _waiting(len(status.waiting))),
        *(("Half applied", _begun(state)) for state in status.begun),
        *([("Restored", f"{restored.sentence}: the next run only plans")] if restored else []),
    ]


def _waiting(number: int) -> str:
    if not number:
        return "no plan waits for an approval"
    return f"{number} plan{'s' if number > 1 else ''} stopped by a guard, to approve or reject"


def _begun(state: PlanState) -> str:
    return f"plan {state.plan.plan_id}: {' '.join(state.sentences)} {state.advice}"


def _say_waiting(console: Console, status: Status) -> None:
    print_plans(console, list(status.waiting))
    print_text(
        console,
        'swit-provisioning show PLAN_ID, then approve PLAN_ID --reason "...", or reject PLAN_ID',
    )


def _run(run: SeenRun | None) -> str:
    return "none yet" if run is None else run.in_words


def _next(status: Status) -> str:
    if status.next_run is None:
        return "none: SCHEDULE_TIME is not set"
    what = f"{clock(status.next_run)} · {status.next_action} (while Dagster's daemon runs)"
    pause = status.pause
    lasts = pause is not None and (pause.until is None or pause.until > status.next_run)
    return f"{what}; it will be skipped" if lasts and status.next_action == "sync" else what


def _expiry(token: StoredLogin) -> str:
    if not token.stored or token.expires_at is None:
        return ""
    renewed = "renewed by itself" if token.renewable else "can't be renewed: log in again"
    if token.days_left is not None and token.days_left <= 0:
        return f"the access token ended {clock(token.expires_at)}, {renewed}"
    days = f"{token.days_left:.1f} days left" if token.days_left is not None else ""
    return f"the access token ends {clock(token.expires_at)}, {days}, {renewed}"


def _document(status: Status, account: str | None, login: str) -> dict[str, Any]:
    """As plain JSON values; times in ISO 8601."""
    pause, lease, token = status.pause, status.lease, status.token
    return {
        "mode": "test" if status.test_mode else "live",
        "organization_id": status.organization_id,
        "last_run": _plain(status.last_run),
        "last_success": _plain(status.last_success),
        "next_run": _iso(status.next_run),
        "next_action": status.next_action,
        "pause": _plain(pause),
        "lease": _plain(lease),
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
    """Print them; as JSON, with the variables that nothing reads."""
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
        own_header(console, settings, store.organization.bound_to())
    rows = []
    for setting in shown:
        name = escape(setting.name) if setting.source == "default" else f"[bold]{setting.name}[/]"
        rows.append([name, escape(setting.value), escape(setting.source)])
    print_table(console, ("setting", "value", "from"), rows, whole={"setting"})
    return 0


def pause_runs(settings: Settings, *, until: str | None, why: str) -> int:
    """Pause, and say until when."""
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
    """End the pause, if there is one."""
    with open_store(settings) as store:
        ended = store.pauses.end(actor=current_actor())
    if ended is None:
        output().print("Nothing was paused.")
    else:
        output().print(f"Resumed. It was {ended.sentence}", markup=False, highlight=False)
    return 0


def mention_pause(settings: Settings) -> None:
    """Tell a person who writes by hand that scheduled runs are paused, and why."""
    try:
        with open_store(settings) as store:
            pause = store.pauses.now()
    except StoreError:
        # The run says so, and ends as one that failed.
        return
    if pause is not None:
        _say(errors(), pause)


def _say(console: Console, pause: Pause) -> None:
    said = f"Scheduled runs are {pause.sentence}"
    console.print(said, style="yellow", markup=False, highlight=False, soft_wrap=True)
