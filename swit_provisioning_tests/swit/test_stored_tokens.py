"""One refresh for all who were refused: threads here, other processes through the store."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import responses

from swit_provisioning.swit.errors import SwitUnauthorizedError, SwitUnavailableError
from swit_provisioning.swit.oauth import OAuthClient, StoredTokens, TokenPair
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
    assert store.saved == [TokenPair(access_token="a2", refresh_token="r2")]


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
    assert store.saved == []
    store.pair = TokenPair(access_token="a9", refresh_token="r9")
    assert source.refreshed("a1") == "a9"


def test_a_refresh_that_only_failed_may_be_tried_again(web: responses.RequestsMock) -> None:
    web.post(TOKEN_URL, status=503)
    web.post(TOKEN_URL, json=NEW)
    source = tokens(FakeStore(OLD))
    with pytest.raises(SwitUnavailableError):
        source.refreshed("a1")
    assert source.refreshed("a1") == "a2"
