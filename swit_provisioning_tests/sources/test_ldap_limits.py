"""No server keeps a read going for ever, or makes it grow without end: each limit is one error."""

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swit_provisioning.planning.snapshots import DirectorySnapshot
from swit_provisioning.sources.base import (
    DirectoryConfigError,
    DirectoryError,
    DirectoryIncompleteError,
    DirectoryUnavailableError,
)
from swit_provisioning.sources.config import LdapLimits, ServerAddress, Tls
from swit_provisioning.sources.ldap.session import logged_in
from swit_provisioning.sources.ldap.source import LdapDirectory
from swit_provisioning_tests.integration.authority import certificate
from swit_provisioning_tests.sources.faulty_server import (
    ADA,
    GROUPS,
    PEOPLE,
    config,
    two_pages,
)
from swit_provisioning_tests.sources.scripted_server import (
    Asked,
    Close,
    Drip,
    Reply,
    ScriptedServer,
    Sent,
    Silence,
    done,
    entry,
)
from swit_provisioning_tests.sources.wire import BIND, EXTENDED, parts, tlv

USUAL = LdapLimits()
MODE: dict[int, Tls] = {BIND: "none", EXTENDED: "starttls"}
TWO_GIB = b"\x84\x80\x00\x00\x00"
"""The length of something of 2 GiB."""


def read(
    *servers: ServerAddress, minutes: float = 60, seconds: int = 5, limits: LdapLimits = USUAL
) -> DirectorySnapshot:
    """Read with small limits, without waiting between attempts."""
    settings = replace(
        config(*servers, timeout_seconds=seconds),
        read_minutes=minutes,
        limits=limits,
    )
    return LdapDirectory(settings, sleep=lambda _: None).read()


def refused(
    answer: Callable[[Asked], Iterable[Reply]],
    kind: type[DirectoryError] = DirectoryIncompleteError,
    limits: LdapLimits = USUAL,
) -> str:
    with ScriptedServer(answer) as server, pytest.raises(kind) as caught:
        read(server.address, limits=limits)
    assert type(caught.value) is kind
    assert str(caught.value).startswith(str(server.address))
    return str(caught.value)


def new_person(asked: Asked) -> Reply:
    return entry(f"cn=p{asked.number},{PEOPLE}", {"cn": ["P"], "mail": [f"p{asked.number}@x.test"]})


def test_pages_without_end_are_an_error() -> None:
    """Each of them has another person and another cookie."""
    message = refused(
        lambda a: [new_person(a), done(cookie=b"%d" % a.number)], limits=LdapLimits(pages=20)
    )
    assert "there are more than 20 pages" in message
    assert "LDAP_PAGE_SIZE" in message


def test_ranges_without_end_are_an_error() -> None:
    def answer(asked: Asked) -> Iterable[Reply]:
        if asked.base == PEOPLE:
            return two_pages(asked)
        begin = asked.range_from or 0
        part = {f"member;range={begin}-{begin}": [f"cn=p{begin},{PEOPLE}"]}
        return [entry(f"cn=Team,{GROUPS}", {"cn": ["Team"], **part}), done()]

    message = refused(answer, limits=LdapLimits(ranges=20))
    assert f"member of 'cn=Team,{GROUPS}' comes in more than 20 ranges" in message


def test_an_answer_without_end_is_an_error() -> None:
    def answer(_: Asked) -> Iterator[Reply]:
        for number in itertools.count():
            yield entry(f"cn=p{number},{PEOPLE}", {"cn": ["P" * 1000]})

    assert "more than 100000 bytes" in refused(answer, limits=LdapLimits(answer_bytes=100_000))


def test_an_entry_of_two_gib_is_refused_before_it_comes() -> None:
    message = refused(lambda _: [ADA, Sent(b"\x30" + TWO_GIB + b"\x02\x01")])
    assert f"more than {1 << 30} bytes" in message


def test_a_read_that_grows_without_end_is_an_error() -> None:
    def answer(asked: Asked) -> Iterable[Reply]:
        large = entry(f"cn=p{asked.number},{PEOPLE}", {"cn": ["P" * 10_000]})
        return [large, done(cookie=b"%d" % asked.number)]

    assert "more than 100000 bytes" in refused(answer, limits=LdapLimits(read_bytes=100_000))


def test_an_answer_that_drips_is_a_lost_connection_and_the_next_server_is_read() -> None:
    """Each byte comes in time."""
    drip = Drip(b"\x30\x82\x10\x00" + bytes(1000))
    with ScriptedServer(lambda _: [drip]) as slow, ScriptedServer(two_pages) as good:
        state = read(slow.address, good.address, limits=LdapLimits(answer_seconds=0.3))
    assert state.facts.source == str(good.address)
    assert "the answer was not complete after 0.3 seconds" in state.facts.warnings[0]


@pytest.mark.parametrize("operation", [BIND, EXTENDED])
def test_a_login_that_drips_is_a_lost_connection_and_the_next_server_is_read(
    operation: int,
) -> None:
    with ScriptedServer(two_pages) as slow, ScriptedServer(two_pages) as good:
        slow.mode = MODE[operation]
        slow.tamper[operation] = lambda message: [Drip(message * 100)]
        state = read(slow.address, good.address, limits=LdapLimits(answer_seconds=0.2))
    assert state.facts.source == str(good.address)
    assert "the answer was not complete after 0.2 seconds" in state.facts.warnings[0]


@pytest.mark.parametrize("operation", [BIND, EXTENDED])
def test_a_login_that_is_answered_with_two_gib_is_refused_before_they_come(operation: int) -> None:
    with ScriptedServer(two_pages) as huge, ScriptedServer(two_pages) as good:
        huge.mode = MODE[operation]
        huge.tamper[operation] = lambda _: [Sent(b"\x30" + TWO_GIB), Sent(bytes(100)), Close()]
        state = read(huge.address, good.address)
    assert state.facts.source == str(good.address)
    assert "it has more than 65536 bytes" in state.facts.warnings[0]


def test_a_read_that_takes_too_long_is_an_error_however_many_servers_are_left() -> None:
    def answer(asked: Asked) -> Iterable[Reply]:
        return [new_person(asked), done(cookie=b"%d" % asked.number)]

    began = time.monotonic()
    with ScriptedServer(answer) as endless, ScriptedServer(two_pages) as good:
        with pytest.raises(DirectoryIncompleteError) as caught:
            read(endless.address, good.address, minutes=0.5 / 60)
        assert good.connections == 0
    assert time.monotonic() - began < 30
    assert "the whole read took longer than DIRECTORY_TIMEOUT_MINUTES allows" in str(caught.value)


def test_a_silence_is_cut_short_by_the_deadline_of_the_read() -> None:
    with (
        ScriptedServer(lambda _: [Silence()]) as silent,
        pytest.raises(DirectoryIncompleteError, match="DIRECTORY_TIMEOUT_MINUTES"),
    ):
        read(silent.address, minutes=0.3 / 60, seconds=20)


@st.composite
def mutated(draw: st.DrawFn, message: bytes) -> bytes:
    """The message with a few bytes changed, added, taken out or cut off."""
    data = bytearray(message)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(data)))
        removed = draw(st.sampled_from([0, 1, 1, 2, len(data)]))
        data[place : place + removed] = draw(st.binary(max_size=2))
    return bytes(data)


@pytest.mark.parametrize(("operation", "tag"), [(BIND, 0x61), (EXTENDED, 0x78)])
def test_a_mutated_answer_is_a_failed_connection_or_a_refusal_in_good_ldap(
    operation: int, tag: int, tmp_path: Path
) -> None:
    success = tlv(0x30, b"\x02\x01\x01", tlv(tag, b"\x0a\x01\x00\x04\x00\x04\x00"))
    server = ScriptedServer(two_pages, mode=MODE[operation])
    settings = replace(config(server.address), ca_file=str(certificate(tmp_path).authority))

    @given(mutated(success))
    def check(answer: bytes) -> None:
        server.tamper[operation] = lambda _: [Sent(answer), Close()]
        try:
            with logged_in(settings, server.address):
                (message,) = parts(answer)
                _, (_, result), *_ = parts(message[1])
                accepted.append(next(parts(result)) == (0x0A, b"\x00"))
        except (DirectoryUnavailableError, DirectoryConfigError) as error:
            refusals.append(str(error))

    accepted: list[bool] = []
    refusals: list[str] = []
    with server:
        check()
    assert all(accepted)
    assert refusals
    assert all(said.startswith(str(server.address)) for said in refusals)


@pytest.mark.parametrize(("operation", "tag"), [(BIND, 0x61), (EXTENDED, 0x78)])
@pytest.mark.parametrize(
    "result",
    [
        b"",
        b"\x0a\x01",
        b"\x0a\x01\x00\x04\x7f\x00",
        b"\x0a\x00\x04\x00\x04\x00",
        b"\x02\x01\x00\x04\x00\x04\x00\xa3\x01\x00",
    ],
)
def test_after_a_login_that_is_answered_wrongly_the_next_server_is_read(
    operation: int, tag: int, result: bytes
) -> None:
    answer = tlv(0x30, b"\x02\x01\x01", tlv(tag, result))
    with ScriptedServer(two_pages, mode=MODE[operation]) as bad, ScriptedServer(two_pages) as good:
        bad.tamper[operation] = lambda _: [Sent(answer), Close()]
        state = read(bad.address, good.address)
    assert state.facts.source == str(good.address)
    assert state.facts.warnings[0].startswith(f"Passed over: {bad.address}")


def test_after_a_login_that_is_refused_for_a_reason_nobody_knows_the_next_server_is_read() -> None:
    with (
        ScriptedServer(two_pages, bind=(99, "odd")) as bad,
        ScriptedServer(two_pages) as good,
    ):
        state = read(bad.address, good.address)
    assert state.facts.source == str(good.address)
    assert "logging in as 'cn=reader,dc=x': the server answered 99" in state.facts.warnings[0]


@pytest.mark.parametrize(("operation", "mode"), [(EXTENDED, "starttls"), (BIND, "none")])
def test_a_port_that_expects_tls_from_the_first_byte_is_told_with_what_to_set(
    operation: int, mode: Tls
) -> None:
    alert = b"\x15\x03\x01\x00\x02\x02\x0a"
    with ScriptedServer(two_pages, mode=mode) as server:
        server.tamper[operation] = lambda _: [Sent(alert), Close()]
        with pytest.raises(DirectoryUnavailableError, match="it is TLS") as caught:
            read(server.address)
    ldaps = f"set LDAP_TLS=ldaps, or write ldaps://127.0.0.1:{server.address.port}"
    assert ldaps in str(caught.value)
