"""Where output goes: as wide as the terminal; in a file or a pipe wide enough for addresses.

A word is never broken, nor is a command: people copy addresses, ids and commands.
"""

import json
import os
import re
import sys
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from swit_provisioning.report.plain import for_a_terminal

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
