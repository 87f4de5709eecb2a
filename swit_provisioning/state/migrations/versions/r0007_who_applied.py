"""Who started the run that sends a plan."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Unknown for the runs of before."""
    op.add_column("acceptance", sa.Column("who", sa.Text(), nullable=True))
