"""Frames keep what their schemas promise, and say in words where one does not."""

from io import BytesIO
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal

from swit_provisioning.planning.schemas import (
    IDP_GROUPS,
    IDP_USERS,
    OUTCOMES,
    SCHEMAS,
    SWIT_TEAMS,
    SWIT_USERS,
    Column,
    ColumnType,
    FrameError,
    FrameSchema,
)

ALL = [*SCHEMAS.values(), OUTCOMES]
EACH = pytest.mark.parametrize("schema", ALL, ids=lambda schema: schema.name)
VALUES: dict[ColumnType, tuple[Any, Any]] = {
    "string": ("one", "두 번째"),
    "int": (1, 2**60 + 1),
    "float": (1.5, -2.0),
    "bool": (True, False),
    "strings": (["a", "b"], []),
}
DTYPES = {
    "string": "str",
    "int": "Int64",
    "float": "Float64",
    "bool": "bool",
    "strings": "list<item: string>[pyarrow]",
}


def rows_of(schema: FrameSchema) -> list[dict[str, Any]]:
    """Two rows with all values, a third without those that may be missing."""
    first, second = ({c.name: VALUES[c.type][n] for c in schema.columns} for n in (0, 1))
    others: dict[ColumnType, Any] = {kind: values[0] for kind, values in VALUES.items()}
    others["int"] = 3
    third = {
        c.name: f"three {c.name}" if c.type == "string" else others[c.type]
        for c in schema.columns
        if not c.nullable
    }
    return [first, second, third]


def columns_where(*, nullable: bool) -> list[Any]:
    return [
        pytest.param(schema, column, id=f"{schema.name}.{column.name}")
        for schema in ALL
        for column in schema.columns
        if column.nullable is nullable
    ]


@EACH
def test_each_column_and_the_frame_itself_are_explained(schema: FrameSchema) -> None:
    assert schema.description.endswith(".")
    for column in schema.columns:
        assert column.description.strip()
        field = schema.arrow().field(column.name)
        assert field.metadata[b"description"].decode() == column.description
        assert field.nullable is column.nullable


@EACH
def test_what_makes_a_row_unique_is_never_missing(schema: FrameSchema) -> None:
    assert schema.key
    assert len(schema.names) == len(set(schema.names))
    required = {column.name for column in schema.columns if not column.nullable}
    assert set(schema.key) <= required


@EACH
def test_a_frame_has_the_types_that_its_columns_promise(schema: FrameSchema) -> None:
    frame = schema.frame(rows_of(schema))
    assert list(frame.columns) == schema.names
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == {
        column.name: DTYPES[column.type] for column in schema.columns
    }


@EACH
def test_an_empty_frame_has_the_same_columns_and_types(schema: FrameSchema) -> None:
    empty, full = schema.empty(), schema.frame(rows_of(schema))
    assert empty.empty
    assert empty.dtypes.to_dict() == full.dtypes.to_dict()


@EACH
@pytest.mark.parametrize("rows", ["some", "none"])
def test_a_frame_written_to_parquet_and_read_again_is_the_same(
    schema: FrameSchema, rows: str
) -> None:
    facts = {"source": "file", "bases": [{"base": "ou=é", "users": 2}]}
    frame = schema.frame(rows_of(schema) if rows == "some" else [])
    frame.attrs["facts"] = facts
    stored = BytesIO()
    pq.write_table(schema.to_arrow(frame), stored)
    table = pq.read_table(stored)
    assert table.schema.names == schema.names
    assert [f.type for f in table.schema] == [f.type for f in schema.arrow()]
    again = schema.from_arrow(table)
    assert_frame_equal(again, frame)
    assert again.attrs["facts"] == facts


def test_numbers_beside_missing_ones_are_kept_to_the_last_digit() -> None:
    frame = SWIT_TEAMS.frame(
        {"team_id": f"T{n}", "name": "A", "position": n, "member_count": count}
        for n, count in enumerate((7, None))
    )
    again = SWIT_TEAMS.from_arrow(SWIT_TEAMS.to_arrow(frame))
    assert str(again["member_count"].dtype) == "Int64"
    assert again["member_count"].tolist() == [7, pd.NA]


def test_a_frame_or_table_that_nobody_gave_facts_has_none() -> None:
    table = SWIT_USERS.to_arrow(SWIT_USERS.empty())
    assert SWIT_USERS.from_arrow(table).attrs["facts"] == {}
    assert SWIT_USERS.from_arrow(table.replace_schema_metadata(None)).attrs["facts"] == {}


@EACH
def test_columns_that_are_missing_are_all_named(schema: FrameSchema) -> None:
    first, last = schema.names[0], schema.names[-1]
    frame = schema.frame(rows_of(schema)).drop(columns=[first, last])
    with pytest.raises(FrameError) as refused:
        schema.conform(frame)
    assert str(refused.value) == f"frame {schema.name}: columns missing: {first}, {last}"


@pytest.mark.parametrize(("schema", "column"), columns_where(nullable=False))
def test_a_value_that_must_be_there_is_missed_by_column_and_row(
    schema: FrameSchema, column: Column
) -> None:
    rows = rows_of(schema)
    rows[1][column.name] = None
    with pytest.raises(FrameError, match=rf"^frame {schema.name}: {column.name} is missing") as no:
        schema.frame(rows)
    assert "row 1" in str(no.value)


def test_how_many_others_are_missing_is_told() -> None:
    rows = rows_of(SWIT_USERS)
    for row in rows[1:]:
        row["name"] = None
    with pytest.raises(FrameError, match=r"name is missing in row 1 and 1 others$"):
        SWIT_USERS.frame(rows)


@pytest.mark.parametrize(("schema", "column"), columns_where(nullable=True))
def test_a_value_that_may_be_missing_is_missing_and_not_a_text(
    schema: FrameSchema, column: Column
) -> None:
    rows = rows_of(schema)
    rows[1][column.name] = None
    frame = schema.frame(rows)
    assert frame[column.name].isna().tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("schema", "column", "value", "kind"),
    [
        (SWIT_USERS, "role", "admin", "int"),
        (SWIT_USERS, "role", "30", "int"),
        (SWIT_USERS, "role", 1.5, "int"),
        (SWIT_USERS, "role", True, "int"),
        (SWIT_USERS, "role", 2**70, "int"),
        (SWIT_USERS, "active", "false", "bool"),
        (SWIT_USERS, "active", 1, "bool"),
        (SWIT_USERS, "user_id", 5, "string"),
        (SWIT_USERS, "name", ["a"], "string"),
        (SWIT_TEAMS, "position", ["1"], "int"),
        (IDP_GROUPS, "order", "first", "float"),
        (IDP_GROUPS, "order", "1.5", "float"),
        (IDP_USERS, "emails", 5, "strings"),
        (IDP_USERS, "emails", "ann@x", "strings"),
        (IDP_USERS, "emails", [None], "strings"),
    ],
)
def test_a_value_of_another_kind_is_refused_by_column_and_row(
    schema: FrameSchema, column: str, value: object, kind: str
) -> None:
    rows = rows_of(schema)
    rows[1][column] = value
    with pytest.raises(FrameError) as refused:
        schema.frame(rows)
    assert str(refused.value) == f"frame {schema.name}: {column} is not {kind} in row 1"


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA])
def test_missing_may_be_said_in_each_of_pandas_ways(missing: object) -> None:
    rows = rows_of(IDP_GROUPS)
    rows[0] |= {"parents": missing, "order": missing}
    frame = IDP_GROUPS.frame(rows)
    assert frame.loc[0, ["parents", "order"]].isna().all()


@EACH
def test_two_rows_with_one_key_are_refused_and_the_key_is_named(schema: FrameSchema) -> None:
    rows = rows_of(schema)
    for name in schema.key:
        rows[2][name] = rows[0][name]
    with pytest.raises(FrameError, match=f"^frame {schema.name}: two rows with the key") as no:
        schema.frame(rows)
    assert all(repr(rows[0][name]) in str(no.value) for name in schema.key)


def test_two_rows_with_one_key_are_refused_of_a_file_too_unless_its_maker_saw_to_that() -> None:
    table = SWIT_USERS.to_arrow(SWIT_USERS.frame(rows_of(SWIT_USERS)))
    doubled = pa.concat_tables([table, table])
    with pytest.raises(FrameError, match="two rows with the key"):
        SWIT_USERS.from_arrow(doubled)
    assert len(SWIT_USERS.from_arrow(doubled, distinct=True)) == 6


def test_columns_may_come_in_pieces_or_as_categories() -> None:
    frame = SWIT_USERS.frame(rows_of(SWIT_USERS))
    other = frame.astype({"name": "category", "role": "int64[pyarrow]", "phone_number": object})
    assert_frame_equal(SWIT_USERS.conform(other), frame)


def test_of_a_key_of_two_columns_one_may_be_the_same() -> None:
    schema = SCHEMAS["swit_memberships"]
    rows = [{"team_id": "T1", "user_id": user} for user in ("U1", "U2")]
    assert len(schema.frame(rows)) == 2


def test_a_frame_is_made_plain_and_the_one_that_was_given_stays_as_it_is() -> None:
    frame = SWIT_USERS.frame(rows_of(SWIT_USERS)[:2])
    frame.attrs["facts"] = {"total_rows": 2}
    mixed = frame.iloc[::-1].assign(more=1)
    kept = mixed.copy()
    made = SWIT_USERS.conform(mixed)
    assert list(made.columns) == SWIT_USERS.names
    assert made.index.tolist() == [0, 1]
    assert made["user_id"].tolist() == frame["user_id"].tolist()[::-1]
    assert made.attrs["facts"] == {"total_rows": 2}
    assert_frame_equal(mixed, kept)


def test_a_file_with_a_column_too_few_is_refused_when_it_is_read() -> None:
    table = pa.table({"user_id": ["U1"], "email": ["ann@x"]})
    with pytest.raises(FrameError, match="frame swit_users: columns missing: name, "):
        SWIT_USERS.from_arrow(table)


def test_a_column_that_arrow_has_in_pieces_is_read_whole() -> None:
    """As `concat` leaves one: pieces of the frame after each other, nothing copied."""
    whole = SWIT_TEAMS.frame(rows_of(SWIT_TEAMS))
    pieces = [whole[n : n + 1].astype({"name": pd.ArrowDtype(pa.string())}) for n in range(3)]
    apart = pd.concat(pieces)
    assert pa.array(apart["name"]).num_chunks == 3
    assert_frame_equal(SWIT_TEAMS.conform(apart), whole)
