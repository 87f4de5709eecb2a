"""Names, addresses and numbers by the rules, written down once more and plainly."""

import re
import unicodedata
from collections.abc import Iterable
from fnmatch import fnmatchcase

from swit_provisioning_tests.planning.specification.organisation import FORBIDDEN

MARK, MOVING = "(removed) ", "(moving) "


def fold(text: str) -> str:
    return unicodedata.normalize("NFC", " ".join(text.split()).casefold())


def clean(text: str) -> str:
    seen = "".join(letter for letter in text if letter.isspace() or not is_unseen(letter))
    return " ".join(FORBIDDEN.sub("_", unicodedata.normalize("NFC", seen)).split())


def is_unseen(letter: str) -> bool:
    """A control, half a surrogate pair, or a sign that turns the direction of text."""
    turns = unicodedata.bidirectional(letter) in {"LRE", "RLE", "PDF", "LRO", "RLO"} or (
        unicodedata.bidirectional(letter) in {"LRI", "RLI", "FSI", "PDI"}
    )
    marks = letter in "\u200e\u200f\u061c\ufeff"
    return turns or marks or unicodedata.category(letter) in {"Cc", "Cs"}


def team_name(text: str) -> str:
    name = clean(text)
    while name.casefold().startswith("(removed) ") or name.casefold() == "(removed)":
        name = name[len("(removed)") :].strip()
    return name


def digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def matches(patterns: Iterable[str], text: str) -> bool:
    return any(fnmatchcase(fold(text), fold(pattern)) for pattern in patterns)


def wild(patterns: Iterable[str]) -> list[str]:
    return [pattern for pattern in patterns if set(pattern) & set("*?[")]


def unique(wanted: str, taken: set[str], avoid: Iterable[str] = ()) -> str:
    """The wanted name or the first with ` (n)` that is free; it is taken from now on.

    `""` where all fit a pattern to avoid.
    """
    name, n = wanted, 1
    while fold(name) in taken or matches(avoid, name):
        n += 1
        name = f"{wanted} ({n})"
        if n > 50:
            return ""
    taken.add(fold(name))
    return name


def suffix_of(name: str, wanted: str) -> str | None:
    """` (n)` or nothing where a team is called so, else `None`."""
    found = re.fullmatch(re.escape(fold(wanted)) + r"( \([0-9]+\))?", fold(name))
    return (found[1] or "") if found else None


def best(values: Iterable[str], present: str | None) -> str:
    """Of several the one that Swit has, else the first when sorted; `""`: none."""
    clean_ones = sorted(value for value in map(clean, values) if value)
    if present in clean_ones:
        return present or ""
    return clean_ones[0] if clean_ones else ""
