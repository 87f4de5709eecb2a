"""What the journal has to say to the next plan: what was applied, and what Swit keeps otherwise."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, RowMapping, func, select

from swit_provisioning.reconcile.kept import Kept
from swit_provisioning.reconcile.repeats import parts_of
from swit_provisioning.store.database import Database
from swit_provisioning.store.journal import JOURNAL

_BATCHES: Final = frozenset({"membership.add", "membership.remove"})


class Recollection:
    """Reads the journal as a plan needs it."""

    def __init__(self, database: Database) -> None:
        """Take the open database."""
        self._database = database

    def applied_since(self, entry_id: int) -> tuple[dict[str, datetime], int]:
        """Key of a part of a change -> when it was applied, of all entries after `entry_id`.

        And the newest entry there is. Of a batch those count whom Swit took.
        """
        c = JOURNAL.c
        columns = (c.application_id, c.action, c.object_id, c.before, c.after, c.left_out, c.at)
        done = select(*columns, c.outcome).where(
            c.id > entry_id, c.outcome.in_(("applied", "rejected"))
        )
        with self._database.read() as connection:
            newest = connection.execute(select(func.max(c.id))).scalar() or 0
            rows = connection.execute(done.where(c.id <= newest).order_by(c.id)).mappings().all()
            made = _made(connection, sorted({row["application_id"] for row in rows}))
        found: dict[str, datetime] = {}
        for row in rows:
            found |= dict.fromkeys(_keys(row, made), row["at"])
        return found, newest

    def kept(self) -> dict[tuple[str, str], Kept]:
        """Swit's id and field -> what became of the value sent last that Swit keeps otherwise."""
        with self._database.read() as connection:
            return {place: kept for place, (_, kept) in _kept(connection).items()}


def newest_kept(connection: Connection) -> set[int]:
    """The entries that say so: newer than any other about the same object and field."""
    return {entry_id for entry_id, _ in _kept(connection).values()}


def _kept(connection: Connection) -> dict[tuple[str, str], tuple[int, Kept]]:
    c = JOURNAL.c
    noted = select(c.id, c.object_id, c.made_id, c.after, c.kept).where(c.kept.is_not(None))
    found: dict[tuple[str, str], tuple[int, Kept]] = {}
    for row in connection.execute(noted.order_by(c.id)):
        sent = json.loads(row.after)
        for field, value in json.loads(row.kept).items():
            place = row.made_id or row.object_id, field
            found[place] = row.id, Kept(sent=sent[field], kept=value)
    return found


def _made(connection: Connection, applications: Sequence[str]) -> dict[tuple[str, str], str]:
    """Application and id in its plan -> Swit's id, of all that it made."""
    c = JOURNAL.c
    makings = select(c.application_id, c.object_id, c.made_id).where(
        c.application_id.in_(applications), c.made_id.is_not(None)
    )
    return {(row.application_id, row.object_id): row.made_id for row in connection.execute(makings)}


def _keys(row: RowMapping, made: dict[tuple[str, str], str]) -> list[str]:
    action, left_out = row["action"], frozenset(json.loads(row["left_out"]))
    if row["outcome"] == "rejected" and not (action in _BATCHES and left_out):
        return []

    def real(name: str) -> str:
        return made.get((row["application_id"], name), name)

    before, after = json.loads(row["before"]), json.loads(row["after"])
    parts = parts_of(action, row["object_id"], before, after, real=real)
    return [key for part, key in parts.items() if part not in left_out]
