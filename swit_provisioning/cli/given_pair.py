"""A pair of tokens that somebody has already: as JSON, or in the reference program's database."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from swit_provisioning.cli.errors import UnusableInputError
from swit_provisioning.swit.oauth import TokenPair

LONGEST_DOCUMENT: Final = 64 * 1024
"""Characters that are read of standard input."""

_ACCOUNT: Final = "service_account"
"""The one name under which the reference program stores its pair."""

_LIFETIME: Final = timedelta(days=7)
"""How long Swit's access tokens live; the reference program notes only when it got one."""

_EXAMPLE: Final = '{"access_token": "...", "refresh_token": "..."}'
_ANEW: Final = "Log in anew: swit-provisioning login"
_NAME_THE_FILE: Final = (
    "Name the reference program's database: swit-provisioning login --import service_accounts.db"
)
_Token = Annotated[str, Field(min_length=1)]


class _Document(BaseModel):
    """The token endpoint's answer, or what `expires_at` says better."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    access_token: _Token
    refresh_token: _Token | None = None
    expires_in: float | None = Field(default=None, gt=0, le=10 * 365 * 24 * 3600)
    expires_at: AwareDatetime | None = None
    scope: str | None = None


def pair_from_json(text: str, *, now: datetime) -> TokenPair:
    """The pair in a JSON document.

    Raises:
        UnusableInputError: it is none; nothing of it is repeated.

    """
    if len(text) > LONGEST_DOCUMENT:
        problem = "it is longer than any pair"
        raise _no_pair(problem)
    try:
        found = _Document.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise _no_pair(f"{where}: {first['msg']}" if where else "it is no JSON object") from None
    ends = found.expires_at or (now + timedelta(seconds=found.expires_in or 0))
    return TokenPair(
        access_token=found.access_token,
        refresh_token=found.refresh_token,
        expires_at=ends if found.expires_at or found.expires_in else None,
        scope=found.scope or None,
    )


def pair_from_service_accounts(path: Path) -> TokenPair:
    """The pair in the reference program's `service_accounts.db`; the file is only read.

    Its table `service_accounts` has a row for each `username`, with `access_token`,
    `refresh_token` and `updated_at` (UTC); the program itself knows one: `service_account`.

    Raises:
        UnusableInputError: there is no such file, or no usable row in it.

    """
    rows = _rows(path)
    if len(rows) > 1:
        rows = [row for row in rows if row[0] == _ACCOUNT]
    if len(rows) != 1:
        problem = f"{path} holds no login: its table service_accounts has no row {_ACCOUNT}"
        raise UnusableInputError(problem, way_out=_ANEW)
    _, access, refresh, updated = rows[0]
    if not isinstance(access, str) or not access:
        problem = f"{path} holds no login: its access_token is empty"
        raise UnusableInputError(problem, way_out=_ANEW)
    return TokenPair(
        access_token=access,
        refresh_token=refresh if isinstance(refresh, str) and refresh else None,
        expires_at=_end(updated),
    )


def _rows(path: Path) -> list[tuple[object, ...]]:
    wanted = "SELECT username, access_token, refresh_token, updated_at FROM service_accounts"
    if not path.is_file():
        problem = f"{path} is no file"
        raise UnusableInputError(problem, way_out=_NAME_THE_FILE)
    try:
        address = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True)) as database:
            return database.execute(wanted).fetchall()
    except sqlite3.Error as error:
        problem = f"{path} can't be read as the reference program's service_accounts.db: {error}"
        raise UnusableInputError(problem, way_out=_NAME_THE_FILE) from error


def _end(updated: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(updated)).replace(tzinfo=UTC) + _LIFETIME
    except ValueError:
        return None


def _no_pair(problem: str) -> UnusableInputError:
    said = f"Standard input holds no pair of tokens: {problem}"
    return UnusableInputError(said, way_out=f"Give one such as {_EXAMPLE}")
