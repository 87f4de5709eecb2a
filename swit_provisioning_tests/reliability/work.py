"""What copies of the warm process do. Each returns its exit code."""

import json
import sys
from datetime import UTC, datetime, timedelta

import dagster as dg

from swit_provisioning.apply.executor import Applier
from swit_provisioning.apply.lease import LEASE_TTL, HeldLease
from swit_provisioning.apply.outcomes import DONE
from swit_provisioning.apply.run_model import JobName
from swit_provisioning.cli.main import main
from swit_provisioning.cli.sync import instance, reconstructable_job
from swit_provisioning.operations.connections import open_directory, swit_connection
from swit_provisioning.planning.actions import STEPS
from swit_provisioning.planning.model import Plan
from swit_provisioning.planning.planner import make_plan
from swit_provisioning.settings import Settings
from swit_provisioning.state import database
from swit_provisioning.state.coordination import LeaseLostError
from swit_provisioning.state.database import LOCK_TIMEOUT_SECONDS
from swit_provisioning.state.store import Store
from swit_provisioning.swit.client import SwitClient
from swit_provisioning.swit.reader import read_organization

LOST_THE_LEASE = 60


def command(words: list[str], *, patience: float = LOCK_TIMEOUT_SECONDS) -> int:
    """`swit-provisioning WORDS`; `patience` (seconds) is how long it waits for the database."""
    # Less than the half minute, so that a test need not wait it out.
    vars(database)["LOCK_TIMEOUT_SECONDS"] = patience
    try:
        main(words, standalone_mode=True)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


def re_execute(run_id: str) -> int:
    """What the button "re-execute from failure" in the UI does."""
    with instance() as dagster:
        options = dg.ReexecutionOptions.from_failure(run_id, dagster)
        job = dagster.get_run_by_id(run_id)
        name: JobName = "apply" if job and job.job_name == "apply" else "sync"
        with dg.execute_job(
            reconstructable_job(name), instance=dagster, reexecution_options=options
        ) as result:
            return 0 if result.success else 1


def ask_who_i_am() -> int:
    """One call, with the stored login."""
    settings = Settings.load()
    with _store(settings, 0) as store, swit_connection(settings, store) as client:
        client.user_info()
    return 0


def apply_plan(
    *, run_id: str, plan_id: str, minutes_later: float = 0, ttl: float | None = None
) -> int:
    """Send a stored plan as the writers of a run do, going on where an earlier one stopped.

    The database's time is `minutes_later` than now: by it, the lease of a dead run has run out.
    """
    settings = Settings.load()
    with _store(settings, minutes_later) as store, swit_connection(settings, store) as client:
        plan_hash = store.plans.find(plan_id)
        stored = store.plans.get(plan_hash) if plan_hash else None
        if stored is None:
            return 1
        return _send(stored.plan, "R1", run_id, settings, store, client, ttl)


def store_a_plan(*, run_id: str) -> int:
    """Read both sides, make a plan, store it and print its id."""
    settings = Settings.load()
    with _store(settings, 0) as store, swit_connection(settings, store) as client:
        plan = _plan_now(settings, store, client)
        store.plans.save(plan, run_id=run_id, guard_results=[])
        json.dump({"plan_id": plan.plan_id, "counts": plan.counts()}, sys.stdout)
    return 0


def sync_anew(*, run_id: str, minutes_later: float) -> int:
    """Read both sides, make a plan and send it, as the next `sync` does."""
    settings = Settings.load()
    with _store(settings, minutes_later) as store, swit_connection(settings, store) as client:
        plan = _plan_now(settings, store, client)
        return _send(plan, run_id, run_id, settings, store, client, None)


def _plan_now(settings: Settings, store: Store, client: SwitClient) -> Plan:
    return make_plan(
        open_directory(settings, store).read(),
        read_organization(client),
        settings.policy(),
        store.memory(),
    )


def _store(settings: Settings, minutes_later: float) -> Store:
    ahead = timedelta(minutes=minutes_later)
    return Store.open(settings.database_url, clock=lambda: datetime.now(UTC) + ahead)


def _send(
    plan: Plan,
    application_id: str,
    run_id: str,
    settings: Settings,
    store: Store,
    client: SwitClient,
    ttl: float | None,
) -> int:
    length = LEASE_TTL if ttl is None else timedelta(seconds=ttl)
    with HeldLease.acquire(store, holder=run_id, actor="a test", ttl=length) as lease:
        applier = Applier(
            plan=plan,
            application_id=application_id,
            run_id=run_id,
            approval_id=None,
            client=client,
            store=store,
            lease=lease,
            concurrency=settings.swit_max_concurrency,
            advance=lambda *_: None,
        )
        try:
            for step in STEPS:
                applier.send(step)
        except LeaseLostError as error:
            sys.stdout.write(f"{error}\n")
            return LOST_THE_LEASE
        left = [o for o in applier.outcomes(STEPS) if o.outcome not in DONE]
        sys.stdout.write(f"{len(left)} left: {left[:3]}\n")
        return 1 if left else 0
