"""People in frames: rows that name somebody, and the same frames with a code in their place."""

import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from upath import UPath

from swit_provisioning.store.traces import Trace, texts, traces_of_change

Row = Mapping[str, Any]

_CHANGES: Final = {"action", "target", "object_id", "before", "after"}


def naming_rows(path: UPath, pattern: re.Pattern[str]) -> Iterator[Row]:
    """The rows of a frame in which the pattern, one that Arrow's engine knows, finds something."""
    table = _read(path)
    yield from table.filter(_matches(table, pattern)).to_pylist()


def traces_of_row(row: Row) -> Iterator[Trace]:
    """The people that a row of any of our frames is about."""
    if "directory_id" in row and "emails" in row:
        words = (*row["names"], *row["phone_numbers"], *(row.get("other_emails") or ()))
        yield Trace(
            addresses=texts(*row["emails"]),
            dns=texts(row["key"], row["dn"]),
            entry_ids=texts(row["directory_id"]) - texts(row["key"]),
            words=texts(*words),
        )
    elif "user_id" in row and "email" in row:
        yield Trace(
            addresses=texts(row["email"]),
            swit_ids=texts(row["user_id"]),
            words=texts(row["name"], row["phone_number"]),
        )
    elif row.keys() >= {"member", "member_dn"}:
        yield Trace(dns=texts(row["member"], row["member_dn"]))
    elif row.keys() >= _CHANGES:
        sides = {side: json.loads(row[side]) for side in ("before", "after")}
        yield from traces_of_change({**row, **sides})


def rewritten(
    path: UPath, pattern: re.Pattern[str], replace: Callable[[Any], Any]
) -> tuple[bytes, int] | None:
    """The frame with some rows replaced, and how many; nothing where it names nobody.

    The facts that rest in the file beside its rows are replaced, too.
    """
    table = _read(path)
    names = [f.name for f in table.schema if _is_text(f.type) or _is_texts(f.type)]
    columns = {name: table.column(name).to_pylist() for name in names}
    changed = 0
    for number in pc.indices_nonzero(_matches(table, pattern)).to_pylist():
        before = {name: columns[name][number] for name in names}
        after = replace(before)
        if after != before:
            changed += 1
            for name in names:
                columns[name][number] = after[name]
    facts = _facts_replaced(table.schema.metadata or {}, replace)
    if not changed and facts == (table.schema.metadata or {}):
        return None
    for name in names if changed else ():
        place = table.schema.get_field_index(name)
        field = table.schema.field(place)
        table = table.set_column(place, field, pa.array(columns[name], field.type))
    written = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(facts), written)
    return written.getvalue(), changed


def _read(path: UPath) -> pa.Table:
    return pq.read_table(io.BytesIO(path.read_bytes()))


def _matches(table: pa.Table, pattern: re.Pattern[str]) -> pa.Array:
    """For each row whether one of its texts matches."""
    found = pa.array([False] * table.num_rows, pa.bool_())
    for field in table.schema:
        column = table.column(field.name).combine_chunks()
        if _is_text(field.type):
            hits = pc.match_substring_regex(column, pattern.pattern, ignore_case=True)
            found = pc.or_(found, pc.fill_null(hits, fill_value=False))
        elif _is_texts(field.type):
            hits = pc.match_substring_regex(
                pc.list_flatten(column), pattern.pattern, ignore_case=True
            )
            rows = pc.filter(pc.list_parent_indices(column), pc.fill_null(hits, fill_value=False))
            numbers = pa.array(range(table.num_rows), rows.type)
            found = pc.or_(found, pc.is_in(numbers, value_set=rows))
    return found


def _facts_replaced(
    metadata: Mapping[bytes, bytes], replace: Callable[[Any], Any]
) -> dict[bytes, bytes]:
    after = {}
    for name, value in metadata.items():
        try:
            facts = json.loads(value)
        except ValueError:
            after[name] = value
            continue
        replaced = replace(facts)
        same = replaced == facts
        after[name] = value if same else json.dumps(replaced, ensure_ascii=False).encode()
    return after


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_texts(kind: pa.DataType) -> bool:
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    return bool(is_list and _is_text(kind.value_type))
