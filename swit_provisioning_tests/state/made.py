"""Plans and changes as tests need them."""

from dataclasses import replace

from swit_provisioning.planning.actions import Action
from swit_provisioning.planning.model import Change, Plan


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


def two_plans_with_one_name() -> tuple[Plan, Plan]:
    """A harmless plan and a harmful one whose hashes begin with the same 12 digits.

    The numbers in a name and in a reason were found by trying 26 million of each: ten minutes
    on a busy machine.
    """
    renamed = replace(
        a_change(action="user.update"),
        before={"name": "Ann"},
        after={"name": "Ann 186203"},
        reason="another name in the directory",
    )
    harmless = Plan(
        changes=(replace(renamed, step="update_users", target="ann@example.com"),),
        organization_id="ORG",
    )
    harmful = a_plan(1, 2, 3)
    last = replace(harmful.changes[-1], reason="left the directory 1218590")
    return harmless, replace(harmful, changes=(*harmful.changes[:-1], last))


def a_plan(*numbers: int, organization_id: str = "ORG") -> Plan:
    return Plan(
        changes=tuple(a_change(number) for number in numbers), organization_id=organization_id
    )
