"""Referrals are never followed: they could send the password to another server."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pytest

from swit_provisioning.sources.base import (
    DirectoryConfigError,
    DirectoryError,
    DirectoryIncompleteError,
)
from swit_provisioning_tests.integration.listener import listener
from swit_provisioning_tests.integration.small_company import PASSWORD, PEOPLE, company_of, read
from swit_provisioning_tests.integration.small_server import SmallServer, spoil, spoil_range
from swit_provisioning_tests.sources.scripted_server import (
    Asked,
    Reply,
    ScriptedServer,
    done,
    reference,
)


@contextmanager
def elsewhere() -> Iterator[tuple[str, list[bytes]]]:
    """An address that a referral may name, and what was said to whoever listens there."""
    with listener() as (port, visits):
        yield f"ldap://127.0.0.1:{port}/{PEOPLE}", visits


def refused(server: ScriptedServer, kind: type[DirectoryError] = DirectoryIncompleteError) -> str:
    with server, pytest.raises(kind) as caught:
        read(server.address)
    assert PASSWORD not in f"{caught.value} {caught.value!r}"
    return str(caught.value)


def test_no_referral_of_a_search_is_followed() -> None:
    with elsewhere() as (url, visits):
        fault = spoil(lambda _: [done(10, cookie=None, referrals=[url])], base=PEOPLE)
        message = refused(SmallServer(company_of(people=3), fault=fault))
        assert visits == []
    assert "answered 10 referral" in message
    assert "Referrals are not followed" in message


def test_no_referral_on_a_later_page_is_followed() -> None:
    with elsewhere() as (url, visits):
        change = [done(10, cookie=None, referrals=[url])]
        fault = spoil(lambda _: change, base=PEOPLE, page=2)
        assert "answered 10" in refused(SmallServer(company_of(people=1001), fault=fault))
        assert visits == []


def test_no_referral_among_a_groups_members_is_followed() -> None:
    with elsewhere() as (url, visits):
        fault = spoil_range(lambda _: [done(10, cookie=None, referrals=[url])], begin=1500)
        entries = company_of(people=1, members=1501)
        assert "answered 10" in refused(SmallServer(entries, fault=fault))
        assert visits == []


@pytest.mark.parametrize("first", [True, False])
def test_no_continuation_reference_is_followed(*, first: bool) -> None:
    def with_reference(answer: list[Reply]) -> Iterable[Reply]:
        return [reference(url), *answer] if first else [*answer[:-1], reference(url), answer[-1]]

    with elsewhere() as (url, visits):
        fault = spoil(with_reference, base=PEOPLE)
        message = refused(SmallServer(company_of(people=3), fault=fault))
        assert visits == []
    assert url in message


def test_no_referral_of_a_login_is_followed() -> None:
    def nothing(_: Asked) -> list[Reply]:
        return [done()]

    with elsewhere() as (url, visits):
        server = ScriptedServer(nothing, bind=(10, "ask somebody else"))
        server.referrals = [url]
        message = refused(server, DirectoryConfigError)
        assert visits == []
    assert server.searches == []
    assert "logging in as" in message
    assert "LDAP_SERVER_DOMAIN" in message
