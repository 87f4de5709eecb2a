"""Whatever one client does, the gateway answers the others, and its memory does not grow.

All clients are this machine: one at another loopback address misbehaves, others ask at 127.0.0.1.
Wrong keys and long bodies are the gateway's own matter; slow clients and many connections are
stopped by the shipped nginx in front of it.
"""

import contextlib
import resource
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ssl import SSLSocket
from typing import Final
from urllib.parse import urlsplit

import pytest

from swit_provisioning_tests.browser.waiting import until
from swit_provisioning_tests.integration.authority import Certificate, certificate
from swit_provisioning_tests.integration.gateway_process import KEY, Client, GatewayProcess
from swit_provisioning_tests.integration.gateway_site import gateway_site
from swit_provisioning_tests.integration.nginx import nginx
from swit_provisioning_tests.ports import free_port

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
        site.gateway("--behind-proxy") as process,
        process.client() as client,
    ):
        for _ in range(20):
            for path in ("/healthz", "/status", "/metrics", "/login"):
                assert client.ask(path).status_code in {200, 303}
        yield process


@dataclass(frozen=True)
class Front:
    """The shipped nginx in front of the gateway."""

    url: str
    tls: Certificate

    def client(self, address: str = "127.0.0.1", *, key: str | None = KEY) -> Client:
        made = Client(self.url, address, key=key)
        made.verify = str(self.tls.authority)
        return made

    def connected(self, address: str) -> SSLSocket:
        context = ssl.create_default_context(cafile=str(self.tls.authority))
        return context.wrap_socket(_connected(self.url, address), server_hostname="127.0.0.1")

    def others_are_answered(self, until_done: threading.Event) -> int:
        """Ask again and again, within the ten requests a second of a client; how often."""
        asked = 0
        while not until_done.is_set() or asked == 0:
            with self.client() as client:
                assert client.ask("/status").status_code == 200
            asked += 1
            time.sleep(0.2)
        return asked


@pytest.fixture(scope="module")
def front(gateway: GatewayProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("front")
    tls = certificate(folder)
    port = urlsplit(gateway.url).port or 0
    servers = {"web": free_port(), "review": free_port(), "gateway": port}
    with nginx(folder, tls, servers) as ports:
        yield Front(f"https://127.0.0.1:{ports['8443']}", tls)


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


def test_two_thousand_slow_connections_do_not_block_others(
    gateway: GatewayProcess, front: Front
) -> None:
    """Half of them come from one address, half from 200; some send headers that never end."""
    _allow_files(4000)
    before, files = gateway.resident_bytes, gateway.open_files
    slow: list[socket.socket] = []

    def open_slowly() -> None:
        for number in range(2000):
            address = SLOW if number % 2 else f"127.0.1.{1 + number % 200}"
            if number % 20:
                slow.append(_connected(front.url, address))
            else:
                slow.append(front.connected(address))
                slow[-1].sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n")
            # One after the other sends a little more, as slow clients do.
            for each in slow[-20:]:
                with contextlib.suppress(OSError):
                    each.sendall(
                        b"X-More: and more\r\n" if isinstance(each, SSLSocket) else b"\x16"
                    )

    try:
        with meanwhile(open_slowly) as done:
            assert front.others_are_answered(done) > 0
        assert len(slow) == 2000
        with front.client(SLOW) as client:
            assert client.ask("/status").status_code == 200, "even one at the same address"
        assert gateway.open_files < files + 20, "the gateway sees none of them"
        assert gateway.resident_bytes - before < MOST_GROWTH
        _all_are_closed(slow)
    finally:
        for each in slow:
            each.close()


def test_one_client_has_64_requests_at_a_time(gateway: GatewayProcess, front: Front) -> None:
    """Requests whose body does not arrive end after ten seconds."""
    files = gateway.open_files
    slow: list[SSLSocket] = []
    try:
        for _ in range(64):
            slow.append(front.connected(SLOW))
            slow[-1].sendall(b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nkey=")
            time.sleep(0.05)
        with front.client(SLOW) as client:
            assert client.ask("/healthz").status_code == 429
        with front.client() as client:
            assert client.ask("/status").status_code == 200
        assert gateway.open_files < files + 20, "the gateway sees none of them"
        _all_are_closed(slow)
        with front.client(SLOW) as client:
            assert client.ask("/healthz").status_code == 200
    finally:
        for each in slow:
            each.close()


def test_one_client_has_ten_requests_a_second(front: Front) -> None:
    with front.client(GUESSER, key=None) as client:
        statuses = Counter(client.ask("/healthz").status_code for _ in range(150))
    assert set(statuses) == {200, 429}
    assert statuses[429] > 20
    with front.client() as client:
        assert client.ask("/status").status_code == 200


def test_a_long_body_does_not_reach_the_gateway(front: Front) -> None:
    with front.client(LARGE, key=None) as client:
        assert client.ask("/login", "POST", data=b"x" * 70_000).status_code == 413
        pieces = iter([b"key=", *[b"x" * 10_000] * 7])
        assert client.ask("/login", "POST", data=pieces).status_code == 413


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
    with _connected(gateway.url, SLOW) as slow:
        slow.sendall(head)
        assert b"".join(_until_closed(slow)).startswith(b"HTTP/1.1 408 ")


def test_headers_that_never_end_are_refused(gateway: GatewayProcess) -> None:
    with _connected(gateway.url, LARGE) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Long: ")
        with contextlib.suppress(OSError):
            for _ in range(1000):
                client.sendall(b"x" * 1000)
        with contextlib.suppress(ConnectionError):
            assert client.recv(1000).startswith(b"HTTP/1.1 400 ")
    assert gateway.status()["lease"] is None


def _connected(url: str, address: str) -> socket.socket:
    to = urlsplit(url)
    made = socket.create_connection((to.hostname or "", to.port or 0), _SECONDS, (address, 0))
    made.settimeout(_SECONDS)
    return made


def _until_closed(connection: socket.socket) -> Iterator[bytes]:
    """All that comes; it ends when the gateway has hung up, and fails where it does not."""
    return iter(lambda: connection.recv(1000), b"")


def _is_closed(connection: socket.socket) -> bool | None:
    try:
        return connection.recv(1000) == b"" or None
    except (ConnectionError, ssl.SSLError):
        return True


def _all_are_closed(connections: Sequence[socket.socket]) -> None:
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
    with _connected(gateway.url, LARGE) as client:
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
