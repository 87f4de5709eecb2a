"""A made-up plan with so many changes: people who come and go, and a tree in which much moves."""

from datetime import UTC, datetime

from swit_provisioning.planning.model import Change, Finding, Plan, TeamBefore, single_change
from swit_provisioning.report.page import PlanFacts

_WITHIN = 8
"""Teams below each team."""


def made_plan(changes: int, teams: int) -> Plan:
    """A plan with `changes` changes, `teams` of them to as many teams."""
    tree = [_team(number) for number in range(teams)]
    root = TeamBefore(team_id="T", name="Made up", parent_id=None, others=3)
    return Plan(
        changes=(*(_team_change(n) for n in range(teams)), *map(_change, range(changes - teams))),
        findings=tuple(_finding(number) for number in range(changes // 100)),
        organization_name="Made up",
        directory="ldaps://dc1.example.com",
        teams=(root, *(team for number, team in enumerate(tree) if number % 4 != 0)),
    )


def facts_of(plan: Plan) -> PlanFacts:
    """What the page says beside."""
    result = {"passed": True, "blocking": True, "message": "Nothing of this kind is planned."}
    return PlanFacts(
        plan_id="0123456789ab",
        created_at=datetime(2026, 3, 1, 2, 30, tzinfo=UTC),
        guard_results=[{"name": f"guard_{number}", **result} for number in range(9)],
        calls=len(plan.changes),
        duration="a while",
        mode="live",
    )


def _team(number: int) -> TeamBefore:
    above = f"T{_above(number)}" if number >= _WITHIN else "T"
    return TeamBefore(team_id=f"T{number}", name=f"Team {number}", parent_id=above, others=2)


def _above(number: int) -> int:
    """A team that stays: every fourth one is made by the plan."""
    above = number // _WITHIN
    return above if above % 4 else above + 1


def _team_change(number: int) -> Change:
    team = _team(number)
    place = {"parent_id": team.parent_id, "parent": "its parent"}
    kinds = {
        0: ("team.create", {}, {"name": team.name, **place, "reference": "cn=x"}),
        1: ("team.update", {"name": team.name}, {"name": f"New {number}"}),
        2: ("team.update", {**place}, {"parent_id": "T", "parent": "Made up"}),
        3: ("team.update", {"name": team.name}, {"name": f"Other {number}"}),
    }
    action, before, after = kinds[number % 4]
    return single_change(
        action=action,  # type: ignore[arg-type]  # one of those above
        object_id=team.team_id,
        target=team.name,
        before=before,
        after=after,
        reason="the directory says so",
    )


def _change(number: int) -> Change:
    email = f"person.number{number}@example.com"
    name = f"Person Number {number}"
    if number % 5 == 0:
        return single_change(
            action="membership.add",
            object_id=f"T{number}",
            target=f"Team {number}",
            after={"user_ids": ["a", "b", "c"], "emails": [email, f"a{email}", f"b{email}"]},
            reason="the directory lists them",
        )
    if number % 5 == 1:
        return single_change(
            action="user.deactivate",
            object_id=f"U{number}",
            target=email,
            before={"active": True},
            after={"active": False},
            reason="is not in the directory any more",
        )
    return single_change(
        action="user.create",
        object_id=f"new:user:{email}",
        target=email,
        after={"email": email, "name": name, "phone_number": f"+82 10 {number:08d}"},
        reason="is in the directory and has no account",
    )


def _finding(number: int) -> Finding:
    return Finding(
        kind="missing email",
        subject=f"CN=Person {number},OU=People,DC=example,DC=com",
        attribute="mail",
        message="The entry has no usable e-mail address. Give it one, or disable it.",
    )
