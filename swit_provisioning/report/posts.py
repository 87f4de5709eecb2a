"""A message as posts to a webhook: text for a chat, JSON for anything else, each short enough."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from swit_provisioning.report.plain import shortened

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
