"""Stored tokens: one refresh for all threads and processes."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
import responses

from swit_provisioning.swit.auth import OAuthClient, StoredTokens, TokenPair
from swit_provisioning.swit.errors import SwitUnauthorizedError, SwitUnavailableError
from swit_provisioning_tests.swit.fakes import BASE, TOKEN_URL, FakeStore

OLD = TokenPair(access_token="a1", refresh_token="r1")
NEW = {"access_token": "a2", "refresh_token": "r2"}


def tokens(store: FakeStore, first: TokenPair | None = None) -> StoredTokens:
    return StoredTokens(OAuthClient(BASE, "client-1", "secret", "http://x/"), store, first)


def test_a_stored_pair_takes_precedence_over_the_settings() -> None:
    first = TokenPair(access_token="from-the-settings")
    assert tokens(FakeStore(OLD), first).access_token() == "a1"
    assert tokens(FakeStore(), first).access_token() == "from-the-settings"


def test_without_any_token_a_login_is_required() -> None:
    with pytest.raises(SwitUnauthorizedError, match="no token is stored") as caught:
        tokens(FakeStore()).access_token()
    assert "swit-provisioning login" in str(caught.value)


def test_a_refused_token_is_refreshed_and_stored(
    web: responses.RequestsMock,
) -> None:
    web.post(TOKEN_URL, json=NEW)
    store = FakeStore(OLD)
    source = tokens(store)
    assert source.access_token() == "a1"
    assert source.refreshed("a1") == "a2"
    assert source.access_token() == "a2"
    assert store.saved[-1] == TokenPair(access_token="a2", refresh_token="r2")


def test_a_first_pair_is_refreshed_and_stored_too(web: responses.RequestsMock) -> None:
    web.post(TOKEN_URL, json=NEW)
    store = FakeStore()
    assert tokens(store, OLD).refreshed("a1") == "a2"
    assert store.pair == TokenPair(access_token="a2", refresh_token="r2")


def test_a_refresh_token_alone_is_enough(web: responses.RequestsMock) -> None:
    web.post(TOKEN_URL, json=NEW)
    first = TokenPair(access_token="", refresh_token="r1")
    assert tokens(FakeStore(), first).access_token() == "a2"


def test_a_new_pair_in_the_settings_replaces_a_refused_stored_pair(
    web: responses.RequestsMock,
) -> None:
    """Otherwise a refused stored pair could only be removed in the database."""
    web.post(TOKEN_URL, status=400, json={"message": "expired"})
    store = FakeStore(OLD)
    new = TokenPair(access_token="a9", refresh_token="r9")
    assert tokens(store, new).refreshed("a1") == "a9"
    assert store.pair == new


def test_the_same_pair_in_the_settings_does_not_replace_it(web: responses.RequestsMock) -> None:
    web.post(TOKEN_URL, status=400, json={"message": "expired"})
    with pytest.raises(SwitUnauthorizedError):
        tokens(FakeStore(OLD), OLD).refreshed("a1")


def test_a_token_that_another_process_refreshed_is_used(web: responses.RequestsMock) -> None:
    store = FakeStore(OLD)
    source = tokens(store)
    source.access_token()
    store.pair = TokenPair(access_token="a2", refresh_token="r2")
    assert source.refreshed("a1") == "a2"
    assert not web.calls


def test_parallel_threads_refresh_once(web: responses.RequestsMock) -> None:
    """A second refresh would send a refresh token that is no longer valid."""
    web.post(TOKEN_URL, json=NEW)

    source = tokens(FakeStore(OLD))
    got: list[str] = []
    barrier = threading.Barrier(8)

    def refused() -> None:
        token = source.access_token()
        barrier.wait()
        got.append(source.refreshed(token))

    threads = [threading.Thread(target=refused) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == ["a2"] * 8
    assert len(web.calls) == 1


def test_without_a_refresh_token_a_refusal_is_final(web: responses.RequestsMock) -> None:
    source = tokens(FakeStore(TokenPair(access_token="a1")))
    with pytest.raises(SwitUnauthorizedError, match="no refresh token"):
        source.refreshed("a1")
    assert not web.calls


def test_a_refused_refresh_token_is_not_sent_again_until_the_next_login(
    web: responses.RequestsMock,
) -> None:
    web.post(TOKEN_URL, status=400, json={"error": "invalid_grant"})
    store = FakeStore(OLD)
    source = tokens(store)
    for words in ("invalid_grant", "has refused", "has refused"):
        with pytest.raises(SwitUnauthorizedError, match=words):
            source.refreshed("a1")
    assert len(web.calls) == 1
    assert store.pair == OLD
    store.pair = TokenPair(access_token="a9", refresh_token="r9")
    assert source.refreshed("a1") == "a9"


def test_a_failed_refresh_can_be_repeated(web: responses.RequestsMock) -> None:
    web.post(TOKEN_URL, status=503)
    web.post(TOKEN_URL, json=NEW)
    source = tokens(FakeStore(OLD))
    with pytest.raises(SwitUnavailableError):
        source.refreshed("a1")
    assert source.refreshed("a1") == "a2"


class FullStore(FakeStore):
    """Refuses all writes."""

    def save(self, pair: TokenPair) -> None:
        del pair
        message = "the disk is full"
        raise OSError(message)


def test_no_refresh_is_sent_if_the_store_is_not_writable(web: responses.RequestsMock) -> None:
    """Swit gives each pair once, so the new pair would be lost and the old one invalid."""
    with pytest.raises(OSError, match="the disk is full"):
        tokens(FullStore(OLD)).refreshed("a1")
    assert not web.calls


GIVEN = datetime(2026, 3, 1, 12, tzinfo=UTC)
A_WEEK = timedelta(days=7)
IN_USE = TokenPair(
    access_token="a1", refresh_token="r1", expires_at=GIVEN + A_WEEK, obtained_at=GIVEN
)


class Day:
    """A clock at a number of days after the pair was obtained."""

    def __init__(self, days: float) -> None:
        self.days = days

    def __call__(self) -> datetime:
        return GIVEN + timedelta(days=self.days)


def tokens_on(day: Day, store: FakeStore, first: TokenPair | None = None) -> StoredTokens:
    oauth = OAuthClient(BASE, "client-1", "secret", "http://x/", now=day)
    return StoredTokens(oauth, store, first)


@pytest.mark.parametrize(("days", "token"), [(5.5, "a1"), (5.7, "a2"), (6.9, "a2"), (8, "a2")])
def test_a_pair_is_renewed_in_the_last_fifth_of_its_lifetime(
    web: responses.RequestsMock, days: float, token: str
) -> None:
    web.post(TOKEN_URL, json={**NEW, "expires_in": A_WEEK.total_seconds()})
    store = FakeStore(IN_USE)
    source = tokens_on(Day(days), store)
    assert [source.access_token(), source.access_token()] == [token, token]
    assert len(web.calls) == (token == "a2")
    assert store.pair is not None
    assert store.pair.access_token == token


def test_a_failed_renewal_is_logged_and_the_old_pair_is_used(
    web: responses.RequestsMock, caplog: pytest.LogCaptureFixture
) -> None:
    web.post(TOKEN_URL, status=503)
    web.post(TOKEN_URL, json=NEW)
    day, store = Day(6), FakeStore(IN_USE)
    source = tokens_on(day, store)
    assert [source.access_token(), source.access_token()] == ["a1", "a1"]
    assert len(web.calls) == 1
    assert "valid until 2026-03-08 12:00 UTC, could not be renewed" in caplog.text
    day.days += 0.01
    assert source.access_token() == "a2"


def test_a_refused_renewal_does_not_restore_the_pair_of_the_settings(
    web: responses.RequestsMock,
) -> None:
    """The pair of the settings is older, and no longer valid."""
    web.post(TOKEN_URL, status=400, json={"error": "invalid_grant"})
    store = FakeStore(IN_USE)
    first = TokenPair(access_token="a0", refresh_token="r0")
    assert tokens_on(Day(6), store, first).access_token() == "a1"
    assert store.pair == IN_USE


def test_a_pair_renewed_by_another_process_is_used(web: responses.RequestsMock) -> None:
    day, store = Day(5), FakeStore(IN_USE)
    source = tokens_on(day, store)
    assert source.access_token() == "a1"
    store.pair = TokenPair(access_token="a2", refresh_token="r2")
    day.days = 6
    assert source.access_token() == "a2"
    assert not web.calls


def test_a_pair_without_a_refresh_token_is_used_until_it_expires() -> None:
    alone = TokenPair(access_token="a1", expires_at=GIVEN + A_WEEK, obtained_at=GIVEN)
    assert tokens_on(Day(6.9), FakeStore(alone)).access_token() == "a1"
