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
from swit_provisioning.state.database import METADATA, Section, UtcDateTime, upsert

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
    Column("verdicts", Text, nullable=False, key="guard_results"),
    Column("who", Text),
    Column("person", Text),
)

_HEXADECIMAL: Final = frozenset("0123456789abcdef")
_NAMED: Final = 5


class AmbiguousPlanError(Exception):
    """Several plans begin with the digits that were given."""

    def __init__(self, digits: str, plan_ids: Sequence[str]) -> None:
        few = ", ".join(plan_ids[:_NAMED]) + (", ..." if plan_ids[_NAMED:] else "")
        super().__init__(
            f"{len(plan_ids)} plans begin with {digits}: {few}. Look at each with"
            " `swit-provisioning show`, and give more digits."
        )


@dataclass(frozen=True, kw_only=True)
class StoredPlan:
    """A plan, as its last making stored it."""

    plan: Plan
    plan_hash: PlanHash
    created_at: datetime
    """When both sides were read for its last making."""
    guard_results: tuple[Mapping[str, Any], ...]
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
    guard_results: tuple[Mapping[str, Any], ...]
    person: str = ""
    """The only person whose changes it has; empty: it is for everyone."""

    @property
    def plan_id(self) -> str:
        """The short id of the plan."""
        return shown_id(self.plan_hash)


class Plans(Section):
    """All stored plans."""

    def save(
        self,
        plan: Plan,
        *,
        run_id: str,
        guard_results: Sequence[Mapping[str, Any]],
        read_at: datetime | None = None,
        actor: str | None = None,
    ) -> None:
        """Store the plan that `run_id` has made, with the results of the guards.

        `read_at` is when reading both sides began, which is the age of the plan; `None`: now.
        `actor` is the user and host that started the run.
        """
        content_hash, content = packed(plan.document())
        key = {"content_hash": content_hash}
        stored = select(CONTENTS.c.content_hash).where(CONTENTS.c.content_hash == content_hash)
        with self._database.write() as connection:
            if connection.execute(stored).first() is None:
                upsert(connection, CONTENTS, key=key, values={"content": content})
            connection.execute(
                insert(MADE).values(
                    plan_hash=plan.plan_hash,
                    content_hash=content_hash,
                    run_id=run_id,
                    made_at=read_at or self._database.now(connection),
                    counts=json.dumps(plan.counts()),
                    guard_results=json.dumps(list(map(dict, guard_results)), ensure_ascii=False),
                    who=actor,
                    person=plan.person or None,
                )
            )

    def get(self, plan_hash: PlanHash) -> StoredPlan | None:
        """The plan as its last making stored it; `None` if it is not stored."""
        newest = (
            select(MADE.c.plan_hash, MADE.c.made_at, MADE.c.guard_results, CONTENTS.c.content)
            .join(CONTENTS)
            .where(MADE.c.plan_hash == plan_hash)
            .order_by(MADE.c.id.desc())
            .limit(1)
        )
        row = self._database.first(newest)
        if row is None:
            return None
        return StoredPlan(
            plan=Plan.of(content_of(row.content)),
            plan_hash=row.plan_hash,
            created_at=row.made_at,
            guard_results=tuple(json.loads(row.guard_results)),
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
        found = sorted(row.plan_hash for row in self._database.rows(made))
        if len(found) > 1:
            digits_that_differ = len(shown_id(PlanHash(found[0])))
            while len({name[:digits_that_differ] for name in found}) < len(found):
                digits_that_differ += 1
            raise AmbiguousPlanError(wanted, [name[:digits_that_differ] for name in found])
        return PlanHash(found[0]) if found else None

    def made_by(self, run_id: str) -> PlanHash | None:
        """The last plan that this run has made."""
        made = select(MADE.c.plan_hash).where(MADE.c.run_id == run_id)
        found: PlanHash | None = self._database.scalar(made.order_by(MADE.c.id.desc()).limit(1))
        return found

    def maker(self, plan_hash: PlanHash) -> str | None:
        """User and host that made this plan last; `None`: not recorded."""
        made = select(MADE.c.who).where(MADE.c.plan_hash == plan_hash)
        found: str | None = self._database.scalar(made.order_by(MADE.c.id.desc()).limit(1))
        return found

    def stops(self) -> dict[str, int]:
        """Guard -> number of makings of plans that it blocked."""
        return Counter(
            str(result["name"])
            for row in self._database.rows(select(MADE.c.guard_results))
            for result in json.loads(row.guard_results)
            if result["blocking"] and not result["passed"]
        )

    def listed(self, *, limit: int, plan_hash: PlanHash | None = None) -> list[ListedPlan]:
        """The plans that were made last, newest first; with `plan_hash`, only that one."""
        newest = select(func.max(MADE.c.id)).group_by(MADE.c.plan_hash)
        if plan_hash is not None:
            newest = newest.where(MADE.c.plan_hash == plan_hash)
        rows = select(MADE).where(MADE.c.id.in_(newest)).order_by(MADE.c.id.desc()).limit(limit)
        return [
            ListedPlan(
                plan_hash=row.plan_hash,
                created_at=row.made_at,
                run_id=row.run_id,
                counts=json.loads(row.counts),
                guard_results=tuple(json.loads(row.guard_results)),
                person=row.person or "",
            )
            for row in self._database.rows(rows)
        ]

    def latest(self) -> PlanHash | None:
        """The plan for everyone that any run made last."""
        for_everyone = select(MADE.c.plan_hash).where(MADE.c.person.is_(None))
        made = for_everyone.order_by(MADE.c.id.desc()).limit(1)
        found: PlanHash | None = self._database.scalar(made)
        return found


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
