"""Teams that nobody manages are told with the group that each could belong to, and how surely."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from swit_provisioning.planning.model import Finding
from swit_provisioning.planning.policy import Policy
from swit_provisioning_tests.planning.by_hand import (
    DN,
    Team,
    directory,
    group,
    organisation,
    person,
    team,
)
from swit_provisioning_tests.planning.specification.directory import GroupEntry
from swit_provisioning_tests.planning.trial import plan_of

FOUR = [person(n, f"{name}@x") for n, name in enumerate(("ann", "bob", "cyd", "dan"))]
ALL = ["ann", "bob", "cyd", "dan"]


def told(
    team_of_nobody: Team,
    *groups: GroupEntry,
    teams: Sequence[Team] = (),
    policy: Policy | None = None,
) -> list[Finding]:
    swit = organisation(team_of_nobody, *teams, users=[*ALL, "eve", "fay"])
    findings = plan_of(directory(*groups, users=FOUR), swit, policy).findings
    return [finding for finding in findings if finding.kind == "unmanaged team"]


def message(
    team_of_nobody: Team,
    *groups: GroupEntry,
    teams: Sequence[Team] = (),
    policy: Policy | None = None,
) -> str:
    (finding,) = told(team_of_nobody, *groups, teams=teams, policy=policy)
    assert (finding.subject, finding.side) == (team_of_nobody[1], "swit")
    return finding.message


SALES = group(0, "Sales", members=FOUR)


def by_hand(name: str, *users: str) -> Team:
    return team("T1", name, users=users)


@pytest.mark.parametrize(
    ("name", "users", "says"),
    [
        ("Sales", ALL, "almost surely the team of {}: the same name and 4 of 4 members in common."),
        ("sales", ["ann", "eve"], "almost surely the team of {}: the same name and 1 of 2 members"),
        ("Sales", ["ann", "eve", "fay"], "probably the team of {}: the same name and 1 of 3 memb"),
        ("Sales", ["eve"], "probably the team of {}: the same name."),
        ("Sales", [], "probably the team of {}: the same name."),
        ("Sales (2)", ALL, "almost surely the team of {}: the same name and 4 of 4"),
        ("(removed) Sales", [], "probably the team of {}: the same name."),
        ("Trade", ALL, "probably the team of {}: 4 of 4 members in common."),
        ("Trade", [*ALL, "eve"], "probably the team of {}: 4 of 5 members in common."),
        ("Trade", ALL[:3], "perhaps the team of {}: 3 of 3 members in common."),
        ("Trade", ALL[:2], "No group has its name or most of its members."),
        ("Trade", [], "No group has its name or most of its members."),
    ],
)
def test_the_group_is_named_and_how_sure_that_is(name: str, users: list[str], says: str) -> None:
    assert says.format(DN[0]) in message(by_hand(name, *users), SALES)


def test_what_keep_adopt_and_delete_would_do_is_told() -> None:
    said = message(by_hand("Sales", *ALL), SALES)
    assert said.startswith(
        "The team (4 members) belongs to no group. UNMANAGED_TEAMS=keep does not change it. "
    )
    assert f"UNMANAGED_TEAMS=adopt would make it the team of {DN[0]}." in said
    assert "UNMANAGED_TEAMS=delete would delete it." in said
    assert said.endswith("To keep the team as it is, add it to SWIT_TEAMS_TO_KEEP.")


def test_members_that_are_not_in_the_directory_count_for_no_group() -> None:
    gone = tuple(f"CN=gone{n},DC=x" for n in range(2))
    mixed = replace(SALES, members=(*SALES.members, *gone))
    says = f"probably the team of {DN[0]}: 4 of 4 members in common."
    assert says in message(by_hand("Trade", *ALL), mixed)
    assert "No group has its name" in message(by_hand("Trade", "ann", "eve", "fay"), mixed)


def test_one_member_is_not_several() -> None:
    assert "The team (1 member) belongs" in message(by_hand("Sales", "ann"), SALES)


def test_what_adopt_would_do_is_what_it_does() -> None:
    adopt = Policy(unmanaged_teams="adopt")
    assert told(by_hand("Sales", *ALL), SALES, policy=adopt) == []
    swit = organisation(by_hand("Sales"), users=ALL)
    plan = plan_of(directory(SALES, users=FOUR), swit, adopt)
    assert [c.object_id for c in plan.changes if c.action == "team.update"] == ["T1"]


@pytest.mark.parametrize("policy", [Policy(), Policy(unmanaged_teams="adopt")])
def test_what_adopt_would_leave_is_told_with_the_reason(policy: Policy) -> None:
    has_one = team("T2", "Sellers", of=0)
    for said, why in (
        (
            message(by_hand("Sales"), SALES, teams=[has_one], policy=policy),
            "group with its name has a team",
        ),
        (message(by_hand("Sales"), SALES, group(1, "sales"), policy=policy), "several groups"),
        (message(by_hand("Trade"), SALES, policy=policy), "no group has its name."),
        (
            message(by_hand("Trade", *ALL), SALES, policy=policy),
            'rename it to "Sales" in Swit, it would',
        ),
        (
            message(by_hand("Trade", *ALL), SALES, teams=[has_one], policy=policy),
            "no group has its name.",
        ),
    ):
        assert "UNMANAGED_TEAMS=adopt would not change it" in said
        assert why in said


def test_of_several_groups_of_one_name_the_one_with_its_members_is_named() -> None:
    other = group(1, "Sales", members=FOUR[:1])
    said = message(by_hand("Sales", *ALL), other, SALES)
    assert f"probably the team of {DN[0]}: the same name and 4 of 4" in said
    assert f"perhaps the team of {DN[1]}" in message(by_hand("Sales"), other, SALES)
    half, most = (group(n, "Sales", members=FOUR[:size]) for n, size in ((0, 2), (1, 3)))
    said = message(by_hand("Sales", *ALL), half, most)
    assert f"probably the team of {DN[1]}: the same name and 3 of 4" in said


def test_no_team_is_told_of_that_goes_is_kept_or_has_a_group() -> None:
    sales = by_hand("Sales", *ALL)
    assert told(sales, SALES, policy=Policy(unmanaged_teams="delete")) == []
    assert told(sales, SALES, policy=Policy(teams_to_keep=("Sales",))) == []
    assert told(team("T1", "Sales", of=0), SALES) == []
    assert told(team("T1", "Gone", of=3), SALES) == []


def test_a_team_that_delete_may_not_send_is_told_of() -> None:
    off = Policy(unmanaged_teams="delete", disabled_actions=frozenset({"team.delete"}))
    assert len(told(by_hand("Chess"), SALES, policy=off)) == 1
