"""The state database that the settings name. No Dagster, no directory: it opens at once."""

import getpass
import os
import socket
from dataclasses import replace
from datetime import timedelta

from swit_provisioning.apply.approvals import PENDING, Approver, PlanState, PlanStates
from swit_provisioning.planning.guards import without_advice
from swit_provisioning.settings import Settings
from swit_provisioning.state.plans import StoredPlan
from swit_provisioning.state.store import Store


def open_store(settings: Settings) -> Store:
    """The state database."""
    key = settings.token_encryption_key
    return Store.open(settings.database_url, encryption_key=key.get_secret_value() if key else None)


def who_am_i() -> str:
    """`user@host`, or `uid 1234@host` where the account has no name, as in some containers."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"


def approver(settings: Settings, store: Store) -> Approver:
    """Who judges, approves and rejects in this state."""
    return Approver(store=store, limits=settings.limits(), max_age=max_age(settings))


def max_age(settings: Settings) -> timedelta:
    """`PLAN_MAX_AGE_HOURS`."""
    return timedelta(hours=settings.plan_max_age_hours)


def current_state(
    settings: Settings, store: Store, stored: StoredPlan
) -> tuple[StoredPlan, PlanState]:
    """The plan and its state; while it can be applied, with what the guards say of it now.

    Of any other plan the guards say what they found when it was made, and advise nothing.
    """
    states = PlanStates(store, max_age=max_age(settings))
    state = states.of(stored.plan_hash)
    if state.name not in PENDING:
        lifted = state.approval.guards if state.approval else ()
        past = tuple(
            {
                **verdict,
                "message": without_advice(verdict["message"]),
                "blocking": verdict["blocking"] and verdict["name"] not in lifted,
            }
            for verdict in stored.verdicts
        )
        return replace(stored, verdicts=past), state
    begun = state.application.application_id if state.application else None
    judged = approver(settings, store).judged(stored.plan, application_id=begun)
    verdicts = tuple(verdict.document() for verdict in judged)
    return replace(stored, verdicts=verdicts), states.of(stored.plan_hash, verdicts=verdicts)
