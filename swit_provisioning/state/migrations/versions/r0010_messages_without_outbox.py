"""Messages are remembered by runs and by the alarms sensor, no longer by the state."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Drop both tables; a message that no webhook has taken yet is lost."""
    op.drop_table("message")
    op.drop_table("alarm")
