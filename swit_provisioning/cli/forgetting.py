"""`forget`: one person out of everything that is kept."""

from swit_provisioning.cli.console import errors, output, print_json
from swit_provisioning.cli.history import say_whose
from swit_provisioning.cli.home import prepare_home
from swit_provisioning.cli.runs import instance
from swit_provisioning.resources.state import open_store
from swit_provisioning.settings import Settings
from swit_provisioning.upkeep.errors import StillThereError
from swit_provisioning.upkeep.forgetting import Forgetting, Forgotten


def forget_person(settings: Settings, who: str, *, anyway: bool, as_json: bool) -> int:
    """Find the person, make sure that the next run doesn't bring them back, put a code there."""
    prepare_home(settings)
    with open_store(settings) as store, instance() as dagster:
        say_whose(errors() if as_json else output(), settings, store)
        forgetting = Forgetting(settings, dagster, store)
        person = forgetting.who(who)
        if person.still_in and not anyway:
            raise StillThereError(person.still_in)
        done = forgetting.forget(person)
    if as_json:
        print_json({**done.document(), "still_in": list(person.still_in)})
    else:
        _say(done, person.still_in)
    return 0


def _say(done: Forgotten, still_in: tuple[str, ...]) -> None:
    rows = ", ".join(f"{number} of {table}" for table, number in done.rows.items()) or "none"
    lines = [
        f"In their place stands now: {done.code}",
        f"Rows of the state: {rows}. Frames: {done.frames}. Pages: {done.pages}.",
        f"Dagster's events can't be changed: {done.runs} runs that named them were deleted.",
    ]
    if done.histories:
        lines.append(f"Begun anew in the UI: the history of {', '.join(done.histories)}.")
    if still_in:
        lines.append(f"The next run reads them again in {' and in '.join(still_in)}.")
    for line in lines:
        output().print(line, markup=False, highlight=False, soft_wrap=True)
