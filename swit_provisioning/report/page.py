"""A plan as one page that needs nothing else: sent by mail it shows the same, also without script.

Whatever stands in a name is text there: the template escapes all of it, and the page's own policy
lets no script run but its own.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any, Final, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from swit_provisioning.planning.actions import MOST_NAMED, SPECS, describe, names_in
from swit_provisioning.planning.model import Change, Finding, Plan
from swit_provisioning.report.safe_text import readable
from swit_provisioning.report.summary import by_action, summary
from swit_provisioning.report.tree import MOST_ROWS, rows_of, tree_of, tree_svg

ROWS_OF_A_BLOCK: Final = 250
"""Rows that a browser lays out only once they come near the window."""
OPEN_AT_MOST: Final = 500
"""Changes: with more of them each action is folded at first."""


@dataclass(frozen=True, kw_only=True)
class PlanFacts:
    """What a page says of a plan beside what is in it."""

    plan_id: str
    created_at: datetime
    guard_results: Sequence[Mapping[str, Any]]
    """What the guards said, as `GuardResult.document` has it."""
    calls: int
    """API calls to apply it, about."""
    duration: str
    """How long that takes, in words."""
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
    """The calls by what they are for: `reading`, and each action."""
    pace: str = ""
    """Calls a second, and where that is known from."""


class _Row(NamedTuple):
    who: str
    what: str
    """A finding's attribute."""
    why: str
    """What to do about a finding."""
    everyone: str = ""
    """All of those of whom `what` names the first few."""


class _Block(NamedTuple):
    first: int
    last: int
    rows: list[_Row]


class _Group(NamedTuple):
    anchor: str
    heading: str
    sign: str
    number: int
    blocks: list[_Block]
    action: str = ""


_SIGNS: Final = {"takes away": "-", "adds": "+", "changes": "~"}


def plan_page(plan: Plan, facts: PlanFacts) -> str:
    """The whole page as HTML."""
    template = _environment().get_template("plan.html")
    root = tree_of(plan.teams, plan.changes)
    stopped = [v for v in facts.guard_results if v["blocking"] and not v["passed"]]
    return template.render(
        plan=plan,
        facts=facts,
        made=facts.created_at.astimezone(UTC),
        state_at=facts.state_at.astimezone(UTC),
        summary=summary(plan.changes),
        guard_results=sorted(facts.guard_results, key=lambda result: bool(result["passed"])),
        stopped=stopped,
        policy=_policy(),
        css=Markup(_asset("plan.css")),  # noqa: S704 - ours, not a name
        script=Markup(_asset("plan.js")),  # noqa: S704 - ours, not a name
        tree=Markup(tree_svg(root)) if root else None,  # noqa: S704 - escaped where it is made
        rows=rows_of(root, MOST_ROWS) if root else [],
        changes=_change_groups(plan.changes, "change"),
        disabled=_change_groups(plan.disabled, "disabled"),
        held=_change_groups(plan.held, "held"),
        findings=_finding_groups(plan.findings),
        is_open=len(plan.changes) <= OPEN_AT_MOST,
    )


def _change_groups(changes: Sequence[Change], kind: str) -> list[_Group]:
    return [
        _Group(
            anchor=f"{kind}-{action.replace('.', '-')}",
            heading=SPECS[action].heading,
            sign=_SIGNS[SPECS[action].effect],
            number=len(found),
            blocks=_blocks([_change_row(change) for change in found]),
            action=action,
        )
        for action, found in by_action(changes).items()
    ]


def _change_row(change: Change) -> _Row:
    words = describe(change.action, change.before, change.after)
    named = names_in(change.action, change.before, change.after)
    everyone = ", ".join(named) if len(named) > MOST_NAMED else ""
    return _Row(change.target, words, change.reason, everyone)


def _finding_groups(findings: Sequence[Finding]) -> list[_Group]:
    kinds: dict[str, list[Finding]] = {}
    for finding in findings:
        kinds.setdefault(finding.kind, []).append(finding)
    return [
        _Group(
            anchor=f"finding-{number}",
            heading=kind.capitalize(),
            sign="!",
            number=len(found),
            blocks=_blocks([_Row(f.subject, f.attribute, f.message) for f in found]),
        )
        for number, (kind, found) in enumerate(kinds.items(), start=1)
    ]


def _blocks(rows: list[_Row]) -> list[_Block]:
    parts = (rows[at : at + ROWS_OF_A_BLOCK] for at in range(0, len(rows), ROWS_OF_A_BLOCK))
    return [
        _Block(number * ROWS_OF_A_BLOCK + 1, number * ROWS_OF_A_BLOCK + len(part), part)
        for number, part in enumerate(parts)
    ]


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("swit_provisioning.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Whatever is shown passes here, before it is escaped.
        finalize=lambda value: readable(value) if type(value) is str else value,
    )
    made.filters["number"] = "{:,}".format
    return made


@cache
def _asset(name: str) -> str:
    return (files("swit_provisioning.report") / "templates" / name).read_text(encoding="utf-8")


def _policy() -> str:
    """What the page may load and run: its own style and script, and nothing else at all."""
    return (
        f"default-src 'none'; style-src {_hash('plan.css')}; script-src {_hash('plan.js')}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(name: str) -> str:
    digest = hashlib.sha256(_asset(name).encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
