"""One connection to one server: encrypted, verified, logged in, closed at the end."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from swit_provisioning.sources.base import (
    DirectoryConfigError,
    DirectoryError,
    DirectoryIncompleteError,
    DirectoryUnavailableError,
    DirectoryUntrustedError,
)
from swit_provisioning.sources.config import LdapConfig, ServerAddress
from swit_provisioning.sources.ldap.exchange import Connection, LostConnectionError
from swit_provisioning.sources.ldap.search import REFERRAL, SUCCESS, failure
from swit_provisioning.sources.ldap.wire import (
    BIND_RESPONSE,
    EXTENDED_RESPONSE,
    START_TLS,
    UNBIND,
    DisconnectedError,
    Result,
    WireError,
    bind,
    request,
    single_answer,
)

_CONNECT_SECONDS = 10
_TLS_RECORDS = (0x15, 0x16)
_EXPECTS_TLS = (
    "If this port expects TLS from the first byte, set LDAP_TLS=ldaps, or write"
    " ldaps://{host}:{port} in LDAP_SERVER_DOMAIN."
)


@contextmanager
def logged_in(config: LdapConfig, server: ServerAddress) -> Iterator[Connection]:
    """Connect, protect the connection, prove who the server is, log in; close it at the end.

    Raises:
        DirectoryUnavailableError: unreachable, lost before the login was through, or what it
            answers is no LDAP.
        DirectoryUntrustedError: its certificate is not good for this host.
        DirectoryConfigError: it refuses the account, or offers no StartTLS.
        DirectoryIncompleteError: the whole read lasts too long.

    """
    connection = _connected(config, server)
    try:
        _bind(connection, server, config)
        yield connection
    finally:
        _close(connection)


def _connected(config: LdapConfig, server: ServerAddress) -> Connection:
    """Connect to the first of the host's addresses that answers, and protect the connection."""
    context = _context(config, server)
    problems: list[DirectoryError] = []
    for address in _addresses(server):
        connection = Connection(
            socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET),
            server,
            seconds=config.timeout_seconds,
            limits=config.limits,
        )
        try:
            _open(connection, server, address, config, context)
        except (DirectoryUnavailableError, DirectoryConfigError) as error:
            problems.append(error)
            _close(connection)
        except BaseException:
            _close(connection)
            raise
        else:
            return connection
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


def _open(
    connection: Connection,
    server: ServerAddress,
    address: str,
    config: LdapConfig,
    context: ssl.SSLContext | None,
) -> None:
    """Connect to one address; unless `LDAP_TLS=none`, nothing is sent that must be protected."""
    connection.begin()
    connection.wait_at_most(min(_CONNECT_SECONDS, config.timeout_seconds))
    try:
        connection.socket.connect((address, server.port))
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        message = f"{server} could not be reached ({error}); look at LDAP_SERVER_DOMAIN,"
        message += " LDAP_SERVER_PORT and the firewall"
        raise DirectoryUnavailableError(message) from error
    if context is None:
        return
    if server.tls == "starttls":
        _ask_for_tls(connection, server)
    _encrypt(connection, server, context)


def _ask_for_tls(connection: Connection, server: ServerAddress) -> None:
    doing = f"{server}: asking for StartTLS"
    hint = _EXPECTS_TLS.format(host=server.host, port=server.port)
    try:
        result = _answer(connection, START_TLS, EXTENDED_RESPONSE)
    except (LostConnectionError, DisconnectedError) as error:
        message = f"{doing}: the connection was lost ({error}). {hint}"
        raise DirectoryUnavailableError(message) from error
    except WireError as error:
        message = f"{doing}: the answer is not LDAP ({error}). {hint}"
        raise DirectoryUnavailableError(message) from error
    if result.code != SUCCESS:
        refusal = failure(result, doing=doing)
        if isinstance(refusal, DirectoryUnavailableError):
            raise refusal
        message = f"{server}: the connection could not be encrypted ({refusal}); nothing was sent."
        message += " LDAP_TLS=ldaps on port 636 is the other way."
        raise DirectoryConfigError(message)


def _encrypt(connection: Connection, server: ServerAddress, context: ssl.SSLContext) -> None:
    """Begin TLS; the standard library verifies the certificate and the name, or the address."""
    try:
        connection.socket = context.wrap_socket(connection.socket, server_hostname=server.host)
    except ssl.SSLCertVerificationError as error:
        message = (
            f"{server}: its certificate can't be trusted: {error.verify_message}. Nothing was"
            " sent to it. LDAP_CA_FILE names the authority's certificate (PEM), and"
            " LDAP_SERVER_DOMAIN must be a name that the server's certificate is for."
        )
        raise DirectoryUntrustedError(message) from error
    except (OSError, ValueError) as error:
        reason = error.reason if isinstance(error, ssl.SSLError) else None
        message = (
            f"{server}: TLS could not be started ({reason or error}). Is the port right?"
            " 636 goes with LDAP_TLS=ldaps, 389 with LDAP_TLS=starttls."
        )
        raise DirectoryUnavailableError(message) from error


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


def _bind(connection: Connection, server: ServerAddress, config: LdapConfig) -> None:
    doing = f"{server}: logging in as {config.user!r}"
    try:
        result = _answer(connection, bind(config.user, config.password), BIND_RESPONSE)
    except (LostConnectionError, DisconnectedError) as error:
        message = f"{doing}: the connection was lost ({error})"
        raise DirectoryUnavailableError(message) from error
    except WireError as error:
        hint = _EXPECTS_TLS.format(host=server.host, port=server.port)
        advice = hint if server.tls == "none" else "Ask who runs the server."
        message = f"{doing}: the answer is not LDAP ({error}). {advice}"
        raise DirectoryUnavailableError(message) from error
    if result.code == SUCCESS:
        return
    refusal = failure(result, doing=doing)
    if result.code == REFERRAL:
        raise DirectoryConfigError(str(refusal))
    if isinstance(refusal, DirectoryIncompleteError):  # nothing was read yet: others may answer
        raise DirectoryUnavailableError(str(refusal))
    raise refusal


def _answer(connection: Connection, operation: bytes, tag: int) -> Result:
    """Send a request that is answered by one message, and wait for that."""
    number = connection.begin()
    connection.send(request(number, operation))
    data = bytearray()
    result = None
    while result is None:
        data += connection.receive()
        if data[0] in _TLS_RECORDS:
            message = "it is TLS"
            raise WireError(message)
        result = single_answer(data, number, tag, connection.limits.login_bytes)
    return result


def _close(connection: Connection) -> None:
    """Say goodbye and close; neither may hide why the read ended."""
    with suppress(LostConnectionError, DirectoryIncompleteError):
        connection.send(request(connection.begin(), UNBIND))
    with suppress(OSError):
        connection.socket.close()
