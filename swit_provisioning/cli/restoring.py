"""`restored`: what no count can tell, because all of it came back from one backup."""

from swit_provisioning.cli.console import output
from swit_provisioning.cli.history import say_whose
from swit_provisioning.resources.state import open_store
from swit_provisioning.resources.who import who_am_i
from swit_provisioning.settings import Settings


def say_restored(settings: Settings, *, why: str) -> int:
    """Make approvals void, and let the first run only plan."""
    with open_store(settings) as store:
        say_whose(output(), settings, store)
        store.restorations.begin(f"said by {who_am_i()}: {why.rstrip('.')}")
    output().print(
        "Approvals given up to now are void. The next run only plans: look at its plan.",
        highlight=False,
        soft_wrap=True,
    )
    return 0
