"""What all tests share: no setting of this machine reaches a test."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from swit_provisioning.settings import Settings
from swit_provisioning_tests import folders, tiers
from swit_provisioning_tests.postgresql import Postgresql, postgresql

# How wide a terminal is says nothing of the program; a process of xdist's has 80 columns.
os.environ.pop("COLUMNS", None)

_LONGEST = (
    "/reliability/test_two_hundred_nights.py",
    "/reliability/test_kills.py",
    "/planning/test_specification.py",
    "/browser/",
    "/reliability/",
    "/integration/",
    "/operations/",
    "/incidents/",
    "/planning/",
    "",
)
"""Folders and files, those first that take longest: no process is left with one of them."""
_IN_ONE_PROCESS = {
    "/browser/": "one `dagster dev`",
    "/incidents/test_bad_": "one company, settled",
    "/integration/test_active_directory.py": "one domain",
    "/integration/test_search_bases.py": "one domain",
    "/integration/test_renames.py": "one domain",
}
"""Folders and files -> what their tests share and is dear to start."""

_SHARE_NOTHING = (
    "/planning/test_specification.py",
    "/planning/test_purity.py",
    "/reliability/test_kills.py",
)
"""Files of long tests that share nothing: each can run in another process."""


class ByFile(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types here
    """Which tests stay in one process, where several share them: those of a file."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        if any(part in file for part in _SHARE_NOTHING):
            return nodeid
        shared = (what for part, what in _IN_ONE_PROCESS.items() if part in file)
        return next(shared, file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    return ByFile(config, log)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--tier",
        choices=list(tiers.TIERS),
        default=tiers.DEFAULT,
        help="which tests run, and how many examples they try (CONTRIBUTING.md)",
    )


def pytest_configure(config: pytest.Config) -> None:
    # A shell that starts the tests in the background has them, and all that they start, ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    tiers.load_profile(config)
    if folders.memory() is not None:
        # Read by pytest for `tmp_path`: databases do not wait for a disk.
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(folders.memory()))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of the tier; those that take longest come first."""
    tiers.select(config, items)
    items.sort(
        key=lambda item: next(n for n, part in enumerate(_LONGEST) if part in item.path.as_posix())
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    tiers.fail_if_missing(item)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker process of xdist tells the main process which tests it has left out."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["left out"] = tiers.left_out(session.config)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: WorkerController) -> None:
    output = getattr(node, "workeroutput", None)
    if output is not None:
        tiers.keep_left_out(node.config, output["left out"])


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    tiers.report(terminalreporter, tiers.left_out(config))


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Postgresql]:
    """A PostgreSQL server for all tests of a process; each test makes a database of its own."""
    with postgresql() as running:
        yield running


@pytest.fixture(scope="session")
def tier(pytestconfig: pytest.Config) -> tiers.Tier:
    """How large the tests that scale are."""
    return tiers.tier(pytestconfig)


@pytest.fixture(autouse=True)
def _a_machine_without_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of ours, no `.env`, a home of its own: a test sets what it needs."""
    for name in list(os.environ):
        plain = name.removesuffix("_FILE").lower()
        if plain in Settings.model_fields:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    # A command that runs in this process sets it; processes of other tests need the folder.
    monkeypatch.setenv("PYTHONSAFEPATH", "")
