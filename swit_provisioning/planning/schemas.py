"""The frame schemas: columns, their types and meanings, and the key of a row.

Parquet files, the column schemas in the Dagster UI, the documentation and `FrameSchema.conform`
derive from it.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

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

    def frame(self, rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
        """Make a frame of rows; raises `FrameError` as `conform` does."""
        table = list(rows)
        return self.conform(
            pd.DataFrame({name: [row.get(name) for row in table] for name in self.names})
        )

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
            values = out[column.name]
            absent = values.isna()
            if not column.nullable and absent.any():
                message = (
                    f"frame {self.name}: {column.name} is missing in row {absent.idxmax()}"
                    f" and {int(absent.sum()) - 1} others"
                )
                raise FrameError(message)
            if values.dtype != _PANDAS[column.type]:
                out[column.name] = self._cast(values, column)
        doubled = None if distinct else out.duplicated(subset=list(self.key))
        if doubled is not None and doubled.any():
            row = out.loc[doubled, list(self.key)].iloc[0].to_dict()
            message = f"frame {self.name}: two rows with the key {row}"
            raise FrameError(message)
        out.attrs = dict(frame.attrs)
        return out

    def _cast(self, values: "pd.Series[Any]", column: Column) -> "pd.Series[Any]":
        """Values of the column's type: none is turned into another, but whole floats into ints."""
        wanted = _PANDAS[column.type]
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


_TYPES: Mapping[str, ColumnType] = {name: name for name in get_args(ColumnType)}


def _columns(declared: Mapping[str, str]) -> tuple[Column, ...]:
    """Columns of `name type` -> description; a `?` behind the type makes the column nullable."""
    made = []
    for declaration, description in declared.items():
        name, kind = declaration.split()
        made.append(
            Column(
                name=name,
                type=_TYPES[kind.removesuffix("?")],
                description=description,
                nullable=kind.endswith("?"),
            )
        )
    return tuple(made)


IDP_USERS = FrameSchema(
    name="idp_users",
    description="People in the directory, one row each, as read: no rule is applied yet.",
    key=("key",),
    shown=("emails", "names", "phone_numbers", "language", "enabled", "dn"),
    columns=_columns(
        {
            "key string": "The person's DN in normal form (RFC 4514); how rows are joined.",
            "dn string": "The DN as the directory writes it.",
            "directory_id string": "entryUUID or objectGUID, else the key; survives a rename.",
            "emails strings": "Every address value as written, trimmed; may be empty.",
            "other_emails strings?": "Other addresses of the person (Active Directory's"
            " `proxyAddresses`): they match an existing user, and no user is created with one.",
            "names strings": "Every display name (else common name) value; may be empty.",
            "phone_numbers strings": "Every phone number value; may be empty.",
            "language string?": "Preferred language, if the directory has one.",
            "primary_group string?": "Key or name of the group that is the primary team.",
            "enabled bool": "False for disabled and expired people, who count as absent.",
            "base string": "The search base (or file) of the person.",
            "position int": "0, 1, 2...: the order in which the source lists people.",
        }
    ),
)

IDP_GROUPS = FrameSchema(
    name="idp_groups",
    description="Groups in the directory, one row each, as read, with the excluded ones.",
    key=("key",),
    shown=("names", "order", "parents", "dn"),
    columns=_columns(
        {
            "key string": "The group's DN in normal form (RFC 4514).",
            "dn string": "The DN as the directory writes it.",
            "directory_id string": "entryUUID or objectGUID as text, else the key.",
            "references strings?": "Every reference by which a team is known as the group's;"
            " the first is the wanted one.",
            "names strings": "Every display name (else common name) value; may be empty.",
            "aliases strings?": "Other names by which `TEAMS_TO_EXCLUDE` knows the group: the"
            " common names in its DN.",
            "order float?": "The order attribute, where one is set: smaller comes first.",
            "parents strings?": "Keys in `memberOf`; missing if the group has no memberOf.",
            "base string": "The search base (or file) of the group.",
            "position int": "The place in the file; for a server by name, then key.",
        }
    ),
)

IDP_MEMBERSHIPS = FrameSchema(
    name="idp_memberships",
    description="The direct members of each group: people, groups, and unknown members.",
    key=("group", "member"),
    columns=_columns(
        {
            "group string": "Key of the group.",
            "member string": "Key of the member: a person, a nested group, or neither.",
            "member_dn string": "The member's DN as the group writes it.",
        }
    ),
)

SWIT_USERS = FrameSchema(
    name="swit_users",
    description="Users of the Swit organisation, active and inactive.",
    key=("user_id",),
    shown=("email", "name", "phone_number", "role", "active"),
    columns=_columns(
        {
            "user_id string": "Swit's id.",
            "email string": "Address as Swit writes it.",
            "name string": "Name shown in Swit.",
            "phone_number string?": "As typed in Swit; compared by its digits.",
            "role int": "10 master, 20 admin, 30 member, 40 guest; others are protected too.",
            "active bool": "Whether the user is active.",
            "language string?": "Any language that Swit has.",
            "primary_team string?": "Id of the user's primary team.",
        }
    ),
)

SWIT_TEAMS = FrameSchema(
    name="swit_teams",
    description="Teams in Swit, in the order shown, with the root (the organisation itself).",
    key=("team_id",),
    shown=("name", "parent_id", "reference", "member_count"),
    columns=_columns(
        {
            "team_id string": "Swit's id.",
            "name string": "Unique in the organisation, compared without case.",
            "parent_id string?": "Id of the parent team; missing for the root.",
            "reference string?": "Free text that holds the directory key of the team's group.",
            "position int": "0, 1, 2...: the order of the list, so also that among siblings.",
            "member_count int?": "Swit's own count (`member_cnt`), for comparison.",
        }
    ),
)

SWIT_MEMBERSHIPS = FrameSchema(
    name="swit_memberships",
    description="The direct members of each Swit team.",
    key=("team_id", "user_id"),
    columns=_columns({"team_id string": "Swit's team id.", "user_id string": "Swit's user id."}),
)

_CHANGE = {
    "change_id string": "Id of the change within its plan; the journal's key.",
    "step string": "The op that sends it.",
    "action string": "What is done: user.create, team.update, membership.add...",
    "target string": "The user's address or the team's name.",
}
_VALUES = {
    "before string": "What Swit has before (JSON object).",
    "after string": "What Swit has after (JSON object).",
    "reason string": "Why, in words.",
    "object_id string": "Swit's id, or `new:...` for an object that the plan creates.",
}
_ANSWER = {
    "message string?": "Swit's answer, if the change was not simply applied.",
    "http_status int?": "The status of the last answer.",
    "calls int": "API calls that it took, with repetitions.",
}


def _changes(name: str, description: str) -> FrameSchema:
    needs = {"depends_on strings": "Changes without which this one is skipped."}
    return FrameSchema(
        name=name,
        description=description,
        key=("change_id",),
        columns=_columns(_CHANGE | _VALUES | needs),
        shown=("action", "target", "what", "reason"),
    )


USER_DIFF = _changes("user_diff", "Users to create, update, deactivate or remove, and activate.")
CHANGE_PLAN = _changes(
    "change_plan",
    "The plan: all changes in the order in which they are sent, with its id, its page and the"
    " results of the guards.",
)
OUTCOMES = FrameSchema(
    name="outcomes",
    description="The outcome of each change of one kind.",
    key=("change_id",),
    shown=("action", "target", "outcome", "message", "http_status"),
    columns=_columns(
        _CHANGE | {"outcome string": "applied, already so, rejected, failed or skipped."} | _ANSWER
    ),
)

CHANGE_LOG = FrameSchema(
    name="change_log",
    description="The journal of the plan that was sent: every attempt at every change, by every"
    " run that sent a part of it, oldest first. Failed runs have one, too.",
    key=("entry",),
    shown=("at", "action", "target", "what", "outcome", "message", "http_status"),
    columns=_columns(
        {
            "entry int": "Number of the entry in the journal.",
            "at string": "When the change was about to be sent (ISO 8601, UTC).",
            "run_id string": "The run that sent it.",
            "plan_id string": "The plan of the change.",
            **_CHANGE,
            **_VALUES,
            "outcome string?": "The outcome; none: no answer was recorded.",
            **_ANSWER,
            "seconds float?": "How long the calls took.",
            "objects int": "Number of users or teams; of a batch, its users.",
            "refused int": "Number of those that Swit refused.",
            "approved_by string?": "Who approved the plan, if it was over a limit.",
            "approved_because string?": "The reason of the approval.",
        }
    ),
)

_FINDING = {
    "kind string": "What is wrong, a fixed phrase: `missing email`, `circular membership`...",
    "dn string": "The DN of the record to correct, as the directory writes it.",
    "attribute string": "The attribute to correct; empty if it is none.",
    "reason string": "What is wrong, what follows from it, and how to correct it.",
}
IDP_FINDINGS: Final = FrameSchema(
    name="idp_findings",
    description="Values in the directory that could not be read and are left out.",
    key=("kind", "dn", "attribute", "reason"),
    columns=_columns(_FINDING),
)
DIRECTORY_FINDINGS = FrameSchema(
    name="directory_findings",
    description="Every bad record of the directory, for its administrators: the users and teams"
    " of these records stay unchanged. `change_plan` has these findings too, and those to correct"
    " in Swit or in the settings (an admin who left, a user whose address changed).",
    key=("kind", "dn", "attribute", "reason"),
    columns=_columns(_FINDING),
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
        _changes("team_diff", "Teams to delete, create, rename, move and re-key, in order."),
        _changes("sort_diff", "Parents whose child teams are out of order."),
        _changes("membership_diff", "Members to add and remove, primary teams to set."),
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
