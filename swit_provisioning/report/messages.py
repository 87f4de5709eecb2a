"""Messages about a run: the outcome first, then the numbers, then what to look at."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from swit_provisioning.apply.outcomes import DONE
from swit_provisioning.apply.run_model import RunState
from swit_provisioning.planning.actions import describe
from swit_provisioning.planning.model import Change, Plan, PlanHash, shown_id
from swit_provisioning.report.redaction import HIDDEN, change_without_people, without_people_in
from swit_provisioning.report.safe_text import readable, shortened, without_links
from swit_provisioning.report.summary import dangerous_first, duration, summary
from swit_provisioning.state.journal import JournalEntry

MOST_CHARACTERS: Final = 12_000
"""The most characters that Swit accepts in one post."""
_OF_HOW_MANY: Final = "({}/{})\n"
_ROOM_TO_COUNT: Final = len("(1000/1000)\\n")
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
    texts = _counted(message.lines, MOST_CHARACTERS - _ROOM_TO_COUNT, size=_characters)
    return [_json({"text": text}) for text in texts]


def alert_posts(message: Message) -> list[str]:
    """Bodies for other webhooks, in order: the first one has the facts, each has its text."""
    title = shortened(message.lines[0], _LONGEST_TITLE)
    head = {"event": message.event, "severity": message.severity, "title": title}
    room = MOST_CHARACTERS - _ROOM_TO_COUNT - len(_json({**head, "part": 1000, "parts": 1000}))
    room -= len(_json(message.facts)) + len(', "text": ""')
    texts = list(_counted(message.lines, room, size=lambda text: len(_json(text))))
    return [
        _json(
            {
                **head,
                "text": text,
                "part": number,
                "parts": len(texts),
                **(message.facts if number == 1 else {}),
            }
        )
        for number, text in enumerate(texts, start=1)
    ]


def _counted(lines: Iterable[str], most: int, *, size: Callable[[str], int]) -> Iterator[str]:
    """The lines in as few texts as possible, none longer than `most`, numbered if several."""
    texts = list(_packed(lines, most, size))
    for number, text in enumerate(texts, start=1):
        yield (_OF_HOW_MANY.format(number, len(texts)) if len(texts) > 1 else "") + text


def _packed(lines: Iterable[str], most: int, size: Callable[[str], int]) -> Iterator[str]:
    text, filled = "", 0
    for line in lines:
        for piece in _pieces(line, most, size):
            needed = size(f"{piece}\n")
            if text and filled + needed > most:
                yield text.removesuffix("\n")
                text, filled = "", 0
            text += f"{piece}\n"
            filled += needed
    if text:
        yield text.removesuffix("\n")


def _pieces(line: str, most: int, size: Callable[[str], int]) -> Iterator[str]:
    """The line, in pieces if it is longer than a whole post."""
    cut = len(line) if size(f"{line}\n") <= most else most // _LONGEST_CHARACTER
    for start in range(0, len(line), max(cut, 1)):
        yield line[start : start + cut]


def _characters(text: str) -> int:
    """The length in UTF-16 code units: a character beyond the first 65,536 counts as two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


MOST_CHANGES: Final = 200
"""The most lines for changes; the UI and `show` have all."""

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


def run_message(story: RunStory, *, no_names: bool) -> Message:
    """The story as a message; with `no_names`, codes replace people."""
    plan = story.plan
    hidden = without_people_in if no_names else str
    changes = dangerous_first(plan.changes) if plan else []
    lines = [
        _title(story),
        *([summary(plan.changes)] if plan else []),
        _numbers(story),
        *(hidden(line) for line in (story.guards.values() or story.why.splitlines())),
        *_not_done(changes, story.entries, no_names=no_names),
        *_listed(changes, no_names=no_names),
    ]
    # Only the address of the run is a link: names are other people's text.
    lines = [*map(without_links, lines), *_references(story)]
    severity: Severity = "info" if story.state.is_success else "error"
    if story.state is RunState.PARTLY_APPLIED:
        severity = "warning"
    return Message(
        event="run",
        severity=severity,
        lines=tuple(readable(line) for line in lines if line),
        facts=_facts(story),
    )


def _title(story: RunStory) -> str:
    mode = "" if story.mode == "live" else f"{story.mode} · "
    # A pause or a rejected plan blocks without a guard.
    by_a_person = story.state is RunState.BLOCKED and not story.guards
    title = "STOPPED" if by_a_person else _TITLES[story.state]
    return f"{mode}Swit provisioning of {story.organization}: {title}"


def _numbers(story: RunStory) -> str:
    outcomes = ", ".join(f"{n:,} {outcome}" for outcome, n in _outcomes(story).items())
    calls = f"{story.calls:,} API call{'' if story.calls == 1 else 's'}"
    return " · ".join(filter(None, [outcomes, calls, duration(story.seconds)]))


def _outcomes(story: RunStory) -> dict[str, int]:
    """Outcome -> number of changes that this run sent, without those of earlier runs."""
    mine = (entry for entry in story.entries.values() if entry.run_id == story.run_id)
    return dict(Counter(entry.outcome or "failed" for entry in mine))


def _not_done(
    changes: Sequence[Change], entries: Mapping[str, JournalEntry], *, no_names: bool
) -> Iterator[str]:
    """The changes that were not done, each with its reason."""
    undone = [
        (change, entry)
        for change in changes
        if (entry := entries.get(change.change_id)) is not None and entry.outcome not in DONE
    ]
    if undone:
        yield f"Not done ({len(undone):,}):"
    for change, entry in undone[:MOST_CHANGES]:
        shown = change_without_people(change) if no_names else change
        said = (entry.message or "no answer was noted").rstrip(".")
        said = without_people_in(said) if no_names else said
        yield f"- {shown.action} {shown.target}: {entry.outcome or 'failed'}: {said}"
    yield from _more(len(undone))


def _listed(changes: Sequence[Change], *, no_names: bool) -> Iterator[str]:
    """The changes of the plan, the most dangerous first."""
    if changes:
        yield f"Changes ({len(changes):,}):"
    for change in changes[:MOST_CHANGES]:
        shown = change_without_people(change) if no_names else change
        words = describe(shown.action, shown.before, shown.after)
        # A new user has only personal values, which may all be hidden.
        words = "" if set(words.split(", ")) == {HIDDEN} else words
        yield f"- {shown.action} {shown.target}{f': {words}' if words else ''}"
    yield from _more(len(changes))


def _more(number: int) -> Iterator[str]:
    if number > MOST_CHANGES:
        yield f"- and {number - MOST_CHANGES:,} more"


def _references(story: RunStory) -> Iterator[str]:
    if story.plan is not None:
        aside = {
            "findings": len(story.plan.findings),
            "changes not sent (DISABLED_ACTIONS)": len(story.plan.disabled),
            "changes not sent (do not stick)": len(story.plan.held),
        }
        yield ", ".join(f"{number:,} {words}" for words, number in aside.items() if number)
    if story.plan_id is not None:
        yield f"Plan {story.plan_id}: swit-provisioning show {story.plan_id}"
    yield f"Run {story.run_id}{f': {story.link}' if story.link else ' (in the Dagster UI)'}"


def _facts(story: RunStory) -> dict[str, Any]:
    return {
        "status": story.state,
        "mode": story.mode,
        "organization": story.organization,
        "run_id": story.run_id,
        "run_url": story.link,
        "job": story.job,
        "plan_id": story.plan_id,
        "plan_hash": story.plan_hash,
        "summary": summary(story.plan.changes) if story.plan else None,
        "counts": story.plan.counts() if story.plan else {},
        "outcomes": _outcomes(story),
        "guards": list(story.guards),
        "calls": story.calls,
        "seconds": round(story.seconds, 1),
    }
