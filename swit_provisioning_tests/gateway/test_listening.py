"""Where is here: what only this machine reaches, and what a taken port says."""

import socket

import pytest

from swit_provisioning.gateway.serve import ListenError, is_loopback, listen
from swit_provisioning_tests.ports import free_port


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_only_this_machine_reaches_its_loopback_addresses(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "::", "192.168.1.1", "sync.example.com", "localhost.example.com", ""],  # noqa: S104 - what is refused
)
def test_all_others_are_outside(host: str) -> None:
    assert not is_loopback(host)


def test_a_port_is_listened_on_once() -> None:
    port = free_port()
    opened = listen("127.0.0.1", port)
    try:
        with pytest.raises(ListenError, match=f"127.0.0.1:{port}: Address already in use"):
            listen("127.0.0.1", port)
    finally:
        for each in opened:
            each.close()


def test_localhost_is_listened_on_wherever_it_leads() -> None:
    port = free_port()
    opened = listen("localhost", port)
    try:
        for each in opened:
            with socket.create_connection(each.getsockname()[:2], timeout=60):
                pass
        assert opened
    finally:
        for each in opened:
            each.close()


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(ListenError, match=r"192\.0\.2\.1:5000"):
        listen("192.0.2.1", 5000)
