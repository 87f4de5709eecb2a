"""Stored plans: each content once, compressed, and a row for each run that made it."""

import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    func,
    insert,
    select,
)

from swit_provisioning.planning.model import Plan, PlanHash, shown_id
from swit_provisioning.state.database import METADATA, Database, UtcDateTime, put
from swit_provisioning.state.errors import AmbiguousPlanError

# The hash of a plan covers the changes that are sent. Findings and counts for the guards may
# differ under the same hash, so the content has a hash of its own.
CONTENTS: Final = Table(
    "plan_content",
    METADATA,
    Column("content_hash", String(64), primary_key=True),
    Column("content", LargeBinary, nullable=False),
)
MADE: Final = Table(
    "plan_made",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("plan_hash", String(64), nullable=False, index=True),
    Column("content_hash", ForeignKey(CONTENTS.c.content_hash), nullable=False),
    Column("run_id", String(64), nullable=False, index=True),
    Column("made_at", UtcDateTime, nullable=False),
    Column("counts", Text, nullable=False),
    Column("verdicts", Text, nullable=False),
)


_HEXADECIMAL: Final = frozenset("0123456789abcdef")


@dataclass(frozen=True, kw_only=True)
class StoredPlan:
    """A plan, as its last making stored it."""

    plan: Plan
    plan_hash: PlanHash
    created_at: datetime
    """When both sides were read for its last making."""
    verdicts: tuple[Mapping[str, Any], ...]
    """The results of the guards at that time, one mapping each."""

    @property
    def plan_id(self) -> str:
        """The short id of the plan."""
        return shown_id(self.plan_hash)


@dataclass(frozen=True, kw_only=True)
class ListedPlan:
    """A plan, as its last making stored it, without its changes."""

    plan_hash: PlanHash
    created_at: datetime
    run_id: str
    counts: Mapping[str, int]
    """Action -> changes; empty: there was nothing to do."""
    verdicts: tuple[Mapping[str, Any], ...]

    @property
    def plan_id(self) -> str:
        """The short id of the plan."""
        return shown_id(self.plan_hash)


class Plans:
    """All stored plans."""

    def __init__(self, database: Database) -> None:
        """Take the open database."""
        self._database = database

    def save(
        self,
        plan: Plan,
        *,
        run_id: str,
        verdicts: Sequence[Mapping[str, Any]],
        read_at: datetime | None = None,
    ) -> None:
        """Store the plan that `run_id` has made, with the results of the guards.

        `read_at` is when reading both sides began, which is the age of the plan; `None`: now.
        """
        content_hash, content = packed(plan.document())
        with self._database.write() as connection:
            if not _is_stored(connection, content_hash):
                put(
                    connection,
                    CONTENTS,
                    key={"content_hash": content_hash},
                    values={"content": content},
                )
            connection.execute(
                insert(MADE).values(
                    plan_hash=plan.plan_hash,
                    content_hash=content_hash,
                    run_id=run_id,
                    made_at=read_at or self._database.now(connection),
                    counts=json.dumps(plan.counts()),
                    verdicts=json.dumps([dict(v) for v in verdicts], ensure_ascii=False),
                )
            )

    def get(self, plan_hash: PlanHash) -> StoredPlan | None:
        """The plan as its last making stored it; `None` if it is not stored."""
        newest = (
            select(MADE.c.plan_hash, MADE.c.made_at, MADE.c.verdicts, CONTENTS.c.content)
            .join(CONTENTS)
            .where(MADE.c.plan_hash == plan_hash)
            .order_by(MADE.c.id.desc())
            .limit(1)
        )
        with self._database.read() as connection:
            row = connection.execute(newest).one_or_none()
        if row is None:
            return None
        return StoredPlan(
            plan=Plan.of(content_of(row.content)),
            plan_hash=row.plan_hash,
            created_at=row.made_at,
            verdicts=tuple(json.loads(row.verdicts)),
        )

    def find(self, digits: str) -> PlanHash | None:
        """The only plan whose hash begins with these hexadecimal digits; `None`: there is none.

        Raises:
            AmbiguousPlanError: several plans do.

        """
        wanted = digits.strip().lower()
        if not wanted or set(wanted) - _HEXADECIMAL:
            return None
        made = select(MADE.c.plan_hash).where(MADE.c.plan_hash.startswith(wanted)).distinct()
        with self._database.read() as connection:
            found = sorted(connection.execute(made).scalars())
        if len(found) > 1:
            raise AmbiguousPlanError(wanted, _distinct_prefixes(found))
        return PlanHash(found[0]) if found else None

    def made_by(self, run_id: str) -> PlanHash | None:
        """The last plan that this run has made."""
        made = select(MADE.c.plan_hash).where(MADE.c.run_id == run_id)
        with self._database.read() as connection:
            return connection.execute(made.order_by(MADE.c.id.desc()).limit(1)).scalar()

    def stops(self) -> dict[str, int]:
        """Guard -> number of makings of plans that it blocked."""
        with self._database.read() as connection:
            rows = connection.execute(select(MADE.c.verdicts)).scalars().all()
        return Counter(
            str(verdict["name"])
            for row in rows
            for verdict in json.loads(row)
            if verdict["blocking"] and not verdict["passed"]
        )

    def listed(self, *, limit: int, plan_hash: PlanHash | None = None) -> list[ListedPlan]:
        """The plans that were made last, newest first; with `plan_hash`, only that one."""
        newest = select(func.max(MADE.c.id)).group_by(MADE.c.plan_hash)
        if plan_hash is not None:
            newest = newest.where(MADE.c.plan_hash == plan_hash)
        rows = select(MADE).where(MADE.c.id.in_(newest)).order_by(MADE.c.id.desc()).limit(limit)
        with self._database.read() as connection:
            return [
                ListedPlan(
                    plan_hash=row.plan_hash,
                    created_at=row.made_at,
                    run_id=row.run_id,
                    counts=json.loads(row.counts),
                    verdicts=tuple(json.loads(row.verdicts)),
                )
                for row in connection.execute(rows)
            ]

    def latest(self) -> PlanHash | None:
        """The plan that any run made last."""
        with self._database.read() as connection:
            made = select(MADE.c.plan_hash).order_by(MADE.c.id.desc()).limit(1)
            return connection.execute(made).scalar()


def content_of(stored: bytes) -> dict[str, Any]:
    """The document of a plan, from its stored content."""
    document: dict[str, Any] = json.loads(zlib.decompress(stored))
    return document


def packed(document: Mapping[str, Any]) -> tuple[str, bytes]:
    """The hash and the compressed content of a document."""
    text = json.dumps(document, sort_keys=True, ensure_ascii=False).encode()
    return hashlib.sha256(text).hexdigest(), zlib.compress(text)


def newest_making(connection: Connection, plan_hash: PlanHash) -> int | None:
    """The id of the last making of this plan."""
    made = select(MADE.c.id).where(MADE.c.plan_hash == plan_hash)
    return connection.execute(made.order_by(MADE.c.id.desc()).limit(1)).scalar()


def _is_stored(connection: Connection, content_hash: str) -> bool:
    found = select(CONTENTS.c.content_hash).where(CONTENTS.c.content_hash == content_hash)
    return connection.execute(found).scalar() is not None


def _distinct_prefixes(hashes: Sequence[str]) -> list[str]:
    """The hashes, shortened as far as they still differ."""
    digits = len(shown_id(PlanHash(hashes[0])))
    while len({name[:digits] for name in hashes}) < len(hashes):
        digits += 1
    return [name[:digits] for name in hashes]
