"""Plans in which a person was forgotten, and the count of runs that detected an older state."""

import json
import zlib

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Delete what earlier versions kept: such a plan has a code where it named a person."""
    op.drop_table("state_mark")
    connection = op.get_bind()
    contents = sa.table("plan_content", sa.column("content_hash"), sa.column("content"))
    made = sa.table("plan_made", sa.column("content_hash"))
    for row in connection.execute(sa.select(contents)).all():
        if json.loads(zlib.decompress(row.content)).get("forgotten"):
            mine = made.c.content_hash == row.content_hash
            connection.execute(sa.delete(made).where(mine))
            stored = contents.c.content_hash == row.content_hash
            connection.execute(sa.delete(contents).where(stored))
