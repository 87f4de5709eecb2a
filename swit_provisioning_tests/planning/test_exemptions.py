"""What the settings exempt is remembered by id: a rename takes nothing out of protection."""

from dataclasses import replace

import pytest

from swit_provisioning.planning.baselines import directory_counts
from swit_provisioning.planning.findings import directory_findings
from swit_provisioning.planning.model import Plan
from swit_provisioning.planning.policy import Memory, Policy
from swit_provisioning_tests.planning.by_hand import ANN, directory, group, organisation, team
from swit_provisioning_tests.planning.specification.organisation import Organisation
from swit_provisioning_tests.planning.specification.states import directory_state
from swit_provisioning_tests.planning.trial import attempt

EXCLUDED = Policy(teams_to_exclude=("Night Shift",))
KEPT = Policy(teams_to_keep=("Board*",))
SHIFT = replace(group(0, "Night  shift", members=[ANN]), directory_id="uuid-shift")
RENAMED = replace(SHIFT, dn="CN=late,OU=G,DC=x", names=("Late Shift",))
SHIFT_TEAM = organisation(team("T1", "Night Shift", of=0))


def actions(plan: Plan) -> list[str]:
    return [change.action for change in plan.changes]


def remembered(plan: Plan) -> Memory:
    return Memory(exempt=frozenset(plan.exempt))


def renamed_in_swit(swit: Organisation, team_id: str, name: str) -> Organisation:
    changed = swit.copy()
    changed.teams[team_id].name = name
    return changed


@pytest.mark.incident(29)
def test_a_renamed_excluded_group_stays_excluded_with_its_team() -> None:
    before = attempt(directory(SHIFT), SHIFT_TEAM, EXCLUDED).plan
    assert before.changes == ()
    assert before.findings == ()
    after = attempt(directory(RENAMED), SHIFT_TEAM, EXCLUDED, remembered(before)).plan
    assert after.changes == ()
    assert after.exempt == before.exempt
    (finding,) = after.findings
    assert (finding.kind, finding.subject) == ("excluded by former name", RENAMED.dn)
    assert "TEAMS_TO_EXCLUDE (Night Shift) matched its former name" in finding.message
    unknown = attempt(directory(RENAMED), SHIFT_TEAM, EXCLUDED).plan
    assert "team.delete" in actions(unknown)
    assert "team.create" in actions(unknown)


def test_a_read_alone_is_counted_and_judged_with_the_exemptions_that_are_remembered() -> None:
    """`check` says of a renamed excluded group what `plan` says."""
    memory = remembered(attempt(directory(SHIFT), SHIFT_TEAM, EXCLUDED).plan)
    state = directory_state(directory(replace(RENAMED, names=("",))))
    assert directory_counts(state, EXCLUDED, memory)["groups"]["excluded"] == 1
    assert directory_findings(state, EXCLUDED, memory) == ()
    assert directory_findings(state, EXCLUDED, Memory()) != ()


def test_the_team_of_an_excluded_group_is_kept_when_the_group_is_gone() -> None:
    """Where DNs are ids, a renamed group is another one, and nobody can tell."""
    before = attempt(directory(SHIFT), SHIFT_TEAM, EXCLUDED).plan
    after = attempt(directory(group(7, "Day")), SHIFT_TEAM, EXCLUDED, remembered(before)).plan
    assert actions(after) == ["team.create"]
    assert [(f.kind, f.subject) for f in after.findings] == [("kept by former name", "Night Shift")]


def test_a_renamed_kept_team_stays_kept() -> None:
    swit = organisation(team("T1", "Board of 2026", of=3, users=["ann"]))
    before = attempt(directory(), swit, KEPT).plan
    assert before.changes == ()
    renamed = renamed_in_swit(swit, "T1", "Directors")
    after = attempt(directory(), renamed, KEPT, remembered(before)).plan
    assert after.changes == ()
    assert [(f.kind, f.subject) for f in after.findings] == [("kept by former name", "Directors")]
    assert "SWIT_TEAMS_TO_KEEP (Board*) matched its former name" in after.findings[0].message
    assert actions(attempt(directory(), renamed, KEPT).plan) == ["team.delete"]


@pytest.mark.parametrize("policy", [Policy(), Policy(teams_to_exclude=("Back Office",))])
def test_an_exemption_ends_when_the_setting_no_longer_has_the_entry(policy: Policy) -> None:
    memory = remembered(attempt(directory(SHIFT), SHIFT_TEAM, EXCLUDED).plan)
    plan = attempt(directory(RENAMED), SHIFT_TEAM, policy, memory).plan
    assert "team.delete" in actions(plan)
    assert plan.exempt == ()
    assert actions(attempt(directory(RENAMED), SHIFT_TEAM, EXCLUDED, remembered(plan)).plan)


def test_what_is_exempt_shapes_no_plan_hash() -> None:
    plan = attempt(directory(SHIFT), SHIFT_TEAM, EXCLUDED).plan
    assert replace(plan, exempt=()).plan_hash == plan.plan_hash
    assert Plan.of(plan.document()) == plan
    old = {name: value for name, value in plan.document().items() if name != "exempt"}
    assert Plan.of(old).exempt == ()
