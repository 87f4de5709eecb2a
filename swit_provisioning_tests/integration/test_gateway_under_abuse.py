"""Whatever one client does, the gateway answers the others, and its memory stays as it was.

All clients are this machine: one at another loopback address misbehaves, others ask at 127.0.0.1.
"""

import contextlib
import resource
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final
from urllib.parse import urlsplit

import pytest

from swit_provisioning.gateway.server import MOST_OF_A_CLIENT, MOST_OF_ALL
from swit_provisioning_tests.browser.waiting import until
from swit_provisioning_tests.integration.gateway_process import GatewayProcess
from swit_provisioning_tests.integration.gateway_site import gateway_site

MIB: Final = 1024 * 1024
MOST_GROWTH: Final = 16 * MIB
"""What Python's own garbage may add meanwhile; one body of 100 MB would be three times that."""
GUESSER: Final = "127.0.0.2"
SLOW: Final = "127.0.0.3"
LARGE: Final = "127.0.0.4"
_SECONDS: Final = 30


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """One for all tests here, and warm: everything that is made once is made."""
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        gateway_site(monkeypatch, tmp_path_factory.mktemp("site")) as site,
        site.gateway() as process,
        process.client() as client,
    ):
        for _ in range(20):
            for path in ("/healthz", "/status", "/metrics", "/login"):
                assert client.ask(path).status_code in {200, 303}
        yield process


@contextlib.contextmanager
def meanwhile(work: Callable[[], object]) -> Iterator[threading.Event]:
    """Do it in a thread while the block lasts; the event is set when it is done."""
    done, trouble = threading.Event(), list[BaseException]()

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - told below
            trouble.append(error)
        done.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield done
    finally:
        thread.join()
    if trouble:
        raise trouble[0]


def others_are_answered(gateway: GatewayProcess, until_done: threading.Event) -> int:
    """Ask again and again, each time over a new connection; how often that was."""
    asked = 0
    while not until_done.is_set() or asked == 0:
        with gateway.client() as client:
            assert client.ask("/status").status_code == 200
        with gateway.client(key=None) as client:
            assert client.ask("/healthz").status_code == 200
        asked += 1
    return asked


def test_a_thousand_wrong_keys_are_refused_while_others_are_answered(
    gateway: GatewayProcess,
) -> None:
    before = gateway.resident_bytes
    statuses: Counter[int] = Counter()

    def guess(number: int) -> None:
        with gateway.client(GUESSER, key=f"guess-number-{number:05d}") as client:
            for path, method in (("/user_update", "POST"), ("/status", "GET")):
                statuses[client.ask(path, method).status_code] += 1

    def guess_all() -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(guess, range(500)))

    with meanwhile(guess_all) as done:
        assert others_are_answered(gateway, done) > 0
    assert statuses.total() == 1000
    assert set(statuses) == {401, 429}
    assert statuses[429] > 900
    with gateway.client(GUESSER) as client:
        assert client.ask("/status").status_code == 429, "also the right key has to wait"
    assert gateway.resident_bytes - before < MOST_GROWTH
    assert gateway.status()["last_started_here"] is None


def test_two_thousand_slow_connections_keep_nobody_out(gateway: GatewayProcess) -> None:
    _allow_files(3000)
    before = gateway.resident_bytes
    slow: list[socket.socket] = []

    def open_slowly() -> None:
        for _ in range(2000):
            slow.append(_begun(gateway, SLOW))
            # One after the other gets a bit more, as slow clients do it.
            for each in slow[-20:]:
                with contextlib.suppress(OSError):
                    each.sendall(b"X-More: and more\r\n")

    try:
        with meanwhile(open_slowly) as done:
            assert others_are_answered(gateway, done) > 0
        assert len(slow) == 2000
        until(
            lambda: gateway.open_files < MOST_OF_A_CLIENT + 100 or None,
            seconds=_SECONDS,
            what=lambda: f"{gateway.open_files} files are open",
        )
        with gateway.client(SLOW) as client:
            assert client.ask("/status").status_code == 200, "even one at the same address"
        assert gateway.resident_bytes - before < MOST_GROWTH
        _all_are_closed(slow)
    finally:
        for each in slow:
            each.close()


def test_slow_connections_from_everywhere_keep_nobody_out(gateway: GatewayProcess) -> None:
    """Each address keeps to its share, and all together are still too many."""
    _allow_files(3000)
    before = gateway.resident_bytes
    slow: list[socket.socket] = []
    try:
        for number in range(2000):
            slow.append(_begun(gateway, f"127.0.1.{1 + number % 200}"))
            if number % 100 == 0:
                with gateway.client() as client:
                    assert client.ask("/status").status_code == 200
        # Long before the ten seconds after which each would be closed by itself.
        until(
            lambda: gateway.open_files < MOST_OF_ALL + 100 or None,
            seconds=3,
            what=lambda: f"{gateway.open_files} files are open",
        )
        with gateway.client() as client:
            assert client.ask("/status").status_code == 200
        assert gateway.resident_bytes - before < MOST_GROWTH
        _all_are_closed(slow)
    finally:
        for each in slow:
            each.close()


@pytest.mark.parametrize("announced", [True, False], ids=["content-length", "chunked"])
def test_bodies_of_100_megabytes_are_not_read(gateway: GatewayProcess, *, announced: bool) -> None:
    before = gateway.resident_bytes
    taken: list[int] = []

    def send(path: str) -> None:
        taken.append(_send_body(gateway, path, 100 * MIB, announced=announced))

    def send_all() -> None:
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(send, ["/user_update", "/login", "/healthz"] * 4))

    with meanwhile(send_all) as done:
        peak = before
        while not done.is_set():
            others_are_answered(gateway, done)
            peak = max(peak, gateway.resident_bytes)
    assert len(taken) == 12
    assert max(taken) < 20 * MIB, "what fits into the buffers of both systems"
    assert peak - before < MOST_GROWTH
    assert gateway.resident_bytes - before < MOST_GROWTH


def test_a_long_body_is_refused_and_a_slow_one_is_not_waited_for(gateway: GatewayProcess) -> None:
    with gateway.client(key=None) as client:
        long = b"key=" + b"x" * 70_000
        assert client.ask("/login", "POST", data=long).status_code == 413
        pieces = iter([b"key=", *[b"x" * 10_000] * 7])
        assert client.ask("/login", "POST", data=pieces).status_code == 413
    head = b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nkey="
    with _connected(gateway, SLOW) as slow:
        slow.sendall(head)
        assert b"".join(_until_closed(slow)).startswith(b"HTTP/1.1 408 ")


def test_headers_that_never_end_are_refused(gateway: GatewayProcess) -> None:
    with _connected(gateway, LARGE) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Long: ")
        with contextlib.suppress(OSError):
            for _ in range(1000):
                client.sendall(b"x" * 1000)
        with contextlib.suppress(ConnectionError):
            assert client.recv(1000).startswith(b"HTTP/1.1 400 ")
    assert gateway.status()["lease"] is None


def _connected(gateway: GatewayProcess, address: str) -> socket.socket:
    to = urlsplit(gateway.url)
    port = to.port or 0
    made = socket.create_connection((to.hostname or "", port), _SECONDS, (address, 0))
    made.settimeout(_SECONDS)
    return made


def _begun(gateway: GatewayProcess, address: str) -> socket.socket:
    """A connection with the beginning of a request that never comes to its end."""
    made = _connected(gateway, address)
    with contextlib.suppress(OSError):
        made.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n")
    return made


def _until_closed(connection: socket.socket) -> Iterator[bytes]:
    """All that comes; it ends when the gateway has hung up, and fails where it does not."""
    return iter(lambda: connection.recv(1000), b"")


def _is_closed(connection: socket.socket) -> bool | None:
    try:
        return connection.recv(1000) == b"" or None
    except ConnectionError:
        return True


def _all_are_closed(connections: list[socket.socket]) -> None:
    """The gateway has hung up on every one of them, or does so soon."""
    for each in connections:
        until(lambda each=each: _is_closed(each), seconds=_SECONDS, what=lambda: "still open")  # type: ignore[misc] # bound


def _send_body(gateway: GatewayProcess, path: str, size: int, *, announced: bool) -> int:
    """Send a body until the gateway hangs up; how much of it went out."""
    kind = f"Content-Length: {size}" if announced else "Transfer-Encoding: chunked"
    piece = b"x" * (256 * 1024)
    framed = piece if announced else f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
    method = "GET" if path == "/healthz" else "POST"
    sent = 0
    with _connected(gateway, LARGE) as client:
        client.sendall(f"{method} {path} HTTP/1.1\r\nHost: a\r\n{kind}\r\n\r\n".encode())
        with contextlib.suppress(ConnectionError):
            while sent < size:
                client.sendall(framed)
                sent += len(piece)
    return sent


def _allow_files(number: int) -> None:
    """As many open connections as this process needs; the limit that can't be passed is higher."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < number:
        resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))
