"""The two output streams: text, JSON, first lines and tables. Colours only on a terminal.

Imports nothing slow, so that `--help` appears at once.
"""

import json
import os
import re
import sys
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, Final

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from swit_provisioning.report.safe_text import for_a_terminal

if TYPE_CHECKING:
    from swit_provisioning.settings import Settings
    from swit_provisioning.state.store import Store
    from swit_provisioning.state.stored_plans import StoredPlan

COMMAND: Final = "swit-provisioning "
WIDTH_WITHOUT_TERMINAL: Final = 160
"""Columns. Rich's own default, 80, would break most addresses."""

FORMAT_VERSION: Final = 1
"""Version of all JSON documents. A new key keeps it; a removed or changed key raises it."""

_GAP: Final = 3
"""Columns between two cells of a table."""
_INDENT: Final = 4
"""Columns before the further cells of a row that is printed as a list."""
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
    """Print one JSON document on standard output, with invisible characters escaped.

    An object begins with `format_version`; a list has none.
    """
    if isinstance(document, dict):
        document = {"format_version": FORMAT_VERSION, **document}
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
        keep = not wrap or COMMAND in line.plain
        for part in [line] if keep else line.wrap(console, width):
            console.print(Text(" " * indent) + part, soft_wrap=True, highlight=False)


def print_markup(console: Console, markup: str) -> None:
    """Print one line of markup, which is not wrapped; names in it have passed `safe`."""
    console.print(markup, highlight=False, soft_wrap=True)


def safe(text: str) -> str:
    """Foreign text for a terminal, without markup and control characters."""
    return escape(for_a_terminal(text))


def print_header(
    console: Console, settings: "Settings", *, organization: str, directory: str
) -> None:
    """Print the first line of every output: organisation, directory, mode."""
    names = f"Organisation: {safe(organization)} · Directory: {safe(directory)}"
    print_markup(console, f"{names} · {settings.mode}")


def print_plan_header(settings: "Settings", stored: "StoredPlan") -> None:
    """Print the first line of a command about a stored plan."""
    plan = stored.plan
    print_header(output(), settings, organization=plan.organization_name, directory=plan.directory)


def print_state_header(console: Console, settings: "Settings", store: "Store") -> None:
    """Print the first line of a command that reads neither side, from the state and settings."""
    known = store.organization.bound_to() or settings.expected_organization
    directory = settings.directory_title
    print_header(console, settings, organization=known or "not known yet", directory=directory)


def print_table(
    console: Console,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    whole: Collection[str] = (),
    total: int = 0,
    all_of_them: str = "--json shows all",
) -> None:
    """Print rows of cells (markup) as a table, or as a list if the terminal is too narrow.

    Words are never broken, nor are cells of the columns `whole`, which people copy. If there are
    more rows in `total`, a last line has their number, and `all_of_them` says how to see them.
    """
    texts = [[Text.from_markup(for_a_terminal(cell), emoji=False) for cell in row] for row in rows]
    least, natural = [], []
    for column, *cells in zip(columns, *texts, strict=True):
        lengths = [cell_len(column), *(cell.cell_len for cell in cells)]
        words = (cell_len(word) for cell in (Text(column), *cells) for word in cell.plain.split())
        natural.append(max(lengths))
        least.append(max(lengths) if column in whole else max(words, default=1))
    spare = console.width - _GAP * (len(columns) - 1) - sum(least)
    if spare < 0:
        _print_list(console, columns, texts, whole)
    else:
        wanted = [most - width for most, width in zip(natural, least, strict=True)]
        share = min(spare / sum(wanted), 1) if any(wanted) else 0
        table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
        for column, width, more in zip(columns, least, wanted, strict=True):
            table.add_column(column, width=width + int(share * more), overflow="fold")
        for row in texts:
            table.add_row(*row)
        console.print(table)
    if total > len(rows):
        print_text(console, f"... and {total - len(rows):,} more: {all_of_them}")


def _print_list(
    console: Console,
    columns: Sequence[str],
    rows: Sequence[Sequence[Text]],
    whole: Collection[str],
) -> None:
    """Print each row as its first cell and, indented below, the named others."""
    for first, *others in rows:
        line, indent, wrap = first, 0, columns[0] not in whole
        for column, cell in zip(columns[1:], others, strict=True):
            if not cell:
                continue
            named = Text.assemble((f"{column}: ", "dim"), cell)
            if indent + line.cell_len + 2 + named.cell_len <= console.width:
                line = Text.assemble(line, "  ", named)
            else:
                print_text(console, line, indent=indent, wrap=wrap)
                line, indent, wrap = named, _INDENT, column not in whole
        print_text(console, line, indent=indent, wrap=wrap)
