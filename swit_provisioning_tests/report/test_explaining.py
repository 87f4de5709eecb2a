"""Why somebody is in or out, in whatever way one asks for them."""

from collections.abc import Sequence
from typing import Any

import pytest

from swit_provisioning.planning.planner import explained_plan
from swit_provisioning.planning.policy import Memory, Policy
from swit_provisioning.report.explanations import (
    Answer,
    Explained,
    IncompleteReadError,
    PersonExplained,
    TeamExplained,
    explain_subjects,
)
from swit_provisioning_tests.planning.by_hand import (
    ANN,
    DN,
    directory,
    group,
    organisation,
    person,
    team,
)
from swit_provisioning_tests.planning.specification.directory import Directory, Entry
from swit_provisioning_tests.planning.specification.organisation import Organisation
from swit_provisioning_tests.planning.specification.states import directory_state, swit_state
from swit_provisioning_tests.report.hostile import NAMES


def asked(
    who: str,
    read: Directory,
    swit: Organisation,
    policy: Policy | None = None,
    memory: Memory | None = None,
) -> Answer:
    sides = directory_state(read), swit_state(swit)
    rules, known = policy or Policy(), memory or Memory()
    return explain_subjects(who, explained_plan(*sides, rules, known))


def the_one(answer: Answer) -> Explained:
    (found,) = answer.explained
    return found


def the_person(answer: Answer) -> PersonExplained:
    found = the_one(answer)
    assert isinstance(found, PersonExplained)
    return found


def the_team(answer: Answer) -> TeamExplained:
    found = the_one(answer)
    assert isinstance(found, TeamExplained)
    return found


def sent(explained: Explained) -> list[str]:
    return [change.action for change in explained.changes]


BOB = person(1, "bob@x")
SALES = group(0, "Sales", members=[ANN])
HQ = group(1, "HQ", members=[SALES])
TOP = group(2, "Top", members=[HQ])


@pytest.mark.parametrize("who", ["ann@x", " ANN@X", "Ann", ANN.dn, ANN.dn.upper(), "ann"])
def test_one_is_found_by_address_name_dn_and_id_however_they_are_written(who: str) -> None:
    found = the_person(asked(who, directory(SALES), organisation(team("T1", "Sales", of=0))))
    assert found.title == "Ann"
    assert found.entry is not None
    assert found.entry.dn == ANN.dn
    assert [account.user_id for account in found.accounts] == ["ann"]


def test_the_address_is_told_with_its_attribute_and_what_it_is_good_for() -> None:
    entry = person(0, "no address", "z@x", "ann@x", other_emails=("old@x",))
    found = the_person(asked("old@x", directory(users=[entry]), organisation()))
    assert found.entry is not None
    assert [(a.value, a.attribute, a.note) for a in found.entry.addresses] == [
        ("no address", "email", "not usable as a user's address"),
        ("z@x", "email", "not used"),
        ("ann@x", "email", "identifies the person"),
        ("old@x", "proxyAddresses", "would match a user"),
    ]


def test_groups_are_told_with_the_way_that_leads_there_and_what_comes_of_each() -> None:
    out = group(3, "Out", members=[ANN])
    read = directory(SALES, HQ, TOP, out)
    found = the_person(
        asked(
            "ann@x",
            read,
            organisation(team("T1", "Sales", of=0)),
            Policy(teams_to_exclude=("Out",)),
        )
    )
    assert [(seat.name, seat.through, seat.outcome) for seat in found.groups] == [
        ("Out", (), "out of scope: TEAMS_TO_EXCLUDE"),
        ("Sales", (), 'member of its team "Sales"'),
        ("HQ", ("Sales",), "not a member of its team, as another group is in between"),
        ("Top", ("Sales", "HQ"), "not a member of its team, as another group is in between"),
    ]


def test_groups_in_a_ring_are_told_once() -> None:
    one, two = group(0, "One", below=[1], members=[ANN]), group(1, "Two", below=[0])
    found = the_person(asked("ann@x", directory(one, two), organisation()))
    assert [seat.name for seat in found.groups] == ["One", "Two"]


def test_what_the_plan_does_is_told_of_this_person_alone() -> None:
    both = group(0, "Sales", members=[ANN, BOB])
    swit = organisation(team("T1", "Sales", of=0), users=["ann", "bob", "cyd"])
    swit.teams["T1"].users.append("cyd")
    found = the_person(asked("bob@x", directory(both, users=[ANN, BOB]), swit))
    (change,) = found.changes
    assert (change.action, change.target) == ("membership.add", "Sales")
    assert change.after == {"user_ids": ["bob"], "emails": ["bob@x"]}


def test_the_teams_that_somebody_is_in_now_are_told_with_their_owners() -> None:
    swit = organisation(
        team("T1", "Sales", of=0, users=["ann"]),
        team("T2", "Chess", users=["ann"]),
        team("T3", "Board", users=["ann"]),
        team("T4", "Gone", of=3, users=["ann"]),
    )
    found = the_person(asked("ann@x", directory(SALES), swit, Policy(teams_to_keep=("Board",))))
    assert [(seat.name, seat.owner) for seat in found.teams] == [
        ("Sales", f"the team of {DN[0]}"),
        ("Chess", "unmanaged: no group"),
        ("Board", "kept as it is: SWIT_TEAMS_TO_KEEP or TEAMS_TO_EXCLUDE"),
        ("Gone", "its group has left the directory"),
    ]


def with_role(role: int, **more: Any) -> Organisation:  # noqa: ANN401 - an account's fields
    swit = organisation(users=["ann", "gil"])
    for name, value in {"role": role, **more}.items():
        setattr(swit.users["gil"], name, value)
    return swit


SEEN = Memory(users={"cn=gone": "gil"})
REMEMBERED = Memory(users={ANN.stable_id: "gil"})


@pytest.mark.parametrize(
    ("swit", "policy", "memory", "says", "does"),
    [
        (with_role(30), Policy(), Memory(), "Not in the directory: the user is deactivated",
         ["user.deactivate"]),
        (with_role(30), Policy(), SEEN, "The person has left the directory: the user is deac",
         ["user.deactivate"]),
        (with_role(30), Policy(user_removal="remove"), Memory(), "removed for good",
         ["user.remove"]),
        (with_role(30), Policy(user_removal="keep"), Memory(), "(USER_REMOVAL=keep)", []),
        (with_role(30), Policy(unmanaged_users="keep"), Memory(), "(UNMANAGED_USERS=keep)", []),
        (with_role(30), Policy(unmanaged_users="keep"), SEEN, "The person has left",
         ["user.deactivate"]),
        (with_role(20), Policy(), Memory(), "left alone. PROTECTED_ROLES (admin).", []),
        (with_role(40), Policy(), Memory(), "left alone. PROTECTED_ROLES (guest).", []),
        (with_role(77), Policy(), Memory(), "PROTECTED_ROLES (unknown role 77)", []),
        (with_role(30, active=False), Policy(), SEEN, "the user is not active", []),
        (with_role(30), Policy(users_to_exclude=("gil@*",)), Memory(), "USERS_TO_EXCLUDE", []),
    ],
)  # fmt: skip
def test_who_is_not_in_the_directory_is_explained_by_the_account(
    swit: Organisation, policy: Policy, memory: Memory, says: str, does: list[str]
) -> None:
    found = the_person(asked("gil@x", directory(), swit, policy, memory))
    assert says in found.rule
    assert (found.entry, sent(found)) == (None, does)


def test_a_departure_that_is_disabled_is_told_as_not_sent() -> None:
    policy = Policy(disabled_actions=frozenset({"user.deactivate"}))
    found = the_person(asked("gil@x", directory(), with_role(30), policy))
    assert "DISABLED_ACTIONS" in found.rule
    assert sent(found) == []
    assert [change.action for change in found.not_sent] == ["user.deactivate"]


@pytest.mark.parametrize(
    ("users", "swit", "policy", "memory", "says", "does"),
    [
        ([ANN, BOB], organisation(), Policy(), Memory(), "without a user: one is created",
         ["user.create"]),
        ([ANN, person(1, "bob@x", name="#")], organisation(), Policy(), Memory(),
         "one is created", ["user.create"]),
        ([ANN, Entry(dn=BOB.dn, emails=("bob@x",), names=())], organisation(), Policy(), Memory(),
         "no usable name", []),
        ([ANN, BOB], organisation(), Policy(users_to_exclude=("bob@x",)), Memory(),
         "USERS_TO_EXCLUDE names", []),
        ([ANN, BOB, person(2, "bob@x", name="Bo")], organisation(), Policy(), Memory(),
         "Another person has one of", []),
        ([ANN, person(1, name="Bob")], organisation(), Policy(), Memory(), "no usable e-mail", []),
        ([ANN, person(1, "bob@x", "gil@x", name="Bob")], organisation(users=["bob", "gil"]),
         Policy(), Memory(), "belong to several users", []),
        ([ANN, person(1, "new@x", name="Bob")], organisation(users=["ann", "gil"]), Policy(),
         Memory(users={BOB.stable_id: "gil"}), "Change the address of the user", []),
        ([ANN, person(1, "bob@x", enabled=False)], organisation(users=["ann", "bob"]), Policy(),
         Memory(), "disabled or expired", ["user.deactivate"]),
        ([ANN, person(1, "bob@x", enabled=False)], organisation(), Policy(),
         Memory(), "no user for this person either", []),
        ([ANN, BOB], organisation(inactive=["bob"]), Policy(), Memory(), "is activated",
         ["user.activate"]),
        ([ANN, BOB], organisation(users=["ann", "bob"]), Policy(), Memory(), "follows it.", []),
    ],
)  # fmt: skip
def test_who_is_in_the_directory_is_explained_by_the_entry(
    users: Sequence[Entry],
    swit: Organisation,
    policy: Policy,
    memory: Memory,
    says: str,
    does: list[str],
) -> None:
    found = the_person(asked(BOB.dn, directory(users=users), swit, policy, memory))
    assert says in found.rule
    assert sent(found) == does


def test_a_protected_role_is_told_of_who_is_in_the_directory_too() -> None:
    found = the_person(asked("gil@x", directory(users=[ANN, person(1, "gil@x")]), with_role(20)))
    assert "never deactivated (admin)" in found.rule


def test_an_account_that_an_entry_had_is_shown_with_it() -> None:
    """Its address changed, so nothing else joins the two."""
    moved = person(0, "ann.new@x", name="Ann")
    swit = organisation(users=["gil"])
    for who in ("ann.new@x", "gil@x"):
        found = the_person(asked(who, directory(users=[moved]), swit, memory=REMEMBERED))
        assert [account.email for account in found.accounts] == ["gil@x"]
        assert [f.kind for f in found.findings] == ["email changed"]


def test_two_entries_with_one_address_are_both_explained() -> None:
    users = [ANN, person(1, "ann@x", name="Other")]
    found = asked("ann@x", directory(users=users), organisation()).explained
    assert [each.title for each in found] == ["Ann", "Other"]
    for each in found:
        assert {f.kind for f in each.findings} == {"duplicate email"}


def test_a_team_and_a_person_of_one_name_are_both_explained() -> None:
    swit = organisation(team("T1", "Annie"))
    read = directory(users=[person(0, "ann@x", name="Annie")])
    kinds = [type(each) for each in asked("annie", read, swit).explained]
    assert kinds == [PersonExplained, TeamExplained]


def test_nobody_is_told_with_what_looks_like_it() -> None:
    swit = organisation(team("T1", "Sales", of=0))
    answer = asked("anne@x", directory(SALES), swit)
    assert answer.explained == ()
    assert answer.similar[0] == "ann@x"
    assert asked("sale", directory(SALES), swit).similar == ("Sales",)
    assert asked("qqqqqqq", directory(SALES), swit).similar == ()


@pytest.mark.parametrize("who", ["Sales", "sales ", DN[0], "T1"])
def test_a_team_is_found_by_name_dn_and_id(who: str) -> None:
    found = the_team(asked(who, directory(SALES, HQ), organisation(team("T1", "Sales", of=0))))
    assert found.group is not None
    assert found.team is not None
    assert (found.group.dn, found.team.team_id) == (DN[0], "T1")
    assert (found.group.people, found.group.groups, found.group.unknown) == (1, 0, 0)
    assert found.group.parents == ("HQ",)
    assert found.team.above == ("Org",)


KEPT = Policy(teams_to_keep=("Sales",))


@pytest.mark.parametrize(
    ("swit", "policy", "memory", "says"),
    [
        (organisation(team("T1", "Sales", of=0)), Policy(), Memory(), "its reference is a key"),
        (organisation(team("T1", "Sales")), Policy(), Memory(groups={DN[0].lower(): "T1"}),
         "an earlier plan matched"),
        (organisation(team("T1", "Sales")), Policy(unmanaged_teams="adopt"), Memory(),
         "UNMANAGED_TEAMS=adopt"),
        (organisation(team("T1", "Sales", of=0)), KEPT, Memory(), "SWIT_TEAMS_TO_KEEP names it"),
        (organisation(), Policy(), Memory(), 'no team: "Sales" is created, below "HQ"'),
        (organisation(), Policy(disabled_actions=frozenset({"team.create"})), Memory(),
         "DISABLED_ACTIONS"),
        (organisation(), Policy(teams_to_exclude=("sales",)), Memory(), "TEAMS_TO_EXCLUDE"),
        (organisation(team("T1", "Trade", of=0), team("T2", "Sales")), Policy(), Memory(),
         "The team is called Sales (2)"),
    ],
)  # fmt: skip
def test_a_group_is_explained_by_how_its_team_is_known(
    swit: Organisation, policy: Policy, memory: Memory, says: str
) -> None:
    assert says in the_team(asked(DN[0], directory(SALES, HQ), swit, policy, memory)).rule


def test_a_group_without_a_name_gets_no_team() -> None:
    found = the_team(asked(DN[0], directory(group(0, "  ")), organisation()))
    assert "no usable name" in found.rule


@pytest.mark.parametrize(
    ("policy", "of", "says", "does"),
    [
        (Policy(), None, "It belongs to no group: it is not changed", []),
        (Policy(unmanaged_teams="delete"), None, "deleted (UNMANAGED_TEAMS=delete)",
         ["team.delete"]),
        (Policy(), 4, "Its group has left the directory: it is deleted", ["team.delete"]),
        (Policy(team_removal="mark"), 4, "renamed as removed", ["team.update"]),
        (Policy(team_removal="keep"), 4, "not changed (TEAM_REMOVAL=keep)", []),
        (Policy(teams_to_keep=("Chess",)), 4, "SWIT_TEAMS_TO_KEEP names the team", []),
        (Policy(disabled_actions=frozenset({"team.delete"})), 4, "DISABLED_ACTIONS", []),
    ],
)  # fmt: skip
def test_a_team_without_a_group_is_explained_by_the_settings(
    policy: Policy, of: int | None, says: str, does: list[str]
) -> None:
    swit = organisation(team("T1", "Chess", of=of))
    found = the_team(asked("Chess", directory(), swit, policy))
    assert says in found.rule
    assert sent(found) == does


def test_a_team_that_must_stay_for_the_one_below_it_says_so() -> None:
    swit = organisation(team("T1", "Chess", of=4), team("T2", "Club", below="T1"))
    found = the_team(asked("T1", directory(), swit))
    assert "a team below it is not deleted" in found.rule
    assert [finding.kind for finding in found.findings] == ["team not deleted"]


def test_a_second_team_of_one_group_says_that_the_group_has_another() -> None:
    swit = organisation(team("T1", "Sales", of=0), team("T2", "Twice", of=0))
    rule = the_team(asked("T2", directory(group(0, "Sales")), swit)).rule
    assert rule == "Its group has another team: it is deleted (TEAM_REMOVAL=delete)."


def test_swits_own_teams_are_never_touched() -> None:
    assert "Swit's own" in the_team(asked("Unassigned", directory(), organisation())).rule


def test_an_incomplete_read_explains_nobody() -> None:
    with pytest.raises(IncompleteReadError, match="swit-provisioning check"):
        asked("ann@x", directory(users=[]), organisation())


def test_people_are_left_out_on_demand() -> None:
    both = directory(SALES, users=[person(0, "ann@x", phones=("12345678",)), BOB])
    for who in ("ann@x", "bob@x"):
        hidden = str(the_one(asked(who, both, organisation())).without_people().document())
        for word in ("ann@x", "'Ann'", "bob@x", "'Bob'", "12345678", ANN.dn, BOB.dn):
            assert word not in hidden


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_found_and_told(name: str) -> None:
    read = directory(users=[Entry(dn=ANN.dn, emails=("ann@x",), names=(name,))])
    assert the_person(asked(name, read, organisation())).title == name
