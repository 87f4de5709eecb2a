"""Which keys are accepted, and how many wrong ones are answered."""

import asyncio
from pathlib import Path
from urllib.parse import urlencode

import pytest
from starlette.requests import Request
from starlette.types import Message

from swit_provisioning.gateway.access import KeyCheck, form_fields, required_key
from swit_provisioning.settings import Settings, SettingsError

KEY = "a-key-of-20-letters!"
HERE, THERE = "192.0.2.1", "192.0.2.2"
WRONG_KEYS, SECONDS_A_KEY = 10, 6
WRONG_KEYS_OF_ALL, SECONDS_A_KEY_OF_ALL = 100, 1


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def access(clock: Clock) -> KeyCheck:
    return KeyCheck(KEY, clock=clock)


def status(access: KeyCheck, key: bytes | None, address: str = HERE) -> int:
    refused = access.refusal(address, key)
    return refused.status if refused else 200


def test_the_right_key_may_ask_as_often_as_it_likes(access: KeyCheck) -> None:
    assert {status(access, KEY.encode()) for _ in range(1000)} == {200}


@pytest.mark.parametrize(
    "key", [b"", b"a-key-of-20-letters", b"A-key-of-20-letters!", KEY.encode() + b" ", b"\xff\xfe"]
)
def test_any_other_key_is_refused(access: KeyCheck, key: bytes) -> None:
    assert status(access, key) == 401


def test_a_key_that_is_missing_is_refused_and_not_counted(access: KeyCheck) -> None:
    assert {status(access, None) for _ in range(100)} == {401}
    assert status(access, KEY.encode()) == 200


def test_after_ten_wrong_keys_an_address_waits_also_with_the_right_one(
    access: KeyCheck, clock: Clock
) -> None:
    """Otherwise the answer would tell that a guess was right."""
    assert [status(access, b"wrong") for _ in range(WRONG_KEYS + 1)] == [401] * 10 + [429]
    refused = access.refusal(HERE, KEY.encode())
    assert refused is not None
    assert (refused.status, refused.headers) == (429, {"Retry-After": f"{SECONDS_A_KEY:.0f}"})
    clock.seconds += SECONDS_A_KEY - 0.01
    assert status(access, KEY.encode()) == 429
    clock.seconds += 0.02
    assert status(access, KEY.encode()) == 200
    assert status(access, b"wrong") == 401
    assert status(access, b"wrong") == 429


def test_an_address_that_waited_long_has_ten_more_and_no_more(
    access: KeyCheck, clock: Clock
) -> None:
    for _ in range(3):
        clock.seconds += 1_000_000
        assert [status(access, b"wrong") for _ in range(11)] == [401] * 10 + [429]


def test_one_address_does_not_make_another_wait(access: KeyCheck) -> None:
    for _ in range(50):
        status(access, b"wrong")
    assert status(access, KEY.encode()) == 429
    assert status(access, KEY.encode(), THERE) == 200


def test_the_addresses_of_one_ipv6_network_share_one_pace(access: KeyCheck) -> None:
    for number in range(WRONG_KEYS):
        assert status(access, b"wrong", f"2001:db8::{number:x}") == 401
    assert status(access, b"wrong", "2001:db8::ffff:ffff") == 429
    assert status(access, b"wrong", "2001:db8:0:1::1") == 401


def test_no_more_than_ten_thousand_addresses_are_remembered(access: KeyCheck, clock: Clock) -> None:
    for number in range(10_500):
        clock.seconds += SECONDS_A_KEY_OF_ALL
        address = f"10.0.{number // 256}.{number % 256}"
        status(access, b"wrong", address)
        status(access, KEY.encode(), address)
    assert (len(access.by_client), len(access.known_clients)) == (10_000, 10_000)


@pytest.mark.parametrize(
    ("key", "said"),
    [(None, "is not set"), ("", "is not set"), ("1234", "has 4 characters"), ("k" * 15, "has 15")],
)
def test_without_a_long_key_the_gateway_does_not_start(
    monkeypatch: pytest.MonkeyPatch, key: str | None, said: str
) -> None:
    if key is not None:
        monkeypatch.setenv("OPERATION_AUTH_KEY", key)
    with pytest.raises(SettingsError) as raised:
        required_key(Settings.load())
    assert f"OPERATION_AUTH_KEY {said}" in str(raised.value)
    assert "secrets.token_urlsafe(32)" in str(raised.value)
    assert "kkk" not in str(raised.value)


def test_the_key_can_be_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    monkeypatch.setenv("OPERATION_AUTH_KEY_FILE", str(file))
    assert required_key(Settings.load()) == KEY


def test_a_key_of_sixteen_characters_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPERATION_AUTH_KEY", "k" * 16)
    assert required_key(Settings.load()) == "k" * 16


def test_wrong_keys_of_many_addresses_have_a_limit_together(access: KeyCheck, clock: Clock) -> None:
    assert status(access, KEY.encode(), HERE) == 200
    guesses = [status(access, b"wrong", f"198.51.{n // 250}.{n % 250}") for n in range(500)]
    assert guesses == [401] * WRONG_KEYS_OF_ALL + [429] * (500 - WRONG_KEYS_OF_ALL)
    # Not even the right key tells a stranger anything; who has shown it before goes on.
    assert status(access, KEY.encode(), THERE) == 429
    assert status(access, KEY.encode(), HERE) == 200
    refused = access.refusal(THERE, KEY.encode())
    assert refused is not None
    clock.seconds += int(refused.headers["Retry-After"])
    assert status(access, KEY.encode(), THERE) == 200


def test_an_address_that_has_shown_the_right_key_has_its_own_limit_still(access: KeyCheck) -> None:
    assert status(access, KEY.encode()) == 200
    assert [status(access, b"wrong") for _ in range(WRONG_KEYS + 1)] == [401] * 10 + [429]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (urlencode({"key": "열쇠-äöü", "name": ""}), {"key": "열쇠-äöü", "name": ""}),
        ("key=one&key=two", {"key": "one"}),
        ("&".join(f"f{number}=1" for number in range(11)), {}),
        ("", {}),
    ],
    ids=["not ASCII", "twice", "too many fields", "empty"],
)
def test_a_posted_form_is_read_as_text(body: str, expected: dict[str, str]) -> None:
    async def receive() -> Message:
        return {"type": "http.request", "body": body.encode(), "more_body": False}

    request = Request({"type": "http", "method": "POST", "headers": []}, receive)
    assert asyncio.run(form_fields(request)) == expected
