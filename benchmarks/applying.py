"""How fast a plan is sent, beside the limit that the sandbox keeps and the reference program.

See README.md beside this file for how to run it and what the tables say.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))  # so that it runs from anywhere

import requests

from benchmarks.made_firm import made_firm
from swit_provisioning.apply.executor import Applier
from swit_provisioning.apply.lease import HeldLease
from swit_provisioning.planning.actions import STEPS
from swit_provisioning.planning.model import Plan
from swit_provisioning.planning.planner import make_plan
from swit_provisioning.planning.policy import Memory, Policy
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning.sandbox.traffic import RateLimit
from swit_provisioning.state.store import Store
from swit_provisioning.swit.client import SwitClient
from swit_provisioning.swit.rate_limit import FixedPace, Pace, parse_pace
from swit_provisioning.swit.reader import read_organization

LATENCY_SECONDS = 0.02
CONCURRENCY = 8
RUNS = {5: (90, 12), 20: (250, 30), 50: (650, 70), 200: (3000, 240)}
"""Calls a second that the sandbox takes -> users and teams to make."""
REFERENCE_FIRM = (1000, 120)
REFERENCE_PAUSE_SECONDS = 0.2
REFERENCE_CALLS = 150
"""Of the reference program's loop so many calls are made; its rate doesn't change after them."""


class Token:
    """The sandbox's token."""

    def __init__(self, token: str) -> None:
        """Take what the sandbox gave out."""
        self._token = token

    def access_token(self) -> str:
        """The token."""
        return self._token

    def refreshed(self, refused: str) -> str:
        """The same: it lasts longer than any measurement."""
        return refused


class CountingPace:
    """Another pace, and how often Swit was too slow for it."""

    def __init__(self, pace: Pace) -> None:
        """Begin with no refusal."""
        self._pace = pace
        self._lock = threading.Lock()
        self.refused = 0

    def wait(self) -> float:
        """As the other pace."""
        return self._pace.wait()

    def throttled(self, turn: float, retry_after: float | None) -> None:
        """Count it, and tell the other pace."""
        with self._lock:
            self.refused += 1
        self._pace.throttled(turn, retry_after)

    def succeeded(self, turn: float) -> None:
        """As the other pace."""
        self._pace.succeeded(turn)


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One measurement."""

    calls: int
    refused: int
    seconds: float

    @property
    def rate(self) -> float:
        """Calls a second that were taken."""
        return self.calls / self.seconds


@dataclass(frozen=True, kw_only=True)
class Sandbox:
    """The sandbox in its own process."""

    url: str
    token: str

    def client(self, pace: Pace) -> SwitClient:
        """A client at this pace."""
        return SwitClient(
            base_url=self.url,
            scim_base_url=f"{self.url}/scim/v2",
            tokens=Token(self.token),
            pace=pace,
            connections=CONCURRENCY,
        )


def serve(limit: float) -> None:
    """Run a sandbox that takes so many calls a second (0: any number) until stdin ends."""
    rate = RateLimit(limit) if limit else None
    with SandboxServer(rate_limit=rate, latency_seconds=LATENCY_SECONDS) as server:
        token = server.issue_tokens()["access_token"]
        print(json.dumps({"url": server.url, "token": token}), flush=True)  # noqa: T201 - for us
        sys.stdin.read()


@contextlib.contextmanager
def sandbox(limit: float) -> Iterator[Sandbox]:
    """A fresh sandbox in a process of its own."""
    command = [sys.executable, __file__, "--serve", str(limit)]
    with subprocess.Popen(  # noqa: S603 - nothing in it comes from outside
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        if process.stdout is None or process.stdin is None:
            message = "the sandbox has no pipes"
            raise RuntimeError(message)
        yield Sandbox(**json.loads(process.stdout.readline()))
        process.stdin.close()


def plan_for(there: Sandbox, users: int, teams: int) -> Plan:
    """What makes a firm of this size out of a fresh organisation."""
    with there.client(FixedPace(1000)) as client:
        swit = read_organization(client)
    return make_plan(made_firm(users, teams), swit, Policy(), Memory())


def apply(there: Sandbox, plan: Plan, pace: str) -> Sent:
    """Send a plan as a run does, journal and lease included."""
    counted = CountingPace(parse_pace(pace))
    with (
        tempfile.TemporaryDirectory() as folder,
        Store.open(f"sqlite:///{folder}/state.sqlite") as store,
        HeldLease.acquire(store, holder="benchmark", actor="benchmark") as lease,
        there.client(counted) as client,
    ):
        begin = time.perf_counter()
        applier = Applier(
            plan=plan,
            application_id="benchmark",
            run_id="benchmark",
            approval_id=None,
            client=client,
            store=store,
            lease=lease,
            concurrency=CONCURRENCY,
            advance=lambda *_: None,
        )
        outcomes = applier.settle(STEPS)
        seconds = time.perf_counter() - begin
        bad = [outcome for outcome in outcomes if outcome.outcome not in ("applied", "already so")]
        if bad:
            message = f"{len(bad)} changes were not applied; the first: {bad[0].message}"
            raise RuntimeError(message)
    return Sent(calls=client.calls - counted.refused, refused=counted.refused, seconds=seconds)


def as_the_reference_program(there: Sandbox, users: int) -> Sent:
    """One call at a time, and a pause of 0.2 s after each: its loop over the new users."""
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {there.token}"
    begin = time.perf_counter()
    for number in range(users):
        body = {"user_name": f"Made {number}", "user_email": f"made{number}@example.org"}
        address = f"{there.url}/v1/api/organization.user.create"
        session.post(address, json=body, timeout=10).raise_for_status()
        time.sleep(REFERENCE_PAUSE_SECONDS)
    return Sent(calls=users, refused=0, seconds=time.perf_counter() - begin)


def compare_with_limits(only: list[int] | None) -> None:
    """Known and unknown limits, one after the other; the first table."""
    print(  # noqa: T201 - its result
        "| limit | pace | calls | s | calls / limit | ratio | answered 429 |\n"
        "|---|---|---|---|---|---|---|"
    )
    for limit in only or RUNS:
        for pace in (str(limit), "auto:1000"):
            with sandbox(limit) as there:
                sent = apply(there, plan_for(there, *RUNS[limit]), pace)
            least = sent.calls / limit
            share = 100 * sent.refused / (sent.calls + sent.refused)
            print(  # noqa: T201 - its result
                f"| {limit} | `{pace}` | {sent.calls:,} | {sent.seconds:.1f} | {least:.1f} |"
                f" {sent.seconds / least:.2f} | {sent.refused} ({share:.1f} %) |",
                flush=True,
            )


def compare_with_the_reference() -> None:
    """No limit: the second table."""
    with sandbox(0) as there:
        slow = as_the_reference_program(there, REFERENCE_CALLS)
    with sandbox(0) as there:
        plan = plan_for(there, *REFERENCE_FIRM)
        fast = apply(there, plan, "auto:1000")
    print(  # noqa: T201 - its result
        "\n| program | calls | s | calls a second | ratio |\n|---|---|---|---|---|\n"
        f"| one at a time, a pause of 0.2 s | {slow.calls} | {slow.seconds:.1f} |"
        f" {slow.rate:.1f} | 1.0 |\n"
        f"| ours, `auto:1000` | {fast.calls:,} | {fast.seconds:.1f} | {fast.rate:.0f} |"
        f" {fast.rate / slow.rate:.1f} |"
    )


def main() -> None:
    """Measure, and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", type=int, choices=list(RUNS), action="append", help="which limits"
    )
    parser.add_argument("--serve", type=float, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve is not None:
        serve(given.serve)
        return
    compare_with_limits(given.only)
    if not given.only:
        compare_with_the_reference()


if __name__ == "__main__":
    main()
