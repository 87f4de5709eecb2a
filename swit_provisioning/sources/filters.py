"""LDAP filters (RFC 4515): checked for servers, and applied to the entries of files."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from ldap3.core.exceptions import LDAPExceptionError
from ldap3.operation import search as ldap3_search
from ldap3.operation.search import FilterNode

from swit_provisioning.sources.entries import Entry, Value, as_text
from swit_provisioning.sources.ldap.dn import (
    InvalidDN,
    dn_key,
    is_dn,
    own_values,
    rdn_values,
)

_ATTRIBUTE = re.compile(r"(?:[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+)(?:;[A-Za-z0-9-]+)*")
_BAD_ESCAPE = re.compile(r"\\(?![0-9A-Fa-f]{2})")
_FILTERS_EXAMPLE = "(&(objectClass=user)(mail=*)(!(objectClass=computer)))"


def parse_filter(text: str) -> str:
    r"""Check an LDAP filter (RFC 4515); outer brackets are added where they are left out.

    Raises:
        ValueError: with the problem and an example.

    """
    return _parsed(text)[0]


def _parsed(text: str) -> tuple[str, FilterNode]:
    written = text.strip()
    if not written.startswith("("):
        written = f"({written})"
    if _BAD_ESCAPE.search(written):
        problem = r"after a backslash two hexadecimal digits must follow (`\5c` is a backslash)"
        raise _filters_wrong(text, problem)
    try:
        root = ldap3_search.parse_filter(  # type: ignore[no-untyped-call] # the stubs leave it open
            written,
            schema=None,
            auto_escape=False,
            auto_encode=True,
            validator=None,
            check_names=False,
        )
    except LDAPExceptionError as error:
        raise _filters_wrong(text, f"{error}; are all brackets there, and in pairs?") from error
    _check_attributes(text, root)
    return written, root


def _check_attributes(text: str, node: FilterNode) -> None:
    for element in node.elements:
        _check_attributes(text, element)
    if node.assertion is None:
        return
    attribute = node.assertion["attr"]
    # An extensible match may name a rule and no attribute.
    if attribute and not _ATTRIBUTE.fullmatch(attribute):
        raise _filters_wrong(text, f"{attribute!r} is no attribute's name")
    if not attribute and "matchingRule" not in node.assertion:
        raise _filters_wrong(text, "a condition names no attribute")


def _filters_wrong(text: str, problem: str) -> ValueError:
    return ValueError(
        f"the filter {text!r} can't be used: {problem}; for example {_FILTERS_EXAMPLE}"
    )


# Active Directory's: all of these bits, any of these bits.
_ALL_BITS, _ANY_BIT = "1.2.840.113556.1.4.803", "1.2.840.113556.1.4.804"
_PLAIN_RULES = frozenset(
    {
        *("caseignorematch", "2.5.13.2", "distinguishednamematch", "2.5.13.1"),
        *("integermatch", "2.5.13.14", "objectidentifiermatch", "2.5.13.0"),
    }
)
_SUPPORTED = f"&, |, !, =, ~=, >=, <=, `*` and the bit rules {_ALL_BITS} and {_ANY_BIT}"
# Servers know that such an entry is of these classes too, even if it does not list them.
_IMPLIED_CLASSES: Mapping[str, tuple[str, ...]] = {
    "inetorgperson": ("organizationalPerson", "person", "top"),
    "organizationalperson": ("person", "top"),
    "computer": ("user", "organizationalPerson", "person", "top"),
    "user": ("organizationalPerson", "person", "top"),
}
_ESCAPE = re.compile(rb"\\([0-9A-Fa-f]{2})")
_NUMBER = re.compile(r"-?\d{1,20}")


class EntryFilter:
    """An LDAP filter applied to entries of a file, as a server would apply it.

    There is no schema: text is compared without case, DNs in normal form, digits as numbers. The
    attributes in an entry's own DN count as attributes of the entry.
    """

    def __init__(self, text: str) -> None:
        """Parse the filter.

        Raises:
            ValueError: it is no filter, or a part of it is not supported here.

        """
        self._text, self._root = _parsed(text)
        self._conditions = [*_conditions(self._root)]
        for part in filter(None, map(_unsupported, self._conditions)):
            message = (
                f"the filter {self._text!r} can't be applied to a file: {part} is not supported."
                f" Supported are {_SUPPORTED}. Remove that part, or filter when you export the file"
            )
            raise ValueError(message)
        self.attributes = frozenset(condition["attr"].lower() for condition in self._conditions)
        """The attributes that it looks at, in lower case."""

    def __str__(self) -> str:
        """The filter as it was written."""
        return self._text

    def matches(self, entry: Entry) -> bool:
        """Whether the entry matches."""
        return _matches(self._root, entry)

    def missing_in(self, entry: Entry) -> frozenset[str]:
        """The attributes that it looks at and that the entry lacks; an empty one is there."""
        return frozenset(
            condition["attr"].lower()
            for condition in self._conditions
            if not _has_attribute(entry, condition)
        )


def _conditions(node: FilterNode) -> Iterator[Mapping[str, Any]]:
    for element in node.elements:
        yield from _conditions(element)
    if node.assertion is not None:
        yield node.assertion


def _unsupported(condition: Mapping[str, Any]) -> str | None:
    rule = condition.get("matchingRule") or ""
    if rule and rule.lower() not in {*_PLAIN_RULES, _ALL_BITS, _ANY_BIT}:
        return f"the matching rule {rule}"
    if not condition["attr"]:
        return "a condition without an attribute"
    if rule in {_ALL_BITS, _ANY_BIT} and not _number(_unescaped(condition["value"])):
        return f"the rule {rule} with a value that is not a number"
    return None


def _has_attribute(entry: Entry, condition: Mapping[str, Any]) -> bool:
    name = condition["attr"].lower()
    if any(_keys(entry, name)) or name in _own(entry.dn):
        return True
    return bool(condition.get("dnAttributes") and _in_dn(entry, name))


def _matches(node: FilterNode, entry: Entry) -> bool:
    if node.assertion is not None:
        return _holds(node.tag, node.assertion, entry)
    found = (_matches(element, entry) for element in node.elements)
    if node.tag == ldap3_search.OR:
        return any(found)
    if node.tag == ldap3_search.NOT:
        return not any(found)
    return all(found)


def _holds(tag: int, assertion: Mapping[str, Any], entry: Entry) -> bool:
    name = assertion["attr"].lower()
    held = [*_values(entry, name)]
    if tag == ldap3_search.MATCH_PRESENT:
        return bool(held)
    if tag == ldap3_search.MATCH_SUBSTRING:
        pattern = _pattern(assertion)
        return any(pattern.fullmatch(_folded(value)) for value in held)
    wanted = _unescaped(assertion["value"])
    if tag in {ldap3_search.MATCH_GREATER_OR_EQUAL, ldap3_search.MATCH_LESS_OR_EQUAL}:
        at_least = tag == ldap3_search.MATCH_GREATER_OR_EQUAL
        return any(_ordered(wanted, v) if at_least else _ordered(v, wanted) for v in held)
    rule = assertion.get("matchingRule")
    if rule in {_ALL_BITS, _ANY_BIT}:
        bits = int(wanted)
        flags = [int(as_text(v)) & bits for v in held if _number(v)]
        return any(flag == bits if rule == _ALL_BITS else flag for flag in flags)
    if assertion.get("dnAttributes"):
        held += _in_dn(entry, name)
    if name == "objectcategory" and not is_dn(as_text(wanted)):
        # Its values are DNs of the schema, and it is asked for by the first part of one.
        held += [value for v in held for value in _own(as_text(v)).values()]
    return any(_equal(value, wanted) for value in held)


def _keys(entry: Entry, name: str) -> Iterator[str]:
    """The attribute as the entry has it: alone, with more options, or both."""
    return (key for key in entry.attributes if key == name or key.startswith(f"{name};"))


def _values(entry: Entry, name: str) -> Iterator[Value]:
    for key in _keys(entry, name):
        yield from entry.attributes[key]
    if name == "objectclass":
        for known in entry.classes():
            yield from _IMPLIED_CLASSES.get(known, ())
    own = _own(entry.dn).get(name)
    if own is not None:
        yield own


def _own(dn: str) -> Mapping[str, str]:
    try:
        return own_values(dn)
    except InvalidDN:
        return {}


def _in_dn(entry: Entry, name: str) -> list[str]:
    try:
        return rdn_values(entry.dn, name)
    except InvalidDN:
        return []


def _pattern(assertion: Mapping[str, Any]) -> re.Pattern[str]:
    parts = [assertion.get("initial", b""), *assertion.get("any", ()), assertion.get("final", b"")]
    texts = [re.escape(_folded(_unescaped(part), strip=False)) for part in parts]
    return re.compile(".*".join(texts), re.DOTALL)


def _equal(value: Value, wanted: bytes) -> bool:
    if (value if isinstance(value, bytes) else value.encode(errors="replace")) == wanted:
        return True
    text, other = as_text(value), as_text(wanted)
    if _number(value) and _number(wanted):
        return int(text) == int(other)
    if "=" in other and is_dn(other) and is_dn(text):
        return dn_key(text) == dn_key(other)
    return _folded(value) == _folded(wanted)


def _ordered(low: Value, high: Value) -> bool:
    if _number(low) and _number(high):
        return int(as_text(low)) <= int(as_text(high))
    return _folded(low) <= _folded(high)


def _number(value: Value) -> bool:
    return _NUMBER.fullmatch(as_text(value)) is not None


def _unescaped(value: bytes) -> bytes:
    return _ESCAPE.sub(lambda escape: bytes.fromhex(escape[1].decode()), value)


def _folded(value: Value, *, strip: bool = True) -> str:
    text = unicodedata.normalize("NFKC", as_text(value)).casefold()
    text = re.sub(r"\s+", " ", text)
    return text.strip() if strip else text
