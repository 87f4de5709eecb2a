"""What is wrong until it is over: each is told once, and told again when it has ended."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Column, String, Table, delete, select

from swit_provisioning.store.database import Database
from swit_provisioning.store.tables import METADATA, UtcDateTime, put

_ALARMS: Final = Table(
    "alarm",
    METADATA,
    Column("name", String(32), primary_key=True),
    Column("about", String(100), nullable=False),
    Column("since", UtcDateTime, nullable=False),
)


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """Something is wrong."""

    name: str
    about: str
    """What tells this time from the next one."""
    since: datetime


class Alarms:
    """Those that are not over."""

    def __init__(self, database: Database) -> None:
        """Take the open database."""
        self._database = database

    def standing(self, name: str) -> Alarm | None:
        """The alarm of this name, if it is not over."""
        with self._database.read() as connection:
            found = select(_ALARMS).where(_ALARMS.c.name == name)
            row = connection.execute(found).mappings().one_or_none()
        return None if row is None else Alarm(**row)

    def begin(self, name: str, about: str) -> None:
        """It is wrong from now on, in place of what was wrong under this name."""
        with self._database.write() as connection:
            values = {"about": about, "since": self._database.now(connection)}
            put(connection, _ALARMS, key={"name": name}, values=values)

    def end(self, name: str) -> None:
        """It is over."""
        with self._database.write() as connection:
            connection.execute(delete(_ALARMS).where(_ALARMS.c.name == name))
