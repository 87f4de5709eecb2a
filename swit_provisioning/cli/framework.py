"""What all commands share: output, settings, `DAGSTER_HOME`, and how a command ends.

Imports nothing slow, so that `--help` appears at once.
"""

import json
import os
import re
import shutil
import stat
import sys
import traceback
from collections.abc import Callable
from functools import wraps
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from rich.console import Console
from rich.text import Text

from swit_provisioning.cli.errors import UnusableHomeError, exit_code_of
from swit_provisioning.report.safe_text import for_a_terminal

if TYPE_CHECKING:
    from swit_provisioning.settings import Settings

WIDTH_WITHOUT_TERMINAL: Final = 160
"""Columns. Rich's own default, 80, would break most addresses."""
_COMMAND: Final = "swit-provisioning "
# Control, invisible and direction characters, and surrogates. JSON itself escapes those below
# U+0020.
_UNSAFE_IN_JSON: Final = re.compile(
    "[\x7f-\xa0\xad\u061c\u180e\u200b-\u200f\u2028-\u202f\u205f-\u206f\ud800-\udfff\ufeff"
    "\ufff9-\ufffb\U000e0000-\U000e007f]"
)


class _SafeConsole(Console):
    """A console that removes control characters from everything that is printed."""

    def render_str(self, text: str, **options: Any) -> Text:  # noqa: ANN401 - passed on
        """Render markup, without control characters."""
        return super().render_str("\n".join(map(for_a_terminal, text.split("\n"))), **options)


def output() -> Console:
    """Standard output."""
    return _console(stderr=False)


def errors() -> Console:
    """Standard error."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    has_width = stream.isatty() or "COLUMNS" in os.environ
    return _SafeConsole(stderr=stderr, width=None if has_width else WIDTH_WITHOUT_TERMINAL)


def print_json(document: object) -> None:
    """Print one JSON document on standard output, with invisible characters escaped."""
    text = json.dumps(document, ensure_ascii=False, indent=2)
    sys.stdout.write(_UNSAFE_IN_JSON.sub(lambda found: json.dumps(found[0])[1:-1], text) + "\n")


def print_text(
    console: Console, text: str | Text, *, style: str = "", indent: int = 0, wrap: bool = True
) -> None:
    """Print text without markup, wrapped between words; a line with a command is not wrapped."""
    if isinstance(text, str):
        text = Text("\n".join(map(for_a_terminal, text.split("\n"))), style=style)
    made = text.copy()
    made.overflow = "ignore"  # a word that is longer than a line stays whole
    for line in made.split("\n", allow_blank=True):
        width = max(console.width - indent, 1)
        keep = not wrap or _COMMAND in line.plain
        for part in [line] if keep else line.wrap(console, width):
            console.print(Text(" " * indent) + part, soft_wrap=True, highlight=False)


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
                message = _unexpected(error)
            print_text(errors(), message, style="red")
            code = 1 if known is None else known
        sys.exit(code)

    return run


def _unexpected(error: Exception) -> str:
    """One line for an error of the program itself. No message: it could contain a secret."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    words = " ".join(sys.argv[1:])
    return (
        f"Unexpected error: {type(error).__name__} at {Path(place.filename).name}:{place.lineno}."
        " This is a bug in swit_provisioning, please report it. To see the traceback:"
        f" {_COMMAND}--traceback {words}"
    )


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

    from swit_provisioning.operations.plan_page import readable_by_others  # noqa: PLC0415 - as above

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
    errors().print(warning, style="yellow", markup=False, highlight=False, soft_wrap=True)
