"""People: directory entries as rows of the frame `idp_users`."""

from functools import cached_property
from typing import Any

import pyarrow as pa

from swit_provisioning.directory.accounts import is_enabled
from swit_provisioning.directory.attributes import AttributeMapping
from swit_provisioning.directory.entries import Entry, Terms, directory_id
from swit_provisioning.directory.kinds import OTHER_ADDRESSES, Kind
from swit_provisioning.directory.primary_groups import primary_group_sid

Row = dict[str, Any]

SMTP = "smtp:"

_TEXTS = pa.list_(pa.string())
BASE = pa.dictionary(pa.int32(), pa.large_string())  # the same for most
PEOPLE = pa.schema(
    [
        ("key", pa.large_string()),
        ("dn", pa.large_string()),
        ("directory_id", pa.large_string()),
        ("emails", _TEXTS),
        ("other_emails", _TEXTS),
        ("names", _TEXTS),
        ("phone_numbers", _TEXTS),
        ("language", pa.large_string()),
        ("primary_group", pa.large_string()),
        ("enabled", pa.bool_()),
        ("base", BASE),
        ("logins", _TEXTS),
        ("primary_group_sid", BASE),
    ]
)
"""`idp_users` but for the position, and what groups name people by."""


def people_attributes(mapping: AttributeMapping, kind: Kind) -> list[str]:
    """The attributes to ask a server for; `uid` is what a posixGroup calls its members by."""
    return [*kind.user_attributes, "uid", *mapping.of_users()]


def user_row(entry: Entry, *, key: str, base: str, terms: Terms) -> Row:
    """One row of `PEOPLE`."""
    mapping = terms.mapping
    emails, other_emails = _addresses(entry, terms)
    return {
        "key": key,
        "dn": entry.dn,
        "directory_id": directory_id(entry, key),
        "emails": emails,
        "other_emails": other_emails or None,
        "names": terms.first_of(entry, mapping.name),
        "phone_numbers": terms.texts(entry, mapping.phone_number),
        "language": terms.first(entry, mapping.language),
        "primary_group": terms.first(entry, mapping.primary_group),
        "enabled": is_enabled(entry, terms),
        "base": base,
        "logins": terms.texts(entry, "uid"),
        "primary_group_sid": primary_group_sid(entry, terms),
    }


def _addresses(entry: Entry, terms: Terms) -> tuple[list[str], list[str]]:
    """The person's addresses, or else Exchange's main one; and all others that Exchange has."""
    own = terms.texts(entry, terms.mapping.email)
    exchange = [
        (text[: len(SMTP)], text[len(SMTP) :].strip())
        for text in terms.texts(entry, OTHER_ADDRESSES)
        if text.casefold().startswith(SMTP)
    ]
    own = own or [address for mark, address in exchange if mark.isupper()]
    known = {address.casefold() for address in own}
    return own, [address for _, address in exchange if address.casefold() not in known]


class Logins:
    """Who is called what: user keys and DNs by `uid`, for the member lists of posixGroups."""

    def __init__(self, people: pa.Table) -> None:
        """Take `key`, `dn` and `logins` of all people."""
        self._table = people

    def find(self, uid: str) -> tuple[str, str] | None:
        """Key and DN of the one person with this login; nobody where there are two."""
        found = self._people.get(uid.casefold(), set())
        return next(iter(found)) if len(found) == 1 else None

    @cached_property
    def _people(self) -> dict[str, set[tuple[str, str]]]:
        """Put together when the first group asks: where none does, that saves time and memory."""
        people: dict[str, set[tuple[str, str]]] = {}
        columns = (self._table[name].to_pylist() for name in ("key", "dn", "logins"))
        for key, dn, logins in zip(*columns, strict=True):
            for uid in logins or ():
                people.setdefault(uid.casefold(), set()).add((key, dn))
        return people
