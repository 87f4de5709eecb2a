"""Whether an entry matches an LDAP filter: true, false or undefined (RFC 4511, 4.5.1.7).

The third answer matters: a NOT around something that the server doesn't know hides everybody.
"""

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence

from swit_provisioning_tests.sources.wire import parts

Attributes = Mapping[str, Sequence[bytes]]
Truth = bool | None
"""`None` is undefined."""

_AND, _OR, _NOT, _EQUAL, _SUBSTRINGS = 0xA0, 0xA1, 0xA2, 0xA3, 0xA4
_AT_LEAST, _AT_MOST, _PRESENT, _APPROXIMATE, _EXTENSIBLE = 0xA5, 0xA6, 0x87, 0xA8, 0xA9
_RULE, _ATTRIBUTE, _VALUE = 0x81, 0x82, 0x83
_FIRST_PART, _LAST_PART = 0x80, 0x82
_CATEGORY = "objectcategory"
_ALL_BITS, _ANY_BIT = "1.2.840.113556.1.4.803", "1.2.840.113556.1.4.804"


def truth(condition: tuple[int, bytes], entry: Attributes, known: Collection[str]) -> Truth:
    """Judge one entry.

    Args:
        condition: tag and content of the filter, as it came over the wire.
        entry: its values by attribute name, options behind it.
        known: the attributes of the server's schema, in lower case; others are undefined.

    """
    tag, content = condition
    if tag in {_AND, _OR}:
        found = [truth(part, entry, known) for part in parts(content)]
        decisive = tag == _OR
        if decisive in found:
            return decisive
        return None if None in found else not decisive
    if tag == _NOT:
        (inner,) = parts(content)
        inside = truth(inner, entry, known)
        return None if inside is None else not inside
    name = _attribute(tag, content)
    if name not in known:
        return None
    held = values(entry, name)
    if name == _CATEGORY:  # its values are DNs, but it is asked for by the first part of one
        held = [*held, *(dn.partition(b",")[0].partition(b"=")[2] for dn in held)]
    return _compared(tag, content, held)


def values(entry: Attributes, name: str) -> list[bytes]:
    """The values of an attribute and of its forms with options, such as `cn;lang-de`."""
    wanted = name.lower()
    return [
        value
        for key, held in entry.items()
        if key.lower() == wanted or key.lower().startswith(f"{wanted};")
        for value in held
    ]


def _attribute(tag: int, content: bytes) -> str:
    if tag == _PRESENT:
        return content.decode().lower()
    if tag == _EXTENSIBLE:
        return dict(parts(content)).get(_ATTRIBUTE, b"").decode().lower()
    (_, name), *_ = parts(content)
    return name.decode().lower()


def _compared(tag: int, content: bytes, held: list[bytes]) -> Truth:
    if tag == _PRESENT:
        return bool(held)
    if tag == _EXTENSIBLE:
        return _extensible(dict(parts(content)), held)
    _, (_, wanted) = parts(content)
    if tag in {_EQUAL, _APPROXIMATE}:
        return any(value == wanted or folded(value) == folded(wanted) for value in held)
    if tag in {_AT_LEAST, _AT_MOST}:
        sign = 1 if tag == _AT_LEAST else -1
        return any(sign * _order(value, wanted) >= 0 for value in held)
    if tag == _SUBSTRINGS:
        pattern = _pattern(wanted)
        return any(pattern.fullmatch(folded(value)) for value in held)
    return None


def _extensible(assertion: Mapping[int, bytes], held: list[bytes]) -> Truth:
    """Active Directory's two rules for bits; no other rule is known here."""
    rule, bits = assertion.get(_RULE, b"").decode(), int(assertion[_VALUE])
    if rule == _ALL_BITS:
        return any(int(value) & bits == bits for value in held)
    if rule == _ANY_BIT:
        return any(int(value) & bits for value in held)
    return None


def _pattern(substrings: bytes) -> re.Pattern[str]:
    written = ""
    for tag, part in parts(substrings):
        literal = re.escape(folded(part))
        written += literal if tag == _FIRST_PART else f".*{literal}"
        if tag == _LAST_PART:
            return re.compile(written, re.DOTALL)
    return re.compile(f"{written}.*", re.DOTALL)


def _order(one: bytes, other: bytes) -> int:
    """-1, 0 or 1; as numbers where both are."""
    try:
        difference = int(one) - int(other)
    except ValueError:
        return (folded(one) > folded(other)) - (folded(one) < folded(other))
    return (difference > 0) - (difference < 0)


def folded(value: bytes) -> str:
    """Text without case, width and superfluous spaces."""
    plain = unicodedata.normalize("NFKC", value.decode(errors="surrogateescape"))
    return " ".join(plain.casefold().split())
