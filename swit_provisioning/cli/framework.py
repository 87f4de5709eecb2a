"""How every command starts and ends: options, settings, `DAGSTER_HOME`, errors, exit codes.

Scripts rely on the exit codes. Imports nothing slow, so that `--help` appears at once.
"""

import os
import re
import shutil
import stat
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta, tzinfo
from functools import wraps
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from swit_provisioning.apply.run_model import RefusedError, RunState
from swit_provisioning.cli.console import COMMAND, errors, print_text
from swit_provisioning.report.safe_text import for_a_terminal, shortened

if TYPE_CHECKING:
    from swit_provisioning.settings import Settings

View = Literal["summary", "short", "full"]
"""How much of a plan is printed: one sentence, at most ten rows of each table, everything."""

_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION: Final = re.compile(r"([0-9]{1,6})\s*([mhdw])", re.IGNORECASE)
_CLOCK: Final = re.compile(r"\d{1,2}:\d{2}(:\d{2})?")


class UnwritableFileError(Exception):
    """The output file cannot be written."""

    def __init__(self, path: Path, error: OSError, *, example: str) -> None:
        super().__init__(
            f"{path} cannot be written: {error.strerror or error}. Name a file in a folder"
            f" that exists and that you may write to: {example}"
        )


class UnknownSubjectError(Exception):
    """Nothing has this name, on either side or in the journal."""

    def __init__(self, who: str, similar: Iterable[str] = ()) -> None:
        near = ", ".join(for_a_terminal(shortened(text)) for text in similar)
        meant = f" Did you mean: {near}?" if near else ""
        super().__init__(
            f"{for_a_terminal(shortened(who))} is no address, name, DN or id in the"
            f" directory, in Swit or in the journal.{meant} Give an address, a team's name, a DN"
            " or an id: swit-provisioning explain someone@example.com"
        )


class AmbiguousSubjectError(Exception):
    """Too many people and teams have this name."""

    def __init__(self, who: str, number: int, ways: Sequence[str]) -> None:
        few = ", ".join(for_a_terminal(shortened(way)) for way in ways[:5])
        super().__init__(
            f"{number} people and teams have the name {for_a_terminal(shortened(who))}. Name one by"
            f" its DN, address or id{f': {few}...' if few else '.'}"
        )


class UnusableHomeError(Exception):
    """Dagster's storage cannot be used."""

    def __init__(self, home: Path, error: Exception) -> None:
        cause = getattr(error, "orig", None) or getattr(error, "strerror", None)
        super().__init__(
            f"Dagster's storage (DAGSTER_HOME: {home}) cannot be used:"
            f" {cause or type(error).__name__}. Check its permissions and the space left on its"
            " disk. Run the command again after that: applied changes are not sent again."
        )


class UnusableInputError(Exception):
    """A file or standard input does not contain what the command needs; the message is complete."""


_CODES: Final[Mapping[str, int]] = {
    "AmbiguousPlanError": 2,
    "AmbiguousSubjectError": 2,
    "DirectoryError": 1,
    "IncompleteReadError": 1,
    "LeaseHeldError": RunState.BUSY.exit_code,
    "ListenError": 1,
    "LoginError": 1,
    "RunsUnderWayError": RunState.BUSY.exit_code,
    "SandboxStartError": 1,
    "SandboxStateError": 1,
    "SettingsError": 2,
    "StoreError": 1,
    "SwitError": 1,
    "UnknownSubjectError": 2,
    "UnusableHomeError": 1,
    "UnusableInputError": 2,
    "UnwritableFileError": 2,
    "ErasureError": 2,
}
"""Exit code of each error whose message is complete; a subclass has that of its nearest base.

By name: importing all of these classes would take longer than most commands.
"""


def exit_code_of(error: Exception) -> int | None:
    """The exit code of an expected error; `None` for an error of the program itself."""
    if isinstance(error, RefusedError):
        return error.state.exit_code
    for kind in type(error).__mro__:
        if kind.__module__.startswith("swit_provisioning.") and kind.__name__ in _CODES:
            return _CODES[kind.__name__]
    return None


def exits(command: Callable[..., int]) -> Callable[..., None]:
    """End the process with the exit code that a command returns, or that fits its error.

    An unexpected error is reported in one line; `swit-provisioning --traceback` shows where it
    happened.
    """

    @wraps(command)
    def run(*args: Any, **options: Any) -> None:  # noqa: ANN401 - click's own
        try:
            code = command(*args, **options)
        except (click.ClickException, click.Abort):
            raise
        except Exception as error:  # users get one line, not a traceback
            message = str(error)
            known = exit_code_of(error)
            if known is None:
                if click.get_current_context().find_root().params.get("traceback"):
                    raise
                # Not its message: that could contain a secret.
                place = traceback.extract_tb(error.__traceback__)[-1]
                message = (
                    f"Unexpected error: {type(error).__name__} at"
                    f" {Path(place.filename).name}:{place.lineno}. This is a bug in"
                    " swit_provisioning, please report it. To see the traceback:"
                    f" {COMMAND}--traceback {' '.join(sys.argv[1:])}"
                )
            print_text(errors(), message, style="red")
            code = 1 if known is None else known
        sys.exit(code)

    return run


def load_settings(*, writes: bool = False) -> "Settings":
    """The settings, with warnings about unknown variables and unencrypted addresses.

    Raises:
        SettingsError: names every problem; with `writes`, also every misspelled setting.

    """
    from swit_provisioning.setting_sources import (  # noqa: PLC0415 - `--help` needs no settings
        refuse_misspelled_settings,
        unknown_variables,
    )
    from swit_provisioning.settings import Settings  # noqa: PLC0415 - as above

    if writes:
        refuse_misspelled_settings()
    for name, meant in unknown_variables().items():
        hint = f": {meant} may be meant" if meant else ""
        print_text(errors(), f"Warning: nothing reads {name}{hint}.", style="yellow")
    settings = Settings.load()
    for name in settings.unencrypted_addresses:
        warning = f"Warning: {name} is an http:// address of another machine: nothing is encrypted."
        print_text(errors(), warning, style="yellow")
    return settings


def prepare_home(settings: "Settings") -> Path:
    """Create `DAGSTER_HOME`, readable by this account only, with our `dagster.yaml` if it has none.

    Raises:
        UnusableHomeError: it cannot be created or written.

    """
    home = settings.home
    target = home / "dagster.yaml"
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not target.exists():
            with as_file(files("swit_provisioning") / "dagster.yaml") as source:
                shutil.copyfile(source, target)
    except OSError as error:
        raise UnusableHomeError(home, error) from error
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def warn_of_open_files(settings: "Settings") -> None:
    """Warn on standard error if other accounts can read the state or the frames."""
    from upath import UPath  # noqa: PLC0415 - only `check` and `status` ask

    from swit_provisioning.operations.plan_page import readable_by_others  # noqa: PLC0415 - same

    frames = UPath(settings.frames_path)
    is_local = frames.protocol in {"", "file", "local"}
    found = readable_by_others(settings.home, Path(frames.path) if is_local else None)
    if found is None:
        return
    mode = stat.S_IMODE(found.lstat().st_mode)
    folder = settings.home if found.is_relative_to(settings.home) else settings.frames_path
    warning = (
        f"Warning: other accounts can read {found} (mode {mode:04o}). It may contain people's names"
        f" or tokens. Close it: chmod -R go= {folder}"
    )
    print_text(errors(), warning, style="yellow", wrap=False)


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


def time_of_option(
    name: str, text: str | None, *, zone: tzinfo | None = None, ahead: bool = False
) -> datetime | None:
    """The time that an option names, as `parse_time` reads it; `None` if it is not given.

    Raises:
        click.BadParameter: the text is no time.

    """
    if text is None:
        return None
    try:
        return parse_time(text, now=datetime.now(UTC), zone=zone, ahead=ahead)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=name) from error
