"""One connection to one server: encrypted, verified, logged in, closed at the end."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import ldap3
from ldap3.core.exceptions import LDAPCommunicationError, LDAPException

from swit_provisioning.directory.addresses import ServerAddress
from swit_provisioning.directory.config import LdapConfig
from swit_provisioning.directory.errors import (
    DirectoryConfigError,
    DirectoryError,
    DirectoryUnavailableError,
    DirectoryUntrustedError,
)
from swit_provisioning.directory.ldap_results import SUCCESS, failure

_CONNECT_SECONDS = 10
# ldap3 gathers an answer by adding what each `recv` gave to what it has: with its 4 KiB an entry
# with 500,000 members takes a minute, with this a second.
_RECEIVE_BYTES = 1 << 20


@contextmanager
def logged_in(config: LdapConfig, server: ServerAddress) -> Iterator[ldap3.Connection]:
    """Connect, protect the connection, prove who the server is, log in; close it at the end.

    Raises:
        DirectoryUnavailableError: unreachable, or lost before the login was through.
        DirectoryUntrustedError: its certificate is not good for this host.
        DirectoryConfigError: it refuses the account, or offers no StartTLS.

    """
    ldap3.set_config_parameter("SOCKET_SIZE", _RECEIVE_BYTES)
    connection = _connected(config, server)
    try:
        _bind(connection, server, config)
        yield connection
    finally:
        _close(connection)


def _connected(config: LdapConfig, server: ServerAddress) -> ldap3.Connection:
    """Connect to the first of the host's addresses that answers.

    ldap3 would go through them too, but it leaves the sockets of those that failed open.
    """
    context = _context(config, server)
    problems: list[DirectoryError] = []
    for address in _addresses(server):
        tls = None if context is None else _VerifiedTls(context, server.host)
        connection = _connection(config, server, address, tls)
        try:
            connection.open(read_server_info=False)
            if server.tls == "starttls":
                connection.start_tls(read_server_info=False)
            if tls is not None and not isinstance(connection.socket, ssl.SSLSocket):
                problems.append(_not_encrypted(server))
            else:
                return connection
        except LDAPException as error:
            problems.append(_connect_failure(server, error, tls, connection.result))
        _close(connection)
    raise _of_all(problems)


def _of_all(problems: list[DirectoryError]) -> DirectoryError:
    """One error for all addresses of a host; one that answered wrongly says what it is about."""
    wrong = (one for one in problems if not isinstance(one, DirectoryUnavailableError))
    kind = type(next(wrong, problems[0]))
    return kind("; ".join(dict.fromkeys(str(one) for one in problems)))


def _addresses(server: ServerAddress) -> list[str]:
    try:
        found = socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        message = f"{server}: the name {server.host!r} is not known here ({error}); look at"
        message += " LDAP_SERVER_DOMAIN, and at this machine's name service"
        raise DirectoryUnavailableError(message) from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _connection(
    config: LdapConfig, server: ServerAddress, address: str, tls: ldap3.Tls | None
) -> ldap3.Connection:
    """Make a connection that isn't open yet, with everything off that hides or leaks something."""
    target = ldap3.Server(
        address,
        port=server.port,
        use_ssl=server.tls == "ldaps",
        tls=tls,
        get_info=ldap3.NONE,
        connect_timeout=min(_CONNECT_SECONDS, config.timeout_seconds),
        allowed_referral_hosts=[],
    )
    return ldap3.Connection(
        target,
        user=config.user,
        # As bytes it goes out as it was typed: of text, ldap3 replaces and refuses characters.
        password=config.password.encode(),  # type: ignore[arg-type] # the stubs know only text
        authentication=ldap3.SIMPLE,
        client_strategy=ldap3.SYNC,
        auto_bind=ldap3.AUTO_BIND_NONE,
        auto_referrals=False,  # else the password goes to whichever host a referral names
        auto_range=False,  # it loses members without a word; ldap_search asks for the rest
        return_empty_attributes=False,
        check_names=False,
        auto_escape=False,
        raise_exceptions=False,
        receive_timeout=config.timeout_seconds,
        read_only=True,
    )


class _VerifiedTls(ldap3.Tls):
    """Lets the standard library verify the certificate and the name, also where that is an IP.

    ldap3 compares names itself: from Python 3.12 on it refuses every IP address.
    """

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._context = context
        self._host = host
        self.problem: OSError | None = None
        """Why the last handshake failed: ldap3 keeps only the text."""

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:  # noqa: ANN401, FBT001, FBT002 - ldap3's signature
        try:
            connection.socket = self._context.wrap_socket(
                connection.socket,
                server_hostname=self._host,
                do_handshake_on_connect=do_handshake,
            )
        except OSError as error:
            self.problem = error
            raise


def _context(config: LdapConfig, server: ServerAddress) -> ssl.SSLContext | None:
    """What certificates are trusted: `LDAP_CA_FILE`, else the system's."""
    if server.tls == "none":
        return None
    try:
        return ssl.create_default_context(cafile=config.ca_file)
    except ssl.SSLError as error:
        message = (
            f"LDAP_CA_FILE={config.ca_file} holds no certificate in PEM form; one in DER form is"
            " converted by: openssl x509 -inform der -in ca.cer -out ca.pem"
        )
        raise DirectoryConfigError(message) from error
    except OSError as error:
        message = (
            f"LDAP_CA_FILE={config.ca_file} can't be read: {error.strerror}. Name a file in PEM"
            " form that this account may read."
        )
        raise DirectoryConfigError(message) from error


def _connect_failure(
    server: ServerAddress,
    error: LDAPException,
    tls: "_VerifiedTls | None",
    result: dict[str, Any] | None,
) -> DirectoryError:
    problem = tls.problem if tls else None
    if isinstance(problem, ssl.SSLCertVerificationError):
        return DirectoryUntrustedError(
            f"{server}: its certificate can't be trusted: {problem.verify_message}. Nothing was"
            " sent to it. LDAP_CA_FILE names the authority's certificate (PEM), and"
            " LDAP_SERVER_DOMAIN must be a name that the server's certificate is for."
        )
    if isinstance(problem, ssl.SSLError):
        return DirectoryUnavailableError(
            f"{server}: TLS could not be started ({problem.reason or problem}). Is the port right?"
            " 636 goes with LDAP_TLS=ldaps, 389 with LDAP_TLS=starttls."
        )
    if isinstance(error, LDAPCommunicationError) or problem is not None:
        return DirectoryUnavailableError(
            f"{server} could not be reached ({problem or error}); look at LDAP_SERVER_DOMAIN,"
            " LDAP_SERVER_PORT and the firewall"
        )
    if not result or result["result"] == SUCCESS:
        return _not_encrypted(server, f" ({error})")
    refusal = failure(result, doing=f"{server}: asking for StartTLS")
    if isinstance(refusal, DirectoryUnavailableError):
        return refusal
    return _not_encrypted(server, f" ({refusal})")


def _not_encrypted(server: ServerAddress, why: str = "") -> DirectoryConfigError:
    return DirectoryConfigError(
        f"{server}: the connection could not be encrypted{why}; nothing was sent. LDAP_TLS=ldaps"
        " on port 636 is the other way."
    )


def _bind(connection: ldap3.Connection, server: ServerAddress, config: LdapConfig) -> None:
    doing = f"{server}: logging in as {config.user!r}"
    try:
        connection.bind(read_server_info=False)
    except LDAPCommunicationError as error:
        message = f"{doing}: the connection was lost ({error})"
        raise DirectoryUnavailableError(message) from error
    except LDAPException as error:
        message = f"{doing}: {error}. Look at LDAP_USER."
        raise DirectoryConfigError(message) from error
    except (LookupError, ValueError, TypeError) as error:
        # So ends ldap3 where the answer names another server, or isn't LDAP at all.
        message = (
            f"{doing}: the answer can't be read ({error!r}). A server that sends clients on to"
            " another one answers so; nobody is followed there, because that would send the"
            " password along: name in LDAP_SERVER_DOMAIN the server that keeps the account."
        )
        raise DirectoryConfigError(message) from error
    result = connection.result
    if result["result"] != SUCCESS or not connection.bound:
        raise failure(result, doing=doing)


def _close(connection: ldap3.Connection) -> None:
    """Say goodbye and close; neither may hide why the read ended."""
    with suppress(LDAPException, OSError):
        connection.unbind()
    if connection.socket is not None:
        with suppress(OSError):
            connection.socket.close()
