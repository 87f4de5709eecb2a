"""Groups as columns, straight from a page: those whose entries are plain, but for their members."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from swit_provisioning.directory.attributes import AttributeMapping
from swit_provisioning.directory.groups import GROUPS
from swit_provisioning.directory.ldap_page import Page
from swit_provisioning.directory.page_columns import PageColumns
from swit_provisioning.directory.plain_rows import first_of, listed, named, rows_of
from swit_provisioning.reconcile.dn_columns import dn_keys

# Members that are not named by DN: by their logins, and as Active Directory's primary group.
_NOT_PLAIN = ("memberUid", "objectSid")


def plain_groups(
    page: Page, *, base: str, mapping: AttributeMapping, with_members: frozenset[int]
) -> tuple[pa.Table, list[int]]:
    """Read the plain entries of a page.

    Args:
        page: what a search for groups found.
        base: where it looked, as `dn_key`.
        mapping: which attributes to take.
        with_members: the attributes whose values `plain_members` has read.

    Returns:
        The rows of `GROUPS` in the page's order; and the numbers of the odd entries.

    """
    columns = PageColumns(page)
    for name in (*_NOT_PLAIN, *([mapping.order] if mapping.order else [])):
        columns.odd |= columns.having(name)
    for name in ("member", "uniqueMember"):
        left = [one for one in columns.attributes(name).tolist() if one not in with_members]
        columns.odd[page.entry[left]] = True
    above = columns.text("memberOf")
    parents = dn_keys(above)
    columns.odd |= np.asarray(parents.is_null()) & np.asarray(above.is_valid())
    silent = pa.array(~columns.having("memberOf"))
    cells = {
        **named(columns),
        "names": first_of(columns, mapping.group_name),
        "parents": pc.if_else(silent, pa.scalar(None, pa.list_(pa.string())), listed(parents)),
    }
    return rows_of(cells, GROUPS, base, ~columns.odd), np.flatnonzero(columns.odd).tolist()
