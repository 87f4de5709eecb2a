"""Lists of names in settings: plain ones, and patterns such as `*@vendor.example`."""

import re
from collections.abc import Callable, Iterable
from fnmatch import translate

_WILD = frozenset("*?[")


def is_pattern(text: str) -> bool:
    """Whether the text holds a wildcard (`*`, `?`, `[...]`)."""
    return not _WILD.isdisjoint(text)


def matcher(patterns: Iterable[str], key: Callable[[str], str]) -> Callable[[str], bool]:
    """A question that is true for each text (as `key` makes it) that one of the patterns fits."""
    parts = sorted({translate(key(pattern)) for pattern in patterns if pattern.strip()})
    if not parts:
        return lambda _: False
    whole = re.compile("|".join(parts))
    return lambda text: whole.match(text) is not None
