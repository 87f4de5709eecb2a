"""What all tests share: no setting of this machine reaches a test."""

import os
from pathlib import Path

import hypothesis
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from swit_provisioning.settings import Settings

# How long one example takes says something about the machine.
hypothesis.settings.register_profile("untimed", hypothesis.settings.default, deadline=None)
hypothesis.settings.load_profile("untimed")
# How wide a terminal is says nothing of the program; a process of xdist's has 80 columns.
os.environ.pop("COLUMNS", None)

_LONGEST = (
    "/reliability/test_two_hundred_nights.py",
    "/reconcile/test_specification.py",
    "/browser/",
    "/reliability/",
    "/integration/",
    "/messages/",
    "/incidents/",
    "/reconcile/",
    "",
)
"""Folders and files, those first that take longest: no process is left with one of them."""
_IN_ONE_PROCESS = {
    "/browser/": "one `dagster dev`",
    "/incidents/": "one company, settled",
    "/integration/test_active_directory.py": "one domain",
    "/integration/test_bases.py": "one domain",
    "/integration/test_renames.py": "one domain",
}
"""Folders and files -> what their tests share and is dear to start."""


class ByFile(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types here
    """Which tests stay in one process, where several share them: those of a file."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        shared = (what for part, what in _IN_ONE_PROCESS.items() if part in file)
        return next(shared, file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first."""
    items.sort(
        key=lambda item: next(n for n, part in enumerate(_LONGEST) if part in item.path.as_posix())
    )


@pytest.fixture(autouse=True)
def _a_machine_without_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of ours, no `.env`, a home of its own: a test sets what it needs."""
    for name in list(os.environ):
        plain = name.removesuffix("_FILE").lower()
        if plain in Settings.model_fields:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
