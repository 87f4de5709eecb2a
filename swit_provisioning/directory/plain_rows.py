"""What plain people and plain groups have in common: names, ids, and cells that become rows."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from swit_provisioning.directory.page_columns import Mask, PageColumns, true
from swit_provisioning.directory.plain_ids import directory_ids
from swit_provisioning.reconcile.dn_columns import dn_keys


def named(columns: PageColumns) -> dict[str, pa.Array]:
    """`key`, `dn`, `directory_id` of each entry; one without a proper id is odd."""
    dn = columns.dn()
    cells = {"key": dn_keys(dn), "dn": dn, "directory_id": directory_ids(columns)}
    columns.odd |= ~true(pc.greater(pc.binary_length(cells["key"]), 0))
    return cells


def first_of(columns: PageColumns, names: tuple[str, ...]) -> pa.LargeStringArray:
    """The value of the first of some attributes that has one."""
    found = columns.text(names[0])
    for name in names[1:]:
        if not found.null_count:
            break
        found = pc.coalesce(found, columns.text(name))
    return found


def optional(columns: PageColumns, name: str | None) -> pa.LargeStringArray:
    """The value of an attribute that may be switched off."""
    return pa.nulls(len(columns.page), pa.large_string()) if name is None else columns.text(name)


def rows_of(cells: Mapping[str, pa.Array], schema: pa.Schema, base: str, chosen: Mask) -> pa.Table:
    """Rows of a schema: text becomes a list where one is wanted; cells not given are null."""
    some = pa.table(cells).filter(pa.array(chosen)).combine_chunks()
    columns = [_column(some, field, base) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def _column(some: pa.Table, field: pa.Field, base: str) -> pa.Array:
    if field.name == "base":
        everywhere = pa.repeat(pa.scalar(0, pa.int32()), len(some))
        return pa.DictionaryArray.from_arrays(everywhere, pa.array([base], pa.large_string()))
    if field.name not in some.column_names:
        return pa.nulls(len(some), field.type)
    found = some[field.name].combine_chunks()
    return listed(found) if field.type != found.type else found


def listed(values: pa.LargeStringArray) -> pa.ListArray:
    """Lists of one value, or of none."""
    ends = np.cumsum(np.asarray(values.is_valid()), dtype=np.int32)
    offsets = pa.array(np.concatenate([np.zeros(1, np.int32), ends]))
    return pa.ListArray.from_arrays(offsets, values.drop_null().cast(pa.string()))
