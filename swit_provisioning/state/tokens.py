"""The OAuth tokens of the authorising account: one row, refreshed by one process at a time."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from cryptography.fernet import Fernet, InvalidToken
from sqlalchemy import Boolean, Column, Integer, RowMapping, String, Table, Text, select

from swit_provisioning.state.database import METADATA, Database, UtcDateTime, put
from swit_provisioning.state.errors import TokensUnreadableError


class Cipher(Protocol):
    """Encodes secrets for storage."""

    encrypts: bool

    def seal(self, secret: str) -> str:
        """The text to store."""

    def unseal(self, stored: str, *, encrypted: bool) -> str:
        """The secret; raises `TokensUnreadableError` if it can't be decrypted."""


class PlainCipher:
    """Without a key: secrets are stored in clear, protected by the permissions of the file."""

    encrypts = False

    def seal(self, secret: str) -> str:
        """The secret itself."""
        return secret

    def unseal(self, stored: str, *, encrypted: bool) -> str:
        """The secret itself, unless it was encrypted with a key."""
        if encrypted:
            raise TokensUnreadableError(key_given=False)
        return stored


class FernetCipher:
    """With a key: secrets are encrypted; secrets stored in clear before are still read."""

    encrypts = True

    def __init__(self, key: str) -> None:
        """Take the key.

        Raises:
            ValueError: it is no Fernet key; the message says how to make one, and not the key.

        """
        try:
            self._fernet = Fernet(key.strip().encode())
        except ValueError:
            message = (
                "it is no Fernet key (32 bytes in URL-safe base64, 44 characters). Make one:"
                ' python3 -P -c "from cryptography.fernet import Fernet;'
                ' print(Fernet.generate_key().decode())"'
            )
            raise ValueError(message) from None

    def seal(self, secret: str) -> str:
        """The secret, encrypted and signed."""
        return self._fernet.encrypt(secret.encode()).decode()

    def unseal(self, stored: str, *, encrypted: bool) -> str:
        """The secret; raises `TokensUnreadableError` if another key encrypted it."""
        if not encrypted:
            return stored
        try:
            return self._fernet.decrypt(stored.encode()).decode()
        except InvalidToken:
            raise TokensUnreadableError(key_given=True) from None


def cipher_of(key: str | None) -> Cipher:
    """The cipher for this key, or none without a key."""
    return FernetCipher(key) if key else PlainCipher()


# A refresh may take as long as a slow Swit; other processes must not give up before.
REFRESH_PATIENCE_SECONDS: Final = 120.0

TOKENS: Final = Table(
    "token",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("access_token", Text, nullable=False),
    Column("refresh_token", Text),
    Column("encrypted", Boolean, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("scope", String),
    Column("saved_at", UtcDateTime, nullable=False),
)
_ONLY_ROW: Final = {"id": 1}


@dataclass(frozen=True, kw_only=True)
class TokenRow:
    """One pair of tokens, in clear; its `repr` shows no token."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_at: datetime | None
    """When the access token expires (aware), if Swit said so."""
    scope: str | None
    obtained_at: datetime | None = field(default=None, compare=False)
    """When Swit issued it (aware), else when it was stored."""


class Tokens:
    """The stored pair."""

    def __init__(self, database: Database, cipher: Cipher) -> None:
        """Take the open database and the cipher."""
        self._database = database
        self._cipher = cipher

    def load(self) -> TokenRow | None:
        """The stored pair, if there is one.

        Raises:
            TokensUnreadableError: it was encrypted with another key.

        """
        with self._database.read() as connection:
            row = connection.execute(select(TOKENS)).mappings().one_or_none()
        return None if row is None else self._read(row)

    def rest_in_clear(self) -> bool:
        """Whether a pair is stored in clear."""
        with self._database.read() as connection:
            return connection.execute(select(TOKENS.c.encrypted)).scalar() is False

    def save(self, tokens: TokenRow) -> None:
        """Replace the stored pair; it is on disk when this returns."""
        refresh = tokens.refresh_token
        values = {
            "access_token": self._cipher.seal(tokens.access_token),
            "refresh_token": None if refresh is None else self._cipher.seal(refresh),
            "encrypted": self._cipher.encrypts,
            "expires_at": tokens.expires_at,
            "scope": tokens.scope,
        }
        with self._database.write() as connection:
            values["saved_at"] = tokens.obtained_at or self._database.now(connection)
            put(connection, TOKENS, key=_ONLY_ROW, values=values)

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """A lock for one thread among all processes; others wait for it.

        Raises:
            StoreBusyError: another one held it for longer than a refresh can take.

        """
        with self._database.alone(patience_seconds=REFRESH_PATIENCE_SECONDS):
            yield

    def _read(self, row: RowMapping) -> TokenRow:
        unseal, encrypted = self._cipher.unseal, row["encrypted"]
        refresh = row["refresh_token"]
        return TokenRow(
            access_token=unseal(row["access_token"], encrypted=encrypted),
            refresh_token=None if refresh is None else unseal(refresh, encrypted=encrypted),
            expires_at=row["expires_at"],
            scope=row["scope"],
            obtained_at=row["saved_at"],
        )
