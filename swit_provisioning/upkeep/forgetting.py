"""`forget`: one person out of everything that is kept, a code in their place."""

from dataclasses import dataclass
from typing import Any

import dagster as dg
from upath import UPath

from swit_provisioning.apply.lease import HeldLease
from swit_provisioning.resources.dead_runs import bury_the_dead
from swit_provisioning.resources.frame_files import FrameFiles
from swit_provisioning.resources.frame_texts import rewritten
from swit_provisioning.resources.who import who_am_i
from swit_provisioning.settings import Settings
from swit_provisioning.store.store import Store
from swit_provisioning.upkeep.dagster_events import DagsterEvents
from swit_provisioning.upkeep.errors import RunsUnderWayError
from swit_provisioning.upkeep.our_runs import Runs
from swit_provisioning.upkeep.people import People, Person
from swit_provisioning.upkeep.replacing import Replacing, code_for

_HOLDER = "forget"


@dataclass(frozen=True, kw_only=True)
class Forgotten:
    """Where somebody was, and the code that stands there now."""

    code: str
    rows: dict[str, int]
    """Table of the state -> rows changed."""
    frames: int
    pages: int
    runs: int
    """Deleted with their events."""
    histories: tuple[str, ...]
    """Assets whose past in the UI is gone."""

    def document(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {**vars(self), "histories": list(self.histories)}


class Forgetting:
    """Works while no run does; one that broke off is done again from the start."""

    def __init__(self, settings: Settings, instance: dg.DagsterInstance, store: Store) -> None:
        """Take the three places where things are kept."""
        self._settings = settings
        self._instance = instance
        self._store = store
        self._files = FrameFiles(UPath(settings.frames_path))

    def who(self, asked: str) -> Person:
        """The person who is meant; raises `NotOnePersonError`."""
        return People(self._store, self._files).named(asked)

    def forget(self, person: Person) -> Forgotten:
        """Put a code in the person's place everywhere.

        The state comes last: it knows most about who the person is, should this break off.

        Raises:
            RunsUnderWayError, LeaseHeldError: a run is under way.

        """
        code = code_for(person.trace, self._store.forgetting.secret())
        replacing = Replacing(person.trace, code, shared=person.shared)
        bury_the_dead(self._instance, self._store, self._settings.home)
        with HeldLease.acquire(self._store, holder=_HOLDER, who=who_am_i()):
            runs, histories = self._from_dagster(replacing)
            pages = self._from_pages(replacing)
            frames = self._from_frames(replacing)
            rows = self._store.forgetting.replace(replacing.record, person.trace)
        return Forgotten(
            code=code, rows=rows, frames=frames, pages=pages, runs=runs, histories=histories
        )

    def _from_dagster(self, replacing: Replacing) -> tuple[int, tuple[str, ...]]:
        ours, events = Runs(self._instance), DagsterEvents(self._instance)
        under_way = ours.under_way()
        if under_way:
            raise RunsUnderWayError(run.run_id for run in under_way)
        naming = events.runs_naming(ours.all(), replacing.mentions)
        for run_id in naming:
            ours.delete(run_id)
        wiped = events.assets_naming(replacing.mentions)
        events.wipe(wiped)
        events.tidy(self._settings.home)
        return len(naming), tuple(key.to_user_string() for key in wiped)

    def _from_pages(self, replacing: Replacing) -> int:
        changed = 0
        for page in list(self._files.files(".html")):
            before = page.read_text(encoding="utf-8")
            after = replacing.page(before)
            if after != before:
                self._files.rewrite(page, after.encode())
                changed += 1
        return changed

    def _from_frames(self, replacing: Replacing) -> int:
        """Frames of people come last, for the same reason as the state."""
        changed = 0
        for frame in sorted(self._files.files(".parquet"), key=_says_who):
            after = rewritten(frame, replacing.pattern, replacing.record)
            if after is not None:
                self._files.rewrite(frame, after[0])
                changed += 1
        return changed


def _says_who(frame: UPath) -> bool:
    return frame.parent.name in {"idp_users", "swit_users"}
