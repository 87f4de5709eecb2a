"""Whether the user or team of a match is active, so that its person or group is expected."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """One new column. The next plan corrects it."""
    op.add_column(
        "identity",
        sa.Column("is_active", sa.Boolean(), nullable=False, server_default=sa.true()),
    )
