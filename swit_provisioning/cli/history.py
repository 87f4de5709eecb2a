"""`history`: what was done, when, by which run, with what answer."""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Any, Final

import click
from rich.console import Console

from swit_provisioning.cli.framework import output, print_json
from swit_provisioning.cli.render import (
    COLOURS,
    MOST_ROWS,
    deed_document,
    header,
    print_table,
    safe,
)
from swit_provisioning.operations.services import open_store
from swit_provisioning.planning.describe import what
from swit_provisioning.report.summary import for_a_terminal
from swit_provisioning.settings import Settings
from swit_provisioning.state.history import Deed
from swit_provisioning.state.store import Store

_RUN_SHOWN: Final = 8
_OUTCOME_COLOURS: Final = {"rejected": "yellow", "skipped": "yellow", "failed": "red"}
_UNKNOWN: Final = "no answer noted"


def show_history(
    settings: Settings,
    *,
    user: str | None,
    team: str | None,
    since: datetime | None,
    as_json: bool,
) -> int:
    """Print what fits, oldest first; nothing is asked of Swit or the directory."""
    with open_store(settings) as store:
        deeds = store.history.deeds(user=user, team=team, since=since)
        if not as_json:
            say_whose(output(), settings, store)
    if as_json:
        asked = {"user": user, "team": team, "since": since.isoformat() if since else None}
        document = {**asked, "entries": [deed_document(deed) for deed in deeds]}
        print_json(document)
    elif deeds:
        say_deeds(output(), deeds)
    else:
        narrowed = user or team or since
        output().print("Nothing that fits was sent." if narrowed else "Nothing was sent yet.")
    return 0


def say_whose(console: Console, settings: Settings, store: Store) -> None:
    """The first line of an output, as the newest plan has it."""
    newest = store.plans.latest()
    stored = store.plans.get(newest) if newest else None
    header(
        console,
        settings,
        organization=stored.plan.organization_name if stored else "none yet",
        directory=stored.plan.directory if stored else "none yet",
    )


def say_deeds(console: Console, deeds: Sequence[Deed]) -> None:
    """The newest ones as a table, who approved them, and how they ended, counted."""
    columns = ("when", "run", "action", "target", "what", "answer")
    rows = map(_cells, deeds[-MOST_ROWS:])
    print_table(console, columns, rows, whole={"when", "run", "action", "target"})
    if len(deeds) > MOST_ROWS:
        earlier = len(deeds) - MOST_ROWS
        console.print(f"{earlier} earlier ones are not shown: --since narrows, --json shows all")
    _say_approvals(console, deeds)
    outcomes = Counter(deed.entry.outcome or _UNKNOWN for deed in deeds)
    runs = len({deed.entry.run_id for deed in deeds})
    told = ", ".join(f"{n} {outcome}" for outcome, n in outcomes.items())
    console.print(f"{told} · {runs} {'run' if runs == 1 else 'runs'}", highlight=False)


def _cells(deed: Deed) -> list[str]:
    entry = deed.entry
    action: Any = entry.action
    colour = COLOURS.get(entry.action, "yellow")
    return [
        entry.at.astimezone().strftime("%Y-%m-%d %H:%M:%S"),
        entry.run_id[:_RUN_SHOWN],
        f"[{colour}]{entry.action}[/{colour}]",
        safe(entry.target),
        safe(what(action, entry.before, entry.after)),
        _answer(deed),
    ]


def _answer(deed: Deed) -> str:
    """The outcome; Swit's words and status where it was not simply done."""
    entry = deed.entry
    outcome = entry.outcome or _UNKNOWN
    colour = _OUTCOME_COLOURS.get(outcome, "red" if entry.outcome is None else "green")
    told = f"[{colour}]{outcome}[/{colour}]"
    if entry.http_status and outcome in {"rejected", "failed"}:
        told += f" (HTTP {entry.http_status})"
    if entry.message:
        told += f": {safe(entry.message)}"
    return told


def _say_approvals(console: Console, deeds: Sequence[Deed]) -> None:
    """Each once, though it stands behind every change of its run."""
    told = {
        f"Run {deed.entry.run_id[:_RUN_SHOWN]} was approved by {deed.approval.who}:"
        f" {deed.approval.why}"
        for deed in deeds
        if deed.approval
    }
    for line in sorted(told):
        said = for_a_terminal(line)
        console.print(said, markup=False, highlight=False, soft_wrap=True)


_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_AGO: Final = re.compile(r"([0-9]{1,6})([mhdw])")


class Since(click.ParamType[datetime]):
    """What `--since` takes."""

    name = "time"

    def convert(
        self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """The point in time; what can't be read is wrong use, with examples."""
        if isinstance(value, datetime):
            return value
        try:
            return point_in_time(value, now=datetime.now(UTC))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def point_in_time(text: str, *, now: datetime) -> datetime:
    """The time, in UTC, that a text means at `now`; without a time zone it is this machine's.

    Raises:
        ValueError: it means none; the message gives examples.

    """
    words = text.strip()
    try:
        if ago := _AGO.fullmatch(words.lower()):
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        if re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", words):
            return _last(time.fromisoformat(words.zfill(5)), now)
        return datetime.fromisoformat(words).astimezone(UTC)
    except (ValueError, OverflowError):
        message = (
            f"{text!r} is no time; give a date (2026-03-01), a time (02:30, 2026-03-01T02:30,"
            " 2026-03-01T02:30+09:00) or how long ago (24h, 7d, 2w)"
        )
        raise ValueError(message) from None


def _last(clock: time, now: datetime) -> datetime:
    """When this machine's clock last showed that."""
    here = now.astimezone()
    today = datetime.combine(here.date(), clock).astimezone()
    if today > here:
        today = datetime.combine(here.date() - timedelta(days=1), clock).astimezone()
    return today.astimezone(UTC)


_DURATION: Final = re.compile(r"(\d{1,4})\s*([mhdw])")
_UNTIL_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_CLOCK: Final = re.compile(r"\d{1,2}:\d{2}")
_EXAMPLES: Final = "2026-12-24, 14:30, 2026-12-24 14:30 or 3d"


def time_named(text: str, *, now: datetime, zone: tzinfo) -> datetime:
    """The time that is meant, in UTC; one without an offset is local to `zone`.

    A date is its first moment, a time of day the next one.

    Raises:
        click.BadParameter: it is none of these, or it is over.

    """
    try:
        named = _named(text.strip(), now.astimezone(zone))
    except ValueError as error:
        message = f"{text!r} is no time; write {_EXAMPLES}"
        raise click.BadParameter(message, param_hint="--until") from error
    if named <= now:
        message = f"{named:%Y-%m-%d %H:%M} is over; name a time to come"
        raise click.BadParameter(message, param_hint="--until")
    return named.astimezone(UTC)


def _named(text: str, now: datetime) -> datetime:
    duration = _DURATION.fullmatch(text)
    if duration:
        return now.astimezone(UTC) + timedelta(**{_UNTIL_UNITS[duration[2]]: int(duration[1])})
    if _CLOCK.fullmatch(text):
        clock = datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007 - a time of day
        today = datetime.combine(now.date(), clock, now.tzinfo)
        return today if today > now else today + timedelta(days=1)
    named = datetime.fromisoformat(text)
    return named if named.tzinfo else named.replace(tzinfo=now.tzinfo)
