"""A store of its own for each test: in a file, with a clock that the test moves, or on a server."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from swit_provisioning.state.store import Store
from swit_provisioning_tests.postgresql import Postgresql


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, 2, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def forward(self, **duration: float) -> None:
        self.time += timedelta(**duration)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test on both kinds of database; one that moves the clock on a file alone."""
    if "kind" in metafunc.fixturenames:
        moves_clock = "clock" in metafunc.function.__code__.co_varnames
        kinds = (
            ["sqlite"]
            if moves_clock
            else ["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("postgresql"))]
        )
        metafunc.parametrize("kind", kinds, scope="session")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'state' / 'state.sqlite'}"


@pytest.fixture
def url(kind: str, file_url: str, request: pytest.FixtureRequest) -> str:
    """An empty database."""
    if kind == "sqlite":
        return file_url
    running: Postgresql = request.getfixturevalue("postgresql_server")
    return running.new_database()


@pytest.fixture
def store(url: str, clock: Clock) -> Iterator[Store]:
    with Store.open(url, clock=clock) as opened:
        yield opened
