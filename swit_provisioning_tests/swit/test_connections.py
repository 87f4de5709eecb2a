"""Connections to a real local server: reuse, TLS, proxy, interruptions."""

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from swit_provisioning.swit.auth import OAuthClient
from swit_provisioning.swit.errors import SwitUnavailableError
from swit_provisioning_tests.swit.fakes import Rig

ME = json.dumps({"data": {"user": {"id": "u1"}}}).encode()


class Server(ThreadingHTTPServer):
    """Answers every request with one account, and counts connections."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.connections = 0
        self.asked: list[str] = []
        self.promised = len(ME)
        self.silent = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def process_request(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        self.connections += 1
        super().process_request(request, client_address)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.server.silent.is_set():
            self.close_connection = True
            self.rfile.read(1)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(self.server.promised))
        self.end_headers()
        self.wfile.write(ME)
        self.close_connection = self.server.promised != len(ME)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
        """Log nothing."""


@contextmanager
def running(server: Server) -> Iterator[Server]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    with running(Server()) as started:
        yield started


def test_one_connection_serves_many_calls(rig: Rig, server: Server) -> None:
    with rig.client(base_url=server.url) as client:
        for _ in range(10):
            client.user_info()
    assert len(server.asked) == 10
    assert server.connections == 1


def test_connections_are_reused_by_parallel_calls(rig: Rig, server: Server) -> None:
    with rig.client(base_url=server.url, connections=4) as client, ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            list(pool.map(lambda _: client.user_info(), range(8)))
    assert len(server.asked) == 40
    assert server.connections <= 4


def test_an_incomplete_answer_is_an_error(rig: Rig, server: Server) -> None:
    server.promised = len(ME) + 100
    with (
        rig.client(base_url=server.url) as client,
        pytest.raises(SwitUnavailableError, match="was interrupted"),
    ):
        client.user_info()


def test_a_silent_server_times_out(rig: Rig, server: Server) -> None:
    server.silent.set()
    with (
        rig.client(base_url=server.url, timeout_seconds=0.05) as client,
        pytest.raises(SwitUnavailableError, match=r"no answer from 127\.0\.0\.1:\d+ within 0\.05"),
    ):
        client.user_info()


def test_the_error_for_a_closed_port_contains_the_reason(rig: Rig) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        with (
            rig.client(base_url=f"http://127.0.0.1:{port}") as client,
            pytest.raises(SwitUnavailableError) as caught,
        ):
            client.list_users(keyword="jane")
    assert f"no connection to 127.0.0.1:{port} ([Errno 111] Connection refused)" in str(
        caught.value
    )


@pytest.mark.parametrize("address", ["nonsense", "http://", f"http://{'a' * 80}.example"])
def test_the_error_for_an_invalid_address_names_the_setting(address: str, rig: Rig) -> None:
    with (
        rig.client(base_url=address) as client,
        pytest.raises(SwitUnavailableError, match="Check SWIT_BASE_URL"),
    ):
        client.user_info()
    oauth = OAuthClient(address, "client-1", "s3cret", "http://x/")
    with pytest.raises(SwitUnavailableError, match="Check SWIT_BASE_URL"):
        oauth.refresh("r1")


def test_the_password_of_a_proxy_is_not_shown(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://joe:s3cret@127.0.0.1:1")
    monkeypatch.delenv("http_proxy", raising=False)
    with (
        rig.client(base_url="http://openapi.swit.invalid") as client,
        pytest.raises(SwitUnavailableError, match="through the proxy in HTTPS_PROXY") as caught,
    ):
        client.user_info()
    assert "s3cret" not in f"{caught.value} {caught.value.__cause__}"


def test_the_proxy_comes_from_the_environment(
    rig: Rig, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url)
    monkeypatch.delenv("http_proxy", raising=False)
    with rig.client(base_url="http://openapi.swit.invalid") as client:
        client.user_info()
    assert server.asked == ["http://openapi.swit.invalid/v1/api/user.info"]


def certificate(folder: Path) -> Path:
    """A file with a self-signed certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return file


def test_certificates_are_verified_with_the_bundle_of_the_environment(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    server = Server()
    server.socket = context.wrap_socket(server.socket, server_side=True)
    url = server.url.replace("http:", "https:")
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    with running(server), rig.client(base_url=url) as client:
        with pytest.raises(SwitUnavailableError, match="is not trusted") as caught:
            client.user_info()
        assert "REQUESTS_CA_BUNDLE" in str(caught.value)
        assert server.asked == []
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(file))
        assert client.user_info().user_id == "u1"
