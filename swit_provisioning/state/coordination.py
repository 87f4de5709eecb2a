"""The lease that lets one run write at a time, and the pauses of scheduled runs.

The lease holds across all processes and machines that share the database. It expires unless it is
renewed, so a dead run loses it. Its fencing token grows with each new holder: a run with an older
token has lost the lease, whatever its clock says.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Column, Connection, Integer, String, Table, Text, insert, select, update
from sqlalchemy.exc import IntegrityError

from swit_provisioning.planning.normalize import clock
from swit_provisioning.state.database import METADATA, AnyRow, Section, StoreError, UtcDateTime

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
_LOCKED: Final = select(_LEASE).where(_LEASE.c.name == _WRITER).with_for_update()
_CHANGE: Final = update(_LEASE).where(_LEASE.c.name == _WRITER)


@dataclass(frozen=True, kw_only=True)
class LeaseHolder:
    """The run that has the lease."""

    run_id: str
    actor: str
    """User and host that started the run."""
    since: datetime
    until: datetime
    """When the lease expires, unless it is renewed."""


class LeaseHeldError(StoreError):
    """Another run is writing."""

    def __init__(self, holder: LeaseHolder) -> None:
        begun, ends = (
            f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" for time in (holder.since, holder.until)
        )
        super().__init__(
            f"Another run is writing: {holder.run_id}, started by {holder.actor}, since {begun}."
            f" Wait until it has ended; if its process has died, until the lease expires at {ends}."
        )
        self.holder = holder


class LeaseLostError(StoreError):
    """This run may not write any longer: its lease ran out, or another run has it."""

    def __init__(self, holder: str, reason: str) -> None:
        super().__init__(
            f"The run {holder} may not write any longer, it has lost its lease: {reason}. Nothing"
            " more was sent. Once no other run is writing, re-execute it from failure, or make a"
            " new plan."
        )


@dataclass(frozen=True, kw_only=True)
class LeaseGrant:
    """The lease as it was granted to one holder."""

    holder: str
    token: int
    """The fencing token: a later holder has a higher one."""
    ttl: timedelta
    taken_over_from: str | None = None
    """The holder whose lease had expired, if there was one."""


class Lease(Section):
    """The one lease of this database."""

    def holder(self) -> LeaseHolder | None:
        """The last holder that has not released the lease; it may have expired."""
        row = self._database.first(select(_LEASE))
        return None if row is None else _holder(row)

    def held(self) -> LeaseHolder | None:
        """The holder, unless the lease has expired."""
        holder = self.holder()
        if holder is None:
            return None
        with self._database.read() as connection:
            return holder if holder.until > self._database.now(connection) else None

    def acquire(self, holder: str, *, actor: str, ttl: timedelta) -> LeaseGrant:
        """Take the lease for `ttl`; a holder may take its own again.

        Raises:
            LeaseHeldError: the lease of another holder has not expired.

        """
        with self._database.write() as connection:
            row = _locked_row(connection)
            now = self._database.now(connection)
            other = _holder(row) if row.holder != holder else None
            if other is not None and other.until > now:
                raise LeaseHeldError(other)
            is_own = row.holder == holder
            token, since = (row.token, row.since) if is_own else (row.token + 1, now)
            values = {"holder": holder, "who": actor, "token": token, "since": since}
            connection.execute(_CHANGE.values(**values, until=now + ttl))
        before = other.run_id if other else None
        return LeaseGrant(holder=holder, token=token, ttl=ttl, taken_over_from=before)

    def renew(self, grant: LeaseGrant) -> None:
        """Extend the lease to `ttl` from now on.

        Raises:
            LeaseLostError: another run has taken it, or it was released.

        """
        with self._database.write() as connection:
            _still_held(connection, grant)
            until = self._database.now(connection) + grant.ttl
            connection.execute(_CHANGE.values(until=until))

    def release(self, grant: LeaseGrant) -> None:
        """Release the lease; do nothing if it is lost already."""
        with self._database.write() as connection:
            connection.execute(
                _CHANGE.where(
                    _LEASE.c.holder == grant.holder, _LEASE.c.token == grant.token
                ).values(holder=None, who=None, since=None, until=None)
            )


def _holder(row: AnyRow) -> LeaseHolder | None:
    if row.holder is None:
        return None
    return LeaseHolder(run_id=row.holder, actor=row.who, since=row.since, until=row.until)


def must_be_held(connection: Connection, grant: LeaseGrant, *, now: datetime) -> None:
    """Check, in a transaction, that no other run may write at the time `now`.

    Raises:
        LeaseLostError: the lease has expired, whether or not another run has taken it since.

    """
    if _still_held(connection, grant).until <= now:
        raise LeaseLostError(grant.holder, "it was not renewed in time")


def _still_held(connection: Connection, grant: LeaseGrant) -> AnyRow:
    row = _locked_row(connection)
    if (row.holder, row.token) == (grant.holder, grant.token):
        return row
    if row.holder is None:
        raise LeaseLostError(grant.holder, "it was released")
    raise LeaseLostError(grant.holder, f"the run {row.holder} ({row.who}) has it now")


def _locked_row(connection: Connection) -> AnyRow:
    """The only row, locked until the transaction ends; created at the first use."""
    row = connection.execute(_LOCKED).one_or_none()
    if row is None:
        try:
            with connection.begin_nested():
                connection.execute(insert(_LEASE).values(name=_WRITER, token=0))
        except IntegrityError:
            # Another process has just created it.
            pass
        row = connection.execute(_LOCKED).one()
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


class Pauses(Section):
    """All pauses; at most one of them is active."""

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
        return Pause(actor=row.who, reason=row.why, at=row.at, until=row.until)


def _end(connection: Connection, *, by: str, at: datetime) -> None:
    active = update(PAUSES).where(PAUSES.c.ended_at.is_(None))
    connection.execute(active.values(ended_at=at, ended_by=by))
