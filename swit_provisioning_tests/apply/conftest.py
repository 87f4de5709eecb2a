"""A sandbox over HTTP, the real client, a new state database, and a held lease."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from swit_provisioning.apply.evidence import Evidence
from swit_provisioning.apply.executor import Applier
from swit_provisioning.apply.lease import HeldLease
from swit_provisioning.apply.outcomes import Outcome
from swit_provisioning.planning.actions import STEPS, Step
from swit_provisioning.planning.model import Plan
from swit_provisioning.sandbox.organisation import Organisation
from swit_provisioning.sandbox.records import TeamRecord
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning.state.store import Store
from swit_provisioning.swit.client import SwitClient
from swit_provisioning.swit.rate_limit import FixedPace


class OneToken:
    """A token that cannot be refreshed."""

    def __init__(self, token: str) -> None:
        self._token = token

    def access_token(self) -> str:
        return self._token

    def refreshed(self, refused: str) -> str:
        return refused


class Steps:
    """Records the progress of each step."""

    def __init__(self) -> None:
        self.reported: list[tuple[Step, int, int]] = []

    def advance(self, step: Step, done: int, planned: int) -> None:
        self.reported.append((step, done, planned))


class Stage:
    """Everything that an applier needs, and queries about the sandbox."""

    def __init__(
        self, server: SandboxServer, client: SwitClient, store: Store, lease: HeldLease
    ) -> None:
        self.server, self.client, self.store, self.lease = server, client, store, lease
        self.progress = Steps()
        self.waits: list[float] = []
        self.concurrency = 8

    @property
    def organisation(self) -> Organisation:
        return self.server.organisation

    @property
    def root_id(self) -> str:
        return self.organisation.records.root_id

    def applier(
        self,
        plan: Plan,
        *,
        run_id: str = "R1",
        application_id: str = "R1",
        approval_id: int | None = None,
        evidence: Evidence | None = None,
    ) -> Applier:
        return Applier(
            plan=plan,
            application_id=application_id,
            run_id=run_id,
            approval_id=approval_id,
            client=self.client,
            store=self.store,
            lease=self.lease,
            concurrency=self.concurrency,
            advance=self.progress.advance,
            evidence=evidence,
            wait=self.waits.append,
        )

    def apply(self, plan: Plan, *, run_id: str = "R1") -> list[Outcome]:
        """Apply the whole plan, step by step; the outcome of every change."""
        applier = self.applier(plan, run_id=run_id)
        for step in STEPS:
            applier.send(step)
        return applier.outcomes(STEPS)

    def kinds(self, plan: Plan) -> list[str]:
        """Apply the whole plan; the kind of each outcome, in the order of the plan."""
        return [outcome.outcome for outcome in self.apply(plan)]

    def asked(self, pattern: str = "*") -> list[str]:
        """Names of the calls received."""
        return [entry.call for entry in self.server.log.of(pattern)]

    def team(self, name: str) -> TeamRecord:
        found = self.organisation.team_by_name(name)
        assert found is not None, f"there is no team {name}"
        return found

    def children(self, parent_id: str) -> list[str]:
        """Names of the child teams in order, without Swit's own team."""
        teams = self.organisation.list_teams(parent_id=parent_id, direct_children_only=True)
        return [team.name for team in teams if team.name != "Unassigned"]

    def members(self, name: str) -> set[str]:
        """Addresses of a team's members."""
        records = self.organisation.records
        return {records.users[user_id].email for user_id in self.team(name).users}


@pytest.fixture(scope="module")
def _server() -> Iterator[SandboxServer]:
    with SandboxServer() as server:
        yield server


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path / 'state.sqlite'}") as opened:
        yield opened


@pytest.fixture
def lease(store: Store) -> Iterator[HeldLease]:
    with HeldLease.acquire(store, holder="R1", actor="ann@pc") as held:
        yield held


@pytest.fixture
def stage(_server: SandboxServer, store: Store, lease: HeldLease) -> Iterator[Stage]:
    _server.reset()
    _server.latency_seconds = 0.0
    never: Callable[[float], None] = lambda _: None  # noqa: E731 - shorter than a function
    with SwitClient(
        base_url=_server.url,
        scim_base_url=_server.scim_url,
        tokens=OneToken(_server.issue_tokens()["access_token"]),
        pace=FixedPace(100_000),
        timeout_seconds=10,
        sleep=never,
    ) as client:
        yield Stage(_server, client, store, lease)
