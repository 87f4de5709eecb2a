"""Counterexamples to simpler rules for people and members: what is right instead."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from swit_provisioning.planning.policy import Memory, Policy
from swit_provisioning_tests.planning.by_hand import (
    ANN,
    directory,
    group,
    organisation,
    person,
    team,
)
from swit_provisioning_tests.planning.made_up import USER_DNS
from swit_provisioning_tests.planning.specification.directory import (
    Directory,
    Entry,
    GroupEntry,
)
from swit_provisioning_tests.planning.specification.organisation import Organisation
from swit_provisioning_tests.planning.specification.sending import send
from swit_provisioning_tests.planning.trial import attempt, plan_of

BOB = person(1, "bob@x")


def test_who_is_removed_for_good_is_in_no_batch_that_takes_members_out() -> None:
    """Gone is not there any more: her id would make Swit refuse Bob's removal too."""
    swit = organisation(team("T1", "A", of=0, users=["bob", "gone"]), users=["ann", "bob", "gone"])
    policy = Policy(user_removal="remove")
    trial = attempt(directory(group(0, "A"), users=[ANN, BOB]), swit, policy)
    assert trial.after.calls == [
        ("user.remove", {"user": "gone"}),
        ("membership.remove", {"team": "T1", "users": ["bob"]}),
    ]


def test_who_is_deactivated_leaves_the_team_as_anybody_does() -> None:
    swit = organisation(team("T1", "A", of=0, users=["ann", "gone"]), users=["ann", "gone"])
    trial = attempt(directory(group(0, "A", members=[ANN])), swit)
    assert trial.after.calls == [
        ("user.deactivate", {"user": "gone"}),
        ("membership.remove", {"team": "T1", "users": ["gone"]}),
    ]


@pytest.mark.parametrize(
    "policy", [Policy(user_removal="deactivate"), Policy(user_removal="remove")]
)
def test_accounts_that_have_long_been_inactive_are_let_be(policy: Policy) -> None:
    """No share of the active ones would stop their destruction."""
    swit = organisation(inactive=["old", "older", "oldest"])
    assert attempt(directory(), swit, policy).after.calls == []


def test_one_member_whom_swit_refuses_keeps_nobody_else_out() -> None:
    people = [person(n, f"{name}@x") for n, name in enumerate(("ann", "bob", "cid", "dora"))]
    swit = organisation(team("T1", "A", of=0), users=["ann", "bob", "cid", "dora"])
    swit.refuses = lambda action, values: action == "membership.add" and "cid" in values["users"]
    plan = plan_of(directory(group(0, "A", members=people), users=people), swit)
    assert send(plan, swit).outcomes == {"membership.add:T1": "rejected in part"}
    assert swit.teams["T1"].users == ["ann", "bob", "dora"]


def test_a_disabled_entry_takes_no_address_away_from_a_live_one() -> None:
    old = person(0, "ann@x", name="Ann Old", enabled=False)
    new = person(1, "ann@x", name="Ann New")
    trial = attempt(directory(users=[old, new]), organisation())
    assert trial.after.calls == [("user.update", {"user": "ann", "name": "Ann New"})]
    assert trial.plan.findings == ()


def test_two_live_entries_with_one_address_are_both_left_alone() -> None:
    entries = [person(0, "ann@x", name="Ann A"), person(1, "ann@x", name="Ann B")]
    trial = attempt(directory(users=entries), organisation())
    assert trial.after.calls == []
    assert [f.kind for f in trial.plan.findings] == ["duplicate email"] * 2


@pytest.mark.parametrize(
    "emails", [("ann@x", "ann.b@x"), ("ann.b@x", "ann@x")], ids=["as at first", "turned round"]
)
def test_the_addresses_of_one_entry_may_come_in_any_order(emails: Sequence[str]) -> None:
    """By the first one, Ann would leave and join every other night."""
    first = attempt(directory(users=[person(0, "ann@x", "ann.b@x", name="Ann")]), Organisation())
    assert [action for action, _ in first.after.calls] == ["user.create"]
    second = plan_of(directory(users=[person(0, *emails, name="Ann")]), first.after)
    assert second.changes == ()


@pytest.mark.parametrize(
    "emails", [("z@x", "ann@x"), ("a@x", "ann@x"), ("ann@x", "a@x"), ("ann@x", "z@x")]
)
def test_of_several_addresses_the_one_that_has_an_account_counts(emails: Sequence[str]) -> None:
    trial = attempt(directory(users=[person(0, *emails, name="Ann")]), organisation())
    assert trial.after.calls == []


@pytest.mark.parametrize("names", [("Ann", "Anna"), ("Anna", "Ann")])
def test_the_names_of_one_entry_may_come_in_any_order(names: tuple[str, str]) -> None:
    entry = Entry(dn=USER_DNS[0], emails=("ann@x",), names=names)
    made = attempt(directory(users=[entry]), Organisation()).after
    assert made.users["Unew1"].name == "Ann"
    made.users["Unew1"].name = "Anna"
    assert attempt(directory(users=[entry]), made).after.users["Unew1"].name == "Anna"


UNREADABLE = (ANN, person(1), person(2))


def test_entries_whose_addresses_cannot_be_read_any_more_stand_for_the_accounts_they_had() -> None:
    """One OU's rights were lost: nobody has left."""
    swit = organisation(users=["ann", "bob", "eve"])
    memory = Memory(users={USER_DNS[1].casefold(): "bob", USER_DNS[2].casefold(): "eve"})
    trial = attempt(directory(users=UNREADABLE), swit, memory=memory)
    assert trial.after.calls == []
    assert [f.kind for f in trial.plan.findings] == ["missing email", "missing email"]


def test_without_a_memory_of_them_they_are_taken_for_leavers() -> None:
    """What the guards on a directory that shrank, and on deactivations, are for."""
    plan = plan_of(directory(users=UNREADABLE), organisation(users=["ann", "bob", "eve"]))
    assert [change.change_id for change in plan.changes] == [
        "user.deactivate:bob",
        "user.deactivate:eve",
    ]
    assert plan.baselines.directory["file"]["users"] == 1


def test_a_change_of_domain_for_everybody_plans_no_departure() -> None:
    """Swit has no call that changes an address, so all stay as they are, and are told."""
    firm = [person(number, f"{name}@new") for number, name in enumerate(("ann", "bob", "eve"))]
    users = ["ann", "bob", "eve"]
    swit = organisation(team("T1", "A", of=0, users=users), users=users)
    memory = Memory(
        users={entry.dn.casefold(): user for entry, user in zip(firm, users, strict=True)}
    )
    trial = attempt(directory(group(0, "A", members=firm), users=firm), swit, memory=memory)
    assert trial.after.calls == []
    assert [finding.kind for finding in trial.plan.findings] == ["email changed"] * 3


def renamed_ou() -> tuple[Directory, Organisation]:
    """Three groups in an OU that was renamed: all of their DNs differ from the references."""
    groups = [
        GroupEntry(
            dn=f"CN=g{n},OU=Groups,DC=x", names=(name,), directory_id=f"uuid-{n}", members=(ANN.dn,)
        )
        for n, name in enumerate("ABC")
    ]
    teams = [team(f"T{n + 1}", name, of=n, users=["ann"]) for n, name in enumerate("ABC")]
    swit = organisation(*teams)
    swit.users["ann"].teams["T1"] = True
    return directory(*groups), swit


def test_after_the_groups_ou_was_renamed_remembered_teams_are_keyed_anew_in_place() -> None:
    read, swit = renamed_ou()
    memory = Memory(groups={f"uuid-{n}": f"T{n + 1}" for n in range(3)})
    trial = attempt(read, swit, memory=memory)
    assert trial.after.calls == [
        ("team.update", {"team": f"T{n + 1}", "reference": f"CN=g{n},OU=Groups,DC=x"})
        for n in range(3)
    ]


def test_without_a_memory_of_them_all_teams_would_be_made_anew_which_the_guards_see() -> None:
    plan = plan_of(*renamed_ou())
    counts = {"team.delete": 3, "team.create": 3, "membership.add": 3, "primary.update": 1}
    assert plan.counts() == counts
    assert plan.baselines.teams_that_may_go == 3


def test_a_group_whose_team_carries_its_id_is_known_in_its_new_ou_without_a_memory() -> None:
    read, swit = renamed_ou()
    for number in range(3):
        swit.teams[f"T{number + 1}"].reference = f"uuid-{number}"
    trial = attempt(replace(read, reference_attribute="entryUUID"), swit)
    assert trial.after.calls == []


def test_a_memory_of_an_old_dn_does_not_give_its_team_to_a_new_group_there() -> None:
    """g0 moved and kept its id; a new group has its old DN now."""
    moved = GroupEntry(dn="CN=g0,OU=New,DC=x", names=("A",), directory_id="uuid-0")
    new = group(0, "B")
    swit = organisation(team("T1", "A", of=0))
    trial = attempt(directory(new, moved), swit, memory=Memory(groups={"uuid-0": "T1"}))
    assert trial.after.calls == [
        ("team.create", {"name": "B", "parent": "T0", "reference": new.dn}),
        ("team.update", {"team": "T1", "reference": moved.dn}),
        ("team.sort", {"parent": "T0", "teams": ["Tnew1", "T1", "TU"]}),
    ]


def test_the_first_team_that_somebody_gets_beside_one_by_hand_needs_no_naming() -> None:
    """Swit makes it the primary one, and it is the one that the directory names."""
    swit = organisation(team("T1", "A", of=0), team("T9", "Choir", users=["ann"]))
    ann = replace(ANN, primary_group="A")
    trial = attempt(directory(group(0, "A", members=[ann]), users=[ann]), swit)
    assert trial.after.calls == [("membership.add", {"team": "T1", "users": ["ann"]})]


def test_one_without_a_name_keeps_no_other_from_an_account() -> None:
    nameless = replace(BOB, names=("",))
    trial = attempt(directory(users=[nameless, person(2, "new@x")]), organisation(users=[]))
    assert [values["email"] for _, values in trial.after.calls] == ["new@x"]


def test_of_several_numbers_the_one_that_swit_has_stays_however_it_is_written() -> None:
    swit = organisation()
    swit.users["ann"].phone = "+1-23"
    ann = replace(ANN, phones=("+1 11", "+1 23"))
    assert attempt(directory(users=[ann]), swit).after.calls == []
