"""A plan as one self-contained HTML page, and its team tree as a picture.

The page also works as an attachment and without scripts.

The template escapes all names, and the page's content security policy allows its own script only.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any, Final, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup
from rich.cells import cell_len

from swit_provisioning.planning.actions import MOST_NAMED, SPECS, describe, names_in
from swit_provisioning.planning.model import Change, Plan
from swit_provisioning.report.safe_text import readable, shortened
from swit_provisioning.report.summary import by_action, findings_by_kind, plan_summary
from swit_provisioning.report.tree import Branch, Mark, rows_of, tree_of

ROWS_OF_A_BLOCK: Final = 250
"""Rows of a block, which a browser lays out only when it comes near the window."""
OPEN_AT_MOST: Final = 500
"""If a plan has more changes, the tables of its actions are folded at first."""

MOST_REASON_CHARACTERS: Final = 1000
"""The longest reason that a form takes."""


@dataclass(frozen=True, kw_only=True)
class PlanFacts:
    """What a page shows beside the plan itself."""

    plan_id: str
    created_at: datetime
    guard_results: Sequence[Mapping[str, Any]]
    """The results of the guards, as `GuardResult.document` returns them."""
    calls: int
    """Estimated API calls to apply it."""
    duration: str
    """The time that this takes, in words."""
    mode: str
    """`live` or `TEST MODE`."""
    state: Sequence[str]
    """The state of the plan in sentences."""
    state_at: datetime
    """When it was in this state."""
    advice: str
    """What to do next, with the command; empty if there is nothing to do."""
    pending: bool
    """Whether it can still be applied, at once or after an approval."""
    by_kind: Mapping[str, int] = field(default_factory=dict)
    """The calls by purpose: `reading`, and each action."""
    pace: str = ""
    """Calls a second, and the source of this number."""


@dataclass(frozen=True, kw_only=True)
class DecisionForm:
    """The form on a page by which a person approves or rejects the plan."""

    approver: str
    """Who looks at the page."""
    plan_hash: str
    """The full SHA-256: a decision is for this plan alone."""
    token: str
    """Proof that a decision was made on this page; sent back with it."""
    may_approve: bool
    may_reject: bool
    lifts: Sequence[str]
    """Names of the guards that an approval lifts."""
    problem: str = ""
    """Why the last decision was not taken."""
    reason: str = ""
    """The reason as it was given with it."""


class _Row(NamedTuple):
    """A change (target, words, reason) or a finding (subject, attribute, what to do)."""

    subject: str
    what: str
    advice: str
    everyone: str = ""
    """All people or teams, if `what` names only the first few."""


class _Table(NamedTuple):
    anchor: str
    heading: str
    sign: str
    rows: list[_Row]
    action: str = ""


MOST_ROWS: Final = 200
"""The most lines of a team tree; the list of changes has all."""

_ROW_HEIGHT: Final = 24
_INDENT: Final = 22
_MARGIN: Final = 12
_CELL_WIDTH: Final = 8.2
"""The average width of a narrow character, in pixels, rounded up."""
_TREE_COLOURS: Final[dict[Mark, str]] = {
    "created": "#116329",
    "deleted": "#b3121d",
    "moved": "#0550ae",
    "renamed": "#7d4e00",
    "re-keyed": "#7d4e00",
    "sorted": "#59636e",
}
"""Each has a contrast of at least 4.5 to 1 on white."""
_SIGNS: Final = {"takes away": "-", "adds": "+", "changes": "~"}


def content_policy(*, forms: bool) -> str:
    """The page's content security policy; `forms`: it may send a form to its own server."""
    target = "'self'" if forms else "'none'"
    return (
        f"default-src 'none'; style-src {_hash('plan.css')}; script-src {_hash('plan.js')}; "
        f"base-uri 'none'; form-action {target}"
    )


def plan_page(plan: Plan, facts: PlanFacts, decision: DecisionForm | None = None) -> str:
    """The whole page as HTML; with `decision`, also the form for a decision."""
    root = tree_of(plan.teams, plan.changes)
    findings = [
        _Table(
            anchor=f"finding-{number}",
            heading=kind.capitalize(),
            sign="!",
            rows=[_Row(f.subject, f.attribute, f.message) for f in found],
        )
        for number, (kind, found) in enumerate(findings_by_kind(plan.findings).items(), start=1)
    ]
    return _template("plan.html").render(
        plan=plan,
        facts=facts,
        made=facts.created_at.astimezone(UTC),
        state_at=facts.state_at.astimezone(UTC),
        summary=plan_summary(plan),
        guard_results=sorted(facts.guard_results, key=lambda result: bool(result["passed"])),
        stopped=[r for r in facts.guard_results if r["blocking"] and not r["passed"]],
        policy=content_policy(forms=decision is not None),
        decision=decision,
        most_reason_characters=MOST_REASON_CHARACTERS,
        css=Markup(_asset("plan.css")),  # noqa: S704 - ours, not a name
        script=Markup(_asset("plan.js")),  # noqa: S704 - ours, not a name
        tree=Markup(tree_svg(root)) if root else None,  # noqa: S704 - escaped where it is made
        tree_rows=rows_of(root, MOST_ROWS) if root else [],
        changes=_tables(plan.changes, "change"),
        disabled=_tables(plan.disabled, "disabled"),
        held=_tables(plan.held, "held"),
        waiting=_tables(plan.waiting, "waiting"),
        findings=findings,
        is_open=len(plan.changes) <= OPEN_AT_MOST,
        rows_of_a_block=ROWS_OF_A_BLOCK,
    )


def _tables(changes: Sequence[Change], kind: str) -> list[_Table]:
    """A table for each action."""
    tables = []
    for action, found in by_action(changes).items():
        rows = []
        for change in found:
            named = names_in(action, change.before, change.after)
            everyone = ", ".join(named) if len(named) > MOST_NAMED else ""
            words = describe(action, change.before, change.after)
            rows.append(_Row(change.target, words, change.reason, everyone))
        spec, anchor = SPECS[action], f"{kind}-{action.replace('.', '-')}"
        tables.append(_Table(anchor, spec.heading, _SIGNS[spec.effect], rows, action))
    return tables


def tree_svg(root: Branch, most: int = MOST_ROWS) -> str:
    """The team tree as SVG; its parts have classes, so that a page can restyle them."""
    rows = rows_of(root, most)
    paths, widths = [], []
    last: dict[int, int] = {}
    for number, row in enumerate(rows):
        # A line to the row of the parent, or to the line of the sibling before this row.
        parent, sibling = last.get(row.depth - 1), last.get(row.depth, -1)
        last[row.depth] = number
        if parent is not None:
            x = _MARGIN + (row.depth - 1) * _INDENT + 7
            start = sibling * _ROW_HEIGHT + 12 if sibling > parent else parent * _ROW_HEIGHT + 22
            end = number * _ROW_HEIGHT + 12
            paths.append(f"M{x} {_MARGIN + start}V{_MARGIN + end}H{x + 11}")
        branch, cells = row.branch, cell_len(row.left_out)
        if branch is not None:
            parts = (branch.sign, shortened(branch.name), shortened(branch.note))
            cells = 3 + sum(map(cell_len, parts))
        widths.append(row.depth * _INDENT + cells * _CELL_WIDTH)
    return _template("tree.svg").render(
        rows=rows,
        paths=paths,
        width=round(max(widths) + 2 * _MARGIN),
        height=len(rows) * _ROW_HEIGHT + 2 * _MARGIN,
        margin=_MARGIN,
        indent=_INDENT,
        row_height=_ROW_HEIGHT,
        colours=_TREE_COLOURS,
    )


def tree_markdown(root: Branch, most: int = MOST_ROWS) -> str:
    """The team tree as an image in Markdown, for Dagster's UI."""
    encoded = base64.b64encode(tree_svg(root, most).encode()).decode()
    return f"![The team tree as it will be](data:image/svg+xml;base64,{encoded})"


@cache
def _template(name: str) -> Template:
    made = Environment(
        loader=PackageLoader("swit_provisioning.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Every value that is shown passes here, before it is escaped.
        finalize=lambda value: readable(value) if type(value) is str else value,
    )
    made.filters["number"] = "{:,}".format
    made.filters["shortened"] = shortened
    return made.get_template(name)


@cache
def _asset(name: str) -> str:
    return (files("swit_provisioning.report") / "templates" / name).read_text(encoding="utf-8")


def _hash(name: str) -> str:
    """The hash by which the content security policy allows a style or script of the page."""
    digest = hashlib.sha256(_asset(name).encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
