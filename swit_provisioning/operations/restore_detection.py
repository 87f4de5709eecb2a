"""Notices that an older state was put back: by the count that runs leave outside of it.

Two witnesses: a file beside the frames, and tags of Dagster's runs. Where all of it came back
from one backup, only a person knows: the command `restored` says so.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Final

import dagster as dg
from upath import UPath

from swit_provisioning.operations.names import OURS
from swit_provisioning.settings import Settings
from swit_provisioning.state.errors import StoreUnavailableError
from swit_provisioning.state.restores import Mark, Restoration
from swit_provisioning.state.store import Store

STATE_TAG: Final = "swit_provisioning/state"
"""Run tag: which state the run used, and which of its runs it was."""
_FILE: Final = "state_mark"
_RUNS: Final = 20
"""How many of the newest runs are asked."""


def count_run(
    settings: Settings, store: Store, instance: dg.DagsterInstance, run_id: str
) -> Restoration | None:
    """Look whether the state is the newest there was, then count this run, inside and outside.

    Returns what was noticed just now, if anything was.
    """
    if settings.is_on_bundled_sandbox:
        # It has a state of its own beside the real one, and begins anew at will.
        return None
    # First the witnesses: another run counts in the state before it tells them.
    beside_frames = _beside_frames(settings)
    in_runs = list(_in_runs(instance))
    try:
        noticed = _notice(store, beside_frames, in_runs)
        mark = store.restorations.advance()
    except StoreUnavailableError:
        # The first step that needs the state says so, and where.
        return None
    _leave_beside_frames(settings, mark)
    instance.add_run_tags(run_id, {STATE_TAG: str(mark)})
    return noticed


def _notice(store: Store, beside_frames: Mark | None, in_runs: list[Mark]) -> Restoration | None:
    mine = store.restorations.mark()
    seen = [mark for mark in (beside_frames, *in_runs) if mark and mark.name == mine.name]
    newest = max((mark.count for mark in seen), default=0)
    if newest > mine.count:
        why = (
            f"the state database is older than its frames or Dagster's runs: it knows of"
            f" {mine.count:,} runs, {newest:,} were there"
        )
        return store.restorations.begin(why, beyond=newest)
    if beside_frames is not None and beside_frames.name != mine.name:
        return store.restorations.begin("the frames were made with another state database")
    return None


def _beside_frames(settings: Settings) -> Mark | None:
    path = UPath(settings.frames_path) / _FILE
    with suppress(OSError):
        return Mark.of(path.read_text())
    return None


def _leave_beside_frames(settings: Settings, mark: Mark) -> None:
    """Where that can't be done, the run's first frame can't be written either, and says why."""
    path = UPath(settings.frames_path) / _FILE
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(mark))


def _in_runs(instance: dg.DagsterInstance) -> Iterator[Mark]:
    for run in instance.get_runs(dg.RunsFilter(tags=dict(OURS)), limit=_RUNS):
        mark = Mark.of(run.tags.get(STATE_TAG, ""))
        if mark is not None:
            yield mark
