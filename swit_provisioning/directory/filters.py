r"""Which entries are people and which are groups: by object class, and by a filter of one's own."""

import re
from collections.abc import Set as AbstractSet

from ldap3.core.exceptions import LDAPExceptionError
from ldap3.operation.search import FilterNode
from ldap3.operation.search import parse_filter as ldap3_parse_filter

GROUP_CLASSES = frozenset({"groupofnames", "groupofuniquenames", "posixgroup", "group"})
PERSON_CLASSES = frozenset(
    {"person", "organizationalperson", "inetorgperson", "user", "nsperson", "nsorgperson"}
)
# A computer of Active Directory is a user as well, and a contact is a person with no account.
_NO_ACCOUNTS = frozenset({"computer", "contact"})
_CONTAINERS = frozenset(
    {"organizationalunit", "container", "organization", "domain", "dcobject", "builtindomain"}
)

# One filter for every kind of server. It holds no NOT: where a server doesn't know the class
# (`computer` on OpenLDAP), a NOT is undefined and would hide everybody. An OR of classes is safe.
USER_FILTER = (
    "(|(objectClass=person)(objectClass=inetOrgPerson)(objectClass=user)(objectClass=nsPerson))"
)
GROUP_FILTER = (
    "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)"
    "(objectClass=posixGroup)(objectClass=group))"
)

_ATTRIBUTE = re.compile(r"(?:[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+)(?:;[A-Za-z0-9-]+)*")
_BAD_ESCAPE = re.compile(r"\\(?![0-9A-Fa-f]{2})")
_EXAMPLE = "(&(objectClass=user)(mail=*)(!(objectClass=computer)))"


def is_person(classes: AbstractSet[str], *, own_filter: bool = False) -> bool:
    """Whether an entry that a search for people found is a person.

    Args:
        classes: its object classes, lower case; none where the account may not read them.
        own_filter: somebody wrote the filter: it decides, but groups and OUs are never people.

    """
    if classes & (GROUP_CLASSES | _CONTAINERS):
        return False
    return own_filter or not classes & _NO_ACCOUNTS


def parse_filter(text: str) -> str:
    r"""Check an LDAP filter (RFC 4515); outer brackets are added where they are left out.

    Raises:
        ValueError: with the problem and an example.

    """
    written = text.strip()
    if not written.startswith("("):
        written = f"({written})"
    if _BAD_ESCAPE.search(written):
        problem = r"after a backslash two hexadecimal digits must follow (`\5c` is a backslash)"
        raise _wrong(text, problem)
    try:
        root = ldap3_parse_filter(  # type: ignore[no-untyped-call] # the stubs leave it open
            written,
            schema=None,
            auto_escape=False,
            auto_encode=True,
            validator=None,
            check_names=False,
        )
    except LDAPExceptionError as error:
        raise _wrong(text, f"{error}; are all brackets there, and in pairs?") from error
    _check_attributes(text, root)
    return written


def _check_attributes(text: str, node: FilterNode) -> None:
    for element in node.elements:
        _check_attributes(text, element)
    if node.assertion is None:
        return
    attribute = node.assertion["attr"]
    # An extensible match may name a rule and no attribute.
    if attribute and not _ATTRIBUTE.fullmatch(attribute):
        raise _wrong(text, f"{attribute!r} is no attribute's name")
    if not attribute and "matchingRule" not in node.assertion:
        raise _wrong(text, "a condition names no attribute")


def _wrong(text: str, problem: str) -> ValueError:
    return ValueError(f"the filter {text!r} can't be used: {problem}; for example {_EXAMPLE}")
