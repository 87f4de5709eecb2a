"""Which form the tables have, and how an older form becomes the one that this program knows.

Forms are numbered (`0001`, `0002`, ...), and Alembic's table in the database says which one it
has. It is imported only where there is something to do: it would make each start longer.
"""

from importlib.resources import as_file, files
from typing import Final

from sqlalchemy import Connection, inspect, text

from swit_provisioning.store.errors import NewerSchemaError

NEWEST: Final = "0008"
"""The form that this program reads and writes; a database with a later one is refused."""

_BEFORE_ALEMBIC: Final = "schema_version"
"""The table that said which form it was, before Alembic did: `0000`, the tables of `0001`."""


def form_of(connection: Connection) -> str | None:
    """The form of the tables in a database; `None` where there are none yet.

    Raises:
        NewerSchemaError: a newer version of this program made them.

    """
    here = inspect(connection)
    if not here.has_table("alembic_version"):
        return "0000" if here.has_table(_BEFORE_ALEMBIC) else None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if found is not None and str(found) > NEWEST:
        raise NewerSchemaError(found=str(found), known=NEWEST)
    return found


def bring_up_to_date(connection: Connection, *, to: str = "head") -> None:
    """Make the tables, or change them step by step to the newest form, in this transaction."""
    from alembic import command  # noqa: PLC0415 - see above
    from alembic.config import Config  # noqa: PLC0415

    with as_file(files("swit_provisioning.store") / "migrations") as folder:
        config = Config()
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        config.attributes["connection"] = connection
        if inspect(connection).has_table(_BEFORE_ALEMBIC):
            command.stamp(config, "0001")
            connection.execute(text(f"DROP TABLE {_BEFORE_ALEMBIC}"))
        command.upgrade(config, to)
