"""A bar on the terminal while changes are applied."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from swit_provisioning.apply.progress import Headway
from swit_provisioning.resources.console import QUIET
from swit_provisioning.resources.progress import CURRENT_DISPLAY


class Bar:
    """One line for the whole run, on standard error: step, calls, calls a second, time left."""

    def __init__(self, progress: Progress) -> None:
        """Take the live display; nothing is shown before the first change."""
        self._progress = progress
        self._task = progress.add_task("", total=None, visible=False, pace="", left="")

    def show(self, headway: Headway) -> None:
        """Show how many of the calls are sent, and what that makes."""
        left = headway.seconds_left
        self._progress.update(
            self._task,
            visible=True,
            description=headway.step.replace("_", " "),
            completed=headway.sent,
            total=headway.planned,
            pace=f"{headway.per_second:.1f}/s",
            left="" if left is None else f"{timedelta(seconds=round(left))} left",
        )


@contextmanager
def progress_bar(console: Console) -> Iterator[None]:
    """Show a bar for the run inside, where `console` is a terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} calls"),
        TextColumn("{task.fields[pace]}"),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as live:
        token, quiet = CURRENT_DISPLAY.set(Bar(live)), QUIET.set(True)
        try:
            yield
        finally:
            CURRENT_DISPLAY.reset(token)
            QUIET.reset(quiet)
