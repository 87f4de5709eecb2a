"""The facts on the page of a stored plan beside the plan itself, and private files."""

import os
import stat
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from swit_provisioning.apply.approvals import PENDING, PlanState
from swit_provisioning.planning.model import calls_by_kind, estimate
from swit_provisioning.report.page import PlanFacts
from swit_provisioning.report.redaction import without_people_in
from swit_provisioning.report.summary import duration
from swit_provisioning.settings import Settings
from swit_provisioning.state.store import Store
from swit_provisioning.state.stored_plans import StoredPlan
from swit_provisioning.swit.rate_limit import estimated_pace


@dataclass(frozen=True, kw_only=True)
class ExpectedPace:
    """Calls a second, and the source of this number."""

    per_second: float
    known_from: str

    @property
    def sentence(self) -> str:
        """`10 calls a second (as the last run went)`."""
        return f"{float(f'{self.per_second:.3g}'):g} calls a second ({self.known_from})"


def expected_pace(settings: Settings, store: Store) -> ExpectedPace:
    """The number in the setting; for `auto`, about the pace of the last run."""
    setting = settings.swit_requests_per_second
    expected = estimated_pace(setting)
    if not setting.startswith("auto"):
        return ExpectedPace(per_second=expected, known_from=f"SWIT_REQUESTS_PER_SECOND={setting}")
    measured = store.history.pace()
    if measured is None:
        return ExpectedPace(
            per_second=expected, known_from="an estimate: no run has measured it yet"
        )
    # `auto` reaches at most twice the expected pace.
    return ExpectedPace(per_second=min(measured, 2 * expected), known_from="as the last run went")


def page_facts(
    settings: Settings, store: Store, stored: StoredPlan, state: PlanState, *, no_names: bool
) -> PlanFacts:
    """Id, time, state, results of the guards, and the time that the plan takes."""
    pace = expected_pace(settings, store)
    calls, seconds = estimate(stored.plan, pace.per_second)
    return PlanFacts(
        plan_id=stored.plan_id,
        created_at=stored.created_at,
        guard_results=stored.guard_results,
        calls=calls,
        by_kind=calls_by_kind(stored.plan),
        pace=pace.sentence,
        duration=duration(seconds),
        mode=settings.mode,
        state=tuple(map(without_people_in, state.sentences) if no_names else state.sentences),
        state_at=datetime.now(UTC),
        advice=state.advice,
        pending=state.name in PENDING,
    )


def write_private(path: Path, text: str) -> None:
    """Write `text` to `path` atomically: readers see the old file or the new one.

    Raises:
        OSError: it can't be written; what was there is left as it was.

    """
    target = path.resolve()
    if target.exists() and not target.is_file():
        # A terminal or a pipe can't be replaced. A folder raises.
        target.write_text(text, encoding="utf-8")
        return
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def readable_by_others(home: Path, frames: Path | None = None) -> Path | None:
    """A file or folder of `DAGSTER_HOME` that other accounts may read or write, if there is one.

    If no other account can enter the home, only the state and the frames are checked: Dagster's
    services create other files there with wider modes, which other accounts cannot reach.
    `frames` is a folder outside the home.
    """
    if _is_open(home):
        return home
    folders = (home / "state", home / "frames", *([frames] if frames else ()))
    found = (path for folder in folders for path in (folder, *folder.rglob("*")))
    return next(filter(_is_open, found), None)


def _is_open(path: Path) -> bool:
    try:
        mode = path.lstat().st_mode
    except OSError:
        return False
    return bool(mode & 0o066) and not stat.S_ISLNK(mode)
