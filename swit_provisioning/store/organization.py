"""The Swit organisation that this state belongs to: the first one it was used on."""

from typing import Final

from sqlalchemy import Column, Integer, String, Table, insert, select

from swit_provisioning.store.database import Database
from swit_provisioning.store.errors import OtherOrganizationError
from swit_provisioning.store.tables import METADATA, UtcDateTime

_ORGANIZATION: Final = Table(
    "organization",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("organization_id", String(255), nullable=False),
    Column("bound_at", UtcDateTime, nullable=False),
)


class BoundOrganization:
    """One row: the organisation, once it is known."""

    def __init__(self, database: Database) -> None:
        """Take the open database."""
        self._database = database

    def bound_to(self) -> str | None:
        """The id of the organisation, if the state was used already."""
        with self._database.read() as connection:
            return connection.execute(select(_ORGANIZATION.c.organization_id)).scalar()

    def bind(self, organization_id: str) -> None:
        """Bind the state to this organisation, or make sure that it is bound to it.

        Raises:
            OtherOrganizationError: it belongs to another one.

        """
        bound = self.bound_to() or self._bind_first(organization_id)
        if bound != organization_id:
            raise OtherOrganizationError(bound_to=bound, found=organization_id)

    def _bind_first(self, organization_id: str) -> str:
        with self._database.write() as connection:
            bound = connection.execute(select(_ORGANIZATION.c.organization_id)).scalar()
            if bound is not None:
                return str(bound)
            now = self._database.now(connection)
            values = {"id": 1, "organization_id": organization_id, "bound_at": now}
            connection.execute(insert(_ORGANIZATION).values(**values))
        return organization_id
