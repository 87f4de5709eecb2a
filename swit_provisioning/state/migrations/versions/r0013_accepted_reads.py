"""A history of accepted reads, with the counts that percentage limits are taken of."""

import json

import sqlalchemy as sa
from alembic import op

from swit_provisioning.state.database import UtcDateTime

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """One row for each accepted read. The last one of an earlier version has no such counts."""
    connection = op.get_bind()
    old = sa.table("accepted_read", *map(sa.column, ("base", "users", "groups")))
    times = sa.table("accepted_read", sa.column("accepted_at", UtcDateTime()))
    rows = connection.execute(sa.select(old)).all()
    accepted_at = connection.execute(sa.select(sa.func.max(times.c.accepted_at))).scalar()
    op.drop_table("accepted_read")
    new = op.create_table(
        "accepted_read",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("accepted_at", UtcDateTime(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
    )
    if rows:
        directory = {row.base: {"users": row.users, "groups": row.groups} for row in rows}
        content = json.dumps({"directory": directory}, ensure_ascii=False)
        op.bulk_insert(new, [{"accepted_at": accepted_at, "content": content}])
