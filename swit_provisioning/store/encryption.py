"""How stored tokens are kept from whoever can read the database: Fernet, where a key is set."""

from typing import Protocol

from cryptography.fernet import Fernet, InvalidToken

from swit_provisioning.store.errors import TokensUnreadableError


class Cipher(Protocol):
    """Writes a secret down and reads it again."""

    encrypts: bool

    def seal(self, secret: str) -> str:
        """The text that is stored."""

    def unseal(self, stored: str, *, encrypted: bool) -> str:
        """The secret; raises `TokensUnreadableError` where it can't be had."""


class PlainCipher:
    """No key is set: secrets are stored as they are, and the file's rights guard them."""

    encrypts = False

    def seal(self, secret: str) -> str:
        """The secret itself."""
        return secret

    def unseal(self, stored: str, *, encrypted: bool) -> str:
        """The secret itself, unless it was stored with a key."""
        if encrypted:
            raise TokensUnreadableError(key_given=False)
        return stored


class FernetCipher:
    """Secrets are encrypted with one key; those stored before there was one are still read."""

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
        """The secret again; raises `TokensUnreadableError` for another key's."""
        if not encrypted:
            return stored
        try:
            return self._fernet.decrypt(stored.encode()).decode()
        except InvalidToken:
            raise TokensUnreadableError(key_given=True) from None


def cipher_of(key: str | None) -> Cipher:
    """The way to store secrets: encrypted where there is a key."""
    return FernetCipher(key) if key else PlainCipher()
