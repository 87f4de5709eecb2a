"""Real servers, started once for all tests that need them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning_tests.integration import company, domain
from swit_provisioning_tests.integration.authority import certificate
from swit_provisioning_tests.integration.directory_server_389 import DirectoryServer389
from swit_provisioning_tests.integration.gateway_site import Site, gateway_site
from swit_provisioning_tests.integration.samba import SambaDomain
from swit_provisioning_tests.integration.slapd import Slapd
from swit_provisioning_tests.integration.stage import Stage, stage


@pytest.fixture(scope="session")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    """The made-up company on an OpenLDAP server with an authority of its own.

    Tests only read it; one that adds something takes it away again.
    """
    folder = tmp_path_factory.mktemp("slapd")
    with Slapd(folder, certificate(folder), ldif=company.people_ldif()) as server:
        server.add_groups(company.group_members())
        yield server


@pytest.fixture(scope="session")
def directory_server_389(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DirectoryServer389]:
    """A small company on a 389 Directory Server; tests only read it."""
    with DirectoryServer389(tmp_path_factory.mktemp("389ds")) as server:
        yield server


@pytest.fixture(scope="session")
def active_directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SambaDomain]:
    """A company in a real Active Directory domain; tests that add something do it elsewhere."""
    with SambaDomain(tmp_path_factory.mktemp("domain")) as server:
        with server.changes() as changes:
            domain.fill(changes)
        yield server


@pytest.fixture
def on_stage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Stage]:
    """The whole program before an empty organisation; a module may set its own stage."""
    with stage(monkeypatch, tmp_path, SandboxServer()) as made:
        yield made


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Site]:
    """What a gateway is put in front of."""
    with gateway_site(monkeypatch, tmp_path) as made:
        yield made
