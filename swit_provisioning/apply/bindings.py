"""Who is who after a plan: its bindings, with Swit's own ids for what it has made."""

from typing import Literal

from swit_provisioning.apply.record import Record
from swit_provisioning.reconcile.plan import Plan
from swit_provisioning.store.journal import Application
from swit_provisioning.store.store import Store


def bindings_to_remember(
    plan: Plan, store: Store, application_id: str
) -> list[tuple[Literal["user", "group"], str, str]]:
    """Kind, directory id and Swit id of each binding whose object is there.

    What the plan was to make and did not make is left out.
    """
    application = Application(application_id=application_id, plan_hash=plan.plan_hash, run_id="")
    record = Record(store=store, plan=plan, application=application)
    found = ((b.kind, b.directory_id, record.swit_id(b.object_id)) for b in plan.bindings)
    return [(kind, directory_id, known) for kind, directory_id, known in found if known]
