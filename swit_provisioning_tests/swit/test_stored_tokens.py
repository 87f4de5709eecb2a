"""One refresh for all who were refused: threads here, other processes through the store."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
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


def test_the_stored_pair_is_newer_than_the_first_one() -> None:
    first = TokenPair(access_token="from-the-settings")
    assert tokens(FakeStore(OLD), first).access_token() == "a1"
    assert tokens(FakeStore(), first).access_token() == "from-the-settings"


def test_nobody_logged_in() -> None:
    with pytest.raises(SwitUnauthorizedError, match="no token is stored") as caught:
        tokens(FakeStore()).access_token()
    assert "swit-provisioning login" in str(caught.value)


def test_a_refused_token_is_refreshed_saved_and_given_from_then_on(
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


def test_a_pair_set_anew_takes_over_when_the_stored_one_is_dead(
    web: responses.RequestsMock,
) -> None:
    """Without it, a dead stored pair could only be mended inside the database."""
    web.post(TOKEN_URL, status=400, json={"message": "expired"})
    store = FakeStore(OLD)
    new = TokenPair(access_token="a9", refresh_token="r9")
    assert tokens(store, new).refreshed("a1") == "a9"
    assert store.pair == new


def test_a_pair_that_is_not_new_does_not(web: responses.RequestsMock) -> None:
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


def test_eight_threads_refused_at_once_refresh_once(web: responses.RequestsMock) -> None:
    """The second refresh would send a refresh token that is dead already."""
    web.post(TOKEN_URL, json=NEW)

    class LockedStore(FakeStore):
        lock = threading.Lock()

        @contextmanager
        def exclusive(self) -> Iterator[None]:
            with self.lock, super().exclusive():
                yield

    source = tokens(LockedStore(OLD))
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


def test_a_dead_refresh_token_is_tried_once_until_somebody_logs_in(
    web: responses.RequestsMock,
) -> None:
    web.post(TOKEN_URL, status=400, json={"error": "invalid_grant"})
    store = FakeStore(OLD)
    source = tokens(store)
    for words in ("invalid_grant", "refused before", "refused before"):
        with pytest.raises(SwitUnauthorizedError, match=words):
            source.refreshed("a1")
    assert len(web.calls) == 1
    assert store.pair == OLD
    store.pair = TokenPair(access_token="a9", refresh_token="r9")
    assert source.refreshed("a1") == "a9"


def test_a_refresh_that_only_failed_may_be_tried_again(web: responses.RequestsMock) -> None:
    web.post(TOKEN_URL, status=503)
    web.post(TOKEN_URL, json=NEW)
    source = tokens(FakeStore(OLD))
    with pytest.raises(SwitUnavailableError):
        source.refreshed("a1")
    assert source.refreshed("a1") == "a2"


class FullStore(FakeStore):
    """Nothing more can be written to it."""

    def save(self, pair: TokenPair) -> None:
        del pair
        message = "the disk is full"
        raise OSError(message)


def test_swit_is_not_asked_for_a_pair_that_could_not_be_kept(web: responses.RequestsMock) -> None:
    """It gives a pair once: the old one is dead then, and the new one would be lost."""
    with pytest.raises(OSError, match="the disk is full"):
        tokens(FullStore(OLD)).refreshed("a1")
    assert not web.calls


GIVEN = datetime(2026, 3, 1, 12, tzinfo=UTC)
A_WEEK = timedelta(days=7)
IN_USE = TokenPair(
    access_token="a1", refresh_token="r1", expires_at=GIVEN + A_WEEK, obtained_at=GIVEN
)


class Day:
    """A clock that is set to so many days after the pair was given."""

    def __init__(self, days: float) -> None:
        self.days = days

    def __call__(self) -> datetime:
        return GIVEN + timedelta(days=self.days)


def tokens_on(day: Day, store: FakeStore, first: TokenPair | None = None) -> StoredTokens:
    oauth = OAuthClient(BASE, "client-1", "secret", "http://x/", now=day)
    return StoredTokens(oauth, store, first)


@pytest.mark.parametrize(("days", "token"), [(5.5, "a1"), (5.7, "a2"), (6.9, "a2"), (8, "a2")])
def test_a_pair_is_renewed_when_less_than_a_fifth_of_its_life_is_left(
    web: responses.RequestsMock, days: float, token: str
) -> None:
    web.post(TOKEN_URL, json={**NEW, "expires_in": A_WEEK.total_seconds()})
    store = FakeStore(IN_USE)
    source = tokens_on(Day(days), store)
    assert [source.access_token(), source.access_token()] == [token, token]
    assert len(web.calls) == (token == "a2")
    assert store.pair is not None
    assert store.pair.access_token == token


def test_a_renewal_that_fails_is_told_and_the_old_pair_will_still_do(
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


def test_a_refused_renewal_does_not_bring_an_older_pair_back(web: responses.RequestsMock) -> None:
    """The settings still hold the very first pair, which has been dead for long."""
    web.post(TOKEN_URL, status=400, json={"error": "invalid_grant"})
    store = FakeStore(IN_USE)
    first = TokenPair(access_token="a0", refresh_token="r0")
    assert tokens_on(Day(6), store, first).access_token() == "a1"
    assert store.pair == IN_USE


def test_a_pair_that_another_process_renewed_is_taken(web: responses.RequestsMock) -> None:
    day, store = Day(5), FakeStore(IN_USE)
    source = tokens_on(day, store)
    assert source.access_token() == "a1"
    store.pair = TokenPair(access_token="a2", refresh_token="r2")
    day.days = 6
    assert source.access_token() == "a2"
    assert not web.calls


def test_a_pair_without_a_refresh_token_is_used_to_its_end() -> None:
    alone = TokenPair(access_token="a1", expires_at=GIVEN + A_WEEK, obtained_at=GIVEN)
    assert tokens_on(Day(6.9), FakeStore(alone)).access_token() == "a1"
