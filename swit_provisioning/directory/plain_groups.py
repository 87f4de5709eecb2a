"""Groups as columns, straight from a page: those whose entries are plain."""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from swit_provisioning.directory.attributes import AttributeMapping
from swit_provisioning.directory.groups import GROUPS
from swit_provisioning.directory.ldap_page import Page
from swit_provisioning.directory.page_columns import PageColumns
from swit_provisioning.directory.plain_ids import sids
from swit_provisioning.directory.plain_members import (
    MEMBER_ATTRIBUTES,
    Members,
    plain_members,
)
from swit_provisioning.directory.plain_rows import first_of, listed, named, rows_of
from swit_provisioning.reconcile.dn_columns import dn_keys

# Members that are not named by DN, but by their logins.
_NOT_PLAIN = ("memberUid",)


@dataclass(frozen=True, kw_only=True, eq=False)
class PlainGroups:
    """The groups of a page, as far as they are plain."""

    rows: pa.Table
    """Of `GROUPS`, in the page's order."""
    odd: list[int]
    """The numbers of the other entries; their rows follow."""
    taken: frozenset[int]
    """The attributes whose values are in `members`, of the other entries too."""
    members: list[Members]
    """`group` is the number of the row."""


def plain_groups(page: Page, *, base: str, mapping: AttributeMapping) -> PlainGroups:
    """Read the plain entries of a page, and the plain members of all.

    Args:
        page: what a search for groups found.
        base: where it looked, as `dn_key`.
        mapping: which attributes to take.

    """
    columns = PageColumns(page)
    found, taken = plain_members(columns)
    rows, odd = _plain(columns, base, mapping, taken)
    row = np.empty(len(page), dtype=np.int64)
    row[np.setdiff1d(np.arange(len(page)), odd)] = np.arange(len(rows))
    row[odd] = np.arange(len(rows), len(page))
    members = [replace(one, group=row[one.group]) for one in found]
    return PlainGroups(rows=rows, odd=odd, taken=taken, members=members)


def _plain(
    columns: PageColumns, base: str, mapping: AttributeMapping, taken: frozenset[int]
) -> tuple[pa.Table, list[int]]:
    """The rows, and the numbers of the odd entries."""
    for name in (*_NOT_PLAIN, *([mapping.order] if mapping.order else [])):
        columns.odd |= columns.having(name)
    for name in MEMBER_ATTRIBUTES:
        left = [one for one in columns.attributes(name).tolist() if one not in taken]
        columns.odd[columns.page.entry[left]] = True
    above = columns.text("memberOf")
    parents = dn_keys(above)
    columns.odd |= np.asarray(parents.is_null()) & np.asarray(above.is_valid())
    silent = pa.array(~columns.having("memberOf"))
    cells = {
        **named(columns),
        "names": first_of(columns, mapping.group_name),
        "sid": sids(columns),
        "parents": pc.if_else(silent, pa.scalar(None, pa.list_(pa.string())), listed(parents)),
    }
    return rows_of(cells, GROUPS, base, ~columns.odd), np.flatnonzero(columns.odd).tolist()
