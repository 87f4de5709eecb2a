"""The team tree after a plan, with the teams that are created, moved, renamed or deleted."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from swit_provisioning.planning.model import Change, TeamBefore

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
        """The distinct signs of its marks."""
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
    """The root with the teams below it; `None` if there are no teams.

    `teams` are the teams before the plan, and `changes` are applied to them.
    """
    branches: dict[str, Branch] = {}
    parents: dict[str, str | None] = {}
    for team in teams:
        branches[team.team_id] = Branch(team_id=team.team_id, name=team.name, others=team.others)
        parents[team.team_id] = team.parent_id
    names = {team_id: branch.name for team_id, branch in branches.items()}
    order: dict[str, Sequence[str]] = {}
    for change in changes if branches else ():
        team_id, after = change.object_id, change.after
        if change.action == "team.create":
            name, parents[team_id] = str(after["name"]), after["parent_id"]
            branches[team_id] = Branch(team_id=team_id, name=name, marks=["created"], note="new")
        elif team_id in branches:
            _mark(branches[team_id], change, names)
            parents[team_id] = after.get("parent_id", parents[team_id])
            if change.action == "team.sort":
                order[team_id] = after["team_ids"]
    root: Branch | None = None
    for team_id, branch in branches.items():
        above = branches.get(parents[team_id] or "")
        if above is not None:
            above.below.append(branch)
        elif root is None or parents[team_id] is None:
            root = branch
    for team_id in order.keys() & branches.keys():
        place = {child: number for number, child in enumerate(order[team_id])}
        branches[team_id].below.sort(key=lambda child: place.get(child.team_id, len(place)))
    return root


def _mark(branch: Branch, change: Change, names: Mapping[str, str]) -> None:
    """Mark a team that a change deletes, sorts or updates; `names` are those before the plan."""
    before, after = change.before, change.after
    if change.action == "team.delete":
        members = len(before.get("members", ()))
        branch.marks = ["deleted"]
        branch.note = f"deleted, {members or 'no'} {'member' if members == 1 else 'members'}"
    if change.action == "team.sort" and not branch.marks:
        branch.marks.append("sorted")
        branch.note = "the teams below it are sorted"
    if change.action != "team.update":
        return
    notes = [branch.note] if branch.note else []
    if "name" in after:
        # Between two updates a team may have a temporary name; people know the first one.
        notes = [note for note in notes if not note.startswith("was ")]
        notes.append(f"was {names.get(branch.team_id, branch.name)}")
        branch.name = str(after["name"])
        branch.marks.append("renamed")
    if "parent_id" in after:
        above = before.get("parent") or names.get(str(before.get("parent_id")))
        notes.append(f"moved from {above}" if above else "moved")
        branch.marks.append("moved")
    if "reference" in after and not branch.marks:
        notes.append("another key of its group")
        branch.marks.append("re-keyed")
    branch.note = ", ".join(notes)


def rows_of(root: Branch, most: int) -> list[Row]:
    """The lines of the tree; of more than `most` teams, those nearest to the root."""
    shown = {id(root)}
    level = [root]
    while level:
        level = [child for branch in level for child in branch.below][: most - len(shown)]
        shown.update(map(id, level))
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
