"""`prune`: deletes what is older than its retention, now; the job `prune` does so every night."""

from swit_provisioning.cli.console import errors, output, print_json
from swit_provisioning.cli.history import say_whose
from swit_provisioning.cli.home import prepare_home
from swit_provisioning.cli.runs import instance
from swit_provisioning.resources.state import open_store
from swit_provisioning.settings import Settings
from swit_provisioning.upkeep.pruning import Pruning


def prune_old_things(settings: Settings, *, dry_run: bool, as_json: bool) -> int:
    """Delete, or only say what would go."""
    prepare_home(settings)
    with open_store(settings) as store, instance() as dagster:
        say_whose(errors() if as_json else output(), settings, store)
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
