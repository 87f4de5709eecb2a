"""What `deploy/` holds, started as its services start it, on other ports and in other folders."""

import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import make_url

from swit_provisioning.settings import Settings
from swit_provisioning_tests.browser.waiting import until
from swit_provisioning_tests.dagster_web import DagsterWeb
from swit_provisioning_tests.integration.gateway_process import KEY
from swit_provisioning_tests.ports import free_port
from swit_provisioning_tests.processes import Program

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
SERVICES: Final = ("code", "web", "review", "daemon", "gateway")
_NEEDS_SETTINGS: Final = frozenset({"code", "gateway"})
_START_SECONDS: Final = 240
_PORTS: Final = {"4000": "code", "3000": "web", "3001": "review"}


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """The services while they run."""

    operators: DagsterWeb
    reviewers: DagsterWeb
    ports: Mapping[str, int]
    """Of `code`, `web`, `review` and `gateway`."""
    programs: Mapping[str, Program]


def unit_of(service: str) -> list[tuple[str, str]]:
    """Names and values of the unit's lines, in order."""
    unit = (DEPLOY / "systemd" / f"swit-provisioning-{service}.service").read_text("utf-8")
    lines = (line for line in unit.splitlines() if "=" in line and not line.startswith("#"))
    return [(name, value) for name, _, value in (line.partition("=") for line in lines)]


def command_of(service: str) -> list[str]:
    """What systemd starts."""
    return dict(unit_of(service))["ExecStart"].split()


def _environment(service: str, folder: Path) -> dict[str, str]:
    """The variables that the unit itself sets, but for those that name credentials."""
    lines = [value for name, value in unit_of(service) if name == "Environment"]
    given = dict(line.split("=", 1) for line in lines if "%d" not in line)
    return given | {"DAGSTER_HOME": given["DAGSTER_HOME"].replace("/var/lib", str(folder))}


@contextmanager
def deployment(
    folder: Path,
    *,
    dagster_database: str,
    settings: Mapping[str, str],
    services: Sequence[str] = SERVICES,
) -> Iterator[Deployment]:
    """Start the services of one machine; only those that start runs get the settings."""
    ports = {name: free_port() for name in (*_PORTS.values(), "gateway")}
    etc = folder / "etc"
    etc.mkdir()
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copyfile(DEPLOY / name, etc / name)
    # Somebody may write to the folder where they are started.
    (folder / "dagster.py").write_text("raise SystemExit('imported from the working folder')\n")
    shared = {
        **{name: value for name, value in os.environ.items() if not _is_a_setting(name)},
        "NO_PROXY": "127.0.0.1",
        **_named(dagster_database),
        "CODE_LOCATION_HOST": "127.0.0.1",
        "CODE_LOCATION_PORT": str(ports["code"]),
    }
    # The port is in `gateway.env`, not in the command.
    secrets = {**shared, **settings, "PORT": str(ports["gateway"]), "OPERATION_AUTH_KEY": KEY}
    with ExitStack() as running:
        programs: dict[str, Program] = {}
        for service in services:
            given = secrets if service in _NEEDS_SETTINGS else shared
            environment = given | _environment(service, folder)
            home = Path(environment["DAGSTER_HOME"])
            home.mkdir(mode=0o700, exist_ok=True)
            if not (home / "dagster.yaml").exists():
                (home / "dagster.yaml").symlink_to(etc / "dagster.yaml")
            command = _here(command_of(service), etc, ports)
            programs[service] = running.enter_context(
                Program(service, command, environment=environment, folder=folder)
            )
        webs = {name: DagsterWeb(f"http://127.0.0.1:{ports[name]}") for name in ("web", "review")}
        for name, web in webs.items():
            running.callback(web.close)
            if name in services:
                _wait_for(web, programs)
        yield Deployment(
            operators=webs["web"], reviewers=webs["review"], ports=ports, programs=programs
        )


def _wait_for(web: DagsterWeb, programs: Mapping[str, Program]) -> None:
    def loaded() -> bool | None:
        for program in programs.values():
            program.must_run()
        return web.has_loaded()

    def last_words() -> str:
        return "\n".join(program.last_words() for program in programs.values())

    until(loaded, seconds=_START_SECONDS, what=last_words)


def _here(command: list[str], etc: Path, ports: Mapping[str, int]) -> list[str]:
    """The same command with this Python's programs, in other folders, on other ports."""
    program = Path(sys.executable).parent / Path(command[0]).name
    words = [word.replace("/etc/swit-provisioning", str(etc)) for word in command[1:]]
    return [str(program), *(str(ports[_PORTS[w]]) if w in _PORTS else w for w in words)]


def _named(address: str) -> dict[str, str]:
    """A database's address as `dagster.yaml` takes it."""
    url = make_url(address)
    parts = {
        "HOST": url.host,
        "PORT": url.port,
        "USER": url.username,
        "PASSWORD": url.password,
        "DB": url.database,
    }
    return {f"DAGSTER_POSTGRES_{name}": str(value) for name, value in parts.items()}


def _is_a_setting(name: str) -> bool:
    return name.removesuffix("_FILE").lower() in Settings.model_fields
