"""A run killed at every one of its calls and resumed: see docs/explanation/reliability.md.

`python -m swit_provisioning_tests.reliability.kills` prints it.
"""

import json
import shutil
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning_tests.directories import Directory
from swit_provisioning_tests.folders import folder_in_memory
from swit_provisioning_tests.reliability import busy_night
from swit_provisioning_tests.reliability.death import Death
from swit_provisioning_tests.reliability.endings import Ending, ending, made_again, sent_again
from swit_provisioning_tests.reliability.forks import Copy, Forks

When = Literal["before the work", "after the work"]
Resumed = Literal["the same plan", "a new plan"]
_STATE: Final = "state.sqlite"
_LATER: Final = 2.0
"""Minutes: by then the lease of the dead run has run out."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """One row of the table: how a run was killed at each of its calls."""

    when: When
    resumed: Resumed
    concurrency: int
    step: int = 1
    """Kill at every call, or at every so many."""


@dataclass(frozen=True, kw_only=True)
class Kill:
    """What came of one kill."""

    at: int
    equal: bool
    """Whether the organisation ended as after an undisturbed run."""
    twice: int
    """Objects made again, or attempted."""
    again: int
    """Writes sent a second time, the same to the letter."""
    said: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """A series, carried out."""

    series: Series
    calls: int
    kills: tuple[Kill, ...]


SERIES: Final = (
    Series(when="before the work", resumed="the same plan", concurrency=1),
    Series(when="after the work", resumed="the same plan", concurrency=1),
    Series(when="after the work", resumed="a new plan", concurrency=1, step=5),
    Series(when="after the work", resumed="the same plan", concurrency=8, step=5),
)


class Night:
    """An organisation before a busy night, its plan, and how it ends when nothing disturbs it."""

    def __init__(self, server: SandboxServer, forks: Forks, folder: Path, concurrency: int) -> None:
        self.server, self._forks, self._folder = server, forks, folder
        tokens = server.issue_tokens()
        self._environment = {
            "DAGSTER_HOME": str(folder),
            "IDP_FILE": str(folder / "directory.json"),
            "LDAP_USER_ATTRIBUTES": "primary_group=primaryGroup",
            "STATE_DATABASE_URL": f"sqlite:///{folder / 'work' / _STATE}",
            "SWIT_BASE_URL": server.url,
            "SWIT_SCIM_BASE_URL": server.scim_url,
            "SWIT_CLIENT_ID": server.client_id,
            "SWIT_CLIENT_SECRET": server.client_secret,
            "SWIT_ACCESS_TOKEN": tokens["access_token"],
            "SWIT_REFRESH_TOKEN": tokens["refresh_token"],
            "SWIT_REQUESTS_PER_SECOND": "100000",
            "SWIT_MAX_CONCURRENCY": str(concurrency),
        }
        self._settle(busy_night.before())
        for number in busy_night.AWAY:
            user = server.organisation.user_by_email(busy_night.address(number))
            if user is not None:
                user.active = False
        server.organisation.mark()
        self._write(busy_night.after())
        self._plan_id = self._do("store_a_plan", run_id="R1").document()["plan_id"]
        shutil.copytree(folder / "work", folder / "planned")
        self.calls, self.ending = self._undisturbed()

    def killed_at(self, number: int, series: Series) -> Kill:
        """Kill a run at one of its calls, resume it; what came of it."""
        self._begin_anew()
        after_work = series.when == "after the work"
        death = Death(self.server, at=number, after_work=after_work)
        first_run = death.of(self._start("apply_plan", run_id="R1", plan_id=self._plan_id))
        if first_run.ended() >= 0:
            return Kill(at=number, equal=False, twice=0, again=0, said="it was not killed")
        if series.resumed == "the same plan":
            next_run = self._start(
                "apply_plan", run_id="R2", plan_id=self._plan_id, minutes_later=_LATER
            )
        else:
            next_run = self._start("sync_anew", run_id="R2", minutes_later=_LATER)
        code, calls = next_run.ended(), self.server.log.of()
        return Kill(
            at=number,
            equal=code == 0 and ending(self.server.organisation) == self.ending,
            twice=made_again(calls),
            again=sent_again(calls),
            said=next_run.said(),
        )

    def _undisturbed(self) -> tuple[int, Ending]:
        self._begin_anew()
        self._do("apply_plan", run_id="R1", plan_id=self._plan_id)
        return self.server.log.total, ending(self.server.organisation)

    def _settle(self, directory: Directory) -> None:
        (self._folder / "work").mkdir()
        self._write(directory)
        self._do("sync_anew", run_id="R0", minutes_later=0)
        shutil.rmtree(self._folder / "work")
        (self._folder / "work").mkdir()

    def _begin_anew(self) -> None:
        self.server.reset()
        shutil.rmtree(self._folder / "work")
        shutil.copytree(self._folder / "planned", self._folder / "work")

    def _write(self, directory: Directory) -> None:
        text = json.dumps(directory, ensure_ascii=False)
        (self._folder / "directory.json").write_text(text, encoding="utf-8")

    def _start(self, work: str, **given: object) -> Copy:
        return self._forks.start(
            work, folder=self._folder, name="run", environment=self._environment, **given
        )

    def _do(self, work: str, **given: object) -> Copy:
        copy = self._start(work, **given)
        if copy.ended() != 0:
            raise AssertionError(copy.said())
        return copy


@contextmanager
def night(concurrency: int) -> Iterator[Night]:
    """Everything that a series needs."""
    with folder_in_memory() as folder, SandboxServer() as server, Forks() as forks:
        yield Night(server, forks, folder, concurrency)


def carry_out(series: Series, kill_step: int = 1) -> Row:
    """Kill a run at each of its calls, or at every `kill_step`th."""
    with night(series.concurrency) as made:
        numbers = range(1, made.calls + 1, max(series.step, kill_step))
        kills = tuple(made.killed_at(number, series) for number in numbers)
        return Row(series=series, calls=made.calls, kills=kills)


def table(rows: Iterable[Row]) -> str:
    """The rows in Markdown."""
    heads = (
        "killed",
        "calls in flight",
        "resumed by",
        "calls",
        "kills",
        "ended equal",
        "objects twice",
        "sent again, most for one kill",
        "in all",
    )
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for row in rows:
        series, kills = row.series, row.kills
        cells = (
            series.when,
            series.concurrency,
            series.resumed,
            row.calls,
            len(kills),
            sum(kill.equal for kill in kills),
            sum(kill.twice for kill in kills),
            max(kill.again for kill in kills),
            sum(kill.again for kill in kills),
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def all_rows() -> list[Row]:
    """Every series, two at a time."""
    with ThreadPoolExecutor(2) as lanes:
        return list(lanes.map(carry_out, SERIES))


if __name__ == "__main__":
    sys.stdout.write(table(all_rows()) + "\n")
