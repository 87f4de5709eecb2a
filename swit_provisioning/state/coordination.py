"""The lease that lets one run write at a time, and the pauses of scheduled runs.

The lease holds across all processes and machines that share the database. It expires unless it is
renewed, so a dead run loses it. Its fencing token grows with each new holder: a run with an older
token has lost the lease, whatever its clock says.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import (
    Column,
    Connection,
    Integer,
    Row,
    RowMapping,
    String,
    Table,
    Text,
    Update,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from swit_provisioning.planning.normalize import clock
from swit_provisioning.state.database import METADATA, Database, UtcDateTime
from swit_provisioning.state.errors import LeaseHeldError, LeaseLostError

_LEASE: Final = Table(
    "lease",
    METADATA,
    Column("name", String(32), primary_key=True),
    Column("holder", String(64)),
    Column("who", Text),
    Column("token", Integer, nullable=False),
    Column("since", UtcDateTime),
    Column("until", UtcDateTime),
)
_WRITER: Final = "writer"
_OF_THE_WRITER: Final = select(_LEASE).where(_LEASE.c.name == _WRITER)
_LOCKED: Final = _OF_THE_WRITER.with_for_update()


@dataclass(frozen=True, kw_only=True)
class LeaseGrant:
    """The lease as it was granted to one holder."""

    holder: str
    token: int
    """The fencing token: a later holder has a higher one."""
    ttl: timedelta
    taken_over_from: str | None = None
    """The holder whose lease had expired, if there was one."""


@dataclass(frozen=True, kw_only=True)
class LeaseHolder:
    """The run that may write now."""

    run_id: str
    actor: str
    """User and host that started the run."""
    since: datetime
    until: datetime
    """When the lease expires, unless it is renewed."""


class Lease:
    """The one lease of this database."""

    def __init__(self, database: Database) -> None:
        """Take the open database."""
        self._database = database

    def held(self) -> LeaseHolder | None:
        """The holder, unless the lease has expired."""
        with self._database.read() as connection:
            now = self._database.now(connection)
            row = connection.execute(select(_LEASE)).mappings().one_or_none()
        if row is None or row["holder"] is None or row["until"] <= now:
            return None
        return LeaseHolder(
            run_id=row["holder"], actor=row["who"], since=row["since"], until=row["until"]
        )

    def acquire(self, holder: str, *, actor: str, ttl: timedelta) -> LeaseGrant:
        """Take the lease for `ttl`; a holder may take its own again.

        Raises:
            LeaseHeldError: the lease of another holder has not expired.

        """
        with self._database.write() as connection:
            row = _row(connection)
            now = self._database.now(connection)
            held = row["holder"] is not None
            own = held and row["holder"] == holder
            if held and not own and row["until"] > now:
                raise LeaseHeldError(
                    holder=row["holder"], actor=row["who"], since=row["since"], until=row["until"]
                )
            token = row["token"] if own else row["token"] + 1
            since = row["since"] if own else now
            values = {"holder": holder, "who": actor, "token": token, "since": since}
            connection.execute(_change().values(**values, until=now + ttl))
        before = row["holder"] if held and not own else None
        return LeaseGrant(holder=holder, token=token, ttl=ttl, taken_over_from=before)

    def holder(self) -> str | None:
        """The last holder that has not released the lease; it may have expired."""
        with self._database.read() as connection:
            row = connection.execute(_OF_THE_WRITER).mappings().one_or_none()
        return row["holder"] if row else None

    def dead_holder(self) -> str | None:
        """The holder whose lease has expired, if nobody has taken it since."""
        with self._database.read() as connection:
            row = connection.execute(_OF_THE_WRITER).mappings().one_or_none()
            over = row and row["holder"] and row["until"] <= self._database.now(connection)
        return str(row["holder"]) if row and over else None

    def renew(self, grant: LeaseGrant) -> None:
        """Extend the lease to `ttl` from now on.

        Raises:
            LeaseLostError: another run has taken it, or it was released.

        """
        with self._database.write() as connection:
            _still_held(connection, grant)
            until = self._database.now(connection) + grant.ttl
            connection.execute(_change().values(until=until))

    def release(self, grant: LeaseGrant) -> None:
        """Release the lease; do nothing if it is lost already."""
        with self._database.write() as connection:
            connection.execute(
                _change()
                .where(_LEASE.c.holder == grant.holder, _LEASE.c.token == grant.token)
                .values(holder=None, who=None, since=None, until=None)
            )


def must_be_held(connection: Connection, grant: LeaseGrant, *, now: datetime) -> None:
    """Check, in a transaction, that no other run may write at the time `now`.

    Raises:
        LeaseLostError: the lease has expired, whether or not another run has taken it since.

    """
    row = _still_held(connection, grant)
    if row["until"] <= now:
        raise LeaseLostError(lost(grant.holder, "it was not renewed in time"))


def lost(holder: str, reason: str) -> str:
    """The message for the run that lost its lease."""
    return (
        f"The run {holder} may not write any longer, it has lost its lease: {reason}. Nothing more"
        " was sent. Once no other run is writing, re-execute it from failure, or make a new plan."
    )


def _still_held(connection: Connection, grant: LeaseGrant) -> RowMapping:
    row = _row(connection)
    if (row["holder"], row["token"]) == (grant.holder, grant.token):
        return row
    if row["holder"] is None:
        raise LeaseLostError(lost(grant.holder, "it was released"))
    raise LeaseLostError(lost(grant.holder, f"the run {row['holder']} ({row['who']}) has it now"))


def _change() -> Update:
    return update(_LEASE).where(_LEASE.c.name == _WRITER)


def _row(connection: Connection) -> RowMapping:
    """The only row, locked until the transaction ends; created at the first use."""
    row = connection.execute(_LOCKED).mappings().one_or_none()
    if row is None:
        try:
            with connection.begin_nested():
                connection.execute(insert(_LEASE).values(name=_WRITER, token=0))
        except IntegrityError:
            # Another process has just created it.
            pass
        row = connection.execute(_LOCKED).mappings().one()
    return row


PAUSES: Final = Table(
    "pause",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("who", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("until", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("ended_by", String(255)),
)


@dataclass(frozen=True, kw_only=True)
class Pause:
    """A time in which no scheduled run writes."""

    actor: str
    reason: str
    at: datetime
    until: datetime | None
    """When it ends by itself; `None`: only `resume` ends it."""

    @property
    def sentence(self) -> str:
        """The pause in words: until when, by whom, since when and why."""
        until = "until somebody resumes" if self.until is None else f"until {clock(self.until)}"
        return f"paused {until}, by {self.actor} on {clock(self.at)}: {self.reason}"


class Pauses:
    """All pauses; at most one of them is active."""

    def __init__(self, database: Database) -> None:
        """Take the open database."""
        self._database = database

    def begin(self, *, actor: str, reason: str, until: datetime | None) -> None:
        """Pause from now on; replaces an active pause."""
        with self._database.write() as connection:
            now = self._database.now(connection)
            _end(connection, by=actor, at=now)
            row = {"who": actor, "why": reason, "at": now, "until": until}
            connection.execute(insert(PAUSES).values(**row))

    def now(self) -> Pause | None:
        """The active pause, if there is one."""
        with self._database.read() as connection:
            return self._active(connection)

    def end(self, *, actor: str) -> Pause | None:
        """End the active pause and return it."""
        with self._database.write() as connection:
            active = self._active(connection)
            _end(connection, by=actor, at=self._database.now(connection))
        return active

    def _active(self, connection: Connection) -> Pause | None:
        newest = select(PAUSES).where(PAUSES.c.ended_at.is_(None)).order_by(PAUSES.c.id.desc())
        row = connection.execute(newest.limit(1)).first()
        if row is None or (row.until is not None and row.until <= self._database.now(connection)):
            return None
        return _pause(row)


def _pause(row: Row[tuple[object, ...]]) -> Pause:
    return Pause(actor=row.who, reason=row.why, at=row.at, until=row.until)


def _end(connection: Connection, *, by: str, at: datetime) -> None:
    active = update(PAUSES).where(PAUSES.c.ended_at.is_(None))
    connection.execute(active.values(ended_at=at, ended_by=by))
