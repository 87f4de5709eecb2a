"""Messages: told once, whoever is first, and kept until a webhook has taken them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import (
    Column,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    Update,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from swit_provisioning.state.database import METADATA, Database, UtcDateTime, put

GIVEN_UP_AFTER: Final = timedelta(hours=24)
"""Older than that, it is news no longer."""
_FORGOTTEN_AFTER: Final = timedelta(days=400)
"""That something was told is of no use once Dagster knows of it no longer."""
_HELD_FOR: Final = timedelta(minutes=2)
"""Who delivers one needs no longer; whoever died in it keeps nobody waiting for long."""
_WAITS: Final = tuple(timedelta(minutes=n) for n in (1, 2, 5, 15, 30, 60))

_MESSAGES: Final = Table(
    "message",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("subject", String(200), nullable=False),
    Column("channel", String(16), nullable=False),
    Column("posts", Text),
    Column("sent", Integer, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    UniqueConstraint("subject", "channel"),
)


@dataclass(frozen=True, kw_only=True)
class Pending:
    """What is left to post of one message, for whoever took it."""

    message_id: int
    posts: tuple[str, ...]
    """Bodies, in order."""
    sent: int
    """How many of them are posted already."""
    tries: int
    made_at: datetime


class Outbox:
    """All messages; once one has ended its text is gone, and its subject is remembered."""

    def __init__(self, database: Database) -> None:
        """Take the open database."""
        self._database = database

    def put(self, subject: str, channel: str, posts: Sequence[str]) -> bool:
        """Keep a message to be posted; `False` where somebody has told it already."""
        with self._database.write() as connection:
            now = self._database.now(connection)
            connection.execute(
                delete(_MESSAGES).where(_MESSAGES.c.ended_at < now - _FORGOTTEN_AFTER)
            )
            try:
                with connection.begin_nested():
                    connection.execute(
                        insert(_MESSAGES).values(
                            subject=subject,
                            channel=channel,
                            posts=json.dumps(list(posts)),
                            sent=0,
                            tries=0,
                            made_at=now,
                            due_at=now,
                        )
                    )
            except IntegrityError:
                return False
        return True

    def is_known(self, subject: str) -> bool:
        """Whether it was told, on any channel, or is about to be."""
        known = select(_MESSAGES.c.id).where(_MESSAGES.c.subject == subject).limit(1)
        with self._database.read() as connection:
            return connection.execute(known).scalar() is not None

    def take(self, channel: str) -> Pending | None:
        """The oldest message that has not ended, if it is due: it is this caller's for a while."""
        c = _MESSAGES.c
        oldest = (
            select(_MESSAGES)
            .where(c.channel == channel, c.ended_at.is_(None))
            .order_by(c.id)
            .limit(1)
            .with_for_update()
        )
        with self._database.write() as connection:
            row = connection.execute(oldest).mappings().one_or_none()
            now = self._database.now(connection)
            if row is None or row["due_at"] > now:
                return None
            taken = update(_MESSAGES).where(c.id == row["id"], c.due_at == row["due_at"])
            if not connection.execute(taken.values(due_at=now + _HELD_FOR)).rowcount:
                return None
        return Pending(
            message_id=row["id"],
            posts=tuple(json.loads(row["posts"])),
            sent=row["sent"],
            tries=row["tries"],
            made_at=row["made_at"],
        )

    def posted(self, pending: Pending, number: int) -> None:
        """Note that the webhook has taken the first `number` posts."""
        with self._database.write() as connection:
            values: dict[str, object] = {"sent": number}
            if number >= len(pending.posts):
                values |= {"posts": None, "ended_at": self._database.now(connection)}
            connection.execute(_change(pending).values(**values))

    def failed(self, pending: Pending, *, for_good: bool = False) -> bool:
        """Note that the webhook takes none now; whether it will be tried again, later."""
        with self._database.write() as connection:
            now = self._database.now(connection)
            over = for_good or now - pending.made_at > GIVEN_UP_AFTER
            if over:
                values: dict[str, object] = {"posts": None, "ended_at": now}
            else:
                values = {"due_at": now + _WAITS[min(pending.tries, len(_WAITS) - 1)]}
            connection.execute(_change(pending).values(**values, tries=pending.tries + 1))
        return not over


def _change(pending: Pending) -> Update:
    return update(_MESSAGES).where(_MESSAGES.c.id == pending.message_id)


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
