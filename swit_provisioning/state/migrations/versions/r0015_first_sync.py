"""Whether a plan was accepted for a first sync, which may create everything."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """One new column. What earlier versions accepted counts as a later sync."""
    op.add_column(
        "acceptance",
        sa.Column("first_sync", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
