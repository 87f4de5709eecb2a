"""The page of incidents: each one has tests, and the page names the files that they are in."""

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "reference" / "incidents.md"
NUMBERS = range(1, 30)
_ROW = re.compile(r"^\| (\d+) \| (.*) \| (.*) \| (.*) \|$", re.MULTILINE)


def marks(path: Path) -> Iterator[int]:
    """Numbers in the marks `incident(...)` of the tests of a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.incident":
                    yield from map(ast.literal_eval, mark.args)


def files_by_number() -> dict[int, list[str]]:
    """Number of an incident -> files with tests that show it, below the folder of all tests."""
    found: dict[int, list[str]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        for number in sorted(set(marks(path))):
            found.setdefault(number, []).append(path.relative_to(TESTS).as_posix())
    return found


def test_every_incident_has_a_test() -> None:
    assert sorted(files_by_number()) == [*NUMBERS]


def test_the_page_names_the_files_with_the_tests_of_each_incident() -> None:
    """Run with UPDATE_DOCS=1 to write the last column anew."""
    known = files_by_number()
    page = PAGE.read_text(encoding="utf-8")

    def row(found: re.Match[str]) -> str:
        files = ", ".join(f"`{file}`" for file in known[int(found[1])])
        return f"| {found[1]} | {found[2]} | {found[3]} | {files} |"

    assert [int(found[1]) for found in _ROW.finditer(page)] == [*NUMBERS]
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(_ROW.sub(row, page), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == _ROW.sub(row, page)
