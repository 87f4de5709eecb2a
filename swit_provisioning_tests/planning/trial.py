"""One trial of the planner: plan, send, look, plan again."""

from dataclasses import dataclass

from swit_provisioning.planning.model import Plan
from swit_provisioning.planning.planner import make_plan
from swit_provisioning.planning.policy import Memory, Policy
from swit_provisioning_tests.planning.specification.directory import Directory
from swit_provisioning_tests.planning.specification.organisation import Organisation
from swit_provisioning_tests.planning.specification.sending import Sent, send
from swit_provisioning_tests.planning.specification.specification import Specified, specify
from swit_provisioning_tests.planning.specification.states import directory_state, swit_state


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What was planned, what came of it, and what should have."""

    plan: Plan
    sent: Sent
    before: Organisation
    after: Organisation
    specified: Specified


def plan_of(
    directory: Directory,
    organisation: Organisation,
    policy: Policy | None = None,
    memory: Memory | None = None,
) -> Plan:
    """The planner's plan."""
    plan = make_plan(
        directory_state(directory),
        swit_state(organisation),
        policy or Policy(),
        memory or Memory(),
    )
    all_is_told(plan)
    return plan


def attempt(
    directory: Directory,
    organisation: Organisation,
    policy: Policy | None = None,
    memory: Memory | None = None,
    seed: int | None = None,
) -> Trial:
    """Plan and send; then everything that must hold of any plan is looked at."""
    policy, memory = policy or Policy(), memory or Memory()
    after = organisation.copy()
    read = directory_state(directory)
    plan = make_plan(read, swit_state(organisation), policy, memory)
    sent = send(plan, after, seed)
    specified = specify(directory, organisation, policy, memory)
    trial = Trial(plan=plan, sent=sent, before=organisation, after=after, specified=specified)
    assert sent.refused == {}
    the_untouchable_are_untouched(trial)
    all_is_told(plan)
    now = swit_state(after)
    for known in (memory, remembered(trial, memory)):  # whether or not the state got the news
        assert make_plan(read, now, policy, known).changes == ()
    return trial


def the_untouchable_are_untouched(trial: Trial) -> None:
    before, after = trial.before, trial.after
    for team_id in trial.specified.untouchable_teams:
        old, new = before.teams[team_id], after.teams[team_id]
        assert (old.parent, old.reference) == (new.parent, new.reference)
        assert old.name == new.name or team_id in trial.specified.teams.marks
    assert set(trial.specified.teams.team_of.values()) <= set(after.teams)
    for user_id in trial.specified.accounts.left_alone:
        was, now = before.users[user_id], after.users[user_id]
        assert (was.name, was.phone, was.active) == (now.name, now.phone, now.active)
        assert {team for team in was.teams if team in after.teams} == set(now.teams)
        assert was.primary == now.primary or was.primary not in after.teams


def all_is_told(plan: Plan) -> None:
    """Changes have a name of their own, a target and a reason; findings say of whom and where."""
    assert len({change.change_id for change in plan.changes}) == len(plan.changes)
    for change in plan.changes:
        assert change.target
        assert change.reason
    for finding in plan.findings:
        assert finding.subject
        assert finding.message
        assert finding.side in {"directory", "swit"}


def remembered(trial: Trial, memory: Memory) -> Memory:
    """What the state remembers once the plan is through."""
    real = {
        (binding.kind, binding.directory_id): trial.sent.made.get(
            binding.object_id, binding.object_id
        )
        for binding in trial.plan.bindings
    }
    return Memory(
        users={**memory.users, **{d: o for (kind, d), o in real.items() if kind == "user"}},
        groups={**memory.groups, **{d: o for (kind, d), o in real.items() if kind == "group"}},
        exempt=frozenset(trial.plan.exempt),
    )
