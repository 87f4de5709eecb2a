"""How every command starts and ends: settings, `DAGSTER_HOME`, errors and exit codes.

Scripts rely on the exit codes. Imports nothing slow, so that `--help` appears at once.
"""

import os
import shutil
import stat
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from swit_provisioning.apply.run_model import RefusedError, RunState
from swit_provisioning.cli.console import COMMAND, errors, print_text
from swit_provisioning.report.safe_text import for_a_terminal, shortened

if TYPE_CHECKING:
    from swit_provisioning.settings import Settings


class UnwritableFileError(Exception):
    """The output file cannot be written."""

    def __init__(self, path: Path, error: OSError, *, example: str) -> None:
        """Name the file, the system's error, and an `example` of a command that works."""
        super().__init__(
            f"{path} cannot be written: {error.strerror or error}. Name a file in a folder"
            f" that exists and that you may write to: {example}"
        )


class UnknownSubjectError(Exception):
    """Nothing has this name, on either side or in the journal."""

    def __init__(self, who: str, similar: Iterable[str] = ()) -> None:
        """Name the subject and similar names."""
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
        """Give their number, and unambiguous names of a few of them."""
        few = ", ".join(for_a_terminal(shortened(way)) for way in ways[:5])
        super().__init__(
            f"{number} people and teams have the name {for_a_terminal(shortened(who))}. Name one by"
            f" its DN, address or id{f': {few}...' if few else '.'}"
        )


class UnusableHomeError(Exception):
    """Dagster's storage cannot be used."""

    def __init__(self, home: Path, error: Exception) -> None:
        """Name the folder and the error of the system or the database, without its statement."""
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
        except click.ClickException:
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
