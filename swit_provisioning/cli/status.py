"""`status` and `settings`."""

from collections.abc import Iterator
from typing import Final

import dagster as dg
from rich.markup import escape

from swit_provisioning.cli.console import (
    output,
    print_json,
    print_state_header,
    print_table,
    print_text,
)
from swit_provisioning.cli.documents import iso, listed_plan_document
from swit_provisioning.cli.framework import prepare_home, warn_of_open_files
from swit_provisioning.cli.json_types import (
    LastReadDocument,
    LeaseDocument,
    PauseDocument,
    RestorationDocument,
    SettingsDocument,
    StatusDocument,
)
from swit_provisioning.cli.render import plans_table
from swit_provisioning.operations.connections import swit_connection
from swit_provisioning.operations.installation_status import Status, status_of
from swit_provisioning.operations.services import open_store
from swit_provisioning.planning.model import TOTAL
from swit_provisioning.planning.normalize import clock
from swit_provisioning.setting_sources import shown_settings, unknown_variables
from swit_provisioning.settings import Settings, SettingsError
from swit_provisioning.state.coordination import LeaseHolder, Pause
from swit_provisioning.state.identities import AcceptedRead
from swit_provisioning.state.plan_approvals import Restoration
from swit_provisioning.state.store import Store
from swit_provisioning.swit.errors import SwitError, SwitUnauthorizedError, SwitUnavailableError

_PATIENCE_SECONDS: Final = 5.0
"""Timeout of the call for the authorised account."""


def show_status(settings: Settings, *, as_json: bool) -> int:
    """Print the state of the installation. Swit is asked only whose the login is."""
    prepare_home(settings)
    warn_of_open_files(settings)
    with open_store(settings) as store:
        if not as_json:
            print_state_header(output(), settings, store)
        account, login = _login(settings, store)
        with dg.DagsterInstance.get() as instance:
            status = status_of(settings, store, instance)
    if not as_json:
        for name, text in _lines(status, account, login):
            print_text(output(), f"{name:<14} {text}", wrap=False)
        if status.waiting:
            plans_table(output(), status.waiting)
            advice = 'show PLAN_ID, then approve PLAN_ID --reason "...", or reject PLAN_ID'
            print_text(output(), f"swit-provisioning {advice}")
        return 0
    token = status.token
    document: StatusDocument = {
        "mode": "test" if status.test_mode else "live",
        "organization_id": status.organization_id,
        "last_run": status.last_run.document() if status.last_run else None,
        "last_success": status.last_success.document() if status.last_success else None,
        "next_run": iso(status.next_run),
        "next_action": status.next_action,
        "pause": _pause_document(status.pause),
        "lease": _lease_document(status.lease),
        "token": {
            "account": account,
            "state": login,
            "stored": token.stored,
            "expires_at": iso(token.expires_at),
            "days_left": None if token.days_left is None else round(token.days_left, 1),
            "renewable": token.renewable,
        },
        "waiting": [listed_plan_document(state) for state in status.waiting],
        "begun": [listed_plan_document(state) for state in status.begun],
        "last_read": _read_document(status.last_read),
        "restored": _restoration_document(status.restored),
    }
    print_json(document)
    return 0


def _pause_document(pause: Pause | None) -> PauseDocument | None:
    if pause is None:
        return None
    at, until = pause.at.isoformat(), iso(pause.until)
    return {"who": pause.actor, "why": pause.reason, "at": at, "until": until}


def _lease_document(lease: LeaseHolder | None) -> LeaseDocument | None:
    if lease is None:
        return None
    since, until = lease.since.isoformat(), lease.until.isoformat()
    return {"run_id": lease.run_id, "who": lease.actor, "since": since, "until": until}


def _read_document(read: AcceptedRead | None) -> LastReadDocument | None:
    if read is None:
        return None
    return {
        "accepted_at": read.accepted_at.isoformat(),
        "directory": {base: dict(counts) for base, counts in read.directory.items()},
        "counts": dict(read.counts),
        "counted_by": dict(read.counted_by),
        "presence": {kind: dict(counts) for kind, counts in read.presence.items()},
    }


def _restoration_document(restored: Restoration | None) -> RestorationDocument | None:
    if restored is None:
        return None
    at = restored.noticed_at.isoformat()
    return {"noticed_at": at, "why": restored.reason, "planned_by": restored.planned_by}


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
    last, success, pause = status.last_run, status.last_success, status.pause
    yield "Last run", last.in_words if last else "none yet"
    yield "Last success", success.in_words if success else "none yet"
    if status.next_run is None:
        yield "Next run", "none: SCHEDULE_TIME is not set"
    else:
        is_paused = pause is not None and (pause.until is None or pause.until > status.next_run)
        skipped = "; it will be skipped" if is_paused and status.next_action == "sync" else ""
        when = f"{clock(status.next_run)} · {status.next_action}"
        yield "Next run", f"{when} (while Dagster's daemon runs){skipped}"
    yield "Pause", pause.sentence if pause else "none"
    if lease := status.lease:
        times = f"since {clock(lease.since)}, until {clock(lease.until)} unless it is renewed"
        yield "Lease", f"held by the run {lease.run_id}, started by {lease.actor}, {times}"
    else:
        yield "Lease", "free"
    token, expiry = status.token, ""
    if token.stored and token.expires_at is not None and token.days_left is not None:
        renewal = "renewed automatically" if token.renewable else "cannot be renewed: log in again"
        is_over = token.days_left <= 0
        days = "" if is_over else f" {token.days_left:.1f} days left,"
        verb = "expired" if is_over else "expires"
        expiry = f"the access token {verb} {clock(token.expires_at)},{days} {renewal}"
    yield "Login", " · ".join(filter(None, [account, login, expiry]))
    waiting = len(status.waiting)
    plans = f"{waiting} plan{'s' if waiting > 1 else ''} blocked by a guard, to approve or reject"
    yield "Waiting", plans if waiting else "no plan waits for an approval"
    for state in status.begun:
        sentences = " ".join(state.sentences)
        yield "Half applied", f"plan {state.plan.plan_id}: {sentences} {state.advice}"
    if read := status.last_read:
        bases = (
            f"{base}: {n['users']} usable users, {n['groups']} groups"
            for base, n in read.directory.items()
        )
        yield "Last read", f"accepted {clock(read.accepted_at)} · {'; '.join(bases)}"
        for kind, counts in read.presence.items():
            held = (f"{label} {n:,}" for label, n in counts.items() if label != TOTAL)
            yield "", f"of {counts.get(TOTAL, 0):,} {kind}: {', '.join(held)}"
    if status.restored:
        yield "Restored", f"{status.restored.sentence}: the next run only plans"


def list_settings(settings: Settings, *, as_json: bool) -> int:
    """Print all settings; as JSON, also unknown variables that look like settings."""
    shown = shown_settings(settings)
    if as_json:
        unknown = unknown_variables().items()
        document: SettingsDocument = {
            "settings": [{"name": s.name, "value": s.value, "source": s.source} for s in shown],
            "unknown": [{"name": name, "meant": meant or None} for name, meant in unknown],
        }
        print_json(document)
        return 0
    with open_store(settings) as store:
        print_state_header(output(), settings, store)
    rows = []
    for setting in shown:
        name = escape(setting.name) if setting.source == "default" else f"[bold]{setting.name}[/]"
        rows.append([name, escape(setting.value), escape(setting.source)])
    print_table(output(), ("setting", "value", "from"), rows, whole={"setting"})
    return 0
