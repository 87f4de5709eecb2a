"""Which approval lifted a limit, what Swit keeps otherwise, and what does not stick."""

import sqlalchemy as sa
from alembic import op

from swit_provisioning.state.database import UtcDateTime

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """An approval is named by its number where it was only known that there was one."""
    op.create_table(
        "journal_seen",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("entry_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "repeat",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("last_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    with op.batch_alter_table("journal") as journal:
        journal.add_column(sa.Column("reason", sa.Text(), nullable=False, server_default=""))
        journal.add_column(sa.Column("kept", sa.Text(), nullable=True))
    for table in ("acceptance", "journal"):
        _name_approvals(table)
    where = sa.text("kept IS NOT NULL")
    op.create_index("journal_kept", "journal", ["id"], sqlite_where=where, postgresql_where=where)
    with op.batch_alter_table("journal") as journal:
        journal.alter_column("reason", server_default=None)


def _name_approvals(name: str) -> None:
    """The newest approval of the plan is the one that had lifted its limit."""
    with op.batch_alter_table(name) as table:
        table.add_column(sa.Column("approval_id", sa.Integer(), nullable=True))
        table.create_foreign_key(f"{name}_approval_id_fkey", "approval", ["approval_id"], ["id"])
    of_plan = sa.table(name, sa.column("plan_id"), sa.column("approved"), sa.column("approval_id"))
    approval = sa.table("approval", sa.column("id"), sa.column("plan_id"))
    newest = (
        sa.select(sa.func.max(approval.c.id))
        .where(approval.c.plan_id == of_plan.c.plan_id)
        .scalar_subquery()
    )
    op.execute(sa.update(of_plan).where(of_plan.c.approved == sa.true()).values(approval_id=newest))
    with op.batch_alter_table(name) as table:
        table.drop_column("approved")
