"""Runs whose process is gone: Dagster would show them as running for ever."""

from datetime import timedelta
from pathlib import Path

import dagster as dg

from swit_provisioning.resources.alive import dead_ones
from swit_provisioning.resources.who import who_am_i
from swit_provisioning.store.errors import LeaseHeldError
from swit_provisioning.store.store import Store

_A_MOMENT = timedelta(seconds=10)


def bury(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Mark a run whose process is gone as failed, so that it can be re-executed; whether it was.

    Its place in the pool is given free in any case: Dagster does so only minutes later.
    """
    instance.event_log_storage.free_concurrency_slots_for_run(run_id)
    run = instance.get_run_by_id(run_id)
    if run is None or run.is_finished:
        return False
    instance.report_run_failed(run, "Its process is gone.")
    return True


def bury_the_dead(instance: dg.DagsterInstance, store: Store, home: Path) -> list[str]:
    """Do so with all that are found: by the lease that ran out, by the file nobody has locked."""
    found = [run_id for run_id in dead_ones(home) if run_id != store.lease.holder()]
    overdue = _whose_lease_ran_out(store)
    return [run_id for run_id in (*found, *overdue) if bury(instance, run_id)]


def _whose_lease_ran_out(store: Store) -> list[str]:
    """The lease is taken from it first: should it be alive after all, it sends nothing more."""
    if store.lease.dead_holder() is None:
        return []
    try:
        grant = store.lease.acquire("dead_runs", who=who_am_i(), ttl=_A_MOMENT)
    except LeaseHeldError:
        return []
    store.lease.release(grant)
    return [grant.taken_over_from] if grant.taken_over_from else []
