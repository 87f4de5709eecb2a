"""What all commands share: `--json`, `--no-names`, the settings, and how one ends."""

import json
import os
import re
import sys
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

import click
from rich.console import Console
from rich.text import Text

from swit_provisioning.cli.errors import exit_code_of
from swit_provisioning.report.safe_text import for_a_terminal

if TYPE_CHECKING:
    from swit_provisioning.cli.render import View
    from swit_provisioning.settings import Settings


WIDTH_ELSEWHERE: Final = 160
"""Columns where there is no terminal: 80, what rich takes, would break most addresses."""
_COMMAND: Final = "swit-provisioning "


# Control characters, invisible characters, marks of reading direction, halves of characters
# (surrogates). JSON itself escapes what is below U+0020.
_STEERING: Final = re.compile(
    "[\x7f-\xa0\xad\u061c\u180e\u200b-\u200f\u2028-\u202f\u205f-\u206f\ud800-\udfff\ufeff"
    "\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def output() -> Console:
    """Standard output."""
    return _console(stderr=False)


def errors() -> Console:
    """Standard error."""
    return _console(stderr=True)


def print_json(document: object) -> None:
    """Print one JSON document on standard output.

    Characters that would steer a terminal are escaped; a program reads the same text.
    """
    text = json.dumps(document, ensure_ascii=False, indent=2)
    sys.stdout.write(_STEERING.sub(lambda found: json.dumps(found[0])[1:-1], text) + "\n")


class _SafeConsole(Console):
    """A console on which no text steers the terminal, whoever prints it."""

    def render_str(self, text: str, **options: Any) -> Text:  # noqa: ANN401 - passed on
        """Text with its markup, and without what would steer the display."""
        return super().render_str("\n".join(map(for_a_terminal, text.split("\n"))), **options)


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


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    fits = stream.isatty() or "COLUMNS" in os.environ
    return _SafeConsole(stderr=stderr, width=None if fits else WIDTH_ELSEWHERE)


json_option = click.option(
    "--json", "as_json", is_flag=True, help="One JSON document on standard output."
)

no_names_option = click.option(
    "--no-names", is_flag=True, help="Codes in place of people's names, addresses and numbers."
)


def view_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--full` and `--summary`: how much of a plan is printed."""
    full = click.option("--full", is_flag=True, help="Every change, finding and team.")
    summary = click.option("--summary", is_flag=True, help="One sentence and the plan's state.")
    return full(summary(command))


def view_of(*, full: bool, summary: bool) -> "View":
    """How much of a plan these options ask for.

    Raises:
        click.UsageError: both are given.

    """
    if full and summary:
        message = "--full and --summary exclude each other. Leave one out."
        raise click.UsageError(message)
    return "full" if full else "summary" if summary else "short"


def load_settings(*, writes: bool = False) -> "Settings":
    """The settings. Warns of variables that nothing reads but that look like settings.

    A command that `writes` to Swit refuses misspelled ones.

    Raises:
        SettingsError: with every problem at once.

    """
    # Not at the top: `--help` needs no settings.
    from swit_provisioning.setting_sources import (  # noqa: PLC0415
        refuse_misspelled_settings,
        unknown_variables,
    )
    from swit_provisioning.settings import Settings  # noqa: PLC0415

    if writes:
        refuse_misspelled_settings()
    for name, meant in unknown_variables().items():
        hint = f": {meant} may be meant" if meant else ""
        print_text(errors(), f"Warning: nothing reads {name}{hint}.", style="yellow")
    settings = Settings.load()
    warn_of_http(settings)
    return settings


def warn_of_http(settings: "Settings") -> None:
    """Say on standard error that tokens are sent, or would be sent, unencrypted."""
    for name in settings.unencrypted_addresses:
        said = f"Warning: {name} is an http:// address of another machine: nothing is encrypted."
        print_text(errors(), said, style="yellow")


def exits(command: Callable[..., int]) -> Callable[..., None]:
    """Turn what a command returns, or a known error, into an exit code and one clear message."""

    @wraps(command)
    def run(*args: Any, **options: Any) -> None:  # noqa: ANN401 - click's own
        try:
            code = command(*args, **options)
        except Exception as error:
            known = exit_code_of(error)
            if known is None:
                raise
            code = _say(error, known)
        sys.exit(code)

    return run


def _say(error: Exception, code: int) -> int:
    # Only a command that failed has something to print here.
    from swit_provisioning.report.safe_text import for_a_terminal  # noqa: PLC0415 - see above

    said = "\n".join(map(for_a_terminal, str(error).splitlines()))
    print_text(errors(), said, style="red")
    return code
