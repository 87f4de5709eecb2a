"""The person that a plan is for, if it is for one only."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """One new column: all earlier plans are for everyone."""
    op.add_column("plan_made", sa.Column("person", sa.Text(), nullable=True))
