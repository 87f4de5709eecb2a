"""Plans and changes as tests need them."""

from swit_provisioning.reconcile.plan import Change, Plan
from swit_provisioning.reconcile.policy import Action


def a_change(number: int = 1, *, action: Action = "user.deactivate") -> Change:
    return Change(
        change_id=f"{action}:U{number}",
        step="deactivate_users",
        action=action,
        target=f"someone{number}@example.com",
        object_id=f"U{number}",
        before={"active": True},
        after={"active": False},
        reason="left the directory",
    )


def a_plan(*numbers: int, organization_id: str = "ORG") -> Plan:
    return Plan(
        changes=tuple(a_change(number) for number in numbers), organization_id=organization_id
    )
