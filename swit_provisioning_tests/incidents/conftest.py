"""The company of these nights: one organisation, made once; each night ends as it began."""

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning.sources import registry
from swit_provisioning.sources.ldap.source import LdapDirectory
from swit_provisioning_tests.incidents.night import EVERYBODY, Night, company
from swit_provisioning_tests.integration import small_company
from swit_provisioning_tests.integration.small_company import PASSWORD, READER, entries_of
from swit_provisioning_tests.integration.small_server import SmallServer
from swit_provisioning_tests.integration.stage import Stage, settings

_STATE = Path("state") / "swit_provisioning.sqlite"
Settled = tuple[Stage, SmallServer, dict[str, str]]


@pytest.fixture(scope="package")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settled]:
    """An organisation as the directory says, made by a `sync` like any other."""
    folder = tmp_path_factory.mktemp("company")
    directory = SmallServer(entries_of(company()), accounts={READER: PASSWORD})
    with directory, SandboxServer() as swit, pytest.MonkeyPatch.context() as monkeypatch:
        variables = settings(folder, swit) | small_company.settings(directory.address)
        del variables["IDP_FILE"]
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        stage = Stage(swit, folder / "directory.json", variables)
        assert stage.json("sync")["status"] == "applied"
        assert len(stage.users()) == EVERYBODY
        swit.organisation.mark()
        home = Path(variables["DAGSTER_HOME"])
        shutil.copyfile(home / _STATE, home / "settled.sqlite")
        yield stage, directory, variables


@pytest.fixture
def night(settled: Settled, monkeypatch: pytest.MonkeyPatch) -> Night:
    """The next night; attempts to read follow each other without a wait."""
    stage, directory, variables = settled
    home = Path(variables["DAGSTER_HOME"])
    # What another night has applied would count against the limits of this one.
    shutil.copyfile(home / "settled.sqlite", home / _STATE)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    waits: list[float] = []
    at_once = partial(LdapDirectory, sleep=waits.append)
    monkeypatch.setattr(registry, "LdapDirectory", at_once)
    return Night(stage, directory)
