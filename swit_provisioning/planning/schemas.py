"""The frame schemas: columns, their types and meanings, and the key of a row.

Parquet files, the column schemas in the Dagster UI, the documentation and `FrameSchema.conform`
derive from it.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import pandas as pd
import pyarrow as pa

from swit_provisioning.planning.actions import describe
from swit_provisioning.planning.model import Change

ColumnType = Literal["string", "int", "float", "bool", "strings"]

_ARROW: Mapping[ColumnType, pa.DataType] = {
    "string": pa.string(),
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "strings": pa.list_(pa.string()),
}
_PANDAS: Mapping[ColumnType, Any] = {
    "string": "str",
    "int": "Int64",
    "float": "Float64",
    "bool": "bool",
    "strings": pd.ArrowDtype(pa.list_(pa.string())),
}
_FROM_ARROW = {
    pa.list_(pa.string()): _PANDAS["strings"],
    pa.string(): pd.StringDtype(na_value=math.nan),
    pa.large_string(): pd.StringDtype(na_value=math.nan),
}
_MAY_BECOME: Mapping[ColumnType, Callable[[pa.DataType], bool]] = {
    "string": lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind),
    "int": lambda kind: pa.types.is_integer(kind) or pa.types.is_floating(kind),
    "float": lambda kind: pa.types.is_integer(kind) or pa.types.is_floating(kind),
    "bool": pa.types.is_boolean,
    "strings": lambda kind: (
        pa.types.is_list(kind)
        and any(is_type(kind.value_type) for is_type in (pa.types.is_string, pa.types.is_null))
    ),
}
"""The Arrow types from which a column may be cast."""
_OF_ANOTHER_TYPE = (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError)
_FACTS = b"swit_provisioning.facts"


class FrameError(ValueError):
    """A frame does not match its schema; the message names the column and row."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column: `strings` is a list of strings; a nullable one may be missing (`None`/`NA`)."""

    name: str
    type: ColumnType
    description: str
    nullable: bool = False


@dataclass(frozen=True, kw_only=True)
class FrameSchema:
    """The columns of one frame, and those that form the key of a row."""

    name: str
    description: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    shown: tuple[str, ...] = ()
    """The columns shown in previews; empty: all.

    `what` is `before` and `after` in words (`in_words`).
    """

    @property
    def names(self) -> list[str]:
        """The column names, in order."""
        return [column.name for column in self.columns]

    def arrow(self) -> pa.Schema:
        """The same as an Arrow schema, with each column's description as field metadata."""
        return pa.schema(
            [
                pa.field(
                    c.name,
                    _ARROW[c.type],
                    nullable=c.nullable,
                    metadata={"description": c.description},
                )
                for c in self.columns
            ]
        )

    def empty(self) -> pd.DataFrame:
        """A frame with all columns and no rows."""
        return self.frame([])

    def frame(
        self, rows: Iterable[Mapping[str, Any]], facts: Mapping[str, Any] | None = None
    ) -> pd.DataFrame:
        """Make a frame of rows; raises `FrameError` as `conform` does."""
        table = list(rows)
        made = pd.DataFrame({name: [row.get(name) for row in table] for name in self.names})
        if facts is not None:
            made.attrs["facts"] = dict(facts)
        return self.conform(made)

    def conform(self, frame: pd.DataFrame, *, distinct: bool = False) -> pd.DataFrame:
        """Return the frame with exactly these columns and types, a plain index, and its facts.

        Args:
            frame: with these columns at least.
            distinct: the caller knows that no two rows have the same key.

        Raises:
            FrameError: a column is missing or of another kind, a value that must be there is
                missing, or two rows have one key. The message names frame, column and first row.

        """
        missing = [name for name in self.names if name not in frame.columns]
        if missing:
            message = f"frame {self.name}: columns missing: {', '.join(missing)}"
            raise FrameError(message)
        out = frame[self.names].reset_index(drop=True)
        for column in self.columns:
            out[column.name] = self._cast(out[column.name], column)
        self._refuse_missing(out)
        if not distinct:
            self._refuse_doubles(out)
        out.attrs = dict(frame.attrs)
        return out

    def _cast(self, values: "pd.Series[Any]", column: Column) -> "pd.Series[Any]":
        """Values of the column's type: none is turned into another, but whole floats into ints."""
        wanted = _PANDAS[column.type]
        if values.dtype == wanted:
            return values
        if column.type == "bool" and values.isna().any():
            first = values.index[values.isna()][0]
            message = f"frame {self.name}: {column.name} is missing in row {first}"
            raise FrameError(message)
        try:
            cells = _cells(values, column.type)
        except _OF_ANOTHER_TYPE as error:
            message = (
                f"frame {self.name}: {column.name} is not {column.type}"
                f" in row {_first_other(values, column.type)}"
            )
            raise FrameError(message) from error
        made: pd.Series[Any] = cells.to_pandas(types_mapper={cells.type: wanted}.get)
        return made.astype(wanted).set_axis(values.index)

    def _refuse_missing(self, frame: pd.DataFrame) -> None:
        for column in self.columns:
            absent = frame[column.name].isna()
            if not column.nullable and absent.any():
                message = (
                    f"frame {self.name}: {column.name} is missing in row {absent.idxmax()}"
                    f" and {int(absent.sum()) - 1} others"
                )
                raise FrameError(message)

    def _refuse_doubles(self, frame: pd.DataFrame) -> None:
        doubled = frame.duplicated(subset=list(self.key))
        if doubled.any():
            row = frame.loc[doubled, list(self.key)].iloc[0].to_dict()
            message = f"frame {self.name}: two rows with the key {row}"
            raise FrameError(message)

    def to_arrow(self, frame: pd.DataFrame) -> pa.Table:
        """As an Arrow table, its facts (`frame.attrs["facts"]`) kept in the table's metadata."""
        facts = json.dumps(frame.attrs.get("facts", {})).encode()
        table = pa.Table.from_pandas(self.conform(frame), schema=self.arrow())
        return table.replace_schema_metadata({_FACTS: facts})

    def from_arrow(self, table: pa.Table, *, distinct: bool = False) -> pd.DataFrame:
        """The frame that `to_arrow` was given; `distinct` as in `conform`.

        Nullable columns that an earlier version did not store are empty.
        """
        frame = table.to_pandas(types_mapper=_FROM_ARROW.get)
        for column in self.columns:
            if column.nullable and column.name not in frame.columns:
                frame[column.name] = None
        frame.attrs["facts"] = json.loads((table.schema.metadata or {}).get(_FACTS, b"{}"))
        return self.conform(frame, distinct=distinct)


def _cells(values: "pd.Series[Any]", kind: ColumnType) -> pa.Array:
    """The values as Arrow has them; raises one of `_OF_ANOTHER_TYPE` where one is."""
    cells = pa.array(values)
    if isinstance(cells, pa.ChunkedArray):
        cells = cells.combine_chunks()
    if pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    if cells.null_count == len(cells):
        return pa.nulls(len(cells), _ARROW[kind])
    if not _MAY_BECOME[kind](cells.type):
        message = f"{cells.type} is not {kind}"
        raise pa.ArrowTypeError(message)
    if kind == "strings" and cells.flatten().null_count:
        message = "nothing in a list"
        raise pa.ArrowTypeError(message)
    return cells.cast(_ARROW[kind])


def _first_other(values: "pd.Series[Any]", kind: ColumnType) -> int:
    """The row of the first value that is of another type."""
    for row in range(len(values)):
        try:
            _cells(values[row : row + 1], kind)
        except _OF_ANOTHER_TYPE:
            return row
    return 0


def _c(name: str, kind: ColumnType, description: str, *, nullable: bool = False) -> Column:
    return Column(name=name, type=kind, description=description, nullable=nullable)


IDP_USERS = FrameSchema(
    name="idp_users",
    description="People in the directory, one row an entry, as read: nothing is judged here yet.",
    key=("key",),
    shown=("emails", "names", "phone_numbers", "language", "enabled", "dn"),
    columns=(
        _c("key", "string", "The entry's DN in normal form (RFC 4514); how rows are joined."),
        _c("dn", "string", "The DN as the directory writes it."),
        _c(
            "directory_id",
            "string",
            "entryUUID or objectGUID as text, else the key; survives a rename.",
        ),
        _c("emails", "strings", "Every address value as written, trimmed; may be empty."),
        _c(
            "other_emails",
            "strings",
            "Other addresses of the person (Active Directory's `proxyAddresses`): they find the"
            " account that Swit has, and no account is made with one.",
            nullable=True,
        ),
        _c("names", "strings", "Every display name (else common name) value; may be empty."),
        _c("phone_numbers", "strings", "Every phone number value; may be empty."),
        _c(
            "language", "string", "Preferred language, where the directory says one.", nullable=True
        ),
        _c(
            "primary_group",
            "string",
            "Key or name of the group that is the primary team.",
            nullable=True,
        ),
        _c("enabled", "bool", "False for a disabled or expired account: treated as not there."),
        _c("base", "string", "The search base (or file) that gave the entry."),
        _c("position", "int", "0, 1, 2...: the order in which the source lists entries."),
    ),
)

IDP_GROUPS = FrameSchema(
    name="idp_groups",
    description="Groups in the directory, one row an entry, as read, excluded ones too.",
    key=("key",),
    shown=("names", "order", "parents", "dn"),
    columns=(
        _c("key", "string", "The group's DN in normal form (RFC 4514)."),
        _c("dn", "string", "The DN as the directory writes it."),
        _c("directory_id", "string", "entryUUID or objectGUID as text, else the key."),
        _c(
            "references",
            "strings",
            "Every text that its team's reference may say; the first is what it should say.",
            nullable=True,
        ),
        _c("names", "strings", "Every display name (else common name) value; may be empty."),
        _c(
            "aliases",
            "strings",
            "Other names by which `TEAMS_TO_EXCLUDE` knows it: the common names in its DN.",
            nullable=True,
        ),
        _c(
            "order",
            "float",
            "The order attribute, where one is set: smaller comes first.",
            nullable=True,
        ),
        _c(
            "parents",
            "strings",
            "Keys in `memberOf`; missing where the group has no memberOf at all.",
            nullable=True,
        ),
        _c("base", "string", "The search base (or file) that gave the entry."),
        _c(
            "position",
            "int",
            "The place in the file; for a server by name, then key: it promises none.",
        ),
    ),
)

IDP_MEMBERSHIPS = FrameSchema(
    name="idp_memberships",
    description="Who a group lists as a direct member: users, groups, and entries nobody knows.",
    key=("group", "member"),
    columns=(
        _c("group", "string", "Key of the group."),
        _c("member", "string", "Key of the member: a user, a nested group, or neither."),
        _c("member_dn", "string", "The member's DN as the group writes it."),
    ),
)

SWIT_USERS = FrameSchema(
    name="swit_users",
    description="Accounts in the Swit organisation, active and inactive.",
    key=("user_id",),
    shown=("email", "name", "phone_number", "role", "active"),
    columns=(
        _c("user_id", "string", "Swit's id."),
        _c("email", "string", "Address as Swit writes it."),
        _c("name", "string", "Name shown in Swit."),
        _c("phone_number", "string", "As typed in Swit; compared by its digits.", nullable=True),
        _c("role", "int", "10 master, 20 admin, 30 member, 40 guest; others are protected too."),
        _c("active", "bool", "Whether the membership is active."),
        _c("language", "string", "Any language Swit knows.", nullable=True),
        _c("primary_team", "string", "Id of the user's primary team.", nullable=True),
    ),
)

SWIT_TEAMS = FrameSchema(
    name="swit_teams",
    description="Teams in Swit, in the order shown, the root (the organisation itself) among them.",
    key=("team_id",),
    shown=("name", "parent_id", "reference", "member_count"),
    columns=(
        _c("team_id", "string", "Swit's id."),
        _c("name", "string", "Unique in the organisation, compared without case."),
        _c("parent_id", "string", "Id of the parent team; missing for the root.", nullable=True),
        _c(
            "reference",
            "string",
            "Free text; we keep the directory group's key there.",
            nullable=True,
        ),
        _c("position", "int", "0, 1, 2...: the order of the list, so also that among siblings."),
        _c("member_count", "int", "What Swit says (`member_cnt`), for comparison.", nullable=True),
    ),
)

SWIT_MEMBERSHIPS = FrameSchema(
    name="swit_memberships",
    description="Who is in which Swit team, directly.",
    key=("team_id", "user_id"),
    columns=(
        _c("team_id", "string", "Swit's team id."),
        _c("user_id", "string", "Swit's user id."),
    ),
)

_CHANGE_COLUMNS = (
    _c("change_id", "string", "Names this change within its plan; the journal's key."),
    _c("step", "string", "The op that sends it."),
    _c("action", "string", "What is done: user.create, team.update, membership.add..."),
    _c("target", "string", "The address or team name that a person knows."),
    _c("before", "string", "What Swit has now (JSON object)."),
    _c("after", "string", "What Swit will have (JSON object)."),
    _c("reason", "string", "Why, in words."),
    _c("object_id", "string", "Swit's id, or `new:...` for what this plan makes."),
    _c("depends_on", "strings", "Changes without which this one is skipped."),
)


def _changes(name: str, description: str) -> FrameSchema:
    return FrameSchema(
        name=name,
        description=description,
        key=("change_id",),
        columns=_CHANGE_COLUMNS,
        shown=("action", "target", "what", "reason"),
    )


USER_DIFF = _changes("user_diff", "Users to create, update, deactivate or remove, and activate.")
TEAM_DIFF = _changes("team_diff", "Teams to delete, create, rename, move and re-key, in order.")
SORT_DIFF = _changes("sort_diff", "Parents whose child teams are out of order.")
MEMBERSHIP_DIFF = _changes("membership_diff", "Members to add and remove, primary teams to set.")
CHANGE_PLAN = _changes(
    "change_plan",
    "The plan: all changes in the order in which they would be sent, with its id, its page and"
    " what the guards say.",
)
OUTCOMES = FrameSchema(
    name="outcomes",
    description="What came of each change of one kind.",
    key=("change_id",),
    shown=("action", "target", "outcome", "message", "http_status"),
    columns=(
        _c("change_id", "string", "The change in the plan."),
        _c("step", "string", "The op that sent it."),
        _c("action", "string", "What was done."),
        _c("target", "string", "The address or team name."),
        _c("outcome", "string", "applied, already so, rejected, failed or skipped."),
        _c("message", "string", "Swit's answer where it was not simply done.", nullable=True),
        _c("http_status", "int", "The last answer's status.", nullable=True),
        _c("calls", "int", "API calls it took, repetitions counted."),
    ),
)

CHANGE_LOG = FrameSchema(
    name="change_log",
    description="The journal of the plan that was sent: every try of every change, by every run"
    " that had a hand in it, oldest first; there for a run that failed, too.",
    key=("entry",),
    shown=("at", "action", "target", "what", "outcome", "message", "http_status"),
    columns=(
        _c("entry", "int", "Number of the entry in the journal."),
        _c("at", "string", "When it was about to be sent (ISO 8601, UTC)."),
        _c("run_id", "string", "The run that sent it."),
        _c("plan_id", "string", "The plan that it is part of."),
        _c("change_id", "string", "The change in the plan."),
        _c("step", "string", "The op that sent it."),
        _c("action", "string", "What was to be done."),
        _c("target", "string", "The address or team name."),
        _c("object_id", "string", "Swit's id; of what could not be made, the plan's."),
        _c("before", "string", "Values before, as JSON."),
        _c("after", "string", "Values after, as JSON."),
        _c("reason", "string", "Why it was planned."),
        _c("outcome", "string", "What came of it; none: no answer was noted.", nullable=True),
        _c("message", "string", "Swit's answer where it was not simply done.", nullable=True),
        _c("http_status", "int", "The status that decided it.", nullable=True),
        _c("calls", "int", "API calls it took, repetitions counted."),
        _c("seconds", "float", "How long that took.", nullable=True),
        _c("objects", "int", "Users or teams meant: of a batch, its users."),
        _c("refused", "int", "How many of those Swit refused."),
        _c("approved_by", "string", "Who let the plan past a limit.", nullable=True),
        _c("approved_because", "string", "And why.", nullable=True),
    ),
)

_FINDING_COLUMNS = (
    _c("kind", "string", "What is wrong, a short fixed phrase: `no address`, `ring`..."),
    _c("dn", "string", "The entry to look at, its DN as the directory writes it."),
    _c("attribute", "string", "The attribute to look at; empty where it is none."),
    _c("reason", "string", "What is wrong, what comes of it, and how to mend it."),
)
IDP_FINDINGS: Final = FrameSchema(
    name="idp_findings",
    description="Values in the directory that could not be read and are left out, each named.",
    key=("kind", "dn", "attribute", "reason"),
    columns=_FINDING_COLUMNS,
)
DIRECTORY_FINDINGS = FrameSchema(
    name="directory_findings",
    description="Every bad record of the directory, for the people who run it: what each stands"
    " for in Swit is left alone. What is to be mended in Swit or in the settings (an admin who"
    " left, an account whose address changed) stands on `change_plan`, with these.",
    key=("kind", "dn", "attribute", "reason"),
    columns=_FINDING_COLUMNS,
)

SCHEMAS: Mapping[str, FrameSchema] = {
    schema.name: schema
    for schema in (
        IDP_USERS,
        IDP_GROUPS,
        IDP_MEMBERSHIPS,
        IDP_FINDINGS,
        DIRECTORY_FINDINGS,
        SWIT_USERS,
        SWIT_TEAMS,
        SWIT_MEMBERSHIPS,
        USER_DIFF,
        TEAM_DIFF,
        SORT_DIFF,
        MEMBERSHIP_DIFF,
        CHANGE_PLAN,
        CHANGE_LOG,
    )
}


def changes_frame(changes: Iterable[Change], schema: FrameSchema = CHANGE_PLAN) -> pd.DataFrame:
    """Changes as a frame, one row each, `before` and `after` as JSON text, readable names kept."""

    def text(values: Mapping[str, Any]) -> str:
        return json.dumps(dict(values), ensure_ascii=False)

    return schema.frame(
        {**change.document(), "before": text(change.before), "after": text(change.after)}
        for change in changes
    )


def in_words(frame: pd.DataFrame) -> pd.DataFrame:
    """Add `what`, a few words for `before` and `after`, to a frame that `changes_frame` made."""
    sides = (map(json.loads, frame[side]) for side in ("before", "after"))
    return frame.assign(what=list(map(describe, frame["action"], *sides)))
