"""What all tests share: no setting of this machine reaches a test."""

import os
from pathlib import Path

import hypothesis
import pytest

from swit_provisioning.settings import Settings

# How long one example takes says something about the machine.
hypothesis.settings.register_profile("untimed", hypothesis.settings.default, deadline=None)
hypothesis.settings.load_profile("untimed")

_LONGEST = ("integration", "reconcile", "reliability")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where several processes share the tests, those of a folder, which share servers, stay in one.

    The folders that take longest come first, so that no process is left waiting for one of them.
    """
    items.sort(key=lambda item: item.path.parent.name not in _LONGEST)
    for item in items:
        item.add_marker(pytest.mark.xdist_group(item.path.parent.name))


@pytest.fixture(autouse=True)
def _a_machine_without_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of ours, no `.env`, a home of its own: a test sets what it needs."""
    for name in list(os.environ):
        plain = name.removesuffix("_FILE").lower()
        if plain in Settings.model_fields:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
