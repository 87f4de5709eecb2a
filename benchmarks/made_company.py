"""A made-up company of any size, and the organisation it had yesterday: frames, as a read gives."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from swit_provisioning.planning.schemas import (
    IDP_FINDINGS,
    IDP_GROUPS,
    IDP_MEMBERSHIPS,
    IDP_USERS,
    SWIT_MEMBERSHIPS,
    SWIT_TEAMS,
    SWIT_USERS,
)
from swit_provisioning.planning.snapshots import (
    BaseCount,
    DirectoryFacts,
    DirectorySnapshot,
    OrganizationSnapshot,
    SwitFacts,
)
from swit_provisioning.sources.ldap.dn import DnScope

_BASE = "dc=example,dc=com"
_WITHIN = 10
"""Groups below each group."""
_ROOT, _ADMIN = "T", "A"


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much there is of everything, and which share differs between the two sides."""

    users: int
    groups: int
    memberships: int
    drift: float = 0.02


class Company:
    """Both sides of one company. The same size gives the same company."""

    def __init__(self, size: Size) -> None:
        """Draw who is where; nothing is made of it yet."""
        self._size = size
        self._luck = np.random.default_rng(size.users)
        team = self._luck.integers(0, size.groups, size.memberships, dtype=np.int64)
        user = self._luck.integers(0, size.users, size.memberships, dtype=np.int64)
        self._pairs = np.unique(team * size.users + user)
        number = np.arange(size.groups)
        self._above = np.where(number < _WITHIN, -1, number // _WITHIN)

    def directory(self) -> DirectorySnapshot:
        """As it is today."""
        size = self._size
        people = [f"uid=u{n},ou=people,{_BASE}" for n in range(size.users)]
        groups = [f"cn=g{n},ou=groups,{_BASE}" for n in range(size.groups)]
        team, user = self._pairs // size.users, self._pairs % size.users
        members = np.array(people, object)[user]
        parents = [[groups[above]] if above >= 0 else [] for above in self._above.tolist()]
        counted = BaseCount(base=_BASE, users=size.users, groups=size.groups)
        return DirectorySnapshot(
            users=_frame(
                IDP_USERS,
                key=people,
                dn=people,
                directory_id=[f"user-{n}" for n in range(size.users)],
                emails=[[f"user{n}@example.com"] for n in range(size.users)],
                names=[[_name(n)] for n in range(size.users)],
                phone_numbers=[[f"+82 10 {n:08d}"] for n in range(size.users)],
                enabled=True,
                base=_BASE,
                position=range(size.users),
            ),
            groups=_frame(
                IDP_GROUPS,
                key=groups,
                dn=groups,
                directory_id=[f"group-{n}" for n in range(size.groups)],
                names=[[f"Group {n:07d}"] for n in range(size.groups)],
                parents=parents,
                base=_BASE,
                position=range(size.groups),
            ),
            memberships=_frame(
                IDP_MEMBERSHIPS,
                group=np.array(groups, object)[team],
                member=members,
                member_dn=members,
            ),
            findings=IDP_FINDINGS.empty(),
            scope=DnScope(_BASE),
            facts=DirectoryFacts(
                source="made up", kind="ldap", search_base=_BASE, bases=(counted,)
            ),
        )

    def organisation(self) -> OrganizationSnapshot:
        """As it was made yesterday: a share of accounts, teams and memberships is another."""
        memberships = self._memberships_yesterday()
        users = self._accounts(memberships)
        size = self._size
        present = np.isin(memberships % size.users, users["number"].to_numpy())
        memberships = memberships[present]
        return OrganizationSnapshot(
            users=SWIT_USERS.conform(users),
            teams=self._teams(),
            memberships=_frame(
                SWIT_MEMBERSHIPS,
                team_id=_ids("T", memberships // size.users),
                user_id=_ids("U", memberships % size.users),
            ),
            facts=SwitFacts(
                organization_id="O",
                organization_name="Made up",
                authorised_user_id=_ADMIN,
                total_rows=len(users),
            ),
        )

    def _accounts(self, memberships: np.ndarray[Any, Any]) -> pd.DataFrame:
        """A quarter of the drift are newcomers, leavers take a quarter, half are renamed."""
        size, drift = self._size, self._size.drift
        number = np.flatnonzero(self._luck.random(size.users) >= drift / 4)
        renamed = self._luck.random(len(number)) < drift / 2
        leavers = int(size.users * drift / 4)
        first = pd.Series(memberships // size.users).groupby(memberships % size.users).min()
        primary = first.reindex(number)
        known = pd.DataFrame(
            {
                "number": number,
                "user_id": _ids("U", number),
                "email": [f"User{n}@Example.com" for n in number.tolist()],
                "name": [
                    f"Before {n}" if other else _name(n)
                    for n, other in zip(number.tolist(), renamed.tolist(), strict=True)
                ],
                "phone_number": [f"+8210{n:08d}" for n in number.tolist()],
                "primary_team": [None if np.isnan(n) else f"T{n:.0f}" for n in primary],
            }
        )
        left = pd.DataFrame(
            {
                "number": -1,
                "user_id": [f"L{n}" for n in range(leavers)],
                "email": [f"left{n}@example.com" for n in range(leavers)],
                "name": "Left",
                "phone_number": "",
            }
        )
        admin = pd.DataFrame(
            {
                "number": [-1],
                "user_id": [_ADMIN],
                "email": ["admin@example.com"],
                "name": ["Admin"],
                "phone_number": [""],
            }
        )
        users = pd.concat([known, left, admin], ignore_index=True)
        role = np.where(users["user_id"] == _ADMIN, 20, 30)
        return users.assign(role=role, active=True, language="en")

    def _teams(self) -> pd.DataFrame:
        """Half of the drift have another name, half are below the root."""
        size, drift = self._size, self._size.drift
        other = self._luck.random(size.groups)
        names = [
            f"Before {n}" if share < drift / 2 else f"Group {n:07d}"
            for n, share in enumerate(other.tolist())
        ]
        moved = (other >= drift / 2) & (other < drift)
        above = [
            _ROOT if up < 0 or away else f"T{up}"
            for up, away in zip(self._above.tolist(), moved.tolist(), strict=True)
        ]
        return _frame(
            SWIT_TEAMS,
            team_id=[_ROOT, *(f"T{n}" for n in range(size.groups))],
            name=["Made up", *names],
            parent_id=[None, *above],
            reference=[None, *(f"cn=g{n},ou=groups,{_BASE}" for n in range(size.groups))],
            position=range(size.groups + 1),
        )

    def _memberships_yesterday(self) -> np.ndarray[Any, Any]:
        """Half of the drift is missing, as much is there too much."""
        size, drift = self._size, self._size.drift
        stays = self._pairs[self._luck.random(len(self._pairs)) >= drift / 2]
        number = int(size.memberships * drift / 2)
        team = self._luck.integers(0, size.groups, number, dtype=np.int64)
        user = self._luck.integers(0, size.users, number, dtype=np.int64)
        return np.unique(np.concatenate([stays, team * size.users + user]))


def _name(number: int) -> str:
    return f"Person Number {number}"


def _ids(letter: str, numbers: np.ndarray[Any, Any]) -> list[str]:
    return [f"{letter}{number}" for number in numbers.tolist()]


def _frame(schema: Any, **columns: Any) -> pd.DataFrame:  # noqa: ANN401 - columns of any kind
    """A frame with what isn't given left empty."""
    given = pd.DataFrame(columns)
    return schema.conform(given.reindex(columns=schema.names))
