import stat
from pathlib import Path

import pytest

from swit_provisioning.state.database import (
    StoreBusyError,
    StoreUnavailableError,
    open_database,
    utc_now,
)
from swit_provisioning.state.store import Store
from swit_provisioning_tests.state.made import a_plan
from swit_provisioning_tests.state.processes import let_go, start


def test_the_file_and_all_beside_it_are_for_their_owner_only(file_url: str, tmp_path: Path) -> None:
    """Tokens and everybody's addresses are in there."""
    with Store.open(file_url) as store:
        store.plans.save(a_plan(1), run_id="R", guard_results=[])
        with store.tokens.exclusive():
            modes = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "state").iterdir()]
    assert len(modes) >= 3
    assert set(modes) == {0o600}
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


def test_a_file_that_others_could_read_is_closed_to_them(file_url: str, tmp_path: Path) -> None:
    path = tmp_path / "state" / "state.sqlite"
    path.parent.mkdir()
    path.touch(mode=0o644)
    Store.open(file_url).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_was_stored_is_there_after_opening_again(url: str) -> None:
    with Store.open(url) as store:
        store.organization.bind("ORG")
    with Store.open(url) as store:
        assert store.organization.bound_to() == "ORG"


def test_a_file_has_a_write_ahead_log_and_keeps_its_foreign_keys(file_url: str) -> None:
    with Store.open(file_url) as store, store._database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_only_the_journal_does_not_wait_for_the_disk(file_url: str) -> None:
    """It is written twice for each call; tokens, the lease and the rest outlive a power cut."""
    full, normal = 2, 1
    with Store.open(file_url) as store:
        for durable, expected in ((True, full), (False, normal), (True, full)):
            with store._database.write(durable=durable) as connection:
                found = connection.exec_driver_sql("PRAGMA synchronous").scalar()
            assert found == expected


_OPEN = """
import sys
from swit_provisioning.state.store import Store
print("ready", flush=True)
sys.stdin.readline()
with Store.open(sys.argv[1]) as store:
    store.organization.bind("ORG")
print("opened")
"""


def test_many_processes_may_open_a_new_database_at_once(url: str) -> None:
    assert let_go([start(_OPEN, url) for _ in range(4)]) == ["opened"] * 4


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("nonsense", "is not a database URL"),
        ("mysql://joe:hunter2@db/state", "of the kind mysql"),
        ("sqlite://", "names no file"),
        ("sqlite:////proc/nowhere/state.sqlite", "can't be created or written"),
    ],
)
def test_an_address_that_cannot_be_used_is_explained_without_its_password(
    bad: str, message: str
) -> None:
    with pytest.raises(StoreUnavailableError, match=message) as caught:
        Store.open(bad)
    assert "hunter2" not in str(caught.value)


def test_a_file_that_is_no_database_is_explained(file_url: str, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "state.sqlite").write_text("this is a shopping list, and a long one")
    with pytest.raises(StoreUnavailableError, match="can't be used: file is not a database"):
        Store.open(file_url)


def test_a_lock_that_another_process_keeps_is_waited_for_with_a_limit(
    store: Store, url: str
) -> None:
    other = open_database(url, utc_now)
    with (
        store.tokens.exclusive(),
        pytest.raises(StoreBusyError),
        other.exclusive(timeout_seconds=0.01),
    ):
        pytest.fail("two were in at once")
    with other.exclusive(timeout_seconds=0.01):
        pass
    other.close()
