"""People as columns, straight from a page: those whose entries are plain."""

from datetime import datetime

import numpy as np
import pyarrow as pa

from swit_provisioning.directory.attributes import AttributeMapping
from swit_provisioning.directory.filters import is_person
from swit_provisioning.directory.ldap_page import Page
from swit_provisioning.directory.ldap_wire import OCTETS, expected
from swit_provisioning.directory.page_columns import Mask, PageColumns
from swit_provisioning.directory.people import PEOPLE
from swit_provisioning.directory.plain_accounts import enabled, numbers
from swit_provisioning.directory.plain_addresses import other_emails
from swit_provisioning.directory.plain_ids import primary_group_sids
from swit_provisioning.directory.plain_rows import first_of, named, optional, rows_of


def plain_people(
    page: Page,
    *,
    base: str,
    mapping: AttributeMapping,
    own_filter: bool,
    now: datetime,
    needed: str | None = None,
) -> tuple[pa.Table, list[int]]:
    """Read the plain entries of a page.

    Args:
        page: what a search for people found.
        base: where it looked, as `dn_key`.
        mapping: which attributes to take.
        own_filter: as `is_person` has it.
        now: accounts that expired before it are not enabled.
        needed: an attribute without which an entry is odd.

    Returns:
        The rows of `PEOPLE` in the page's order; and the numbers of the odd entries.

    """
    columns = PageColumns(page)
    if needed:
        columns.odd |= ~columns.having(needed)
    emails = columns.text(mapping.email)
    primary_groups = primary_group_sids(columns, numbers(columns, "primaryGroupID"))
    cells = {
        **named(columns),
        "emails": emails,
        "other_emails": other_emails(columns, emails),
        "names": first_of(columns, mapping.name),
        "phone_numbers": optional(columns, mapping.phone_number),
        "language": optional(columns, mapping.language),
        "primary_group": optional(columns, mapping.primary_group),
        "enabled": pa.array(enabled(columns, now)),
        "logins": columns.text("uid"),
        "primary_group_sid": primary_groups.dictionary_encode(),
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
