"""A sandbox, a directory of twenty people, and the gateway's settings that name both."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning_tests.directories import twenty_people
from swit_provisioning_tests.integration.gateway_process import KEY, GatewayProcess
from swit_provisioning_tests.integration.stage import settings
from swit_provisioning_tests.ports import free_port


@dataclass(frozen=True)
class Site:
    """All of it."""

    server: SandboxServer
    folder: Path

    def gateway(self, *words: str, **more: str) -> GatewayProcess:
        return GatewayProcess(dict(os.environ) | more, self.folder, *words)


@contextmanager
def gateway_site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Site]:
    with SandboxServer() as server:
        port = free_port()
        redirect_url = f"http://127.0.0.1:{port}/oauth_callback"
        server.tokens.redirect_urls = (redirect_url,)
        for name, value in {
            **settings(tmp_path, server),
            "OPERATION_AUTH_KEY": KEY,
            "PORT": str(port),
            "SWIT_REDIRECT_URL": redirect_url,
        }.items():
            monkeypatch.setenv(name, value)
        (tmp_path / "directory.json").write_text(json.dumps(twenty_people()), encoding="utf-8")
        yield Site(server, tmp_path)
