"""What was read of each side."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from swit_provisioning.planning.normalize import usable_addresses
from swit_provisioning.planning.schemas import (
    IDP_FINDINGS,
    SWIT_MEMBERSHIPS,
    SWIT_TEAMS,
    SWIT_USERS,
)


@dataclass(frozen=True, kw_only=True)
class BaseCount:
    """How many usable entries one search base (or file) gave."""

    base: str
    users: int
    groups: int


@dataclass(frozen=True, kw_only=True)
class DirectoryFacts:
    """How the directory was read. It exists only if the read was proved complete."""

    source: str
    """For people: `ldaps://dc1.example.com` or the file's name. No secret in it."""
    kind: Literal["json", "ldif", "ldap"]
    search_base: str | None
    """Normal-form DN; `None` for a file: there any DN counts as below it."""
    bases: tuple[BaseCount, ...]
    attributes: Mapping[str, str] = field(default_factory=dict)
    """What the directory calls `email`, `name`, `group_name`, `member`...: for findings."""
    warnings: tuple[str, ...] = ()
    server_kind: str | None = None
    """For people: `Active Directory`, `OpenLDAP`; nothing for a file."""
    left_out: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """`users`, `groups` or `other entries` of a file that are not read -> why -> how many."""

    @property
    def title(self) -> str:
        """Source and kind of server: `ldaps://dc1.example.com · Active Directory`."""
        return f"{self.source} · {self.server_kind}" if self.server_kind else self.source

    def document(self) -> dict[str, Any]:
        """As plain JSON values."""
        values = asdict(self)
        return {**values, "bases": list(values["bases"]), "warnings": list(values["warnings"])}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """The facts that `document` came from."""
        return cls(
            source=document["source"],
            kind=document["kind"],
            search_base=document["search_base"],
            bases=tuple(BaseCount(**base) for base in document["bases"]),
            attributes=document.get("attributes", {}),
            warnings=tuple(document["warnings"]),
            # Frames of earlier versions don't say it, and a run may be re-executed.
            server_kind=document.get("server_kind"),
            left_out=document.get("left_out", {}),
        )


@dataclass(frozen=True, kw_only=True)
class SwitFacts:
    """How Swit was read. It exists only if the read was proved complete."""

    organization_id: str
    organization_name: str
    authorised_user_id: str
    """The account whose token reads and writes; never touched."""
    total_rows: int
    """Accounts that Swit says it has; as many distinct ones were read."""
    warnings: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {**asdict(self), "warnings": list(self.warnings)}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """The facts that `document` came from."""
        return cls(**{**document, "warnings": tuple(document["warnings"])})


@dataclass(frozen=True, kw_only=True, eq=False)
class DirectorySnapshot:
    """The directory as read: frames `idp_users`, `idp_groups`, `idp_memberships`, and what could
    not be read: `idp_findings`.
    """  # noqa: D205 - one sentence

    users: pd.DataFrame
    groups: pd.DataFrame
    memberships: pd.DataFrame
    facts: DirectoryFacts
    findings: pd.DataFrame = field(default_factory=IDP_FINDINGS.empty)


@dataclass(frozen=True, kw_only=True, eq=False)
class OrganizationSnapshot:
    """The organisation as read: frames `swit_users`, `swit_teams`, `swit_memberships`."""

    users: pd.DataFrame
    teams: pd.DataFrame
    memberships: pd.DataFrame
    facts: SwitFacts

    @classmethod
    def checked(cls, **parts: Any) -> Self:  # noqa: ANN401 - the fields above
        """Make one, after the frames were held against their schemas (`FrameError`)."""
        return cls(
            users=SWIT_USERS.conform(parts["users"]),
            teams=SWIT_TEAMS.conform(parts["teams"]),
            memberships=SWIT_MEMBERSHIPS.conform(parts["memberships"]),
            facts=parts["facts"],
        )


NONE = -1
"""The place of what isn't there."""
Numbers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_TEXT = pa.large_string()
"""As pandas keeps its strings."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Entries:
    """The enabled people of the directory, sorted by key; the columns of `idp_users`."""

    place_of_row: Numbers
    """By the rows of `idp_users`: the entry's place, `NONE` if it is disabled; the last one is for
    entries that were not read, and `NONE`."""
    base: list[str]
    key: list[str]
    dn: list[str]
    directory_id: list[str]
    emails: list[list[str]]
    other_emails: list[list[str]]
    addresses: list[list[str]]
    """Those of `emails` that an account can have, folded."""
    other_addresses: list[list[str]]
    """The same of `other_emails`."""
    names: list[list[str]]
    phone_numbers: list[list[str]]
    language: list[str | None]
    primary_group: list[str | None]

    def __len__(self) -> int:
        """How many there are."""
        return len(self.key)


@dataclass(frozen=True, kw_only=True, eq=False)
class Accounts:
    """Swit's users, sorted by id; the columns of `swit_users`."""

    user_id: list[str]
    email: list[str]
    name: list[str]
    phone_number: list[str | None]
    role: list[int]
    active: list[bool]
    primary_team: list[str | None]

    def __len__(self) -> int:
        """How many there are."""
        return len(self.user_id)


def column(frame: pd.DataFrame, name: str) -> list[Any]:
    """One column as Python values, `None` where one is missing."""
    series = frame[name]
    values: list[Any]
    if isinstance(series.dtype, pd.ArrowDtype):
        cells = pa.array(series)
        values = _listed(cells.combine_chunks() if isinstance(cells, pa.ChunkedArray) else cells)
    else:
        values = series.to_numpy(dtype=object).tolist()
    missing = series.isna().to_numpy(dtype=bool)
    for place in np.flatnonzero(missing).tolist():
        values[place] = None
    return values


def _listed(lists: pa.ListArray) -> list[Any]:
    """Lists cut out of all their values: pandas makes each for itself, in twice the time.

    A missing one is empty here.
    """
    flat = lists.flatten().to_numpy(zero_copy_only=False).tolist()
    sizes = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    ends = np.cumsum(sizes)
    return [flat[i:j] for i, j in zip((ends - sizes).tolist(), ends.tolist(), strict=True)]


def read_entries(users: pd.DataFrame) -> Entries:
    """The rows of `idp_users` that count: disabled entries are dropped before all else."""
    rows = users.reset_index(drop=True)[users["enabled"].to_numpy(dtype=bool)].sort_values("key")
    place_of_row = np.full(len(users) + 1, NONE, dtype=np.int64)
    place_of_row[rows.index] = np.arange(len(rows))
    emails, others = _lists(rows, "emails"), _lists(rows, "other_emails")
    return Entries(
        place_of_row=place_of_row,
        base=column(rows, "base"),
        key=column(rows, "key"),
        dn=column(rows, "dn"),
        directory_id=column(rows, "directory_id"),
        emails=emails,
        other_emails=others,
        addresses=[usable_addresses(values) for values in emails],
        other_addresses=[usable_addresses(values) if values else [] for values in others],
        names=_lists(rows, "names"),
        phone_numbers=_lists(rows, "phone_numbers"),
        language=column(rows, "language"),
        primary_group=column(rows, "primary_group"),
    )


def _lists(frame: pd.DataFrame, name: str) -> list[list[str]]:
    return [values or [] for values in column(frame, name)]


def read_accounts(users: pd.DataFrame) -> Accounts:
    """All rows of `swit_users`."""
    rows = users.sort_values("user_id")
    names = ("user_id", "email", "name", "phone_number", "role", "active", "primary_team")
    return Accounts(**{name: column(rows, name) for name in names})


def distinct(numbers: Numbers) -> Numbers:
    """The numbers sorted, each once."""
    ordered = np.sort(numbers)
    return (
        ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])] if len(ordered) else ordered
    )


def among(numbers: Numbers, within: Numbers) -> Mask:
    """Which of the numbers are in `within`, which is sorted."""
    if not len(within):
        return np.zeros(len(numbers), dtype=np.bool_)
    places = np.minimum(np.searchsorted(within, numbers), len(within) - 1)
    found: Mask = within[places] == numbers
    return found


def index_of(ids: "Collection[str] | pd.Series[str]") -> pa.Array:
    """Ids in which places are looked up; each is there once.

    A column of a frame is taken as it lies in memory, without a Python string for each row.
    """
    return pa.array(ids, _TEXT)


def places(values: "Collection[str] | pd.Series[str]", index: pa.Array) -> Numbers:
    """Where the values are in an index, -1 where they aren't."""
    found = pc.fill_null(pc.index_in(index_of(values), value_set=index), NONE)
    numbers: Numbers = found.to_numpy(zero_copy_only=False).astype(np.int64)
    return numbers


def ranked(texts: list[str]) -> tuple[Numbers, list[str]]:
    """Each text's place among all different ones, and these, sorted."""
    coded = index_of(texts).dictionary_encode()
    order = pc.sort_indices(coded.dictionary).to_numpy()
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return place[coded.indices.to_numpy()], coded.dictionary.take(order).to_pylist()


def mask(values: "Collection[str] | pd.Series[str]", index: pa.Array) -> Mask:
    """Which places of an index are among the values."""
    found: Mask = pc.is_in(index, value_set=index_of(values)).to_numpy(zero_copy_only=False)
    return found


@dataclass(frozen=True, kw_only=True, eq=False)
class Links:
    """Rows of other frames by the rows of `idp_memberships`; `NONE` where the key is in none."""

    group: Numbers
    """In `idp_groups`."""
    user: Numbers
    """In `idp_users`, disabled ones too: the member."""
    nested: Numbers
    """In `idp_groups`: the member, where that is a group."""


def read_links(directory: DirectorySnapshot) -> Links:
    """Look all keys up."""
    rows = directory.memberships
    users, groups = index_of(directory.users["key"]), index_of(directory.groups["key"])
    user = places(rows["member"], users)
    # Nearly all members are users: groups are looked for only where a key is none, or both.
    may_be_group = np.append(mask(directory.groups["key"], users), True)[user]
    nested = np.full(len(rows), NONE, dtype=np.int64)
    nested[may_be_group] = places(rows["member"][may_be_group], groups)
    return Links(group=places(rows["group"], groups), user=user, nested=nested)
