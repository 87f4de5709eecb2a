"""Text of others made harmless to show: no name steers a terminal or turns a line round."""

import re
from typing import Final

LONGEST: Final = 80
"""Characters of a name where there is no room for more."""

_REPLACED: Final = "\N{REPLACEMENT CHARACTER}"
_SPACES: Final = re.compile("[\t\n\v\f\r\x85\N{LINE SEPARATOR}\N{PARAGRAPH SEPARATOR}]+")
# What steers a terminal, and what makes the text behind it read from right to left: those that
# last until they are ended. Marks for one place, which Arabic and Hebrew need, are left. And half
# characters (surrogates), which no file can hold.
_STEERING: Final = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_LINKS: Final = re.compile(r"\](?=[(\[:])|<(?=[A-Za-z/!])|:(?=//)")
_MARKS: Final = re.compile("[\u061c\u200e\u200f]")


def readable(text: str) -> str:
    """The text in one line, with a sign in place of each character that would steer the display."""
    # Most names hold nothing of the kind, and a page shows some hundred thousand.
    return text if text.isprintable() else _STEERING.sub(_REPLACED, _SPACES.sub(" ", text))


def for_a_terminal(text: str) -> str:
    """The same without marks of direction: nothing on a terminal keeps them to their own name."""
    return _MARKS.sub("", readable(text))


def without_links(text: str) -> str:
    """The text with a space wherever a chat would begin a link: Markdown, HTML, a URL."""
    return _LINKS.sub(r"\g<0> ", text)


def shortened(text: str, longest: int = LONGEST) -> str:
    """The text, or its beginning and `…` where it is too long."""
    return text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"
