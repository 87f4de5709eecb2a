"""Foreign text that is safe to show: no name controls a terminal or reverses a line."""

import re
from typing import Final

LONGEST: Final = 80
"""Characters of a name in places with little room."""

_REPLACED: Final = "\N{REPLACEMENT CHARACTER}"
_SPACES: Final = re.compile("[\t\n\v\f\r\x85\N{LINE SEPARATOR}\N{PARAGRAPH SEPARATOR}]+")
# Control characters; direction overrides and isolates, which last until they are ended; and
# surrogates, which cannot be encoded. Arabic and Hebrew need the single direction marks.
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_LINKS: Final = re.compile(r"\](?=[(\[:])|<(?=[A-Za-z/!])|:(?=//)")
_DIRECTION_MARKS: Final = re.compile("[\u061c\u200e\u200f]")


def readable(text: str) -> str:
    """The text in one line, with U+FFFD in place of each character that controls the display."""
    # The quick test first: a page may show several hundred thousand names.
    return text if text.isprintable() else _CONTROLS.sub(_REPLACED, _SPACES.sub(" ", text))


def for_a_terminal(text: str) -> str:
    """The readable text without direction marks, which a terminal cannot confine to a name."""
    return _DIRECTION_MARKS.sub("", readable(text))


def without_links(text: str) -> str:
    """The text with a space inside each start of a link: Markdown, HTML, a URL."""
    return _LINKS.sub(r"\g<0> ", text)


def shortened(text: str, longest: int = LONGEST) -> str:
    """The text, or its beginning and `…` if it is longer than `longest`."""
    return text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"
