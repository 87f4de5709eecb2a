"""`dagster dev` as a process of its own: started, asked over GraphQL, stopped without leftovers."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

from swit_provisioning_tests.browser.waiting import until

_START_SECONDS = 60
_STOP_SECONDS = 20
_LOG_CHARACTERS = 4000

_LOCATIONS = """{ workspaceOrError { ... on Workspace { locationEntries {
    loadStatus locationOrLoadError { __typename ... on PythonError { message } } } } } }"""
_RUN = """query ($id: ID!) { runOrError(runId: $id) { ... on Run {
    jobName status rootRunId parentRunId stepStats { stepKey status } } } }"""


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What Dagster knows about a run: the steps in it, by how they ended."""

    job: str
    status: str
    root: str | None
    parent: str | None
    succeeded: frozenset[str]
    failed: frozenset[str]


class DagsterDev:
    """Web server, daemon and code server while a `with` block lasts."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        """Prepare it: `environment` is all that it gets, `folder` where it runs and logs."""
        self.url = f"http://127.0.0.1:{_free_port()}"
        self._environment = dict(environment)
        self._folder = folder
        self._log = folder / "dagster-dev.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._web = requests.Session()
        self._web.trust_env = False

    def __enter__(self) -> Self:
        """Start it, and wait until the code location is loaded."""
        with (
            as_file(files("swit_provisioning") / "workspace.yaml") as workspace,
            self._log.open("wb") as log,
        ):
            command = [sys.executable, "-m", "dagster", "dev", "-w", str(workspace)]
            address = ["-h", "127.0.0.1", "-p", self.url.rpartition(":")[2]]
            self._process = subprocess.Popen(  # noqa: S603 - our own words
                [*command, *address],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            until(self._loaded, seconds=_START_SECONDS, what=self._last_words)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop all of it, and wait until the last of its processes has ended."""
        self._stop()

    def ask(self, query: str, **variables: str) -> Any:  # noqa: ANN401 - JSON
        """The `data` of the answer to a GraphQL query."""
        answer = self._web.post(
            f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=10
        )
        answer.raise_for_status()
        return answer.json()["data"]

    def run(self, run_id: str) -> RunFacts:
        """What became of a run."""
        found = self.ask(_RUN, id=run_id)["runOrError"]
        steps = {step["stepKey"]: step["status"] for step in found["stepStats"]}
        return RunFacts(
            job=found["jobName"],
            status=found["status"],
            root=found["rootRunId"],
            parent=found["parentRunId"],
            succeeded=frozenset(step for step, status in steps.items() if status == "SUCCESS"),
            failed=frozenset(step for step, status in steps.items() if status == "FAILURE"),
        )

    def _loaded(self) -> bool | None:
        """Whether the location is there; raises where it never will be."""
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(self._last_words())
        try:
            locations = self.ask(_LOCATIONS)["workspaceOrError"]["locationEntries"]
        except requests.RequestException:
            return None
        for location in locations:
            loaded = location["locationOrLoadError"] or {}
            if loaded.get("__typename") == "PythonError":
                message = f"The code location does not load: {loaded['message']}"
                raise RuntimeError(message)
        return True if any(entry["loadStatus"] == "LOADED" for entry in locations) else None

    def _last_words(self) -> str:
        return "dagster dev: " + self._log.read_text(errors="replace")[-_LOG_CHARACTERS:]

    def _stop(self) -> None:
        self._web.close()
        if self._process is None:
            return
        group = self._process.pid
        _signal(group, signal.SIGTERM)
        # It does not hear this where whoever started the tests has it ignore Ctrl+C.
        with contextlib.suppress(TimeoutError):
            until(self._gone, seconds=_STOP_SECONDS, what=self._last_words)
        _signal(group, signal.SIGKILL)
        until(self._gone, seconds=_STOP_SECONDS, what=self._last_words)

    def _gone(self) -> bool | None:
        """Whether neither the process nor any that it started is left."""
        if self._process is None or self._process.poll() is None:
            return None
        return None if _running(self._process.pid) else True


def _signal(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def _running(group: int) -> list[str]:
    """The processes of a group; one that only waits to be reaped is none."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, its_group = stat.read_text().rpartition(")")[2].split()[:3]
            if state != "Z" and int(its_group) == group:
                found.append(stat.parent.name)
    return found


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
