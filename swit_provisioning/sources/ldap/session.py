"""A session on one server: connected, encrypted, verified, authenticated, closed at the end."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from swit_provisioning.sources.base import (
    DirectoryConfigError,
    DirectoryError,
    DirectoryIncompleteError,
    DirectoryUnavailableError,
    DirectoryUntrustedError,
)
from swit_provisioning.sources.config import LdapConfig, ServerAddress
from swit_provisioning.sources.ldap import wire
from swit_provisioning.sources.ldap.connection import Connection, LostConnectionError
from swit_provisioning.sources.ldap.search import REFERRAL, SUCCESS, failure

_CONNECT_SECONDS = 10


@contextmanager
def logged_in(config: LdapConfig, server: ServerAddress) -> Iterator[Connection]:
    """Connect, encrypt, verify the server and log in. Closes the connection at the end.

    Raises:
        DirectoryUnavailableError: the server is unreachable, the connection was lost during the
            login, or an answer is not LDAP.
        DirectoryUntrustedError: the certificate is not valid for this host.
        DirectoryConfigError: the server refuses the account, or does not offer StartTLS.
        DirectoryIncompleteError: the whole read takes too long.

    """
    login = _Login(config, server)
    connection = login.connect()
    try:
        login.bind(connection)
        yield connection
    finally:
        _close(connection)


def _close(connection: Connection) -> None:
    """Unbind and close. Errors are ignored: they must not hide why the read ended."""
    with suppress(LostConnectionError, DirectoryIncompleteError):
        connection.send(wire.UNBIND)
    with suppress(OSError):
        connection.socket.close()


@dataclass(frozen=True)
class _Login:
    config: LdapConfig
    server: ServerAddress

    def connect(self) -> Connection:
        """Connect to the first address of the host that answers, and encrypt the connection."""
        context = self._context()
        problems: list[DirectoryError] = []
        for address in self._addresses():
            connection = Connection(
                socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET),
                self.server,
                seconds=self.config.timeout_seconds,
                limits=self.config.limits,
            )
            try:
                self._open(connection, address, context)
            except (DirectoryUnavailableError, DirectoryConfigError) as error:
                problems.append(error)
                _close(connection)
            except BaseException:
                _close(connection)
                raise
            else:
                return connection
        # One error for all addresses. Its class is that of a server that answered, if any did.
        wrong = (one for one in problems if not isinstance(one, DirectoryUnavailableError))
        kind = type(next(wrong, problems[0]))
        raise kind("; ".join(dict.fromkeys(str(one) for one in problems)))

    def bind(self, connection: Connection) -> None:
        """Authenticate with the password."""
        server, user = self.server, self.config.user
        doing = f"{server}: logging in as {user!r}"
        try:
            result = connection.call(wire.bind(user, self.config.password), wire.BIND_RESPONSE)
        except (LostConnectionError, wire.DisconnectedError) as error:
            message = f"{doing}: the connection was lost ({error})"
            raise DirectoryUnavailableError(message) from error
        except wire.WireError as error:
            advice = self._hint if server.tls == "none" else "Ask the administrator of the server."
            message = f"{doing}: the answer is not LDAP ({error}). {advice}"
            raise DirectoryUnavailableError(message) from error
        if result.code == SUCCESS:
            return
        refusal = failure(result, doing=doing)
        if result.code == REFERRAL:
            raise DirectoryConfigError(str(refusal))
        if isinstance(refusal, DirectoryIncompleteError):  # nothing was read: try the next server
            raise DirectoryUnavailableError(str(refusal))
        raise refusal

    @property
    def _hint(self) -> str:
        address = f"ldaps://{self.server.host}:{self.server.port}"
        return (
            "If this port expects TLS from the first byte, set LDAP_TLS=ldaps, or write"
            f" {address} in LDAP_SERVER_DOMAIN."
        )

    def _addresses(self) -> list[str]:
        server = self.server
        try:
            found = socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            message = (
                f"{server}: the name {server.host!r} cannot be resolved ({error}). Check"
                " LDAP_SERVER_DOMAIN and the name service of this machine"
            )
            raise DirectoryUnavailableError(message) from error
        return list(dict.fromkeys(str(address[0]) for *_, address in found))

    def _open(self, connection: Connection, address: str, context: ssl.SSLContext | None) -> None:
        """Connect to one address. Unless `LDAP_TLS=none`, nothing is sent unencrypted."""
        server = self.server
        connection.begin()
        connection.wait_at_most(min(_CONNECT_SECONDS, self.config.timeout_seconds))
        try:
            connection.socket.connect((address, server.port))
            connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            message = (
                f"{server} cannot be reached ({error}). Check LDAP_SERVER_DOMAIN,"
                " LDAP_SERVER_PORT and the firewall"
            )
            raise DirectoryUnavailableError(message) from error
        if context is None:
            return
        if server.tls == "starttls":
            self._start_tls(connection)
        try:
            connection.socket = context.wrap_socket(connection.socket, server_hostname=server.host)
        except ssl.SSLCertVerificationError as error:
            message = (
                f"{server}: its certificate is not trusted: {error.verify_message}. Nothing was"
                " sent to it. Name the authority's certificate (PEM) in LDAP_CA_FILE, and write a"
                " name that the server's certificate contains in LDAP_SERVER_DOMAIN."
            )
            raise DirectoryUntrustedError(message) from error
        except (OSError, ValueError) as error:
            reason = error.reason if isinstance(error, ssl.SSLError) else None
            message = (
                f"{server}: TLS could not be started ({reason or error}). Check the port: use 636"
                " with LDAP_TLS=ldaps, and 389 with LDAP_TLS=starttls."
            )
            raise DirectoryUnavailableError(message) from error

    def _start_tls(self, connection: Connection) -> None:
        """Ask the server to begin TLS."""
        doing = f"{self.server}: asking for StartTLS"
        try:
            result = connection.call(wire.START_TLS, wire.EXTENDED_RESPONSE)
        except (LostConnectionError, wire.DisconnectedError, wire.WireError) as error:
            is_other = isinstance(error, wire.WireError)
            problem = "the answer is not LDAP" if is_other else "the connection was lost"
            message = f"{doing}: {problem} ({error}). {self._hint}"
            raise DirectoryUnavailableError(message) from error
        if result.code != SUCCESS:
            refusal = failure(result, doing=doing)
            if isinstance(refusal, DirectoryUnavailableError):
                raise refusal
            message = (
                f"{self.server}: the connection could not be encrypted ({refusal}). Nothing was"
                " sent. Try LDAP_TLS=ldaps on port 636."
            )
            raise DirectoryConfigError(message)

    def _context(self) -> ssl.SSLContext | None:
        """TLS context that trusts `LDAP_CA_FILE`, or else the authorities of the system."""
        ca_file = self.config.ca_file
        if self.server.tls == "none":
            return None
        try:
            return ssl.create_default_context(cafile=ca_file)
        except ssl.SSLError as error:
            message = (
                f"LDAP_CA_FILE={ca_file} contains no certificate in PEM form. To convert one from"
                " DER form, run: openssl x509 -inform der -in ca.cer -out ca.pem"
            )
            raise DirectoryConfigError(message) from error
        except OSError as error:
            message = (
                f"LDAP_CA_FILE={ca_file} cannot be read: {error.strerror}. Name a file in PEM form"
                " that this account may read."
            )
            raise DirectoryConfigError(message) from error
