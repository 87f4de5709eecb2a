"""Changes of a real directory, as its administrator makes them."""

from collections.abc import Mapping, Sequence

import ldap3


class Changes:
    """Changes over one connection; one that is refused is an error."""

    def __init__(self, connection: ldap3.Connection) -> None:
        self._connection = connection

    def add(
        self, dn: str, classes: Sequence[str], attributes: Mapping[str, object] | None = None
    ) -> None:
        self._connection.add(  # type: ignore[no-untyped-call] # the stubs leave it open
            dn, list(classes), dict(attributes or {})
        )
        self._succeeded(dn)

    def set(self, dn: str, **attributes: str | list[str]) -> None:
        """Replace values."""
        values = {name: [v] if isinstance(v, str) else v for name, v in attributes.items()}
        self._connection.modify(  # type: ignore[no-untyped-call] # the stubs leave it open
            dn, {name: [(ldap3.MODIFY_REPLACE, given)] for name, given in values.items()}
        )
        self._succeeded(dn)

    def move(self, dn: str, name: str, parent: str) -> None:
        """Give an entry a new first part (`CN=New`), and a parent: the one it has or another."""
        self._connection.modify_dn(dn, name, new_superior=parent)
        self._succeeded(dn)

    def delete(self, dn: str) -> None:
        self._connection.delete(dn)  # type: ignore[no-untyped-call] # the stubs leave it open
        self._succeeded(dn)

    def value(self, dn: str, attribute: str) -> bytes:
        """The one value of an attribute, as the server sends it."""
        self._connection.search(dn, "(objectClass=*)", ldap3.BASE, attributes=[attribute])
        self._succeeded(dn)
        (entry,) = self._connection.response or []
        (value,) = entry["raw_attributes"][attribute]
        return bytes(value)

    def _succeeded(self, dn: str) -> None:
        assert self._connection.result["result"] == 0, f"{dn}: {self._connection.result}"
