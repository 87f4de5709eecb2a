"""`pause`, `resume`, `prune`, `forget` and `restored`: change what is stored on this machine."""

from zoneinfo import ZoneInfo

from swit_provisioning.cli.console import (
    errors,
    output,
    print_json,
    print_state_header,
    print_text,
)
from swit_provisioning.cli.framework import prepare_home, time_of_option
from swit_provisioning.cli.sync import instance
from swit_provisioning.operations.forget import Forgetting, StillPresentError
from swit_provisioning.operations.prune import Pruning
from swit_provisioning.operations.services import current_actor, open_store
from swit_provisioning.settings import Settings


def pause(settings: Settings, *, until: str | None, reason: str) -> int:
    """Start a pause and print how long it lasts."""
    zone = ZoneInfo(settings.schedule_timezone)
    end = time_of_option("--until", until, zone=zone, ahead=True)
    with open_store(settings) as store:
        store.pauses.begin(actor=current_actor(), reason=reason, until=end)
        begun = store.pauses.now()
    if begun is not None:
        print_text(output(), f"Scheduled runs are {begun.sentence}", style="yellow")
        print_text(output(), "`sync` and `apply` on the command line and in the UI still write.")
    return 0


def resume(settings: Settings) -> int:
    """End the pause if there is one."""
    with open_store(settings) as store:
        ended = store.pauses.end(actor=current_actor())
    text = f"Resumed. It was {ended.sentence}" if ended else "Nothing was paused."
    print_text(output(), text)
    return 0


def prune(settings: Settings, *, dry_run: bool, as_json: bool) -> int:
    """Delete data that is older than its retention; with `dry_run` print what would be deleted."""
    prepare_home(settings)
    with open_store(settings) as store, instance() as dagster:
        print_state_header(errors() if as_json else output(), settings, store)
        pruning = Pruning(settings, dagster, store)
        old = pruning.find()
        if not dry_run:
            pruning.delete(old)
    if as_json:
        print_json({"dry_run": dry_run, **old.document()})
    else:
        verb = "Would delete" if dry_run else "Deleted"
        print_text(output(), f"{verb} {old.sentence()}.")
    return 0


def forget(settings: Settings, who: str, *, anyway: bool, as_json: bool) -> int:
    """Erase a person, unless the next run would read the person again.

    Raises:
        ErasureError: no person or several people have this name, or the person is still present.

    """
    prepare_home(settings)
    with open_store(settings) as store, instance() as dagster:
        print_state_header(errors() if as_json else output(), settings, store)
        forgetting = Forgetting(settings, dagster, store)
        person = forgetting.find(who)
        if person.still_in and not anyway:
            raise StillPresentError(person.still_in)
        done = forgetting.forget(person)
    if as_json:
        print_json({**done.document(), "still_in": list(person.still_in)})
        return 0
    rows = ", ".join(f"{number} of {table}" for table, number in done.rows.items()) or "none"
    lines = [
        f"The code in the person's place is {done.code}.",
        f"Deleted: {done.runs} runs with their events, {done.frames} frames, {done.pages} pages.",
        f"Rows of the state that were deleted or changed: {rows}.",
    ]
    if done.histories:
        lines.append(f"Restarted in the UI: the history of {', '.join(done.histories)}.")
    if person.still_in:
        lines.append(f"The next run reads them again in {' and in '.join(person.still_in)}.")
    for line in lines:
        print_text(output(), line)
    return 0


def restored(settings: Settings, *, reason: str) -> int:
    """Make approvals void and let the next run only plan."""
    with open_store(settings) as store:
        print_state_header(output(), settings, store)
        store.restorations.begin(f"declared by {current_actor()}: {reason.rstrip('.')}")
    text = "All existing approvals are void. The next run only plans. Check its plan."
    print_text(output(), text)
    return 0
