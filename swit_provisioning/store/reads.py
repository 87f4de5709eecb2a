"""What each search base gave when a plan last went through: what shrinking is measured by."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Column, Integer, Table, Text, delete, insert, select

from swit_provisioning.store.database import Database
from swit_provisioning.store.tables import METADATA, UtcDateTime

_READS: Final = Table(
    "accepted_read",
    METADATA,
    Column("base", Text, primary_key=True),
    Column("users", Integer, nullable=False),
    Column("groups", Integer, nullable=False),
    Column("accepted_at", UtcDateTime, nullable=False),
)


class Reads:
    """The last accepted read of the directory."""

    def __init__(self, database: Database) -> None:
        """Take the open database."""
        self._database = database

    def last_accepted(self) -> dict[str, dict[str, int]]:
        """Search base -> how many usable `users` and `groups` it gave; empty before the first."""
        with self._database.read() as connection:
            rows = connection.execute(select(_READS).order_by(_READS.c.base)).all()
        return {row.base: {"users": row.users, "groups": row.groups} for row in rows}

    def accept(self, counts: Mapping[str, Mapping[str, int]]) -> None:
        """Remember this read in place of the one before; bases no longer read are forgotten."""
        with self._database.write() as connection:
            now = self._database.now(connection)
            connection.execute(delete(_READS))
            rows = [
                {"base": base, "users": n["users"], "groups": n["groups"], "accepted_at": now}
                for base, n in counts.items()
            ]
            if rows:
                connection.execute(insert(_READS), rows)
