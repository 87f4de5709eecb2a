"""A Dagster web server, asked over GraphQL as its own pages do."""

from dataclasses import dataclass
from typing import Any

import requests

_LOCATIONS = """{ workspaceOrError { ... on Workspace { locationEntries {
    loadStatus locationOrLoadError { __typename ... on PythonError { message } } } } } }"""
_RUN = """query ($id: ID!) { runOrError(runId: $id) { ... on Run {
    jobName status rootRunId parentRunId stepStats { stepKey status } } } }"""

# A code server that starts later than this is asked again by the web server itself.
_NOT_YET = "DagsterUserCodeUnreachableError"


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What Dagster knows about a run: the steps in it, by how they ended."""

    job: str
    status: str
    root: str | None
    parent: str | None
    succeeded: frozenset[str]
    failed: frozenset[str]


class DagsterWeb:
    """One web server's address, and who asks."""

    def __init__(self, url: str, *, login: tuple[str, str] | None = None, ca: str = "") -> None:
        """`login` is a name and a password, `ca` a file with the authority of its certificate."""
        self.url = url
        self.web = requests.Session()
        self.web.trust_env = False
        self.web.auth = login
        self.web.verify = ca or True

    def close(self) -> None:
        """Close the connections."""
        self.web.close()

    def ask(self, query: str, **variables: Any) -> Any:  # noqa: ANN401 - JSON
        """The `data` of the answer to a GraphQL query."""
        answer = self.web.post(
            f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=60
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

    def has_loaded(self) -> bool | None:
        """Whether the location is there; raises where it never will be."""
        try:
            locations = self.ask(_LOCATIONS)["workspaceOrError"]["locationEntries"]
        except requests.RequestException:
            return None
        for location in locations:
            loaded = location["locationOrLoadError"] or {}
            if loaded.get("__typename") == "PythonError":
                if _NOT_YET in loaded["message"]:
                    return None
                message = f"The code location does not load: {loaded['message']}"
                raise RuntimeError(message)
        return True if any(entry["loadStatus"] == "LOADED" for entry in locations) else None
