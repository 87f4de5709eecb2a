"""Normal forms of names, addresses and numbers: what Swit accepts, and which values are equal."""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import UTC, datetime
from fnmatch import translate
from itertools import count

REMOVED = "(removed) "
"""Prefix of the name of a team whose group has left, with `TEAM_REMOVAL=mark`."""
MOVING = "(moving) "
"""Prefix of the temporary name of a team whose name another team needs."""

# swit-api, "Rules", Names: not allowed in the names of teams and of users.
_FORBIDDEN = re.compile(r"[@#<>§▒{};*]")
# Control characters but for white space, characters that turn the direction of text, byte order
# marks and halves of surrogate pairs. They can hide or disguise a name, or drive a terminal.
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
_LEADING_MARK = re.compile(r"\(removed\)(?:\s+|$)", re.IGNORECASE)
_NUMBERED = re.compile(r"(.*)( \([0-9]+\))")
_ADDRESS = re.compile(r"[^\s@]+@[^\s@]+")
_NOT_A_DIGIT = re.compile(r"\D")
_LONGEST_ADDRESS = 254


def one_space(text: str) -> str:
    """The text in composed characters (NFC), trimmed, each run of white space as one space."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def clean_name(text: str) -> str:
    """The name as Swit accepts it; it may be empty.

    Each forbidden character becomes `_`. Control characters and those that turn the direction of
    text are left out.
    """
    seen = text if text.isprintable() else _UNSEEN.sub("", text)
    return one_space(_FORBIDDEN.sub("_", seen))


def clean_team_name(text: str) -> str:
    """The same for a team, without a leading `(removed) `."""
    name = clean_name(text)
    while mark := _LEADING_MARK.match(name):
        name = name[mark.end() :]
    return name


def name_key(text: str) -> str:
    """The form of a team name that is equal for all names that Swit takes for one."""
    return unicodedata.normalize("NFC", one_space(text).casefold())


def same_text(one: str, other: str) -> bool:
    """Whether two values are equal once their white space is normalised."""
    return one == other or one_space(one) == one_space(other)


def address_key(text: str) -> str:
    """The form in which e-mail addresses are compared: trimmed, without case."""
    return text.strip().casefold()


def usable_address(key: str) -> bool:
    """Whether a user can have this address: `x@y`, at most 254 characters."""
    return len(key) <= _LONGEST_ADDRESS and _ADDRESS.fullmatch(key) is not None


def usable_addresses(values: Iterable[str]) -> list[str]:
    """The values that a user can have as an address, folded."""
    return [address for address in map(address_key, values) if usable_address(address)]


_COMMAS = re.compile(r"\s*,\s*")


def reference_key(text: str | None) -> str:
    """Form of a reference without its directory: no case, no braces of a GUID, `""` for none.

    Spaces around commas do not count.
    """
    return "" if text is None else _COMMAS.sub(",", text.strip().strip("{}")).casefold()


def digits(text: str | None) -> str:
    """The form in which phone numbers are compared: the digits."""
    return _NOT_A_DIGIT.sub("", text or "")


def number_suffix(name: str, wanted: str) -> str | None:
    """The ` (n)` that a team's name has after the wanted name, `""` if the two are equal.

    `None` if the names differ otherwise. Case is ignored.
    """
    key = name_key(wanted)
    if name_key(name) == key:
        return ""
    numbered = _NUMBERED.fullmatch(one_space(name))
    return numbered[2] if numbered and name_key(numbered[1]) == key else None


def without_number(name: str) -> str:
    """The name without a ` (n)` at its end."""
    numbered = _NUMBERED.fullmatch(one_space(name))
    return numbered[1] if numbered else name


def numbered(wanted: str) -> Iterator[str]:
    """The wanted name, then it with ` (2)`, ` (3)`..., without end."""
    yield wanted
    for number in count(2):
        yield f"{wanted} ({number})"


def free_name(wanted: str, taken: Callable[[str], bool]) -> str:
    """The first numbered name whose key is not taken."""
    return next(name for name in numbered(wanted) if not taken(name_key(name)))


def choose_name(values: Iterable[str], present: str | None) -> str | None:
    """Of several names the one that Swit has, else the first in order; `None` if none is usable."""
    names = list(values)
    if present and present in names:
        return present
    clean = sorted({clean_name(name) for name in names} - {""})
    if present is not None:
        for name in clean:
            if same_text(name, present):
                return present
    return clean[0] if clean else None


def changed_name(written: str, clean: str) -> str | None:
    """The cleaned name, if cleaning changes the written one visibly; `None` if not, or if empty.

    Changes of white space and composed characters (NFC) are not visible.
    """
    if not clean or clean == written:
        return None
    return clean if clean != one_space(written) else None


def others(first: str, count: int) -> str:
    """The first of `count` others and the number of the rest, for a sentence."""
    return f"{first} and {count - 1} more" if count > 1 else first


def choose_phone(values: Collection[str], present: str | None) -> str | None:
    """Of several numbers the one that Swit has, else the first in order.

    `""` if there is no value, `None` if no value has digits.
    """
    written = [one_space(value) for value in values if value.strip()]
    if not written:
        return ""
    numbers = sorted(value for value in written if digits(value))
    same = present and any(digits(value) == digits(present) for value in numbers)
    return present if same else (numbers[0] if numbers else None)


def written_language(value: str | None) -> str | None:
    """The first language of a preference (`ko-KR`, `en, fr;q=0.8`), without its country."""
    if not value or not value.strip():
        return None
    first = re.split(r"[,;\s]", value.strip(), maxsplit=1)[0]
    return re.split(r"[-_]", first, maxsplit=1)[0].casefold()


def clock(time: datetime) -> str:
    """A time for people: `2026-03-01 02:30 UTC`."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


_WILD = frozenset("*?[")


def is_pattern(text: str) -> bool:
    """Whether the text holds a wildcard (`*`, `?`, `[...]`)."""
    return not _WILD.isdisjoint(text)


def matcher(patterns: Iterable[str], key: Callable[[str], str]) -> Callable[[str], bool]:
    """A predicate: whether one of the patterns matches a text in the form of `key`."""
    parts = sorted({translate(key(pattern)) for pattern in patterns if pattern.strip()})
    if not parts:
        return lambda _: False
    whole = re.compile("|".join(parts))
    return lambda text: whole.match(text) is not None
