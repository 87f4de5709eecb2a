"""`pause`, `resume`: whether scheduled runs may write."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from rich.console import Console

from swit_provisioning.cli.console import errors, output
from swit_provisioning.cli.until import time_named
from swit_provisioning.resources.state import open_store
from swit_provisioning.resources.who import who_am_i
from swit_provisioning.settings import Settings
from swit_provisioning.store.errors import StoreError
from swit_provisioning.store.pauses import Pause


def pause_runs(settings: Settings, *, until: str | None, why: str) -> int:
    """Pause, and say until when."""
    zone = ZoneInfo(settings.schedule_timezone)
    end = None if until is None else time_named(until, now=datetime.now(UTC), zone=zone)
    with open_store(settings) as store:
        store.pauses.begin(who=who_am_i(), why=why, until=end)
        pause = store.pauses.now()
    if pause is not None:
        _say(output(), pause)
        output().print("`sync` and `apply` on the command line and in the UI still write.")
    return 0


def resume_runs(settings: Settings) -> int:
    """End the pause, if there is one."""
    with open_store(settings) as store:
        ended = store.pauses.end(who=who_am_i())
    if ended is None:
        output().print("Nothing was paused.")
    else:
        output().print(f"Resumed. It was {ended.sentence}", markup=False, highlight=False)
    return 0


def mention_pause(settings: Settings) -> None:
    """Tell a person who writes by hand that scheduled runs are paused, and why."""
    try:
        with open_store(settings) as store:
            pause = store.pauses.now()
    except StoreError:
        # The run says so, and ends as one that failed.
        return
    if pause is not None:
        _say(errors(), pause)


def _say(console: Console, pause: Pause) -> None:
    said = f"Scheduled runs are {pause.sentence}"
    console.print(said, style="yellow", markup=False, highlight=False, soft_wrap=True)
