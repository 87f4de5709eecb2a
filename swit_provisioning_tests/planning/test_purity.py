"""Same input, same plan, same id: in whatever order rows come, and however a plan is kept."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

import swit_provisioning_tests
from swit_provisioning.planning.model import Binding, Finding, Plan, TeamBefore
from swit_provisioning.planning.planner import make_plan
from swit_provisioning.planning.policy import Memory, Policy
from swit_provisioning_tests.planning.busy_day import MEMORY, plan_of_the_day
from swit_provisioning_tests.planning.made_plans import change, plan_with
from swit_provisioning_tests.planning.made_up import (
    directories,
    memories,
    organisations,
    permuted,
    policies,
)
from swit_provisioning_tests.planning.specification.directory import (
    Directory,
    Entry,
    GroupEntry,
)
from swit_provisioning_tests.planning.specification.organisation import Organisation
from swit_provisioning_tests.planning.specification.states import directory_state, swit_state
from swit_provisioning_tests.planning.trial import plan_of

FRAMES = ("users", "groups", "memberships"), ("users", "teams", "memberships")


def turned_round(values: Mapping[str, str]) -> dict[str, str]:
    return {key: values[key] for key in reversed(list(values))}


@given(directories(), organisations(), policies(), memories(), st.integers(0, 1000))
def test_rows_in_any_order_give_the_same_plan_and_the_same_id(
    directory: Directory, organisation: Organisation, policy: Policy, memory: Memory, seed: int
) -> None:
    plan = plan_of(directory, organisation, policy, memory)
    read = directory_state(directory, seed)
    mixed = make_plan(read, swit_state(organisation, seed + 1), policy, memory)
    assert mixed.document() == plan.document()
    assert mixed.plan_id == plan.plan_id


@pytest.mark.parametrize("seed", range(8))
def test_on_a_busy_day_too_rows_may_come_in_any_order(seed: int) -> None:
    assert plan_of_the_day(seed).document() == plan_of_the_day().document()


def test_on_a_busy_day_what_is_remembered_may_come_in_any_order() -> None:
    turned = Memory(users=turned_round(MEMORY.users), groups=turned_round(MEMORY.groups))
    assert plan_of_the_day(memory=turned).document() == plan_of_the_day().document()


def test_a_busy_day_has_changes_of_many_kinds() -> None:
    """Else the tests above would be worth little."""
    counts = plan_of_the_day().counts()
    assert len(counts) >= 8
    assert min(counts[a] for a in ("user.deactivate", "team.delete", "team.update")) >= 3


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_another_process_makes_the_same_changes_in_the_same_order(hash_seed: str) -> None:
    """Sets come in another order there."""
    (package,) = swit_provisioning_tests.__path__
    told = subprocess.run(  # noqa: S603 - this very Python
        [sys.executable, "-m", plan_of_the_day.__module__],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        cwd=Path(package).parent,
        capture_output=True,
        check=True,
    )
    assert json.loads(told.stdout) == plan_of_the_day().document()["changes"]


@given(permuted(), st.integers(0, 1000))
def test_names_given_crosswise_are_untangled_alike_in_any_order_of_rows(
    case: tuple[Directory, Organisation], seed: int
) -> None:
    directory, organisation = case
    mixed = make_plan(
        directory_state(directory, seed), swit_state(organisation, seed), Policy(), Memory()
    )
    assert mixed.document() == plan_of(directory, organisation).document()


@given(directories(), organisations(), policies(), memories())
def test_what_is_remembered_may_come_in_any_order(
    directory: Directory, organisation: Organisation, policy: Policy, memory: Memory
) -> None:
    turned = replace(memory, users=turned_round(memory.users), groups=turned_round(memory.groups))
    plan = plan_of(directory, organisation, policy, memory)
    assert plan_of(directory, organisation, policy, turned).document() == plan.document()


@given(directories(), organisations(), policies(), memories())
def test_planning_changes_nothing_that_it_was_given(
    directory: Directory, organisation: Organisation, policy: Policy, memory: Memory
) -> None:
    given_, kept = ((directory_state(directory), swit_state(organisation)) for _ in range(2))
    make_plan(*given_, policy, memory)
    for side, untouched, names in zip(given_, kept, FRAMES, strict=True):
        for name in names:
            assert_frame_equal(getattr(side, name), getattr(untouched, name))


@given(directories(), organisations(), policies(), memories())
def test_a_plan_kept_as_json_is_the_same_plan(
    directory: Directory, organisation: Organisation, policy: Policy, memory: Memory
) -> None:
    plan = plan_of(directory, organisation, policy, memory)
    kept = Plan.of(json.loads(json.dumps(plan.document())))
    assert kept == plan
    assert kept.plan_id == plan.plan_id
    assert kept.document() == plan.document()


A_PLAN = replace(
    plan_with(
        change("user.update", "U1", before={"name": "Ann"}, after={"name": "Anne"}),
        change("user.deactivate", "U2"),
    ),
    policy={"team_removal": "delete", "users_to_exclude": ["*@vendor.example"]},
    organization_id="O1",
    organization_name="Example",
    directory="ldaps://dc1.example.org",
    directory_identity="dc=example,dc=org",
)
FIRST, SECOND = A_PLAN.changes
A_TEAM = TeamBefore(team_id="T1", name="A", parent_id="T0", others=2)


def test_what_is_listed_beside_a_plan_is_kept_with_it() -> None:
    beside = replace(A_PLAN, changes=(), disabled=(FIRST,), held=(SECOND,), teams=(A_TEAM,))
    assert Plan.of(json.loads(json.dumps(beside.document()))) == beside


def test_a_plan_that_an_earlier_version_kept_without_its_teams_can_be_read() -> None:
    kept = A_PLAN.document()
    del kept["teams"]
    assert Plan.of(kept) == A_PLAN


OTHERS: dict[str, Plan] = {
    "one change less": replace(A_PLAN, changes=(FIRST,)),
    "another order": replace(A_PLAN, changes=(SECOND, FIRST)),
    "another object": replace(A_PLAN, changes=(FIRST, replace(SECOND, object_id="U3"))),
    "another action": replace(A_PLAN, changes=(FIRST, replace(SECOND, action="user.remove"))),
    "another value before": replace(A_PLAN, changes=(replace(FIRST, before={"name": "A"}), SECOND)),
    "another value after": replace(A_PLAN, changes=(replace(FIRST, after={"name": "A"}), SECOND)),
    "another step": replace(A_PLAN, changes=(FIRST, replace(SECOND, step="update_users"))),
    "another need": replace(A_PLAN, changes=(FIRST, replace(SECOND, depends_on=("x",)))),
    "other settings": replace(A_PLAN, policy={**A_PLAN.policy, "team_removal": "mark"}),
    "another organisation": replace(A_PLAN, organization_id="O2"),
    "another directory": replace(A_PLAN, directory_identity="dc=example,dc=net"),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_the_id_names_what_is_sent_to_whom_and_by_which_rules(other: Plan) -> None:
    assert other.plan_id != A_PLAN.plan_id


SAME: dict[str, Plan] = {
    "findings": replace(
        A_PLAN, findings=(Finding(kind="circular membership", subject="A", message="..."),)
    ),
    "what is remembered": replace(
        A_PLAN, bindings=(Binding(kind="user", directory_id="u", object_id="U1"),)
    ),
    "what a disabled action would do": replace(A_PLAN, disabled=(SECOND,)),
    "the numbers that guards judge by": replace(A_PLAN, baselines=plan_with(users=7).baselines),
    "which of its servers answered": replace(A_PLAN, directory="ldaps://dc2.example.org"),
    "the organisation's name": replace(A_PLAN, organization_name="Example Ltd"),
}


@pytest.mark.parametrize("other", SAME.values(), ids=SAME)
def test_the_id_does_not_depend_on_what_is_only_told(other: Plan) -> None:
    assert other.plan_id == A_PLAN.plan_id


def test_the_id_is_the_same_on_every_machine_and_in_every_version() -> None:
    """Stored plans and approvals are known by it: whoever changes this makes them all unknown."""
    assert A_PLAN.plan_id == "492610a89d30"


def test_a_plan_less_some_changes_has_another_id_and_keeps_the_rest() -> None:
    less = A_PLAN.without([FIRST.change_id])
    assert less.changes == (SECOND,)
    assert less.plan_id != A_PLAN.plan_id
    assert A_PLAN.without([]).plan_id == A_PLAN.plan_id


def a_company(people: int = 3) -> Directory:
    users = [Entry(dn=f"CN=u{n},DC=x", emails=(f"u{n}@x",)) for n in range(people)]
    everyone = tuple(user.dn for user in users)
    return Directory(
        users=tuple(users), groups=(GroupEntry(dn="CN=g,DC=x", names=("G",), members=everyone),)
    )


def test_planned_twice_for_two_organisations_the_ids_differ() -> None:
    directory, organisation = directory_state(a_company()), swit_state(Organisation())
    other = replace(organisation, facts=replace(organisation.facts, organization_id="O2"))
    plans = [make_plan(directory, swit, Policy(), Memory()) for swit in (organisation, other)]
    assert plans[0].changes == plans[1].changes
    assert plans[0].plan_id != plans[1].plan_id


@pytest.mark.parametrize(
    ("base", "source", "same"),
    [
        ("dc=x", "ldaps://dc2", True),
        ("dc=y", "ldaps://dc1", False),
        (None, "other.json", False),
    ],
)
def test_planned_from_another_server_of_one_directory_the_id_is_the_same(
    base: str | None, source: str, *, same: bool
) -> None:
    swit, read = swit_state(Organisation()), directory_state(a_company())
    one = replace(read, facts=replace(read.facts, search_base="dc=x", source="ldaps://dc1"))
    two = replace(read, facts=replace(read.facts, search_base=base, source=source))
    ids = [make_plan(side, swit, Policy(), Memory()).plan_id for side in (one, two)]
    assert (ids[0] == ids[1]) is same
