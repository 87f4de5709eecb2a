"""A site for each test: an empty organisation, a directory of twenty people, settings, a home."""

from collections.abc import Iterator

import pytest

from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning_tests.reliability.endings import Ending
from swit_provisioning_tests.reliability.forks import Forks
from swit_provisioning_tests.reliability.site import Site, site


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    with Forks() as made:
        yield made


@pytest.fixture(scope="session")
def undisturbed(forks: Forks) -> Ending:
    """How the organisation of a site ends when nothing goes wrong."""
    with site(forks) as made:
        assert made.run("sync")["status"] == "applied"
        return made.ending()


@pytest.fixture
def here(forks: Forks, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site whose settings are this process' own, too."""
    with site(forks) as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        yield made


@pytest.fixture
def server(here: Site) -> SandboxServer:
    return here.server
