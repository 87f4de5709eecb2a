"""Messages about a run: the outcome first, then the numbers, then what to look at."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from swit_provisioning.apply.outcomes import DONE
from swit_provisioning.apply.run_model import RunState, WaitingPlan
from swit_provisioning.planning.actions import describe
from swit_provisioning.planning.model import Change, Plan, PlanHash, shown_id
from swit_provisioning.report.redaction import HIDDEN, change_without_people, without_people_in
from swit_provisioning.report.safe_text import readable, shortened, without_links
from swit_provisioning.report.summary import dangerous_first, duration, plan_summary, summary
from swit_provisioning.state.journal import JournalEntry

MOST_CHARACTERS: Final = 12_000
"""The most characters that Swit accepts in one post."""
MOST_CHANGES: Final = 200
"""The most lines for changes; the UI and `show` have all."""

_ROOM_FOR_NUMBER: Final = len("(1000/1000)\\n")
_LONGEST_CHARACTER: Final = len("\\u0000")
"""Length of a character that JSON escapes."""
_LONGEST_TITLE: Final = 200

Severity = Literal["info", "warning", "error"]


@dataclass(frozen=True, kw_only=True)
class Message:
    """A message. It names no person if names are hidden."""

    event: str
    """`run`, `night missed`, `no success`, `login`, `login's owner`, `test`."""
    severity: Severity
    lines: tuple[str, ...]
    """The first line is a summary."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """The content for programs, as plain JSON values."""


def chat_posts(message: Message) -> list[str]:
    """Bodies for a Swit chat, in order: `{"text": ...}`."""

    def utf_16_units(text: str) -> int:
        return len(text.encode("utf-16-le", "surrogatepass")) // 2

    texts = _numbered(message.lines, MOST_CHARACTERS - _ROOM_FOR_NUMBER, size=utf_16_units)
    return [_json({"text": text}) for text in texts]


def alert_posts(message: Message) -> list[str]:
    """Bodies for other webhooks, in order: the first one has the facts, each has its text."""
    title = shortened(message.lines[0], _LONGEST_TITLE)
    head = {"event": message.event, "severity": message.severity, "title": title}
    room = MOST_CHARACTERS - _ROOM_FOR_NUMBER - len(_json({**head, "part": 1000, "parts": 1000}))
    room -= len(_json(message.facts)) + len(', "text": ""')
    texts = _numbered(message.lines, room, size=lambda text: len(_json(text)))
    posts: list[dict[str, Any]] = [
        {**head, "text": text, "part": number, "parts": len(texts)}
        for number, text in enumerate(texts, start=1)
    ]
    posts[0] |= message.facts
    return list(map(_json, posts))


def _numbered(lines: Iterable[str], most: int, *, size: Callable[[str], int]) -> list[str]:
    """The lines in as few texts as possible, none longer than `most`, numbered if several."""
    texts: list[str] = []
    filled = 0
    for line in lines:
        # A line that is longer than a whole post is cut into pieces.
        length = len(line) if size(f"{line}\n") <= most else max(most // _LONGEST_CHARACTER, 1)
        for start in range(0, len(line), length or 1):
            piece = f"{line[start : start + length]}\n"
            if not texts or filled + size(piece) > most:
                texts.append("")
                filled = 0
            texts[-1] += piece
            filled += size(piece)
    texts = [text.removesuffix("\n") for text in texts]
    if len(texts) <= 1:
        return texts
    return [f"({number}/{len(texts)})\n{text}" for number, text in enumerate(texts, start=1)]


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


_TITLES: Final[Mapping[RunState, str]] = {
    RunState.APPLIED: "applied",
    RunState.PARTLY_APPLIED: "applied, but not all of it",
    RunState.NOTHING_TO_DO: "nothing to do",
    RunState.PLANNED: "planned, nothing was written",
    RunState.BLOCKED: "STOPPED BY A GUARD, nothing was written",
    RunState.STALE: "NOT APPLIED: the plan is stale",
    RunState.BUSY: "NOT STARTED: another run is writing",
    RunState.CANCELED: "CANCELED",
    RunState.FAILED: "FAILED",
}


@dataclass(frozen=True, kw_only=True)
class RunStory:
    """One run that has ended."""

    run_id: str
    job: str
    state: RunState
    why: str
    """What stopped it; empty if nothing did."""
    guards: Mapping[str, str]
    """Name of each guard that blocked it -> the message."""
    plan_hash: PlanHash | None
    plan: Plan | None
    entries: Mapping[str, JournalEntry]
    """Change id -> the journal entry, of changes that were sent."""
    calls: int
    seconds: float
    organization: str
    mode: str
    """`live` or `TEST MODE`."""
    link: str | None
    """The run's page."""
    plan_link: str | None = None
    """The plan's page, where it can be approved."""
    waiting: WaitingPlan | None = None
    """The plan of the changes that exceed a limit and were held back."""
    waiting_link: str | None = None
    """Its page."""

    @property
    def plan_id(self) -> str | None:
        """The first digits of the plan's hash."""
        return shown_id(self.plan_hash) if self.plan_hash else None

    @property
    def is_worth_telling(self) -> bool:
        """Whether anything changed, was rejected, or failed."""
        if self.state is RunState.PLANNED:
            return self.plan is not None and bool(self.plan.changes)
        return self.state is not RunState.NOTHING_TO_DO

    @property
    def title(self) -> str:
        """The mode, the organisation, and how the run ended."""
        mode = "" if self.mode == "live" else f"{self.mode} · "
        # A pause or a rejected plan blocks without a guard.
        by_a_person = self.state is RunState.BLOCKED and not self.guards
        title = "STOPPED" if by_a_person else _TITLES[self.state]
        return f"{mode}Swit provisioning of {self.organization}: {title}"

    @property
    def outcomes(self) -> dict[str, int]:
        """Outcome -> number of changes that this run sent, without those of earlier runs."""
        mine = (entry for entry in self.entries.values() if entry.run_id == self.run_id)
        return dict(Counter(entry.outcome or "failed" for entry in mine))

    @property
    def facts(self) -> dict[str, Any]:
        """The run for programs, as plain JSON values."""
        return {
            "status": self.state,
            "mode": self.mode,
            "organization": self.organization,
            "run_id": self.run_id,
            "run_url": self.link,
            "job": self.job,
            "plan_id": self.plan_id,
            "plan_hash": self.plan_hash,
            "plan_url": self.plan_link,
            "waiting_plan_id": self.waiting.plan_id if self.waiting else None,
            "waiting_plan_url": self.waiting_link,
            "summary": summary(self.plan.changes) if self.plan else None,
            "counts": self.plan.counts() if self.plan else {},
            "outcomes": self.outcomes,
            "guards": list(self.guards),
            "calls": self.calls,
            "seconds": round(self.seconds, 1),
        }


def run_message(story: RunStory, *, no_names: bool) -> Message:
    """The story as a message; with `no_names`, codes replace people."""
    plan = story.plan
    hidden = without_people_in if no_names else str
    outcomes = ", ".join(f"{n:,} {outcome}" for outcome, n in story.outcomes.items())
    calls = f"{story.calls:,} API call{'' if story.calls == 1 else 's'}"
    lines = [
        story.title,
        hidden(plan_summary(plan)) if plan else "",
        " · ".join(filter(None, [outcomes, calls, duration(story.seconds)])),
        *(hidden(line) for line in (story.guards.values() or story.why.splitlines())),
        *_changes(story, no_names=no_names),
    ]
    # Only the addresses of the plan and the run are links: names are other people's text.
    lines = list(map(without_links, lines))
    if plan is not None:
        aside = {
            "findings": len(plan.findings),
            "changes not sent (DISABLED_ACTIONS)": len(plan.disabled),
            "changes not sent (do not stick)": len(plan.held),
        }
        lines.append(", ".join(f"{number:,} {words}" for words, number in aside.items() if number))
    if story.waiting is not None:
        lines.append(_waiting(story.waiting, story.waiting_link))
    if story.plan_id is not None:
        page = f" · {story.plan_link}" if story.plan_link else ""
        lines.append(f"Plan {story.plan_id}: swit-provisioning show {story.plan_id}{page}")
    lines.append(f"Run {story.run_id}{f': {story.link}' if story.link else ' (in the Dagster UI)'}")
    severity: Severity = "info" if story.state.is_success else "error"
    if story.state is RunState.PARTLY_APPLIED:
        severity = "warning"
    return Message(
        event="run",
        severity=severity,
        lines=tuple(readable(line) for line in lines if line),
        facts=story.facts,
    )


def _waiting(held: WaitingPlan, link: str | None) -> str:
    """The changes that wait, counted, and where to approve them; names nobody."""
    words = f"plan {held.plan_id}: {summary(held.changes)}"
    if held.rejection is not None:
        return f"Rejected, so not sent: {words}"
    return f"WAITING FOR AN APPROVAL, {words}. {held.command}{f' · {link}' if link else ''}"


def _changes(story: RunStory, *, no_names: bool) -> Iterator[str]:
    """The changes that were not done, each with its reason; then all, the most dangerous first."""
    changes = dangerous_first(story.plan.changes) if story.plan else []
    undone = [
        change
        for change in changes
        if (entry := story.entries.get(change.change_id)) is not None and entry.outcome not in DONE
    ]

    def reason(change: Change, _shown: Change) -> str:
        entry = story.entries[change.change_id]
        answer = (entry.message or "no answer was recorded").rstrip(".")
        answer = without_people_in(answer) if no_names else answer
        return f"{entry.outcome or 'failed'}: {answer}"

    def words(_change: Change, shown: Change) -> str:
        text = describe(shown.action, shown.before, shown.after)
        # A new user has only personal values, which may all be hidden.
        return "" if set(text.split(", ")) == {HIDDEN} else text

    for heading, found, what in (("Not done", undone, reason), ("Changes", changes, words)):
        if found:
            yield f"{heading} ({len(found):,}):"
        for change in found[:MOST_CHANGES]:
            shown = change_without_people(change) if no_names else change
            text = what(change, shown)
            yield f"- {shown.action} {shown.target}{f': {text}' if text else ''}"
        if len(found) > MOST_CHANGES:
            yield f"- and {len(found) - MOST_CHANGES:,} more"
