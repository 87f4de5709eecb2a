"""People as columns, straight from a page: those whose entries are plain."""

import numpy as np
import pyarrow as pa

from swit_provisioning.directory.attributes import AttributeMapping
from swit_provisioning.directory.filters import is_person
from swit_provisioning.directory.kinds import OTHER_ADDRESSES
from swit_provisioning.directory.ldap_page import Page
from swit_provisioning.directory.ldap_wire import OCTETS, expected
from swit_provisioning.directory.page_columns import Mask, PageColumns
from swit_provisioning.directory.people import PEOPLE
from swit_provisioning.directory.plain_rows import first_of, named, optional, rows_of

# What takes more than a column to make something of: whether an account is disabled or expired,
# and Active Directory's primary groups. Few have the first of them, elsewhere nobody the others.
_NOT_PLAIN = (
    "userAccountControl",
    "accountExpires",
    "pwdAccountLockedTime",
    "nsAccountLock",
    "primaryGroupID",
    OTHER_ADDRESSES,
)


def plain_people(
    page: Page,
    *,
    base: str,
    mapping: AttributeMapping,
    own_filter: bool,
    needed: str | None = None,
) -> tuple[pa.Table, list[int]]:
    """Read the plain entries of a page.

    Args:
        page: what a search for people found.
        base: where it looked, as `dn_key`.
        mapping: which attributes to take.
        own_filter: as `is_person` has it.
        needed: an attribute without which an entry is odd.

    Returns:
        The rows of `PEOPLE` in the page's order; and the numbers of the odd entries.

    """
    columns = PageColumns(page)
    for name in _NOT_PLAIN:
        columns.odd |= columns.having(name)
    if needed:
        columns.odd |= ~columns.having(needed)
    cells = {
        **named(columns),
        "emails": columns.text(mapping.email),
        "names": first_of(columns, mapping.name),
        "phone_numbers": optional(columns, mapping.phone_number),
        "language": optional(columns, mapping.language),
        "primary_group": optional(columns, mapping.primary_group),
        "enabled": pa.repeat(pa.scalar(True), len(page)),  # noqa: FBT003 - a cell
        "logins": columns.text("uid"),
    }
    people = _people(columns, own_filter=own_filter) & ~columns.odd
    return rows_of(cells, PEOPLE, base, people), np.flatnonzero(columns.odd).tolist()


def _people(columns: PageColumns, *, own_filter: bool) -> Mask:
    """Which entries are people; many have the same object classes, in the same bytes."""
    sets = columns.sets("objectClass").dictionary_encode(null_encoding="encode")
    verdicts = [
        is_person(_classes(one or b""), own_filter=own_filter)
        for one in sets.dictionary.to_pylist()
    ]
    people: Mask = np.array(verdicts, dtype=np.bool_)[sets.indices.to_numpy()]
    return people


def _classes(encoded: bytes) -> frozenset[str]:
    found = []
    at = 0
    while at < len(encoded):
        start, at = expected(encoded, at, len(encoded), OCTETS)
        found.append(encoded[start:at].decode(errors="replace").lower())
    return frozenset(found)
