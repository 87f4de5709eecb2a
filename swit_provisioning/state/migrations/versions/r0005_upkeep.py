"""What codes of forgotten people are made with; which state this is, and what came back."""

import sqlalchemy as sa
from alembic import op

from swit_provisioning.state.database import UtcDateTime

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """The secret is no token, and is not rotated with them."""
    op.create_table(
        "pseudonym_secret",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("encrypted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "state_mark",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("runs", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "restoration",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("noticed_at", UtcDateTime(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("planned_by", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
