"""The team tree after a plan, with the teams that are created, moved, renamed or deleted."""

import base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Literal
from xml.etree.ElementTree import Element, SubElement, tostring

from rich.cells import cell_len

from swit_provisioning.planning.model import Change, TeamBefore
from swit_provisioning.report.safe_text import readable, shortened

Mark = Literal["created", "deleted", "renamed", "moved", "re-keyed", "sorted"]
SIGNS: Final[dict[Mark, str]] = {
    "created": "+",
    "deleted": "-",
    "moved": "→",
    "renamed": "~",
    "re-keyed": "~",
    "sorted": "↕",
}
"""The sign before a changed team, so that colour is never the only one."""


@dataclass(kw_only=True)
class Branch:
    """A team in the tree, and the teams below it."""

    team_id: str
    name: str
    marks: list[Mark] = field(default_factory=list)
    note: str = ""
    """What changes, in words: `was Sales, moved from Europe`."""
    others: int = 0
    """Child teams without a change, which are only counted."""
    below: list["Branch"] = field(default_factory=list)

    @property
    def sign(self) -> str:
        """The signs of all its marks, each once."""
        return "".join(dict.fromkeys(SIGNS[mark] for mark in self.marks))

    @property
    def mark(self) -> Mark | None:
        """The most important mark."""
        return next((mark for mark in SIGNS if mark in self.marks), None)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the tree: a team, or the number of teams left out."""

    depth: int
    guides: str
    """The lines before it on a terminal: `│   ├── `."""
    branch: Branch | None = None
    left_out: str = ""
    """`… 37 more`, in place of a team."""


def tree_of(teams: Iterable[TeamBefore], changes: Iterable[Change]) -> Branch | None:
    """The root with the teams below it; `None` if no team changes."""
    known = tuple(teams)
    return _Tree(known, changes).root() if known else None


def rows_of(root: Branch, most: int) -> list[Row]:
    """The lines of the tree; of more than `most` teams, those nearest to the root."""
    shown = _nearest(root, most)
    rows: list[Row] = []
    todo: list[tuple[Branch | str, int, str, str]] = [(root, 0, "", "")]
    while todo:
        it, depth, guides, ahead = todo.pop()
        if isinstance(it, str):
            rows.append(Row(depth=depth, guides=guides, left_out=it))
            continue
        rows.append(Row(depth=depth, guides=guides, branch=it))
        inner: list[Branch | str] = [b for b in it.below if id(b) in shown]
        inner += _left_out(it, shown)
        lines = [(child, depth + 1, f"{ahead}├── ", f"{ahead}│   ") for child in inner[:-1]]
        lines += [(child, depth + 1, f"{ahead}└── ", f"{ahead}    ") for child in inner[-1:]]
        todo += reversed(lines)
    return rows


def _left_out(branch: Branch, shown: set[int]) -> list[str]:
    """A line for the children that are not drawn."""
    changed = sum(id(child) not in shown for child in branch.below)
    if changed:
        beside = f", {branch.others:,} unchanged" if branch.others else ""
        return [f"… {changed:,} more with changes{beside}"]
    return [f"… {branch.others:,} more"] if branch.others else []


def _nearest(root: Branch, most: int) -> set[int]:
    """Ids of the branches to draw: level by level, until there are `most`."""
    chosen = {id(root)}
    level = [root]
    while level:
        level = [child for branch in level for child in branch.below][: most - len(chosen)]
        chosen.update(map(id, level))
    return chosen


class _Tree:
    """The teams as read, on which each change is played."""

    def __init__(self, teams: Iterable[TeamBefore], changes: Iterable[Change]) -> None:
        self._branches: dict[str, Branch] = {}
        self._parent: dict[str, str | None] = {}
        self._order: dict[str, list[str]] = {}
        for team in teams:
            self._branches[team.team_id] = Branch(
                team_id=team.team_id, name=team.name, others=team.others
            )
            self._parent[team.team_id] = team.parent_id
        self._was = {team_id: branch.name for team_id, branch in self._branches.items()}
        play: dict[str, Callable[[Change], None]] = {
            "team.create": self._create,
            "team.update": self._update,
            "team.delete": self._delete,
            "team.sort": self._sort,
        }
        for change in changes:
            known = change.object_id in self._branches or change.action == "team.create"
            if known and change.action in play:
                play[change.action](change)

    def root(self) -> Branch | None:
        """The root, with each branch below its parent."""
        root: Branch | None = None
        for team_id, branch in self._branches.items():
            above = self._branches.get(self._parent[team_id] or "")
            if above is not None:
                above.below.append(branch)
            elif root is None or self._parent[team_id] is None:
                root = branch
        for parent, order in self._order.items():
            place = {team_id: number for number, team_id in enumerate(order)}
            if parent in self._branches:
                below = self._branches[parent].below
                below.sort(key=lambda branch: place.get(branch.team_id, len(place)))
        return root

    def _create(self, change: Change) -> None:
        parent = change.after["parent_id"]
        name = str(change.after["name"])
        self._branches[change.object_id] = Branch(
            team_id=change.object_id, name=name, marks=["created"], note="new"
        )
        self._parent[change.object_id] = parent

    def _update(self, change: Change) -> None:
        branch = self._branches[change.object_id]
        after = change.after
        notes = [branch.note] if branch.note else []
        if "name" in after:
            # A team may have a temporary name in between; people know the first one.
            notes = [note for note in notes if not note.startswith("was ")]
            notes.append(f"was {self._was.get(change.object_id, branch.name)}")
            branch.name = str(after["name"])
            branch.marks.append("renamed")
        if "parent_id" in after:
            above = change.before.get("parent") or self._name(change.before.get("parent_id"))
            notes.append(f"moved from {above}" if above else "moved")
            self._parent[change.object_id] = after["parent_id"]
            branch.marks.append("moved")
        if "reference" in after and not branch.marks:
            notes.append("another key of its group")
            branch.marks.append("re-keyed")
        branch.note = ", ".join(notes)

    def _delete(self, change: Change) -> None:
        branch = self._branches[change.object_id]
        members = len(change.before.get("members", ()))
        branch.marks = ["deleted"]
        branch.note = f"deleted, {members or 'no'} {'member' if members == 1 else 'members'}"

    def _sort(self, change: Change) -> None:
        self._order[change.object_id] = list(change.after["team_ids"])
        branch = self._branches[change.object_id]
        if not branch.marks:
            branch.marks.append("sorted")
            branch.note = "the teams below it are sorted"

    def _name(self, team_id: object) -> str:
        return self._was.get(str(team_id), "")


MOST_ROWS: Final = 200
"""The most lines of a tree; the list of changes has all."""

_ROW: Final = 24
_STEP: Final = 22
_MARGIN: Final = 12
_CELL: Final = 8.2
"""The average width of a narrow character, in pixels, rounded up."""
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
"""Each has a contrast of at least 4.5 to 1 on white."""


def tree_svg(root: Branch, most: int = MOST_ROWS) -> str:
    """The tree as SVG; its parts have classes, so that a page can restyle them."""
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
    """The tree as an image in Markdown, for Dagster's UI."""
    encoded = base64.b64encode(tree_svg(root, most).encode()).decode()
    return f"![The team tree as it will be](data:image/svg+xml;base64,{encoded})"


def _draw_lines(svg: Element, rows: list[Row]) -> None:
    """Draw a line from each row to its parent's, or to the line of the sibling before it."""
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
    """The text between direction isolates, as SVG has no element for them."""
    return f"\N{FIRST STRONG ISOLATE}{shortened(readable(text))}\N{POP DIRECTIONAL ISOLATE}"


def _right_end(row: Row) -> float:
    x = row.depth * _STEP
    if row.branch is None:
        return x + cell_len(row.left_out) * _CELL
    parts = (row.branch.sign, *map(shortened, (row.branch.name, row.branch.note)))
    return x + 8 + (2 + sum(map(cell_len, parts))) * _CELL
