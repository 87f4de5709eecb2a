"""The planner held against the rules in plain Python, on made-up organisations."""

import random

from hypothesis import given
from hypothesis import strategies as st

from swit_provisioning.planning.policy import Memory, Policy
from swit_provisioning.planning.staleness import stale_reasons
from swit_provisioning_tests.planning.bounds import the_calls_are_within_bounds
from swit_provisioning_tests.planning.made_up import (
    directories,
    memories,
    organisations,
    permuted,
    policies,
)
from swit_provisioning_tests.planning.specification.directory import Directory
from swit_provisioning_tests.planning.specification.organisation import Organisation
from swit_provisioning_tests.planning.specification.sending import send
from swit_provisioning_tests.planning.trial import Trial, attempt, plan_of


@given(directories(), organisations(), policies(), memories())
def test_the_organisation_becomes_what_the_specification_says_in_no_more_calls_than_needed(
    directory: Directory, organisation: Organisation, policy: Policy, memory: Memory
) -> None:
    trial = attempt(directory, organisation, policy, memory)
    assert picture(trial.after, trial) == picture(trial.specified.organisation, trial)
    the_calls_are_within_bounds(trial)


@given(directories(), organisations(), policies(), memories(), st.integers(0, 3))
def test_parallel_calls_lead_to_the_specified_organisation_in_whatever_order_they_arrive(
    directory: Directory, organisation: Organisation, policy: Policy, memory: Memory, seed: int
) -> None:
    trial = attempt(directory, organisation, policy, memory, seed)
    assert picture(trial.after, trial) == picture(trial.specified.organisation, trial)


@given(permuted(), st.integers(0, 1000))
def test_names_and_places_given_crosswise_come_right_side_by_side(
    case: tuple[Directory, Organisation], seed: int
) -> None:
    """Never two teams of one name, never a team below itself, whichever call is the slow one."""
    attempt(*case, seed=seed)


@given(permuted())
def test_names_and_places_given_crosswise_take_no_more_calls_than_needed(
    case: tuple[Directory, Organisation],
) -> None:
    the_calls_are_within_bounds(attempt(*case))


@given(directories(), organisations(), policies(), st.integers(0, 10**6))
def test_after_refusals_it_comes_right_without_help(
    directory: Directory, organisation: Organisation, policy: Policy, seed: int
) -> None:
    luck = random.Random(seed)  # noqa: S311 - made-up misfortune
    plan = plan_of(directory, organisation, policy)
    organisation.refuses = lambda _action, _values: luck.random() < 0.25
    send(plan, organisation)
    organisation.refuses = lambda _action, _values: False
    for _ in range(3):
        plan = plan_of(directory, organisation, policy)
        if not plan.changes:
            return
        assert send(plan, organisation).refused == {}
    assert plan_of(directory, organisation, policy).changes == ()


@given(directories(), organisations(), policies(), st.integers(0, 40))
def test_a_run_that_broke_off_can_go_on_with_its_plan_or_start_anew(
    directory: Directory, organisation: Organisation, policy: Policy, cut: int
) -> None:
    """The plan is not stale by what it has done itself, and a new one finishes the work."""
    stored = plan_of(directory, organisation, policy)
    send(stored, organisation, only=cut)
    done = frozenset(change.change_id for change in stored.changes[:cut])
    fresh = plan_of(directory, organisation, policy)
    assert stale_reasons(stored, fresh, done) == []
    assert send(fresh, organisation).refused == {}
    assert plan_of(directory, organisation, policy).changes == ()


@given(st.lists(st.tuples(directories(), policies()), min_size=2, max_size=3), organisations())
def test_day_after_day_the_organisation_follows(
    days: list[tuple[Directory, Policy]], organisation: Organisation
) -> None:
    for directory, policy in days:
        organisation = attempt(directory, organisation, policy).after


def picture(organisation: Organisation, trial: Trial) -> dict[str, object]:
    """All that counts, with names and addresses for ids."""
    rules = trial.specified.teams
    name = {team.team_id: team.name for team in organisation.teams.values()}
    kept = {trial.before.teams[team].name for team in rules.kept}
    ours = {organisation.holder(n) for n in rules.wanted_name.values() if n not in kept}
    return {
        "users": sorted(
            (u.email.strip(), u.name, u.phone, u.active, u.role, name.get(u.primary or ""))
            for u in organisation.users.values()
        ),
        "teams": sorted(
            (t.name, name.get(t.parent or ""), t.reference, _emails(organisation, t.users))
            for t in organisation.teams.values()
        ),
        "order": {
            t.name: [name[child] for child in t.children if child in ours]
            for t in organisation.teams.values()
        },
    }


def _emails(organisation: Organisation, users: list[str]) -> list[str]:
    return sorted(organisation.users[user].email for user in users)
