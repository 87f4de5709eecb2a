"""People: directory entries as rows of the frame `idp_users`."""

from typing import Any

from swit_provisioning.directory.accounts import is_enabled
from swit_provisioning.directory.attributes import AttributeMapping
from swit_provisioning.directory.entries import Entry, Terms, directory_id
from swit_provisioning.directory.kinds import Kind

Row = dict[str, Any]


def people_attributes(mapping: AttributeMapping, kind: Kind) -> list[str]:
    """The attributes to ask a server for; `uid` is what a posixGroup calls its members by."""
    return [*kind.user_attributes, "uid", *mapping.of_users()]


def user_row(entry: Entry, *, key: str, base: str, terms: Terms) -> Row:
    """One row of `idp_users`, but for its position."""
    mapping = terms.mapping
    return {
        "key": key,
        "dn": entry.dn,
        "directory_id": directory_id(entry, key),
        "emails": terms.texts(entry, mapping.email),
        "names": terms.first_of(entry, mapping.name),
        "phone_numbers": terms.texts(entry, mapping.phone_number),
        "language": terms.first(entry, mapping.language),
        "primary_group": terms.first(entry, mapping.primary_group),
        "enabled": is_enabled(entry, terms),
        "base": base,
    }


class Logins:
    """Who is called what: user keys and DNs by `uid`, for the member lists of posixGroups."""

    def __init__(self) -> None:
        """Start with nobody."""
        self._people: dict[str, set[tuple[str, str]]] = {}

    def add(self, entry: Entry, *, key: str, terms: Terms) -> None:
        """Remember the logins of one person."""
        for uid in terms.texts(entry, "uid"):
            self._people.setdefault(uid.casefold(), set()).add((key, entry.dn))

    def find(self, uid: str) -> tuple[str, str] | None:
        """Key and DN of the one person with this login; nobody where there are two."""
        found = self._people.get(uid.casefold(), set())
        return next(iter(found)) if len(found) == 1 else None
