"""The arguments of one call, read with care: one of a wrong kind is refused, never a crash."""

from collections.abc import Mapping
from typing import Any

from swit_provisioning.sandbox.rules import RefusedError


class Arguments:
    """A query, a form or a JSON body. Every reader raises `RefusedError` (400)."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        """Read from these, as they came: any value may be of any kind."""
        self.values = values

    def text(self, name: str) -> str:
        """A text that must be there and not be empty."""
        found = self.optional_text(name)
        if not found:
            raise RefusedError(400, f"{name} is required.")
        return found

    def optional_text(self, name: str) -> str | None:
        """A text, or `None` where it is left out or null."""
        found = self.values.get(name)
        if found is not None and not isinstance(found, str):
            raise RefusedError(400, f"{name} must be a string.")
        return found

    def texts(self, name: str) -> list[str]:
        """A list of texts that must be there."""
        found = self.values.get(name)
        if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
            raise RefusedError(400, f"{name} must be a list of strings.")
        return list(found)

    def number(self, name: str, *, least: int, most: int, default: int | None = None) -> int:
        """A whole number within bounds; without a default it must be there."""
        found = self.values.get(name, default)
        digits = str(found)
        if not digits.isascii() or not digits.isdigit() or not least <= int(digits) <= most:
            raise RefusedError(400, f"{name} must be a number from {least} to {most}.")
        return int(digits)

    def flag(self, name: str) -> bool:
        """`true` or `false` in any case; left out means `false`."""
        found = str(self.values.get(name, "false")).lower()
        if found not in ("true", "false"):
            raise RefusedError(400, f"{name} must be true or false.")
        return found == "true"
