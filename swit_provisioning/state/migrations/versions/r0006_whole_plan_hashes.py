"""Plans are told apart by their whole SHA-256, where 12 digits of it stood."""

import hashlib
import json
import zlib
from collections import defaultdict
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_INDEXED = ("acceptance", "approval", "plan_made", "rejection")


def upgrade() -> None:
    """Rows of a plan that is no longer stored keep the 12 digits, and so do those of two plans."""
    for name in (*_INDEXED, "journal"):
        op.execute(f"ALTER TABLE {name} RENAME COLUMN plan_id TO plan_hash")
    for name in _INDEXED:
        op.drop_index(f"ix_{name}_plan_id", name)
        op.create_index(f"ix_{name}_plan_hash", name, ["plan_hash"])
    known = op.create_table(
        "known_plan",
        sa.Column("plan_id", sa.String(length=64), primary_key=True),
        sa.Column("plan_hash", sa.String(length=64), nullable=False),
        prefixes=["TEMPORARY"],
    )
    hashes = _hash_plans()
    rows = [
        {"plan_id": plan_id, "plan_hash": found.pop()}
        for plan_id, found in hashes.items()
        if len(found) == 1
    ]
    op.bulk_insert(known, rows)
    for name in ("acceptance", "approval", "rejection", "journal"):
        table = sa.table(name, sa.column("plan_hash"))
        mine = known.c.plan_id == table.c.plan_hash
        whole = sa.select(known.c.plan_hash).where(mine).scalar_subquery()
        of_known = table.c.plan_hash.in_(sa.select(known.c.plan_id))
        op.execute(sa.update(table).where(of_known).values(plan_hash=whole))
    op.drop_table("known_plan")


def _hash_plans() -> dict[str, set[str]]:
    """Give every plan that was made its hash; the hashes by what was its id."""
    content = sa.table("plan_content", sa.column("content_hash"), sa.column("content"))
    made = sa.table("plan_made", sa.column("content_hash"), sa.column("plan_hash"))
    connection = op.get_bind()
    pairs = connection.execute(sa.select(made.c.content_hash, made.c.plan_hash).distinct()).all()
    hashes = defaultdict[str, set[str]](set)
    for content_hash, plan_id in pairs:
        mine = content.c.content_hash == content_hash
        packed = connection.execute(sa.select(content.c.content).where(mine)).scalar_one()
        plan_hash = _hash_of(json.loads(zlib.decompress(packed)))
        # A plan in which a person was forgotten no longer says what it was.
        if plan_hash.startswith(plan_id):
            hashes[plan_id].add(plan_hash)
            rows = sa.and_(made.c.content_hash == content_hash, made.c.plan_hash == plan_id)
            connection.execute(sa.update(made).where(rows).values(plan_hash=plan_hash))
        else:
            hashes[plan_id].add(plan_id)
    return hashes


def _hash_of(plan: dict[str, Any]) -> str:
    content = {
        "changes": plan["changes"],
        "policy": plan.get("policy", {}),
        "organization": plan.get("organization_id", ""),
        "directory": plan.get("directory_identity", ""),
    }
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
