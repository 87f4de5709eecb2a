"""A bar on the terminal while changes are applied."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from swit_provisioning.reconcile.plan import Step
from swit_provisioning.resources.console import QUIET
from swit_provisioning.resources.progress import CURRENT_PROGRESS


class Bar:
    """One line a step, on standard error."""

    def __init__(self, progress: Progress) -> None:
        """Take the live display."""
        self._progress = progress
        self._tasks: dict[Step, TaskID] = {}

    def advance(self, step: Step, done: int, planned: int) -> None:
        """Show `done` of `planned` changes of a step."""
        if step not in self._tasks:
            self._tasks[step] = self._progress.add_task(step.replace("_", " "), total=planned)
        self._progress.update(self._tasks[step], completed=done, total=planned)


@contextmanager
def progress_bar(console: Console) -> Iterator[None]:
    """Show a bar for the run inside, where `console` is a terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as live:
        token, quiet = CURRENT_PROGRESS.set(Bar(live)), QUIET.set(True)
        try:
            yield
        finally:
            CURRENT_PROGRESS.reset(token)
            QUIET.reset(quiet)
