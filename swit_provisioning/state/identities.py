"""What is remembered about objects by their ids: matches, and what the settings exempt.

Matches are remembered after each applied plan, exemptions when a plan is made.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Integer,
    String,
    Table,
    Text,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from swit_provisioning.planning.policy import Exemption, Memory
from swit_provisioning.planning.whereabouts import Expected
from swit_provisioning.state.database import (
    METADATA,
    AnyRow,
    Section,
    StoreError,
    UtcDateTime,
)

BASELINE_WINDOW: Final = timedelta(days=7)
"""Percentage limits are taken of the smallest count that was accepted in this time."""

Match = tuple[Literal["user", "group"], str, str]
"""Kind, directory id, Swit id."""

IDENTITIES: Final = Table(
    "identity",
    METADATA,
    Column("kind", String(16), primary_key=True),
    Column("directory_id", Text, primary_key=True),
    Column("swit_id", String(255), nullable=False, index=True),
    Column("remembered_at", UtcDateTime, nullable=False),
    Column("is_active", Boolean, nullable=False, default=True),
)
EXEMPTIONS: Final = Table(
    "exemption",
    METADATA,
    Column("kind", String(16), primary_key=True),
    Column("object_id", Text, primary_key=True),
    Column("setting", String(32), primary_key=True),
    Column("entry", Text, primary_key=True),
)


class OtherOrganizationError(StoreError):
    """The state belongs to another Swit organisation."""

    def __init__(self, *, bound_to: str, found: str) -> None:
        super().__init__(
            f"The state database belongs to the Swit organisation {bound_to}, but the token to"
            f" {found}. Use a token of the right organisation, or let STATE_DATABASE_URL name"
            " another database for this one."
        )


class Identities(Section):
    """Matches: one directory id for one Swit id, and the other way round."""

    def memory(self) -> Memory:
        """All matches and exemptions."""
        with self._database.read() as connection:
            known, exempt = _known(connection), _exempt(connection)
        users, groups = (
            {directory_id: swit_id for (of, directory_id), swit_id in known.items() if of == kind}
            for kind in ("user", "group")
        )
        return Memory(users=users, groups=groups, exempt=exempt)

    def expected(self) -> Expected:
        """Ids of the people and groups whose user or team was active in the newest plan."""
        with self._database.read() as connection:
            rows = connection.execute(select(IDENTITIES).where(IDENTITIES.c.is_active)).all()
        return Expected(
            people=frozenset(row.directory_id for row in rows if row.kind == "user"),
            groups=frozenset(row.directory_id for row in rows if row.kind == "group"),
        )

    def note_active(self, *, users: Collection[str], teams: Collection[str]) -> None:
        """Store which Swit users are active and which teams exist, by their ids."""
        active = {"user": frozenset(users), "group": frozenset(teams)}
        with self._database.read() as connection:
            changed = [
                {"of_kind": row.kind, "of_directory": row.directory_id, "now_active": is_active}
                for row in connection.execute(select(IDENTITIES))
                if (is_active := row.swit_id in active[row.kind]) != row.is_active
            ]
        if changed:
            with self._database.write() as connection:
                connection.execute(_NOTE_ACTIVE, changed)

    def remember_exempt(self, exempt: Iterable[Exemption]) -> None:
        """Replace all known exemptions."""
        wanted = frozenset(exempt)
        with self._database.read() as connection:
            if _exempt(connection) == wanted:
                return
        with self._database.write() as connection:
            connection.execute(delete(EXEMPTIONS))
            if wanted:
                connection.execute(insert(EXEMPTIONS), [vars(each) for each in wanted])

    def remember(self, matches: Iterable[Match]) -> None:
        """Store these matches; they replace those of the same directory ids and Swit ids."""
        wanted = {(kind, directory_id): swit_id for kind, directory_id, swit_id in matches}
        with self._database.write() as connection:
            known = _known(connection)
            new = {key: swit_id for key, swit_id in wanted.items() if known.get(key) != swit_id}
            if not new:
                return
            rows = [
                {"of_kind": kind, "of_directory": directory_id, "of_swit": swit_id}
                for (kind, directory_id), swit_id in new.items()
            ]
            connection.execute(_FORGET, rows)
            now = self._database.now(connection)
            connection.execute(_REMEMBER, [{**row, "now": now} for row in rows])


_NOTE_ACTIVE: Final = (
    update(IDENTITIES)
    .where(
        IDENTITIES.c.kind == bindparam("of_kind"),
        IDENTITIES.c.directory_id == bindparam("of_directory"),
    )
    .values(is_active=bindparam("now_active"))
)
_FORGET: Final = delete(IDENTITIES).where(
    IDENTITIES.c.kind == bindparam("of_kind"),
    or_(
        IDENTITIES.c.directory_id == bindparam("of_directory"),
        IDENTITIES.c.swit_id == bindparam("of_swit"),
    ),
)
_REMEMBER: Final = insert(IDENTITIES).values(
    kind=bindparam("of_kind"),
    directory_id=bindparam("of_directory"),
    swit_id=bindparam("of_swit"),
    remembered_at=bindparam("now"),
)


def _known(connection: Connection) -> dict[tuple[str, str], str]:
    rows = connection.execute(select(IDENTITIES))
    return {(row.kind, row.directory_id): row.swit_id for row in rows}


def _exempt(connection: Connection) -> frozenset[Exemption]:
    rows = connection.execute(select(EXEMPTIONS)).mappings()
    return frozenset(Exemption(**row) for row in rows)


_READS: Final = Table(
    "accepted_read",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("accepted_at", UtcDateTime, nullable=False),
    Column("content", Text, nullable=False),
)


@dataclass(frozen=True, kw_only=True)
class AcceptedRead:
    """What is remembered of two complete reads whose plan was applied."""

    accepted_at: datetime
    directory: Mapping[str, Mapping[str, int]]
    """Search base -> number of usable `users` and `groups`."""
    counts: Mapping[str, int]
    """Field of `Baselines` -> number of objects before the plan; empty in earlier versions."""
    counted_by: Mapping[str, Any]
    """The settings that the counts depend on: counts by other settings can't be compared."""
    presence: Mapping[str, Mapping[str, int]]
    """As in `Baselines`; empty in earlier versions."""


class Reads(Section):
    """The accepted reads of the last seven days; the last one at any age."""

    def last(self) -> AcceptedRead | None:
        """The last accepted read."""
        row = self._database.first(select(_READS).order_by(_READS.c.id.desc()).limit(1))
        return _accepted_read(row) if row is not None else None

    def last_accepted(self) -> Mapping[str, Mapping[str, int]]:
        """Search base -> counts of usable `users` and `groups`; empty before the first read."""
        last = self.last()
        return last.directory if last else {}

    def of_last_days(self) -> list[AcceptedRead]:
        """The accepted reads of the last seven days and, at any age, the last one; oldest first."""
        with self._database.read() as connection:
            is_old = _READS.c.accepted_at < self._database.now(connection) - BASELINE_WINDOW
            newest = select(func.max(_READS.c.id)).scalar_subquery()
            kept = select(_READS).where(or_(~is_old, _READS.c.id == newest))
            return list(map(_accepted_read, connection.execute(kept.order_by(_READS.c.id))))

    def accept(
        self,
        directory: Mapping[str, Mapping[str, int]],
        *,
        counts: Mapping[str, int] | None = None,
        counted_by: Mapping[str, Any] | None = None,
        presence: Mapping[str, Mapping[str, int]] | None = None,
    ) -> None:
        """Add the last accepted read, and delete those older than seven days.

        Search bases that are no longer read are dropped.
        """
        content = {
            "directory": {base: dict(n) for base, n in directory.items()},
            "counts": dict(counts or {}),
            "counted_by": dict(counted_by or {}),
            "presence": {kind: dict(n) for kind, n in (presence or {}).items()},
        }
        with self._database.write() as connection:
            now = self._database.now(connection)
            connection.execute(delete(_READS).where(_READS.c.accepted_at < now - BASELINE_WINDOW))
            row = {"accepted_at": now, "content": json.dumps(content, ensure_ascii=False)}
            connection.execute(insert(_READS).values(**row))


def _accepted_read(row: AnyRow) -> AcceptedRead:
    content = json.loads(row.content)
    return AcceptedRead(
        accepted_at=row.accepted_at,
        directory=content["directory"],
        counts=content.get("counts", {}),
        counted_by=content.get("counted_by", {}),
        presence=content.get("presence", {}),
    )


_ORGANIZATION: Final = Table(
    "organization",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("organization_id", String(255), nullable=False),
    Column("bound_at", UtcDateTime, nullable=False),
)


class BoundOrganization(Section):
    """The organisation that the state belongs to."""

    def bound_to(self) -> str | None:
        """The id of the organisation, if the state has been used."""
        bound: str | None = self._database.scalar(select(_ORGANIZATION.c.organization_id))
        return bound

    def bind(self, organization_id: str) -> None:
        """Bind the state to this organisation, or check that it is bound to it.

        Raises:
            OtherOrganizationError: it belongs to another one.

        """
        bound = self.bound_to()
        if bound is None:
            with self._database.write() as connection:
                # Another process may have been first.
                bound = connection.execute(select(_ORGANIZATION.c.organization_id)).scalar()
                if bound is None:
                    bound, now = organization_id, self._database.now(connection)
                    values = {"id": 1, "organization_id": bound, "bound_at": now}
                    connection.execute(insert(_ORGANIZATION).values(**values))
        if bound != organization_id:
            raise OtherOrganizationError(bound_to=bound, found=organization_id)
