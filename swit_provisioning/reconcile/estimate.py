"""How many calls a plan takes, and how long."""

from math import ceil

from swit_provisioning.reconcile.plan import Plan, Step

_USERS_A_PAGE = 1000
READ_BEFORE: tuple[Step, ...] = ("delete_teams", "delete_emptied_teams", "sort_teams")
"""Steps before which the teams are read again."""


def estimate(plan: Plan, per_second: float) -> tuple[int, float]:
    """Calls and seconds to apply a plan at so many calls a second; an empty plan takes none.

    Both sides are read anew first (organisation, authorised user, users, teams); teams are read
    again before each op that deletes or sorts.
    """
    if not plan.changes:
        return 0, 0.0
    reads = 3 + max(ceil(plan.bases.users / _USERS_A_PAGE), 1)
    reads += sum(bool(plan.of_step(step)) for step in READ_BEFORE)
    calls = reads + len(plan.changes)
    return calls, calls / per_second
