"""The arguments of a call and its reply."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from swit_provisioning.sandbox.records import RefusedError


class Arguments:
    """A query, a form or a JSON body. Every method raises `RefusedError` (400)."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        """Take the values, which can have any type."""
        self.values = values

    def text(self, name: str) -> str:
        """A required text, not empty."""
        found = self.optional_text(name)
        if not found:
            raise RefusedError(400, f"{name} is required.")
        return found

    def optional_text(self, name: str) -> str | None:
        """A text; `None` if it is missing or null."""
        found = self.values.get(name)
        if found is not None and not isinstance(found, str):
            raise RefusedError(400, f"{name} must be a string.")
        return found

    def choice(self, name: str, *choices: str) -> str | None:
        """One of the choices; `None` if it is missing or null."""
        found = self.optional_text(name)
        if found is not None and found not in choices:
            raise RefusedError(400, f"{name} must be one of {', '.join(choices)}.")
        return found

    def texts(self, name: str) -> list[str]:
        """A required list of texts."""
        found = self.values.get(name)
        if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
            raise RefusedError(400, f"{name} must be a list of strings.")
        return list(found)

    def number(self, name: str, *, least: int, most: int, default: int | None = None) -> int:
        """An integer within bounds; required without a default."""
        found = self.values.get(name, default)
        digits = str(found)
        if not digits.isascii() or not digits.isdigit() or not least <= int(digits) <= most:
            raise RefusedError(400, f"{name} must be a number from {least} to {most}.")
        return int(digits)

    def flag(self, name: str) -> bool:
        """`true` or `false` in any case; `false` if it is missing."""
        found = str(self.values.get(name, "false")).lower()
        if found not in ("true", "false"):
            raise RefusedError(400, f"{name} must be true or false.")
        return found == "true"


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One answer. `body` is JSON; `raw` is sent instead if it is given."""

    status: int = 200
    body: Any = None
    raw: bytes | None = None
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    closes: Literal["no", "instead", "midway"] = "no"
    """Whether the connection is closed instead of the answer, or in the middle of it."""

    def content(self) -> bytes:
        """The bytes of the body."""
        return json.dumps(self.body, ensure_ascii=False).encode() if self.raw is None else self.raw


def data(value: object) -> Reply:
    """A 200 with the value under `data`."""
    return Reply(body={"data": value})


def refusal(error: RefusedError) -> Reply:
    """The error in Swit's form: a JSON object with `message` and an integer `code`."""
    body = {"message": error.message, "code": error.status}
    return Reply(status=error.status, body=body, headers=error.headers)
