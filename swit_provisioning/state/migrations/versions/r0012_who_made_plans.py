"""Who started the run that made a plan."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Unknown for the plans of before."""
    op.add_column("plan_made", sa.Column("who", sa.Text(), nullable=True))
