"""Object classes that make an entry a person or a group, and the filters that search for them."""

from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import Literal

GROUP_CLASSES = frozenset({"groupofnames", "groupofuniquenames", "posixgroup", "group"})
PERSON_CLASSES = frozenset(
    {"person", "organizationalperson", "inetorgperson", "user", "nsperson", "nsorgperson"}
)
# A computer of Active Directory is a user as well, and a contact is a person with no account.
_NO_ACCOUNTS = frozenset({"computer", "contact"})
_OTHER_KINDS = {
    "msds-groupmanagedserviceaccount": "a service account",
    "msds-managedserviceaccount": "a service account",
    "computer": "a computer",
    "contact": "a contact",
    "foreignsecurityprincipal": "an account of another domain",
}
_CONTAINERS = frozenset(
    {"organizationalunit", "container", "organization", "domain", "dcobject", "builtindomain"}
)
# Entries of these classes may have an address, and still nobody logs in with one.
_NO_PEOPLE = frozenset(
    {
        "applicationprocess",
        "device",
        "dominogroup",
        "dyngroup",
        "groupofurls",
        "inetmailgroup",
        "mailgroup",
        "msexchdynamicdistributionlist",
        "nismailalias",
        "organizationalrole",
        "publicfolder",
        "rfc822mailgroup",
        "room",
        "zimbradistributionlist",
    }
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


def other_kind(classes: AbstractSet[str]) -> str | None:
    """What an entry is that is neither a person nor a group, for people; `None` if it is one.

    Args:
        classes: its object classes, lower case.

    """
    for name, title in _OTHER_KINDS.items():
        if name in classes:
            return title
    if not classes or classes & (PERSON_CLASSES | GROUP_CLASSES):
        return None
    return f"an entry of the object classes {', '.join(sorted(classes - {'top'}))}"


@lru_cache(maxsize=4096)
def is_person(classes: frozenset[str], *, own_filter: bool = False) -> bool:
    """Whether an entry that a search for people found is a person.

    Args:
        classes: its object classes, lower case; none where the account may not read them.
        own_filter: somebody wrote the filter: it decides, but groups and OUs are never people.

    """
    if classes & (GROUP_CLASSES | _CONTAINERS):
        return False
    return own_filter or not classes & _NO_ACCOUNTS


def kind_of(classes: AbstractSet[str]) -> Literal["person", "group", "neither", "unknown"]:
    """What an entry of a file is, by its object classes in lower case."""
    if classes & GROUP_CLASSES:
        return "group"
    if classes & (_CONTAINERS | _NO_ACCOUNTS | _NO_PEOPLE):
        return "neither"
    return "person" if classes & PERSON_CLASSES else "unknown"
