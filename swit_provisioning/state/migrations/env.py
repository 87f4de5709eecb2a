"""Alembic's way in: it runs the steps in the transaction that `store.schema` has opened."""

from alembic import context

import swit_provisioning.state.store  # noqa: F401 - so that every table is known
from swit_provisioning.state.database import METADATA

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=METADATA,
    render_as_batch=connection.dialect.name == "sqlite",
)
context.run_migrations()
