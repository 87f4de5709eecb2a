"""A sandbox to log in to, and the settings that name it."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from swit_provisioning.operations.services import open_store
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning.settings import Settings
from swit_provisioning.state.token_store import TokenRow
from swit_provisioning_tests.cli.terminal import Terminal
from swit_provisioning_tests.ports import free_port


@dataclass
class Desk:
    """A person's machine: the sandbox far away, settings, and a terminal."""

    server: SandboxServer
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def open(self, *words: str, **more: str) -> Terminal:
        """Start a command; `more` are variables for it alone."""
        return Terminal(*words, environment=self.environment | more, folder=self.folder)

    @property
    def redirect_url(self) -> str:
        return self.environment["SWIT_REDIRECT_URL"]

    @property
    def stored(self) -> TokenRow | None:
        """The login that is stored."""
        with open_store(Settings.load()) as store:
            return store.tokens.load()


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Desk]:
    with SandboxServer() as server:
        redirect_url = f"http://127.0.0.1:{free_port()}/oauth_callback"
        server.tokens.redirect_urls = (redirect_url,)
        for name, value in {
            "SWIT_BASE_URL": server.url,
            "SWIT_CLIENT_ID": server.client_id,
            "SWIT_CLIENT_SECRET": server.client_secret,
            "SWIT_REDIRECT_URL": redirect_url,
            # No browser of this machine opens: the test is the one.
            "BROWSER": "true",
        }.items():
            monkeypatch.setenv(name, value)
        yield Desk(server, tmp_path, dict(os.environ))
