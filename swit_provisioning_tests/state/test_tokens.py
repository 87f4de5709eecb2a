import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from swit_provisioning.state.store import Store
from swit_provisioning.state.token_store import TokenRow, TokensUnreadableError
from swit_provisioning_tests.state.conftest import Clock
from swit_provisioning_tests.state.processes import let_go, start

PAIR = TokenRow(
    access_token="access-1",
    refresh_token="refresh-1",
    expires_at=datetime(2026, 3, 8, tzinfo=UTC),
    scope="user:read admin:write",
)


def test_there_are_no_tokens_at_first(store: Store) -> None:
    assert store.tokens.load() is None


def test_a_pair_comes_back_as_it_was_saved(store: Store) -> None:
    store.tokens.save(PAIR)
    assert store.tokens.load() == PAIR


def test_when_a_pair_was_given_is_kept_with_it(store: Store, clock: Clock) -> None:
    given = datetime(2026, 3, 1, tzinfo=UTC)
    store.tokens.save(replace(PAIR, obtained_at=given))
    assert getattr(store.tokens.load(), "obtained_at", None) == given
    store.tokens.save(PAIR)
    assert getattr(store.tokens.load(), "obtained_at", None) == clock.time


def test_a_newer_pair_takes_the_place_of_the_older(store: Store) -> None:
    newer = TokenRow(access_token="access-2", refresh_token=None, expires_at=None, scope=None)
    store.tokens.save(PAIR)
    store.tokens.save(newer)
    assert store.tokens.load() == newer


def test_a_pair_is_not_shown_where_it_is_printed() -> None:
    assert "access-1" not in repr(PAIR)
    assert "refresh-1" not in repr(PAIR)


def test_with_a_key_no_token_stands_readable_in_any_file(file_url: str, tmp_path: Path) -> None:
    key = Fernet.generate_key().decode()
    with Store.open(file_url, encryption_key=key) as store:
        store.tokens.save(PAIR)
        files = [path.read_bytes() for path in (tmp_path / "state").iterdir()]
        assert store.tokens.load() == PAIR
    assert not any(b"access-1" in content or b"refresh-1" in content for content in files)


@pytest.mark.parametrize("key", [None, Fernet.generate_key().decode()], ids=["none", "another"])
def test_without_the_right_key_the_error_says_what_to_do(url: str, key: str | None) -> None:
    with Store.open(url, encryption_key=Fernet.generate_key().decode()) as store:
        store.tokens.save(PAIR)
    with (
        Store.open(url, encryption_key=key) as store,
        pytest.raises(
            TokensUnreadableError, match=r"TOKEN_ENCRYPTION_KEY.*Set the key that was used"
        ),
    ):
        store.tokens.load()


def test_tokens_stored_before_there_was_a_key_are_still_read(url: str) -> None:
    with Store.open(url) as store:
        store.tokens.save(PAIR)
    with Store.open(url, encryption_key=Fernet.generate_key().decode()) as store:
        assert store.tokens.load() == PAIR


def test_a_key_that_is_none_is_refused_with_how_to_make_one(url: str) -> None:
    with pytest.raises(ValueError, match=r"no Fernet key.*Fernet\.generate_key") as caught:
        Store.open(url, encryption_key="hunter2")
    assert "hunter2" not in str(caught.value)


def test_threads_that_find_a_token_refused_refresh_it_once(store: Store) -> None:
    """Swit may take a refresh token once only: two refreshes at once would log us out."""
    store.tokens.save(PAIR)
    refreshes: list[str] = []
    together = threading.Barrier(4)

    def refreshed(refused: str) -> str:
        together.wait(timeout=10)
        with store.tokens.exclusive():
            stored = store.tokens.load()
            assert stored is not None
            if stored.access_token == refused:
                refreshes.append(refused)
                stored = TokenRow(
                    access_token="access-2", refresh_token="r", expires_at=None, scope=None
                )
                store.tokens.save(stored)
        return stored.access_token

    with ThreadPoolExecutor(4) as threads:
        tokens = list(threads.map(refreshed, ["access-1"] * 4))
    assert tokens == ["access-2"] * 4
    assert refreshes == ["access-1"]


_REFRESH = """
import sys
from swit_provisioning.state.store import Store
from swit_provisioning.state.token_store import TokenRow
with Store.open(sys.argv[1]) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    with store.tokens.exclusive():
        stored = store.tokens.load()
        if stored.access_token == "access-1":
            store.tokens.save(TokenRow(access_token="access-2", refresh_token="r",
                                       expires_at=None, scope=None))
            print("refreshed", flush=True)
"""


def test_processes_that_find_a_token_refused_refresh_it_once(store: Store, url: str) -> None:
    store.tokens.save(PAIR)
    said = let_go([start(_REFRESH, url) for _ in range(3)])
    assert sorted(said) == ["", "", "refreshed"]


def test_the_journal_can_be_written_while_a_token_is_refreshed(store: Store) -> None:
    """A refresh may take half a minute; the lease must be renewed meanwhile."""
    with store.tokens.exclusive():
        store.organization.bind("ORG")
    assert store.organization.bound_to() == "ORG"
