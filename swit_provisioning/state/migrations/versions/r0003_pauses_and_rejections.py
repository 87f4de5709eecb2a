"""Pauses, rejected plans, and how many changes of each action a plan has."""

import json
import zlib
from collections import Counter

import sqlalchemy as sa
from alembic import op

from swit_provisioning.state.database import UtcDateTime

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Plans that are there already are counted, so that a list of plans need not read them."""
    op.create_table(
        "pause",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("until", UtcDateTime(), nullable=True),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("ended_by", sa.String(length=255), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "rejection",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("plan_id", sa.String(length=64), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("lifted_at", UtcDateTime(), nullable=True),
        sa.Column("lifted_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_rejection_plan_id", "rejection", ["plan_id"])
    with op.batch_alter_table("plan_made") as made:
        made.add_column(sa.Column("counts", sa.Text(), nullable=False, server_default="{}"))
    _count_plans()
    with op.batch_alter_table("plan_made") as made:
        made.alter_column("counts", server_default=None)


def _count_plans() -> None:
    content = sa.table("plan_content", sa.column("content_hash"), sa.column("content"))
    made = sa.table("plan_made", sa.column("content_hash"), sa.column("counts"))
    connection = op.get_bind()
    hashes = connection.execute(sa.select(content.c.content_hash)).scalars().all()
    for content_hash in hashes:
        mine = content.c.content_hash == content_hash
        packed = connection.execute(sa.select(content.c.content).where(mine)).scalar_one()
        plan = json.loads(zlib.decompress(packed))
        counts = json.dumps(Counter(change["action"] for change in plan["changes"]))
        mine = made.c.content_hash == content_hash
        connection.execute(sa.update(made).where(mine).values(counts=counts))
