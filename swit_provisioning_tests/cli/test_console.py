"""What reaches a terminal or a file that is shown on one: text, and nothing that steers it."""

import json

import pytest
from rich.table import Table

from swit_provisioning.cli.console import FORMAT_VERSION, output, print_json
from swit_provisioning_tests.report.hostile import NAMES

STEERING = (
    "\x00\x07\x1b\x7f\x85\x9b\xad\u061c\u200b\u200e\u200f"
    "\u2028\u202a\u202e\u2066\u2069\ufeff\U000e0041"
)
HALF = "\ud83d"


def test_json_output_escapes_what_steers_a_terminal_and_keeps_its_meaning(
    capsys: pytest.CaptureFixture[str],
) -> None:
    document = {"name": f"a{STEERING}b{HALF}", "names": list(NAMES), STEERING: "한국어 é 👩"}
    print_json(document)
    printed = capsys.readouterr().out
    assert not set(STEERING + HALF) & set(printed)
    assert "\\u009b" in printed
    assert "\\u202e" in printed
    assert "한국어 é 👩" in printed, "what people read stays readable"
    assert json.loads(printed) == {"format_version": FORMAT_VERSION, **document}
    assert printed.endswith("}\n")


def test_no_text_on_the_console_steers_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever prints it and however: as a line, with markup or without, in a table."""
    console = output()
    hostile = "x\x1b]0;t\x07\x9b2J\u202egpj.exe\u200f"
    console.print(hostile)
    console.print(f"[bold]{hostile}[/bold]", markup=True)
    console.print(hostile, markup=False, soft_wrap=True)
    table = Table(title=hostile)
    table.add_column(hostile)
    table.add_row(hostile)
    console.print(table)
    printed = capsys.readouterr().out
    assert not set("\x1b\x07\x9b\u202e\u200f") & set(printed)
    assert printed.count("gpj.exe") == 6
    console.print("two\nlines")
    assert capsys.readouterr().out == "two\nlines\n"
