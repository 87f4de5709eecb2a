"""Points in time as people write them: a date, a time of day, both, or how long from now."""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

import click

_DURATION: Final = re.compile(r"(\d{1,4})\s*([mhdw])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
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
