"""What is remembered of objects by their ids: who is who, and what the settings exempt.

Who is who is remembered after each applied plan, what is exempt when a plan is made.
"""

from collections.abc import Iterable
from typing import Final, Literal

from sqlalchemy import (
    Column,
    Connection,
    String,
    Table,
    Text,
    bindparam,
    delete,
    insert,
    or_,
    select,
)

from swit_provisioning.reconcile.memory import Exemption, Memory
from swit_provisioning.store.database import Database
from swit_provisioning.store.tables import METADATA, UtcDateTime

IdentityKind = Literal["user", "group"]
Binding = tuple[IdentityKind, str, str]
"""Kind, directory id, Swit id."""

IDENTITIES: Final = Table(
    "identity",
    METADATA,
    Column("kind", String(16), primary_key=True),
    Column("directory_id", Text, primary_key=True),
    Column("swit_id", String(255), nullable=False, index=True),
    Column("remembered_at", UtcDateTime, nullable=False),
)
EXEMPTIONS: Final = Table(
    "exemption",
    METADATA,
    Column("kind", String(16), primary_key=True),
    Column("object_id", Text, primary_key=True),
    Column("setting", String(32), primary_key=True),
    Column("entry", Text, primary_key=True),
)


class Identities:
    """One directory entry stands for one Swit object, and the other way round."""

    def __init__(self, database: Database) -> None:
        """Take the open database."""
        self._database = database

    def memory(self) -> Memory:
        """All of it."""
        with self._database.read() as connection:
            known = _known(connection)
            exempt = _exempt(connection)
        return Memory(users=_of_kind(known, "user"), groups=_of_kind(known, "group"), exempt=exempt)

    def remember_exempt(self, exempt: Iterable[Exemption]) -> None:
        """Keep these exemptions in place of all that were known."""
        wanted = frozenset(exempt)
        with self._database.read() as connection:
            if _exempt(connection) == wanted:
                return
        with self._database.write() as connection:
            connection.execute(delete(EXEMPTIONS))
            if wanted:
                connection.execute(insert(EXEMPTIONS), [vars(each) for each in wanted])

    def remember(self, bindings: Iterable[Binding]) -> None:
        """Keep these, in place of what was known of the same entries and the same objects."""
        wanted = {(kind, directory_id): swit_id for kind, directory_id, swit_id in bindings}
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


def _of_kind(known: dict[tuple[str, str], str], kind: IdentityKind) -> dict[str, str]:
    return {directory_id: swit_id for (of, directory_id), swit_id in known.items() if of == kind}
