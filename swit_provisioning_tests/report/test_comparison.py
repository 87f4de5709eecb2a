"""What differs between two plans."""

from swit_provisioning.planning.model import Plan
from swit_provisioning.report.summary import compare
from swit_provisioning_tests.planning.made_plans import change, deletion, plan_with


def test_changes_of_one_plan_and_changes_that_do_another_thing_are_told_apart() -> None:
    stays, one, other = (change("user.create", f"new:user:{n}@x") for n in "abc")
    first_name = change("user.update", "U1", before={"name": "A"}, after={"name": "B"})
    second_name = change("user.update", "U1", before={"name": "A"}, after={"name": "C"})
    found = compare(plan_with(stays, one, first_name), plan_with(stays, second_name, other))
    assert found.only_first == (one,)
    assert found.only_second == (other,)
    assert found.different == ((first_name, second_name),)
    assert found.same == 1
    assert not found.is_empty


def test_a_plan_differs_in_nothing_from_itself() -> None:
    plan = plan_with(deletion("A", 3), change("user.create", "new:user:a@x"))
    found = compare(plan, plan)
    assert (found.is_empty, found.same) == (True, 2)


def test_another_reason_is_no_difference() -> None:
    found = compare(
        plan_with(change("user.deactivate", "U1", reason="left the directory")),
        plan_with(change("user.deactivate", "U1", reason="not in the directory")),
    )
    assert found.is_empty


def test_settings_and_sides_that_differ_are_named() -> None:
    first = Plan(
        changes=(),
        policy={"user_removal": "keep", "reference_attribute": "entryUUID", "team_removal": "keep"},
        organization_id="o1",
        directory_identity="dc=x",
    )
    second = Plan(
        changes=(),
        policy={"user_removal": "remove", "team_removal": "keep"},
        organization_id="o2",
        directory_identity="dc=x",
    )
    found = compare(first, second)
    assert found.settings == ("LDAP_REFERENCE_ATTRIBUTE", "USER_REMOVAL")
    assert found.sides == ("organisation",)
    assert not found.is_empty
