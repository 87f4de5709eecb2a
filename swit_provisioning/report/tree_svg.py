"""The team tree as a picture (SVG) that needs nothing else: for the page and for Dagster's UI."""

import base64
from typing import Final
from xml.etree.ElementTree import Element, SubElement, tostring

from rich.cells import cell_len

from swit_provisioning.report.plain import readable, shortened
from swit_provisioning.report.team_tree import Branch, Mark, Row, rows_of

MOST_ROWS: Final = 200
"""Lines of a picture: more is for the list of changes."""

_ROW: Final = 24
_STEP: Final = 22
_MARGIN: Final = 12
_CELL: Final = 8.2
"""How wide a character of half width is at most, on average."""
_FONT: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif"
_INK: Final = "#1f2328"
_QUIET: Final = "#59636e"
_LINE: Final = "#8c959f"
_COLOURS: Final[dict[Mark, str]] = {
    "created": "#116329",
    "deleted": "#b3121d",
    "moved": "#0550ae",
    "renamed": "#7d4e00",
    "re-keyed": "#7d4e00",
    "sorted": "#59636e",
}
"""On white, each with a contrast of 4.5 to 1 and more."""


def tree_svg(root: Branch, most: int = MOST_ROWS) -> str:
    """The picture as SVG; its parts have classes, by which a page may colour them otherwise."""
    rows = rows_of(root, most)
    width = max(map(_right_end, rows)) + 2 * _MARGIN
    height = len(rows) * _ROW + 2 * _MARGIN
    svg = Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {width:.0f} {height}",
            "width": f"{width:.0f}",
            "height": str(height),
            "role": "img",
            "aria-label": "The team tree as it will be",
            "font-family": _FONT,
            "font-size": "14",
        },
    )
    paper = {"class": "paper", "width": "100%", "height": "100%", "fill": "#ffffff", "rx": "6"}
    SubElement(svg, "rect", paper)
    _draw_lines(svg, rows)
    for number, row in enumerate(rows):
        _draw_row(svg, row, y=_MARGIN + number * _ROW + 16)
    return tostring(svg, encoding="unicode")


def tree_markdown(root: Branch, most: int = MOST_ROWS) -> str:
    """The picture as an image in Markdown, which is how Dagster's UI shows one."""
    encoded = base64.b64encode(tree_svg(root, most).encode()).decode()
    return f"![The team tree as it will be](data:image/svg+xml;base64,{encoded})"


def _draw_lines(svg: Element, rows: list[Row]) -> None:
    """From each row up to its parent's, or to the sibling's before it, whose line goes on."""
    last: dict[int, int] = {}
    for number, row in enumerate(rows):
        parent, sibling = last.get(row.depth - 1), last.get(row.depth, -1)
        last[row.depth] = number
        if parent is None:
            continue
        x = _MARGIN + (row.depth - 1) * _STEP + 7
        start = _MARGIN + (sibling * _ROW + 12 if sibling > parent else parent * _ROW + 22)
        end = _MARGIN + number * _ROW + 12
        way = f"M{x} {start}V{end}H{x + 11}"
        SubElement(svg, "path", {"class": "line", "d": way, "fill": "none", "stroke": _LINE})


def _draw_row(svg: Element, row: Row, *, y: int) -> None:
    x = _MARGIN + row.depth * _STEP
    if row.branch is None:
        left_out = {"class": "quiet", "x": str(x), "y": str(y), "fill": _QUIET}
        SubElement(svg, "text", left_out).text = row.left_out
        return
    branch, mark = row.branch, row.branch.mark
    look = {"x": str(x), "y": str(y), "fill": _COLOURS[mark] if mark else _INK}
    text = SubElement(svg, "text", {"class": mark or "same", **look})
    title = SubElement(text, "title")
    title.text = f"{readable(branch.name)}: {readable(branch.note) or 'unchanged'}"
    if branch.sign:
        SubElement(text, "tspan", {"font-weight": "700"}).text = f"{branch.sign} "
    weight = {"font-weight": "600"} if mark else {}
    crossed = {"text-decoration": "line-through"} if mark == "deleted" else {}
    SubElement(text, "tspan", {**weight, **crossed}).text = _isolated(branch.name)
    if branch.note:
        note = SubElement(text, "tspan", {"class": "quiet", "fill": _QUIET, "dx": "8"})
        note.text = _isolated(branch.note)


def _isolated(text: str) -> str:
    """The text in signs that keep its direction to itself: SVG has no element for that."""
    return f"\N{FIRST STRONG ISOLATE}{shortened(readable(text))}\N{POP DIRECTIONAL ISOLATE}"


def _right_end(row: Row) -> float:
    x = row.depth * _STEP
    if row.branch is None:
        return x + cell_len(row.left_out) * _CELL
    parts = (row.branch.sign, *map(shortened, (row.branch.name, row.branch.note)))
    return x + 8 + (2 + sum(map(cell_len, parts))) * _CELL
