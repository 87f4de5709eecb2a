"""One sandbox for all tests of this folder, reset after each."""

from collections.abc import Iterator

import pytest

from swit_provisioning.sandbox.oauth import WEEK_SECONDS
from swit_provisioning.sandbox.organisation import Organisation
from swit_provisioning.sandbox.records import Behaviour
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning_tests.sandbox.caller import Caller


@pytest.fixture(scope="session")
def running() -> Iterator[SandboxServer]:
    with SandboxServer() as server:
        yield server


@pytest.fixture
def server(running: SandboxServer) -> Iterator[SandboxServer]:
    yield running
    running.organisation.behaviour = Behaviour()
    running.tokens.revoke_all()
    running.tokens.expires_in = WEEK_SECONDS
    running.edition, running.rate_limit, running.latency_seconds = "new", None, 0.0
    running.reset()


@pytest.fixture
def organisation(server: SandboxServer) -> Organisation:
    return server.organisation


@pytest.fixture
def caller(server: SandboxServer) -> Iterator[Caller]:
    with Caller(server) as made:
        yield made
