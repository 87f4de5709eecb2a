"""Points in time as people write them: a date, a time of day, both, or how long ago or from now."""

import re
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Final

import click

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
        return now.astimezone(UTC) + timedelta(**{_UNITS[duration[2]]: int(duration[1])})
    if _CLOCK.fullmatch(text):
        clock = datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007 - a time of day
        today = datetime.combine(now.date(), clock, now.tzinfo)
        return today if today > now else today + timedelta(days=1)
    named = datetime.fromisoformat(text)
    return named if named.tzinfo else named.replace(tzinfo=now.tzinfo)
