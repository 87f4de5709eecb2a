"""Whose login it is, and who has left the directory: told as soon as a read says so."""

from swit_provisioning.messages.alarms import OWNER, begin, end
from swit_provisioning.reconcile.people import OWNER_LEFT
from swit_provisioning.reconcile.plan import Plan
from swit_provisioning.report.people import code_of
from swit_provisioning.settings import Settings
from swit_provisioning.store.store import Store


def tell_of_owner(store: Store, settings: Settings, plan: Plan) -> None:
    """Tell of the owner whom this plan misses, or that it is over."""
    left = next((finding for finding in plan.findings if finding.kind == OWNER_LEFT), None)
    if left is None:
        said = "over: the owner of the login is in the directory, or another one has logged in."
        end(store, settings, OWNER, said)
        return
    code = code_of(left.subject)
    who = left.subject if settings.hide_names == "nowhere" else code
    said = f"the owner of the login has left the directory: {who}."
    begin(store, settings, OWNER, code, said, left.message)
