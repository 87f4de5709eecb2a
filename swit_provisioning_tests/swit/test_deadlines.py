"""Endless answers end with an error, within time and memory limits."""

import gzip
import json
import socket
import ssl
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import responses

from swit_provisioning.swit.auth import OAuthClient
from swit_provisioning.swit.client import MAX_USERS, SwitClient
from swit_provisioning.swit.errors import (
    SwitEndlessAnswerError,
    SwitIncompleteReadError,
    SwitUnavailableError,
)
from swit_provisioning.swit.reader import read_users
from swit_provisioning_tests.swit.fakes import API, Rig
from swit_provisioning_tests.swit.test_connections import certificate

TIMEOUT = 0.2
MIB = 1024 * 1024
ME = json.dumps({"data": {"user": {"id": "u1"}}}).encode()
Say = Callable[[socket.socket], None]


@contextmanager
def server(say: Say, certificate: Path | None = None) -> Iterator[tuple[str, list[int]]]:
    """A server's address, and a list that grows with each request, which `say` answers."""
    requests: list[int] = []
    tls = None
    if certificate is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer(plain: socket.socket) -> None:
            with (
                suppress(OSError),
                tls.wrap_socket(plain, server_side=True) if tls else plain as connection,
            ):
                while not connection.recv(65536).endswith((b"\r\n\r\n", b"}", b"secret")):
                    pass
                requests.append(1)
                say(connection)

        def serve() -> None:
            with suppress(OSError):
                while True:
                    made, _ = listener.accept()
                    threading.Thread(target=answer, args=(made,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield f"{'https' if tls else 'http'}://127.0.0.1:{listener.getsockname()[1]}", requests
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def dripping(before: bytes) -> Say:
    def say(connection: socket.socket) -> None:
        connection.sendall(before)
        while True:
            connection.sendall(b"1")
            time.sleep(TIMEOUT / 4)

    return say


def whole(body: bytes, *headers: str) -> Say:
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers, "", ""]

    def say(connection: socket.socket) -> None:
        connection.sendall("\r\n".join(lines).encode() + body)

    return say


@pytest.mark.parametrize(
    "before",
    [
        b"HTTP/1.1 2",
        b"HTTP/1.1 200 OK\r\nX-Name: ",
        b'HTTP/1.1 200 OK\r\n\r\n{"a": ',
        b'HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{"a": ',
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 100000\r\n\r\n{",
    ],
    ids=["status", "header", "body without a length", "body", "chunk length", "last body"],
)
def test_the_deadline_ends_an_answer_that_arrives_byte_by_byte(rig: Rig, before: bytes) -> None:
    with server(dripping(before)) as (url, requests):
        began = time.monotonic()
        with (
            rig.client(base_url=url, timeout_seconds=TIMEOUT) as client,
            pytest.raises(SwitEndlessAnswerError) as caught,
        ):
            client.user_info()
    assert 2 * TIMEOUT < time.monotonic() - began < 20 * TIMEOUT
    assert "was not complete after 0.6 seconds" in str(caught.value)
    assert "raise SWIT_TIMEOUT_SECONDS" in str(caught.value)
    assert len(requests) == 1


def test_the_deadline_applies_to_tls(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = certificate(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(file))
    for before in (b"HTTP/1.1 200 OK\r\nX-Name: ", b"HTTP/1.1 200 OK\r\n\r\n{"):
        with (
            server(dripping(before), file) as (url, _),
            rig.client(base_url=url, timeout_seconds=TIMEOUT) as client,
            pytest.raises(SwitEndlessAnswerError, match=r"was not complete after 0\.6 seconds"),
        ):
            client.user_info()


def test_the_deadline_applies_to_oauth() -> None:
    with server(dripping(b"HTTP/1.1 200 OK\r\n\r\n{")) as (url, _):
        oauth = OAuthClient(url, "id", "secret", "http://127.0.0.1/", timeout_seconds=TIMEOUT)
        with pytest.raises(SwitEndlessAnswerError, match="oauth/token"):
            oauth.refresh("r")


def test_a_compressed_answer_of_300_mib_is_refused_with_little_memory(rig: Rig) -> None:
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(b" " * MIB) for _ in range(300)) + packer.flush()
    assert len(bomb) < MIB
    with (
        server(whole(bomb, "Content-Encoding: gzip")) as (url, requests),
        rig.client(base_url=url) as client,
    ):
        tracemalloc.start()
        with pytest.raises(SwitEndlessAnswerError, match="the answer is too large: more than"):
            client.list_teams()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 24 * MIB
    assert len(requests) == 1


def test_an_endless_body_is_refused_at_the_maximum_size_of_its_call(rig: Rig) -> None:
    def say(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b" " * MIB)

    with (
        server(say) as (url, _),
        rig.client(base_url=url) as client,
        pytest.raises(SwitEndlessAnswerError, match="the maximum is 33,554,432"),
    ):
        client.user_info()


def test_a_compressed_answer_is_read(rig: Rig) -> None:
    body = gzip.compress(ME)
    with (
        server(whole(body, "Content-Encoding: gzip")) as (url, _),
        rig.client(base_url=url) as client,
    ):
        assert client.user_info().user_id == "u1"


@pytest.mark.parametrize(
    ("body", "encoding", "says"),
    [
        (gzip.compress(ME)[:-12], "gzip", "was interrupted"),
        (ME, "gzip", "was interrupted"),
        (zlib.compress(ME), "deflate", "compressed as 'deflate', which was not requested"),
    ],
    ids=["incomplete", "not compressed", "another encoding"],
)
def test_an_answer_that_cannot_be_decompressed_is_an_error(
    rig: Rig, body: bytes, encoding: str, says: str
) -> None:
    with (
        server(whole(body, f"Content-Encoding: {encoding}")) as (url, _),
        rig.client(base_url=url) as client,
        pytest.raises(SwitUnavailableError, match=says),
    ):
        client.user_info()


def test_endless_pages_are_refused(client: SwitClient, web: responses.RequestsMock) -> None:
    users = [{"user_id": f"u{number}"} for number in range(1000)]
    data = {"total_rows": MAX_USERS + 1, "users": users}
    web.get(f"{API}/organization.user.list", json={"data": data})
    with pytest.raises(SwitIncompleteReadError, match="The maximum is 5,000,000"):
        read_users(client)
    assert len(web.calls) <= 3
