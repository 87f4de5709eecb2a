"""What a plan tells people and the sender of each change: all of it, of one change of each kind."""

from dataclasses import replace
from typing import Any

import pytest

from swit_provisioning.planning.model import Change, Plan
from swit_provisioning.planning.policy import Memory, Policy
from swit_provisioning_tests.planning.by_hand import (
    ANN,
    DN,
    directory,
    group,
    organisation,
    person,
    team,
)
from swit_provisioning_tests.planning.specification.organisation import Organisation
from swit_provisioning_tests.planning.trial import attempt, plan_of

Values = dict[str, Any]
NONE: Values = {}
FRESH = f"new:team:{DN[4].lower()}"
BOB = person(1, "bob@x", phones=("+1 23",))
CID, NEW = person(2, "cid@x"), person(3, "new@x")


@pytest.fixture
def plan() -> Plan:
    """Sales is renamed and moved up, Crew leaves a team that goes, Fresh is made."""
    swit = organisation(
        team("T1", "House", of=0),
        team("T2", "Old", of=1, users=["gone"]),
        team("T3", "Sales", of=2, below="T1", users=["ann", "cid"]),
        team("T9", "Choir", users=["bob"]),
        team("T4", "Crew", of=3, below="T2", users=["bob"]),
        users=["ann", "bob", "gone"],
        inactive=["cid"],
    )
    swit.users["bob"].teams["T9"] = True
    wanted = directory(
        group(0, "House"),
        group(2, "Trade"),
        group(3, "Crew", below=[0], members=[BOB, NEW]),
        group(4, "Fresh", below=[0], members=[ANN, BOB, CID]),
        users=[ANN, BOB, CID, NEW],
    )
    return attempt(wanted, swit).plan


def of_one(plan: Plan, change_id: str) -> Change:
    (change,) = (change for change in plan.changes if change.change_id == change_id)
    return change


@pytest.mark.parametrize(
    ("change_id", "target", "before", "after", "reason"),
    [
        (
            "user.create:new:user:new@x",
            "new@x",
            NONE,
            {
                "email": "new@x",
                "name": "New",
                "phone_number": None,
                "language": "en",
                "timezone": None,
            },
            "in the directory, without a user",
        ),
        (
            "user.update:bob",
            "bob@x",
            {"phone_number": None},
            {"phone_number": "+1 23"},
            "the directory has another phone number",
        ),
        (
            "user.deactivate:gone",
            "gone@x",
            {"active": True},
            {"active": False},
            "not in the directory",
        ),
        (
            "user.activate:cid",
            "cid@x",
            {"active": False},
            {"active": True},
            "in the directory, but not active",
        ),
        (
            f"team.create:{FRESH}",
            "Fresh",
            NONE,
            {"name": "Fresh", "parent_id": "T1", "parent": "House", "reference": DN[4]},
            "its group has no team",
        ),
        (
            "team.update:T3",
            "Sales",
            {"name": "Sales", "parent_id": "T1", "parent": "House"},
            {"name": "Trade", "parent_id": "T0", "parent": "Org"},
            "the directory has another name, parent",
        ),
        (
            "team.delete:T2",
            "Old",
            {"name": "Old", "parent_id": "T0", "reference": DN[1], "members": ["gone"]},
            NONE,
            "its group has left the directory",
        ),
        (
            "team.sort:T1",
            "House",
            {"team_ids": [FRESH, "T4"], "teams": ["Fresh", "Crew"]},
            {"team_ids": ["T4", FRESH], "teams": ["Crew", "Fresh"]},
            "its teams are not in the directory's order",
        ),
        (
            f"membership.add:{FRESH}",
            "Fresh",
            NONE,
            {"user_ids": ["ann", "bob", "cid"], "emails": ["ann@x", "bob@x", "cid@x"]},
            "in the group",
        ),
        (
            "membership.remove:T3",
            "Trade",
            {"user_ids": ["ann", "cid"], "emails": ["ann@x", "cid@x"]},
            NONE,
            "not in the group",
        ),
        (
            "primary.update:bob",
            "bob@x",
            {"team_id": "T9", "team": "Choir"},
            {"team_id": "T4", "team": "Crew"},
            '"Choir" will be none of the teams that groups put them in',
        ),
    ],
)
def test_each_change_says_all_of_itself(
    plan: Plan, change_id: str, target: str, before: Values, after: Values, reason: str
) -> None:
    change = of_one(plan, change_id)
    said = change.target, change.before, change.after, change.reason
    assert said == (target, before, after, reason)


def test_a_plan_says_for_which_organisation_by_which_rules_and_from_where_it_is() -> None:
    policy = Policy(team_removal="mark")
    plan = plan_of(directory(), organisation(), policy)
    assert (plan.organization_id, plan.organization_name) == ("O1", "Org")
    assert (plan.directory, plan.directory_identity) == ("file", "file")
    assert plan.policy == policy.document()
    below = replace(directory(), search_base="DC=x")
    assert plan_of(below, organisation()).directory_identity == "dc=x"


def test_members_come_by_their_addresses_whatever_their_ids_are() -> None:
    swit = organisation(team("T1", "A", of=0), users=[])
    swit.add_user("1", "zoe@x", "Zoe")
    swit.add_user("2", "ann@x", "Ann")
    people = [ANN, person(1, "zoe@x"), person(2, "new@x")]
    plan = attempt(directory(group(0, "A", members=people), users=people), swit).plan
    assert of_one(plan, "membership.add:T1").after == {
        "user_ids": ["2", "new:user:new@x", "1"],
        "emails": ["ann@x", "new@x", "zoe@x"],
    }


def test_a_change_waits_for_what_it_can_not_do_without(plan: Plan) -> None:
    waits = {change.change_id: change.depends_on for change in plan.changes if change.depends_on}
    assert waits == {
        "team.delete:T2": ("team.update:T4",),
        f"membership.add:{FRESH}": (f"team.create:{FRESH}",),
    }


def test_primary_teams_come_by_addresses_and_wait_for_team_and_account() -> None:
    swit = organisation(team("T1", "A", of=0), users=[])
    swit.add_user("1", "zoe@x", "Zoe")
    swit.add_user("2", "ann@x", "Ann")
    emails = ("ann@x", "zoe@x", "new@x")
    people = [person(n, email, primary_group=DN[4]) for n, email in enumerate(emails)]
    groups = (group(n, name, members=people) for n, name in ((0, "A"), (4, "Fresh")))
    plan = attempt(directory(*groups, users=people), swit).plan
    team_made, user_made = f"team.create:{FRESH}", "user.create:new:user:new@x"
    assert [(c.target, c.depends_on) for c in plan.of_step("update_primary_teams")] == [
        ("ann@x", (team_made,)),
        ("new@x", (team_made, user_made)),
        ("zoe@x", (team_made,)),
    ]


def test_a_team_that_changes_twice_has_two_changes_with_two_names_and_reasons() -> None:
    """Two teams swap their names: one steps aside first."""
    swit = organisation(team("T1", "A", of=0), team("T2", "B", of=1))
    plan = attempt(directory(group(0, "B"), group(1, "A")), swit).plan
    told = [(c.change_id, c.before["name"], c.after["name"], c.reason) for c in plan.changes]
    assert told == [
        ("team.update:T2", "B", "(moving) B", 'another team needs its name "B"'),
        ("team.update:T1", "A", "B", "the directory has another name"),
        ("team.update:T2:2", "(moving) B", "A", "the directory has another name"),
    ]
    assert [c.depends_on for c in plan.changes] == [
        (),
        ("team.update:T2",),
        ("team.update:T1",),
    ]


@pytest.mark.parametrize(
    ("policy", "named"), [(Policy(), "Twice"), (Policy(team_removal="mark"), "(removed) Twice")]
)
def test_a_second_team_of_one_group_is_not_said_to_be_of_a_group_that_left(
    policy: Policy, named: str
) -> None:
    swit = organisation(team("T1", "Sales", of=0), team("T2", "Twice", of=0))
    (change,) = attempt(directory(group(0, "Sales")), swit, policy).plan.changes
    assert (change.object_id, change.after.get("name", "Twice")) == ("T2", named)
    assert change.reason == "its group has another team"


def test_a_second_team_that_no_dn_ties_to_the_group_is_called_unmanaged_too() -> None:
    keyed = replace(group(0, "Sales"), directory_id="11111111-1111-1111-1111-111111111111")
    swit = organisation(team("T1", "Sales"), team("T2", "Twice"))
    for team_id in ("T1", "T2"):
        swit.teams[team_id].reference = keyed.directory_id
    by_id = replace(directory(keyed), reference_attribute="entryUUID")
    (change,) = attempt(by_id, swit, Policy(unmanaged_teams="delete")).plan.changes
    assert change.change_id == "team.delete:T2"
    assert change.reason == "its group has another team: UNMANAGED_TEAMS"


def test_another_reference_is_told_by_what_it_was_and_becomes() -> None:
    """The settings ask for ids now: the team is keyed anew in place."""
    swit = organisation(team("T1", "A", of=0))
    directory_id = "11111111-1111-1111-1111-111111111111"
    keyed = replace(group(0, "A"), directory_id=directory_id)
    plan = attempt(replace(directory(keyed), reference_attribute="entryUUID"), swit).plan
    (change,) = plan.changes
    assert change.before == {"reference": DN[0]}
    assert change.after == {"reference": directory_id}
    assert change.reason == "the directory has another reference"


@pytest.mark.parametrize(
    ("users", "is_told"),
    [
        ({"gone": "bob"}, True),
        ({}, False),
        ({"gone": "ann"}, False),
        ({BOB.dn.casefold(): "bob"}, False),
        ({"gone": "bob", BOB.dn.casefold(): "bob"}, False),
    ],
    ids=["another's", "nobody's", "another account", "theirs", "theirs, too"],
)
def test_an_account_that_follows_its_address_to_another_entry_says_so(
    users: dict[str, str], *, is_told: bool
) -> None:
    """An address was given to somebody else: perhaps the account should not have been."""
    swit = organisation(users=["ann", "bob"])
    swit.users["bob"].name = "Robert"
    plan = attempt(directory(users=[ANN, BOB]), swit, memory=Memory(users=users)).plan
    (change,) = plan.of_step("update_users")
    handed_on = "; the user's address belonged to another person before"
    assert change.reason.endswith(handed_on) == is_told


def test_what_keeps_an_account_is_told_by_role_and_rule() -> None:
    swit = Organisation()
    for user, role in (("boss", 10), ("odd", 77), ("out", 30)):
        swit.add_user(user, f"{user}@x", user.capitalize(), role=role)
    swit.check()
    plan = plan_of(directory(), swit, Policy(users_to_exclude=("out@*",)), Memory())
    said = plan.baselines.never_deactivated
    assert said["UME"] == "the account that authorised this program"
    assert said["boss"] == "PROTECTED_ROLES (master)"
    assert said["odd"] == "PROTECTED_ROLES (unknown role 77)"
    assert said["out"] == "USERS_TO_EXCLUDE"


def test_what_nothing_may_touch_is_told_with_the_rule_that_says_so() -> None:
    swit = organisation(team("T1", "Board"), users=["ann", "bob"])
    policy = Policy(teams_to_keep=("Board",), users_to_exclude=("bob@*",))
    said = plan_of(directory(), swit, policy, Memory()).baselines.protected
    assert said == {
        "UME": "the account that authorised this program",
        "bob": "USERS_TO_EXCLUDE",
        "T0": "Swit's own team",
        "T1": "SWIT_TEAMS_TO_KEEP or TEAMS_TO_EXCLUDE",
        "TU": "Swit's own team",
    }


def test_the_account_that_an_excluded_person_once_had_is_told_as_theirs() -> None:
    vendor = person(1, "zoe@vendor", directory_id="uuid-zoe")
    policy, memory = Policy(users_to_exclude=("*@vendor",)), Memory(users={"uuid-zoe": "zoe"})
    plan = attempt(
        directory(users=[ANN, vendor]), organisation(users=["ann", "zoe"]), policy, memory
    )
    assert plan.plan.baselines.protected["zoe"] == "excluded"


def test_who_is_removed_for_good_has_nothing_after() -> None:
    swit = organisation(users=["ann", "gone"])
    (change,) = attempt(directory(), swit, Policy(user_removal="remove")).plan.changes
    assert (change.action, change.before, change.after) == ("user.remove", {"active": True}, {})


def test_a_finding_about_no_attribute_names_none() -> None:
    swit = organisation(users=["ann"])
    swit.add_user("blank", "", "Blank")
    (finding,) = plan_of(directory(), swit, Policy(), Memory()).findings
    assert (finding.kind, finding.attribute) == ("user without email", "")
