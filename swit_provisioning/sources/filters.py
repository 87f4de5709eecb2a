"""LDAP filters (RFC 4515): validate them for servers, and apply them to entries of files."""

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
    r"""Validate an LDAP filter (RFC 4515). Adds outer brackets if they are missing.

    Raises:
        ValueError: the message contains the problem and an example.

    """
    return _parsed(text)[0]


def _parsed(text: str) -> tuple[str, FilterNode]:
    written = text.strip()
    if not written.startswith("("):
        written = f"({written})"
    if _BAD_ESCAPE.search(written):
        problem = r"after a backslash two hexadecimal digits must follow (`\5c` is a backslash)"
        raise _invalid(text, problem)
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
        raise _invalid(text, f"{error}. Check that every bracket has its pair") from error
    for condition in _conditions(root):
        attribute = condition["attr"]
        # An extensible match may name a rule instead of an attribute.
        if attribute and not _ATTRIBUTE.fullmatch(attribute):
            raise _invalid(text, f"{attribute!r} is not the name of an attribute")
        if not attribute and "matchingRule" not in condition:
            raise _invalid(text, "a condition names no attribute")
    return written, root


def _invalid(text: str, problem: str) -> ValueError:
    return ValueError(
        f"the filter {text!r} cannot be used: {problem}. Write it as in {_FILTERS_EXAMPLE}"
    )


# Rules of Active Directory: all of these bits, any of these bits.
_ALL_BITS, _ANY_BIT = "1.2.840.113556.1.4.803", "1.2.840.113556.1.4.804"
_PLAIN_RULES = frozenset(
    {
        *("caseignorematch", "2.5.13.2", "distinguishednamematch", "2.5.13.1"),
        *("integermatch", "2.5.13.14", "objectidentifiermatch", "2.5.13.0"),
    }
)
_SUPPORTED = f"&, |, !, =, ~=, >=, <=, `*` and the bit rules {_ALL_BITS} and {_ANY_BIT}"
# Superclasses, which servers know even if an entry does not list them.
_IMPLIED_CLASSES: Mapping[str, tuple[str, ...]] = {
    "inetorgperson": ("organizationalPerson", "person", "top"),
    "organizationalperson": ("person", "top"),
    "computer": ("user", "organizationalPerson", "person", "top"),
    "user": ("organizationalPerson", "person", "top"),
}
_ESCAPE = re.compile(rb"\\([0-9A-Fa-f]{2})")
_NUMBER = re.compile(r"-?\d{1,20}")


class EntryFilter:
    """Applies an LDAP filter to entries of a file, as a server would.

    There is no schema: text is compared without case, DNs in normal form, digits as numbers. The
    attributes in the DN of an entry count as attributes of the entry.
    """

    def __init__(self, text: str) -> None:
        """Parse the filter.

        Raises:
            ValueError: the filter is not valid, or a part of it is not supported for files.

        """
        self._text, self._root = _parsed(text)
        self._conditions = [*_conditions(self._root)]
        for condition in self._conditions:
            rule = condition.get("matchingRule") or ""
            if rule and rule.lower() not in {*_PLAIN_RULES, _ALL_BITS, _ANY_BIT}:
                part = f"the matching rule {rule}"
            elif not condition["attr"]:
                part = "a condition without an attribute"
            elif rule in {_ALL_BITS, _ANY_BIT} and not _number(_unescaped(condition["value"])):
                part = f"the rule {rule} with a value that is not a number"
            else:
                continue
            message = (
                f"the filter {self._text!r} cannot be applied to a file: {part} is not supported."
                f" Supported are {_SUPPORTED}. Remove that part, or filter when you export the file"
            )
            raise ValueError(message)
        self.attributes = frozenset(condition["attr"].lower() for condition in self._conditions)
        """Attributes in its conditions, in lower case."""

    def __str__(self) -> str:
        """Text of the filter."""
        return self._text

    def matches(self, entry: Entry) -> bool:
        """True if the entry matches."""
        return _matches(self._root, entry)

    def missing_in(self, entry: Entry) -> frozenset[str]:
        """Attributes in its conditions that the entry does not have, even without values."""
        return frozenset(
            name
            for condition in self._conditions
            for name in [condition["attr"].lower()]
            if not any(_keys(entry, name))
            and name not in _own(entry.dn)
            and not (condition.get("dnAttributes") and _in_dn(entry, name))
        )


def _conditions(node: FilterNode) -> Iterator[Mapping[str, Any]]:
    for element in node.elements:
        yield from _conditions(element)
    if node.assertion is not None:
        yield node.assertion


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
    held = [value for key in _keys(entry, name) for value in entry.attributes[key]]
    if name == "objectclass":
        held += [one for known in entry.classes() for one in _IMPLIED_CLASSES.get(known, ())]
    held += [value for kind, value in _own(entry.dn).items() if kind == name]
    if tag == ldap3_search.MATCH_PRESENT:
        return bool(held)
    if tag == ldap3_search.MATCH_SUBSTRING:
        parts = (
            assertion.get("initial", b""),
            *assertion.get("any", ()),
            assertion.get("final", b""),
        )
        texts = [re.escape(_folded(_unescaped(part), strip=False)) for part in parts]
        pattern = re.compile(".*".join(texts), re.DOTALL)
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
        # Its values are DNs of the schema. Filters contain the first part of such a DN.
        held += [value for v in held for value in _own(as_text(v)).values()]
    return any(_equal(value, wanted) for value in held)


def _keys(entry: Entry, name: str) -> Iterator[str]:
    """Names under which the entry has the attribute: without options, with options, or both."""
    return (key for key in entry.attributes if key == name or key.startswith(f"{name};"))


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
