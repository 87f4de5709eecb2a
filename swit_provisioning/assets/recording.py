"""The change log of a run: made by its last step, or left behind by the step that failed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import dagster as dg
import pandas as pd

from swit_provisioning.apply.change_log import change_log_frame, outcome_counts
from swit_provisioning.assets.guarding import root_run_id
from swit_provisioning.reconcile.frames import CHANGE_LOG
from swit_provisioning.reconcile.plan import Step
from swit_provisioning.resources.frames import ParquetFrames
from swit_provisioning.store.errors import StoreError
from swit_provisioning.store.store import Store

ASSET: Final = "change_log"

Numbers = dict[str, int | float]


def change_log_of(store: Store, run: dg.DagsterRun) -> pd.DataFrame:
    """What was done of the plan that a run may send, by all runs that had a hand in it.

    A run that may send none, because somebody asked for the log alone, gets the newest.
    """
    acceptance = store.acceptances.of(root_run_id(run)) or store.acceptances.newest()
    if acceptance is None:
        return CHANGE_LOG.empty()
    return change_log_frame(
        store.history.of_application(acceptance.application_id, plan_hash=acceptance.plan_hash)
    )


def counts_of(log: pd.DataFrame) -> dict[str, str | int]:
    """Counts by outcome, and in words."""
    counts = outcome_counts(log)
    words = ", ".join(f"{n} {outcome}" for outcome, n in counts.items()) or "nothing was sent"
    return {"summary": words, **counts}


def effort_of(store: Store, run: dg.DagsterRun, steps: Sequence[Step]) -> Numbers:
    """What it took this run to send these steps: calls, seconds, calls a second."""
    effort = store.history.effort(run.run_id, steps)
    pace = effort.calls / effort.seconds if effort.seconds else 0.0
    return {
        "calls": effort.calls,
        "seconds": round(effort.seconds, 1),
        "calls per second": round(pace, 1),
    }


@contextmanager
def logged_if_it_fails(
    context: dg.OpExecutionContext, store: Store, frames: ParquetFrames
) -> Iterator[None]:
    """However the block fails, the change log is there: the asset's own step won't run then."""
    try:
        yield
    except BaseException:
        _leave(context, store, frames)
        raise


def _leave(context: dg.OpExecutionContext, store: Store, frames: ParquetFrames) -> None:
    """Write the frame and say so, as the asset's step would have done."""
    try:
        log = change_log_of(store, context.run)
    except StoreError as error:
        # Then the journal is what failed, and the step says so.
        context.log.warning("The change log could not be read: %s", error)
        return
    frames.put(ASSET, context.run.run_id, log)
    metadata = {**frames.described(ASSET, log), **counts_of(log)}
    context.log_event(dg.AssetMaterialization(ASSET, metadata=metadata))
