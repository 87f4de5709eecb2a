"""Addresses beside the main one (`proxyAddresses`): they find accounts and make none."""

from swit_provisioning_tests.planning.by_hand import directory, organisation, person
from swit_provisioning_tests.planning.trial import attempt, plan_of

ANN = person(0, "ann@x", other_emails=("a.old@x", "ANN.MAIDEN@x"))


def test_an_account_with_an_old_address_is_the_persons() -> None:
    swit = organisation(users=["ann.maiden"])
    trial = attempt(directory(users=[ANN]), swit)
    assert trial.after.calls == [("user.update", {"user": "ann.maiden", "name": "Ann"})]


def test_a_new_account_is_made_with_the_main_address() -> None:
    """`a.old@x` comes first when sorted."""
    trial = attempt(directory(users=[ANN]), organisation(users=[]))
    ((_, made),) = trial.after.calls
    assert made["email"] == "ann@x"


def test_another_entrys_old_address_is_an_address_of_two() -> None:
    bob = person(1, "bob@x", other_emails=("ann@x",))
    trial = attempt(directory(users=[ANN, bob]), organisation(users=["ann"]))
    assert trial.after.calls == []
    assert [(f.kind, f.subject) for f in trial.plan.findings] == [
        ("duplicate email", ANN.dn),
        ("duplicate email", bob.dn),
    ]
    assert all("ann@x" in finding.message for finding in trial.plan.findings)


def test_without_a_main_address_nothing_is_made_and_nobody_is_let_go() -> None:
    nameless = person(0, other_emails=("ann@x",))
    trial = attempt(directory(users=[nameless, person(1, "bob@x")]), organisation(users=["ann"]))
    assert [action for action, _ in trial.after.calls] == ["user.create"]
    assert [(f.kind, f.subject) for f in trial.plan.findings] == [("missing email", nameless.dn)]


def test_a_blank_value_beside_an_address_is_nothing_to_tell() -> None:
    read = directory(users=[person(1, " ", "bob@x", name="Bob")])
    assert plan_of(read, organisation(users=["bob"])).findings == ()
