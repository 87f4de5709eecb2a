"""The OAuth tokens of the authorising account: one row, refreshed by one process at a time."""

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from cryptography.fernet import Fernet, InvalidToken
from sqlalchemy import Boolean, Column, Integer, String, Table, Text, select

from swit_provisioning.state.database import METADATA, Database, StoreError, UtcDateTime, upsert


class TokensUnreadableError(StoreError):
    """The stored tokens can't be decrypted with the key that is set, or no key is set."""

    def __init__(self, *, key_given: bool) -> None:
        problem = (
            "TOKEN_ENCRYPTION_KEY is not the key they were encrypted with"
            if key_given
            else "they are encrypted, and TOKEN_ENCRYPTION_KEY is not set"
        )
        super().__init__(
            f"The stored tokens can't be read: {problem}. Set the key that was used; if it is lost,"
            " empty the table token and set SWIT_ACCESS_TOKEN and SWIT_REFRESH_TOKEN to a new pair."
        )


class Cipher:
    """Encodes secrets for storage, if there is a key.

    Without a key they are stored in clear, protected by the permissions of the file. Secrets that
    were stored in clear before there was a key are still read.
    """

    def __init__(self, key: str | None) -> None:
        """Take a Fernet key, or none.

        Raises:
            ValueError: it is no Fernet key; the message says how to make one, and not the key.

        """
        try:
            self._fernet = Fernet(key.strip().encode()) if key is not None else None
        except ValueError:
            message = (
                "it is no Fernet key (32 bytes in URL-safe base64, 44 characters). Make one:"
                ' python3 -P -c "from cryptography.fernet import Fernet;'
                ' print(Fernet.generate_key().decode())"'
            )
            raise ValueError(message) from None
        self.encrypts = self._fernet is not None

    def seal(self, secret: str) -> str:
        """The text to store."""
        return self._fernet.encrypt(secret.encode()).decode() if self._fernet else secret

    def unseal(self, stored: str, *, encrypted: bool) -> str:
        """The secret; raises `TokensUnreadableError` if it can't be decrypted."""
        if not encrypted:
            return stored
        if self._fernet is None:
            raise TokensUnreadableError(key_given=False)
        try:
            return self._fernet.decrypt(stored.encode()).decode()
        except InvalidToken:
            raise TokensUnreadableError(key_given=True) from None


# A refresh may take as long as a slow Swit; other processes must not give up before.
REFRESH_TIMEOUT_SECONDS: Final = 120.0

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
        self._database = database
        self._cipher = cipher

    def load(self) -> TokenRow | None:
        """The stored pair, if there is one.

        Raises:
            TokensUnreadableError: it was encrypted with another key.

        """
        row = self._database.first(select(TOKENS))
        if row is None:
            return None
        unseal, encrypted = self._cipher.unseal, row.encrypted
        refresh = row.refresh_token
        return TokenRow(
            access_token=unseal(row.access_token, encrypted=encrypted),
            refresh_token=None if refresh is None else unseal(refresh, encrypted=encrypted),
            expires_at=row.expires_at,
            scope=row.scope,
            obtained_at=row.saved_at,
        )

    def is_stored_in_clear(self) -> bool:
        """Whether a pair is stored in clear."""
        return self._database.scalar(select(TOKENS.c.encrypted)) is False

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
            upsert(connection, TOKENS, key={"id": 1}, values=values)

    def exclusive(self) -> AbstractContextManager[None]:
        """A lock for one thread among all processes; others wait for it.

        Raises:
            StoreBusyError: another one held it for longer than a refresh can take.

        """
        return self._database.exclusive(timeout_seconds=REFRESH_TIMEOUT_SECONDS)
