"""What a run did, told in a message: the outcome first, then numbers, then what to look at."""

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
"""As many as Swit takes at once."""
_OF_HOW_MANY: Final = "({}/{})\n"
_ROOM_TO_COUNT: Final = len("(1000/1000)\\n")
_LONGEST_CHARACTER: Final = len("\\u0000")
"""As JSON writes it."""

_LONGEST_TITLE: Final = 200

Severity = Literal["info", "warning", "error"]


@dataclass(frozen=True, kw_only=True)
class Message:
    """What somebody is told; nothing in it is about people if they are hidden."""

    event: str
    """`run`, `night missed`, `no success`, `login`, `login's owner`, `test`."""
    severity: Severity
    lines: tuple[str, ...]
    """The first one says it all."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """The same for programs, as plain JSON values."""


def chat_posts(message: Message) -> list[str]:
    """Bodies for a Swit chat, in order: `{"text": ...}`."""
    texts = _counted(message.lines, MOST_CHARACTERS - _ROOM_TO_COUNT, size=_characters)
    return [_json({"text": text}) for text in texts]


def alert_posts(message: Message) -> list[str]:
    """Bodies for anything else, in order: the first one has the facts, each has its text."""
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
    """The lines as few texts, none longer than `most`; several say which of how many they are."""
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
    """A line that is longer than a whole post, in pieces that are not."""
    cut = len(line) if size(f"{line}\n") <= most else most // _LONGEST_CHARACTER
    for start in range(0, len(line), max(cut, 1)):
        yield line[start : start + cut]


def _characters(text: str) -> int:
    """As they are counted where a character beyond the first 65,536 is two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


MOST_CHANGES: Final = 200
"""Lines for changes; all of them are in the UI and in `show`."""

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
    """What stopped it; empty where nothing did."""
    guards: Mapping[str, str]
    """The guards that stopped it -> what each says."""
    plan_hash: PlanHash | None
    plan: Plan | None
    entries: Mapping[str, JournalEntry]
    """Change id -> what came of it, as far as the plan was sent."""
    calls: int
    seconds: float
    organization: str
    mode: str
    """`live` or `TEST MODE`."""
    link: str | None
    """The run's page."""

    @property
    def plan_id(self) -> str | None:
        """The plan's name for people."""
        return shown_id(self.plan_hash) if self.plan_hash else None

    @property
    def is_worth_telling(self) -> bool:
        """Whether anything changed, was refused, or went wrong."""
        if self.state is RunState.PLANNED:
            return self.plan is not None and bool(self.plan.changes)
        return self.state is not RunState.NOTHING_TO_DO


def run_message(story: RunStory, *, no_names: bool) -> Message:
    """The story as a message; `no_names`: codes in place of people."""
    plan = story.plan
    hidden = without_people_in if no_names else str
    changes = dangerous_first(plan.changes) if plan else []
    lines = [
        _title(story),
        *([summary(plan.changes)] if plan else []),
        _numbers(story),
        *(hidden(line) for line in (story.guards.values() or story.why.splitlines())),
        *_left(changes, story.entries, no_names=no_names),
        *_listed(changes, no_names=no_names),
    ]
    # Only the address of the run is a link: names are other people's text.
    lines = [*map(without_links, lines), *_ways_on(story)]
    return Message(
        event="run",
        severity=_severity(story.state),
        lines=tuple(readable(line) for line in lines if line),
        facts=_facts(story),
    )


def _severity(state: RunState) -> Severity:
    if state is RunState.PARTLY_APPLIED:
        return "warning"
    return "info" if state.is_success else "error"


def _title(story: RunStory) -> str:
    mode = "" if story.mode == "live" else f"{story.mode} · "
    # Paused, or the plan was rejected.
    by_a_person = story.state is RunState.BLOCKED and not story.guards
    title = "STOPPED" if by_a_person else _TITLES[story.state]
    return f"{mode}Swit provisioning of {story.organization}: {title}"


def _numbers(story: RunStory) -> str:
    outcomes = ", ".join(f"{n:,} {outcome}" for outcome, n in _outcomes(story).items())
    calls = f"{story.calls:,} API call{'' if story.calls == 1 else 's'}"
    return " · ".join(filter(None, [outcomes, calls, duration(story.seconds)]))


def _outcomes(story: RunStory) -> dict[str, int]:
    """Outcome -> changes that this run sent; earlier runs may have sent others of the plan."""
    mine = (entry for entry in story.entries.values() if entry.run_id == story.run_id)
    return dict(Counter(entry.outcome or "failed" for entry in mine))


def _left(
    changes: Sequence[Change], entries: Mapping[str, JournalEntry], *, no_names: bool
) -> Iterator[str]:
    """What was not done, each with its reason."""
    left = [
        (change, entry)
        for change in changes
        if (entry := entries.get(change.change_id)) is not None and entry.outcome not in DONE
    ]
    if left:
        yield f"Not done ({len(left):,}):"
    for change, entry in left[:MOST_CHANGES]:
        shown = change_without_people(change) if no_names else change
        said = (entry.message or "no answer was noted").rstrip(".")
        said = without_people_in(said) if no_names else said
        yield f"- {shown.action} {shown.target}: {entry.outcome or 'failed'}: {said}"
    yield from _more(len(left))


def _listed(changes: Sequence[Change], *, no_names: bool) -> Iterator[str]:
    """The changes of the plan, the most dangerous first."""
    if changes:
        yield f"Changes ({len(changes):,}):"
    for change in changes[:MOST_CHANGES]:
        shown = change_without_people(change) if no_names else change
        words = describe(shown.action, shown.before, shown.after)
        # Of somebody new nothing is left to say where people are hidden.
        words = "" if set(words.split(", ")) == {HIDDEN} else words
        yield f"- {shown.action} {shown.target}{f': {words}' if words else ''}"
    yield from _more(len(changes))


def _more(number: int) -> Iterator[str]:
    if number > MOST_CHANGES:
        yield f"- and {number - MOST_CHANGES:,} more"


def _ways_on(story: RunStory) -> Iterator[str]:
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
