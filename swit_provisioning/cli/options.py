"""Options that several commands share, and times as people type them. Imports nothing slow."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Final, Literal

import click

View = Literal["summary", "short", "full"]
"""How much of a plan is printed: one sentence, at most ten rows of each table, everything."""

_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION: Final = re.compile(r"([0-9]{1,6})\s*([mhdw])", re.IGNORECASE)
_CLOCK: Final = re.compile(r"\d{1,2}:\d{2}(:\d{2})?")

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document on standard output."
)
no_names_option = click.option(
    "--no-names", is_flag=True, help="Show codes instead of people's names, addresses and numbers."
)
reason_option = click.option(
    "--reason", metavar="TEXT", required=True, help="Why; stored with your name and the time."
)


def view_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--full` and `--summary`: how much of a plan is printed."""
    full = click.option("--full", is_flag=True, help="Print every change, finding and team.")
    summary = click.option("--summary", is_flag=True, help="Print one sentence and the state.")
    return full(summary(command))


def view_of(*, full: bool, summary: bool) -> View:
    """The view that `--full` and `--summary` select.

    Raises:
        click.UsageError: both are given.

    """
    if full and summary:
        message = "--full and --summary exclude each other. Leave one out."
        raise click.UsageError(message)
    return "full" if full else "summary" if summary else "short"


class PastTime(click.ParamType[datetime]):
    """A time in the past, as `--since` takes it, in UTC."""

    name = "time"

    def convert(
        self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Parse the time; fail with examples if it is none."""
        if isinstance(value, datetime):
            return value
        try:
            return parse_time(value, now=datetime.now(UTC))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def parse_time(
    text: str, *, now: datetime, zone: tzinfo | None = None, ahead: bool = False
) -> datetime:
    """Parse a date, a time or a duration; the result is in UTC.

    A duration (`7d`) counts from `now`. A time of day is the last one, a date its first moment.
    Without an offset they are local to `zone` (`None`: this machine's). With `ahead`, durations
    and times of day are in the future.

    Raises:
        ValueError: the text is no time, or with `ahead` not in the future; gives examples.

    """
    words = text.strip()

    def local(naive: datetime) -> datetime:
        return naive.replace(tzinfo=zone) if zone else naive.astimezone()

    try:
        if duration := _DURATION.fullmatch(words):
            span = timedelta(**{_UNITS[duration[2].lower()]: int(duration[1])})
            found = now + span if ahead else now - span
        elif _CLOCK.fullmatch(words):
            clock = time.fromisoformat(words if words[2] == ":" else f"0{words}")
            today = now.astimezone(zone).date()
            found = local(datetime.combine(today, clock))
            if ahead and found <= now:
                found = local(datetime.combine(today + timedelta(days=1), clock))
            elif not ahead and found > now:
                found = local(datetime.combine(today - timedelta(days=1), clock))
        else:
            found = datetime.fromisoformat(words)
            found = found if found.tzinfo else local(found)
        found = found.astimezone(UTC)
    except (ValueError, OverflowError):
        span_words = "from now (12h, 3d, 2w)" if ahead else "ago (24h, 7d, 2w)"
        message = (
            f"{text!r} is no time; give a date (2026-03-01), a time (02:30, 2026-03-01T02:30,"
            f" 2026-03-01T02:30+09:00) or how long {span_words}"
        )
        raise ValueError(message) from None
    if ahead and found <= now:
        message = f"{found.astimezone(zone):%Y-%m-%d %H:%M} is over; give a time in the future"
        raise ValueError(message)
    return found
