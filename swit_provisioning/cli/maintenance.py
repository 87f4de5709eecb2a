"""`prune`, `forget`, `restored` and `serve`."""

import logging

from swit_provisioning.cli.framework import errors, output, prepare_home, print_json
from swit_provisioning.cli.render import state_header
from swit_provisioning.cli.runs import instance
from swit_provisioning.gateway.serve import bracketed, run
from swit_provisioning.operations.forget import Forgetting, Forgotten, StillPresentError
from swit_provisioning.operations.prune import Pruning
from swit_provisioning.operations.services import current_actor, open_store
from swit_provisioning.settings import Settings


def prune_old_things(settings: Settings, *, dry_run: bool, as_json: bool) -> int:
    """Delete data that is older than its retention; with `dry_run` print what would be deleted."""
    prepare_home(settings)
    with open_store(settings) as store, instance() as dagster:
        state_header(errors() if as_json else output(), settings, store)
        pruning = Pruning(settings, dagster, store)
        old = pruning.find()
        if not dry_run:
            pruning.delete(old)
    if as_json:
        print_json({"dry_run": dry_run, **old.document()})
    else:
        did = "Would delete" if dry_run else "Deleted"
        output().print(f"{did} {old.sentence()}.", highlight=False, soft_wrap=True)
    return 0


def forget_person(settings: Settings, who: str, *, anyway: bool, as_json: bool) -> int:
    """Erase a person, unless the next run would read the person again."""
    prepare_home(settings)
    with open_store(settings) as store, instance() as dagster:
        state_header(errors() if as_json else output(), settings, store)
        forgetting = Forgetting(settings, dagster, store)
        person = forgetting.find(who)
        if person.still_in and not anyway:
            raise StillPresentError(person.still_in)
        done = forgetting.forget(person)
    if as_json:
        print_json({**done.document(), "still_in": list(person.still_in)})
    else:
        _print_forgotten(done, person.still_in)
    return 0


def _print_forgotten(done: Forgotten, still_in: tuple[str, ...]) -> None:
    rows = ", ".join(f"{number} of {table}" for table, number in done.rows.items()) or "none"
    lines = [
        f"The code in the person's place is {done.code}.",
        f"Deleted: {done.runs} runs with their events, {done.frames} frames, {done.pages} pages.",
        f"Rows of the state that were deleted or changed: {rows}.",
    ]
    if done.histories:
        lines.append(f"Restarted in the UI: the history of {', '.join(done.histories)}.")
    if still_in:
        lines.append(f"The next run reads them again in {' and in '.join(still_in)}.")
    for line in lines:
        output().print(line, markup=False, highlight=False, soft_wrap=True)


def say_restored(settings: Settings, *, why: str) -> int:
    """Make approvals void and let the next run only plan."""
    with open_store(settings) as store:
        state_header(output(), settings, store)
        store.restorations.begin(f"said by {current_actor()}: {why.rstrip('.')}")
    output().print(
        "All existing approvals are void. The next run only plans. Check its plan.",
        highlight=False,
        soft_wrap=True,
    )
    return 0


def serve_gateway(settings: Settings, *, behind_proxy: bool) -> int:
    """Print the address of the gateway and serve."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    prepare_home(settings)
    url = f"http://{bracketed(settings.host)}:{settings.port}"
    errors().print(f"Gateway: {url} · {settings.mode}", highlight=False, soft_wrap=True)
    run(settings, behind_proxy=behind_proxy)
    return 0
