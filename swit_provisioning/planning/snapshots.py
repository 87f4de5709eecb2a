"""What one complete read of each side returned, as frames and as records."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from swit_provisioning.planning.normalize import address_key, usable_addresses
from swit_provisioning.planning.schemas import (
    IDP_FINDINGS,
    SWIT_MEMBERSHIPS,
    SWIT_TEAMS,
    SWIT_USERS,
)
from swit_provisioning.planning.whereabouts import Whereabouts


class DirectoryScope(Protocol):
    """Knows the references of one directory. Every source provides one.

    Planning knows no syntax of references, the directory keys that Swit teams carry.
    """

    def key(self, reference: str | None) -> str:
        """Form of a reference in which equal references are equal texts; `""` for none."""
        ...

    def owns(self, reference: str | None) -> bool:
        """True if a reference that no group has belongs to this directory."""
        ...


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
    kind: str
    """Type of the source: `ldap`, `json`, `ldif`."""
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
    presence: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """`people` and `groups` -> label -> how many have it, as in `Baselines.presence`."""
    whereabouts: Mapping[str, Whereabouts] | None = None
    """Where the people and groups are that were matched before and not read, by id.

    `None` if the source cannot be asked.
    """

    @property
    def title(self) -> str:
        """Source and kind of server: `ldaps://dc1.example.com · Active Directory`."""
        return f"{self.source} · {self.server_kind}" if self.server_kind else self.source

    def document(self) -> dict[str, Any]:
        """As plain JSON values."""
        values = asdict(self)
        found = self.whereabouts
        return {
            **values,
            "bases": list(values["bases"]),
            "warnings": list(values["warnings"]),
            "whereabouts": found and {id_: each.document() for id_, each in found.items()},
        }

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """The facts that `document` came from."""
        found = document.get("whereabouts")
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
            presence=document.get("presence", {}),
            whereabouts=found and {id_: Whereabouts.of(each) for id_, each in found.items()},
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
    """The directory as read: the frames `idp_users`, `idp_groups`, `idp_memberships`.

    `findings` (`idp_findings`) has the values that could not be read.
    """

    users: pd.DataFrame
    groups: pd.DataFrame
    memberships: pd.DataFrame
    facts: DirectoryFacts
    scope: DirectoryScope
    """Knows the directory's references."""
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
"""The position of a key that is not in an index."""
Numbers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_TEXT = pa.large_string()
"""As pandas keeps its strings."""


class Person(NamedTuple):
    """An enabled person in the directory: a row of `idp_users`."""

    key: str
    dn: str
    directory_id: str
    base: str
    emails: list[str]
    other_emails: list[str]
    names: list[str]
    phone_numbers: list[str]
    language: str | None
    primary_group: str | None
    addresses: list[str]
    """Those of `emails` that a user can have, folded, sorted, each once."""
    all_addresses: list[str]
    """The same of `emails` and `other_emails` together."""


class User(NamedTuple):
    """A user in Swit: a row of `swit_users`."""

    user_id: str
    email: str
    name: str
    phone_number: str | None
    role: int
    active: bool
    primary_team: str | None
    address: str
    """The e-mail address, folded; empty where Swit has none."""


@dataclass(frozen=True, kw_only=True, eq=False)
class People:
    """The people of the directory."""

    enabled: tuple[Person, ...]
    """Sorted by key."""
    disabled: frozenset[str]
    """Keys of disabled and expired people, who count as absent."""


def column(frame: pd.DataFrame, name: str) -> list[Any]:
    """One column as Python values, `None` where one is missing."""
    series = frame[name]
    if not isinstance(series.dtype, pd.ArrowDtype):
        values: list[Any] = series.to_numpy(dtype=object).tolist()
    else:
        # Lists are cut out of all their values: pandas makes each for itself, in twice the time.
        cells = pa.array(series)
        lists = cells.combine_chunks() if isinstance(cells, pa.ChunkedArray) else cells
        flat = lists.flatten().to_numpy(zero_copy_only=False).tolist()
        sizes = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
        ends = np.cumsum(sizes)
        values = [flat[i:j] for i, j in zip((ends - sizes).tolist(), ends.tolist(), strict=True)]
    for place in np.flatnonzero(series.isna().to_numpy(dtype=bool)).tolist():
        values[place] = None
    return values


def read_people(users: pd.DataFrame) -> People:
    """The rows of `idp_users` as records; disabled people are dropped before anything else."""
    is_enabled = users["enabled"].to_numpy(dtype=bool)
    rows = users[is_enabled].sort_values("key")
    # The fields of `Person` have the names of the columns, but for the last two.
    columns = {name: column(rows, name) for name in Person._fields[:-2]}
    for name in ("emails", "other_emails", "names", "phone_numbers"):
        columns[name] = [values or [] for values in columns[name]]
    addresses = [_addresses(emails) for emails in columns["emails"]]
    both = zip(addresses, columns["other_emails"], strict=True)
    every = [_addresses([*own, *more]) if more else own for own, more in both]
    return People(
        enabled=tuple(map(Person._make, zip(*columns.values(), addresses, every, strict=True))),
        disabled=frozenset(column(users[~is_enabled], "key")),
    )


def _addresses(values: list[str]) -> list[str]:
    usable = usable_addresses(values)
    return usable if len(usable) < 2 else sorted(set(usable))  # noqa: PLR2004 - nearly always one


def read_users(users: pd.DataFrame) -> tuple[User, ...]:
    """The rows of `swit_users` as records, sorted by id."""
    rows = users.sort_values("user_id")
    columns = [column(rows, name) for name in User._fields[:-1]]
    columns.append(list(map(address_key, columns[User._fields.index("email")])))
    return tuple(map(User._make, zip(*columns, strict=True)))


def index_of(ids: "Collection[str] | pd.Series[str]") -> pa.Array:
    """Distinct ids as an index for `places` and `mask`.

    A column of a frame is used as it lies in memory, without a Python string for each row.
    """
    return pa.array(ids, _TEXT)


def places(values: "Collection[str] | pd.Series[str]", index: pa.Array) -> Numbers:
    """The position of each value in an index, `NONE` where it is not in it."""
    found = pc.fill_null(pc.index_in(index_of(values), value_set=index), NONE)
    numbers: Numbers = found.to_numpy(zero_copy_only=False).astype(np.int64)
    return numbers


def mask(values: "Collection[str] | pd.Series[str]", index: pa.Array) -> Mask:
    """Which entries of an index are among the values."""
    found: Mask = pc.is_in(index, value_set=index_of(values)).to_numpy(zero_copy_only=False)
    return found
