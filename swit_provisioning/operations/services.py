"""What commands and runs take from the settings: the state database, the judge of plans, the actor.

No Dagster and no directory, so that it opens quickly. `connections` opens both sides.
"""

import getpass
import os
import socket
from datetime import timedelta

from swit_provisioning.apply.approvals import PlanJudge
from swit_provisioning.settings import Settings
from swit_provisioning.state.store import Store


def open_store(settings: Settings) -> Store:
    """The state database."""
    key = settings.token_encryption_key
    return Store.open(settings.database_url, encryption_key=key.get_secret_value() if key else None)


def current_actor() -> str:
    """`user@host`, or `uid 1234@host` where the account has no name, as in some containers."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"


def plan_judge(settings: Settings, store: Store) -> PlanJudge:
    """The judge of plans, with the limits, what they do, the highest age and the approvers."""
    max_age = timedelta(hours=settings.plan_max_age_hours)
    return PlanJudge(
        store=store,
        limits=settings.limits(),
        max_age=max_age,
        holds_back=settings.on_limit == "hold_back",
        two_people=settings.approvals == "two_people",
    )
