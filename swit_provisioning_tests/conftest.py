"""What all tests share: no setting of this machine reaches a test."""

import os
from pathlib import Path

import hypothesis
import pytest

from swit_provisioning.settings import Settings

# How long one example takes says something about the machine.
hypothesis.settings.register_profile("untimed", hypothesis.settings.default, deadline=None)
hypothesis.settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def _a_machine_without_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of ours, no `.env`, a home of its own: a test sets what it needs."""
    for name in list(os.environ):
        plain = name.removesuffix("_FILE").lower()
        if plain in Settings.model_fields:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
