"""Options that several commands share, and times as people type them. Imports nothing slow."""

import re
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Any, Final, Literal

import click

View = Literal["summary", "short", "full"]
"""How much of a plan is printed: one sentence, at most ten rows of each table, everything."""

_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION: Final = re.compile(r"([0-9]{1,6})\s*([mhdw])", re.IGNORECASE)
_CLOCK: Final = re.compile(r"\d{1,2}:\d{2}(:\d{2})?")


def flag(names: str, text: str) -> click.Option:
    """An option without a value; `names` is the option, and its parameter if that differs."""
    return click.Option(names.split(), is_flag=True, help=text)


def option(names: str, metavar: str, text: str, **more: Any) -> click.Option:  # noqa: ANN401 - click's own
    """An option with a value."""
    return click.Option(names.split(), metavar=metavar, help=text, **more)


PLAN_ID: Final = click.Argument(["plan_id"])
WHO: Final = click.Argument(["who"])
JSON: Final = flag("--json as_json", "Print one JSON document on standard output.")
NO_NAMES: Final = flag("--no-names", "Show codes instead of people's names, addresses and numbers.")
REASON: Final = option(
    "--reason", "TEXT", "Why; stored with your name and the time.", required=True
)
FULL: Final = flag("--full", "Print every change, finding and team.")
SUMMARY: Final = flag("--summary", "Print one sentence and the state.")


def refuse_together(**options: object) -> None:
    """Refuse options that exclude each other; each is false or `None` if it is not given.

    Raises:
        click.UsageError: more than one is given.

    """
    if sum(map(bool, options.values())) > 1:
        *names, last = (f"--{name.replace('_', '-')}" for name in options)
        message = f"{', '.join(names)} and {last} exclude each other. Choose one."
        raise click.UsageError(message)


def view_of(*, full: bool, summary: bool) -> View:
    """How much of a plan `--full` and `--summary` select."""
    refuse_together(full=full, summary=summary)
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
