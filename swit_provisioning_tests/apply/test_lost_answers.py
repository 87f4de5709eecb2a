"""Membership calls with a lost or slow answer: the team is read back before the next call."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Literal

import pytest

from swit_provisioning.apply.evidence import compared
from swit_provisioning.sandbox.faults import Fault, FaultKind
from swit_provisioning.sandbox.records import Behaviour
from swit_provisioning.swit.client import SwitClient
from swit_provisioning.swit.rate_limit import FixedPace
from swit_provisioning.swit.reader import read_organization
from swit_provisioning_tests.apply.changes import (
    add_members,
    deactivate_user,
    plan_of,
    remove_members,
)
from swit_provisioning_tests.apply.conftest import OneToken, Stage

ADD, REMOVE, TEAMS = "team.user.add", "team.user.remove", "user.team.list"


@pytest.fixture
def hasty(stage: Stage) -> Iterator[Stage]:
    """A client that waits 0.3 seconds for an answer."""
    server = stage.server
    never: Callable[[float], None] = lambda _: None  # noqa: E731 - shorter than a function
    with SwitClient(
        base_url=server.url,
        scim_base_url=server.scim_url,
        tokens=OneToken(server.issue_tokens()["access_token"]),
        pace=FixedPace(100_000),
        timeout_seconds=0.3,
        sleep=never,
    ) as client:
        stage.client = client
        yield stage
    stage.organisation.behaviour = Behaviour()


def people(stage: Stage, count: int) -> list[str]:
    return [stage.organisation.add_user(f"u{number}@example.com") for number in range(count)]


def sizes(stage: Stage, call: str = ADD) -> list[int]:
    """How many users each call named."""
    return [len(entry.arguments["user_ids"]) for entry in stage.server.log.of(call)]


@pytest.mark.parametrize("kind", ["drop", "cut", "garbage"])
def test_a_lost_answer_to_an_executed_change_costs_one_read(stage: Stage, kind: FaultKind) -> None:
    users = people(stage, 9)
    joined, left = stage.organisation.add_team("In"), stage.organisation.add_team("Out")
    stage.organisation.add_members(left, users)
    for call in (ADD, REMOVE):
        stage.server.faults.add(Fault(kind=kind, call=call, after_work=True))
    plan = plan_of(add_members(joined, *users), remove_members(left, *users))
    outcomes = stage.apply(plan)
    assert [(outcome.outcome, outcome.calls) for outcome in outcomes] == [("applied", 2)] * 2
    assert stage.asked() == [ADD, TEAMS, REMOVE, TEAMS]
    assert (len(stage.team("In").users), len(stage.team("Out").users)) == (9, 0)
    start = stage.store.journal.rows()[0].at
    counted = {"membership.add": 9, "membership.remove": 9}
    assert stage.store.journal.unapproved_since(start) == counted


def test_a_batch_that_times_out_is_halved_until_swit_answers_in_time(
    hasty: Stage,
) -> None:
    """Swit takes longer than the timeout for more than 50 users, and does nothing of it."""
    users, team = people(hasty, 200), hasty.organisation.add_team("Big")
    hasty.server.faults.add(
        Fault(
            kind="slow",
            call=ADD,
            times=None,
            seconds=5,
            where=lambda sent: len(sent["user_ids"]) > 50,
        )
    )
    assert hasty.kinds(plan_of(add_members(team, *users))) == ["applied"]
    hasty.server.faults.clear()
    assert sizes(hasty) == [200, 100, 100, 50, 50, 50, 50]
    assert hasty.asked(TEAMS) == [TEAMS] * 3
    assert len(hasty.team("Big").users) == 200


@pytest.mark.parametrize("repeated", ["accepted", "refused"])
def test_users_that_swit_has_changed_are_not_sent_again(
    hasty: Stage, repeated: Literal["accepted", "refused"]
) -> None:
    """Swit continues after the client has disconnected: 30 of 40 are done at the read back."""
    org = hasty.organisation
    org.behaviour = Behaviour(repeated_membership=repeated)
    users, team = people(hasty, 40), org.add_team("Big")
    hasty.server.faults.add(
        Fault(kind="drop", call=ADD),
        Fault(kind="meanwhile", call=TEAMS, act=lambda: org.add_members(team, users[:30])),
        Fault(kind="meanwhile", call=ADD, act=lambda: org.add_members(team, users[30:35])),
    )
    [outcome] = hasty.apply(plan_of(add_members(team, *users)))
    assert outcome.outcome == "applied"
    assert sizes(hasty) == [40, 5, 5]
    assert len(hasty.asked(TEAMS)) == 1 + (repeated == "refused")
    assert len(hasty.team("Big").users) == 40


@pytest.mark.parametrize(("count", "sent"), [(1, 4), (40, 6)])
def test_answers_that_are_always_lost_fail_the_change_after_a_few_calls(
    stage: Stage, count: int, sent: int
) -> None:
    users, team = people(stage, count), stage.organisation.add_team("Big")
    stage.server.faults.add(Fault(kind="status", status=502, call=ADD, times=None))
    [outcome] = stage.apply(plan_of(add_members(team, *users)))
    stage.server.faults.clear()
    assert (outcome.outcome, outcome.http_status) == ("failed", 502)
    assert len(stage.asked(ADD)) == len(stage.asked(TEAMS)) == sent
    assert stage.waits == [1.0, 2.0, 4.0, 8.0, 15.0, 15.0][:sent]


@pytest.mark.parametrize(
    ("asked", "outcome", "waits"), [("7", "applied", [7.0]), ("400", "failed", [])]
)
def test_retry_after_is_respected_up_to_a_maximum(
    stage: Stage, asked: str, outcome: str, waits: list[float]
) -> None:
    users, team = people(stage, 2), stage.organisation.add_team("Big")
    stage.server.faults.add(Fault(kind="status", status=503, call=ADD, retry_after=asked))
    assert stage.kinds(plan_of(add_members(team, *users))) == [outcome]
    assert stage.waits == waits


def test_a_change_that_an_earlier_run_may_have_sent_is_read_back_first(stage: Stage) -> None:
    users, team = people(stage, 4), stage.organisation.add_team("Big")
    plan = plan_of(add_members(team, *users))
    stage.server.faults.add(Fault(kind="status", status=502, call=ADD, times=None))
    stage.apply(plan)
    stage.server.faults.clear()
    stage.organisation.add_members(team, users[:3])
    stage.server.log.clear()
    assert stage.kinds(plan) == ["applied"]
    assert stage.asked() == [TEAMS, ADD]
    assert sizes(stage) == [1]


@pytest.mark.parametrize("call", [ADD, REMOVE])
def test_a_late_apply_sends_the_remaining_part_of_a_batch(stage: Stage, call: str) -> None:
    """Half of the batch failed; both sides were read again before the run continues."""
    people_of_team = people(stage, 4)
    team = stage.organisation.add_team("Big")
    adds = call == ADD
    if not adds:
        stage.organisation.add_members(team, people_of_team)
    batch = add_members if adds else remove_members
    plan = plan_of(batch(team, *people_of_team))
    stage.server.faults.add(
        Fault(
            kind="status",
            status=502,
            call=call,
            times=None,
            where=lambda sent: people_of_team[-1] in sent["user_ids"],
        )
    )
    assert stage.kinds(plan) == ["failed"]
    stage.server.faults.clear()
    done, pending = people_of_team[:-1], people_of_team[-1:]
    assert [*stage.team("Big").users] == (done if adds else pending)
    now = read_organization(stage.client, expected=None)
    entries = stage.store.journal.latest("R1", plan_hash=plan.plan_hash)
    fresh = plan_of(batch(team, *pending))
    evidence = compared(plan, fresh, now, entries, read_at=datetime.now(UTC))
    stage.server.log.clear()
    applier = stage.applier(plan, run_id="R2", evidence=evidence)
    [outcome] = applier.settle(("add_members", "remove_members"))
    assert outcome.outcome == "applied"
    assert [*stage.team("Big").users] == (people_of_team if adds else [])
    assert stage.asked(call) == [call]
    assert [entry.arguments["user_ids"] for entry in stage.server.log.of(call)] == [pending]


def test_a_team_deleted_before_the_read_back_fails_the_change(stage: Stage) -> None:
    users, team = people(stage, 4), stage.organisation.add_team("Big")

    def delete() -> None:
        stage.organisation.delete_team(team)

    stage.server.faults.add(
        Fault(kind="drop", call=ADD), Fault(kind="meanwhile", call=TEAMS, act=delete)
    )
    plan = plan_of(add_members(team, *users))
    assert stage.kinds(plan) == ["failed"]
    [outcome] = stage.apply(plan)
    assert (outcome.outcome, outcome.http_status) == ("rejected", 404)


@pytest.mark.parametrize(("status", "outcome"), [(502, "failed"), (403, "rejected")])
def test_memberships_changed_before_a_batch_ends_in_an_error_count_against_the_limits(
    stage: Stage, status: int, outcome: str
) -> None:
    users = people(stage, 40)
    team = stage.organisation.add_team("Big")
    stage.organisation.add_members(team, users)
    stage.server.faults.add(
        Fault(kind="status", status=502, call=REMOVE),
        Fault(kind="status", status=status, call=REMOVE, skip=1, times=None),
    )
    plan = plan_of(remove_members(team, *users))
    assert stage.kinds(plan) == [outcome]
    stage.server.faults.clear()
    assert len(stage.team("Big").users) == 20
    [entry] = stage.store.journal.rows()
    assert entry.changed == {"membership.remove": 20}
    assert stage.store.journal.unapproved_since(entry.at) == {"membership.remove": 20}


def test_memberships_of_leavers_in_a_batch_that_fails_do_not_count_against_the_limits(
    stage: Stage,
) -> None:
    users = people(stage, 4)
    team = stage.organisation.add_team("Big")
    stage.organisation.add_members(team, users)
    stage.server.faults.add(
        Fault(kind="status", status=502, call=REMOVE),
        Fault(kind="status", status=502, call=REMOVE, skip=1, times=None),
    )
    stage.apply(plan_of(remove_members(team, *users), deactivate_user(users[0])))
    stage.server.faults.clear()
    [removal] = [e for e in stage.store.journal.rows() if e.action == "membership.remove"]
    assert (removal.outcome, removal.changed) == ("failed", {"membership.remove": 1})


def test_one_user_whose_answers_are_always_lost_is_tried_four_times_alone(stage: Stage) -> None:
    """Every other user is added: each accepted half shows that Swit works."""
    users, team = people(stage, 200), stage.organisation.add_team("Big")
    bad = users[-1]
    stage.server.faults.add(
        Fault(
            kind="status",
            status=500,
            call=ADD,
            times=None,
            where=lambda sent: bad in sent["user_ids"],
        )
    )
    [outcome] = stage.apply(plan_of(add_members(team, *users)))
    stage.server.faults.clear()
    assert (outcome.outcome, outcome.http_status) == ("failed", 500)
    assert len(stage.team("Big").users) == 199
    assert sizes(stage)[-4:] == [1] * 4
    assert stage.waits[-4:] == [1.0, 2.0, 4.0, 8.0]
    assert set(stage.waits[:-4]) == {1.0}


@pytest.mark.parametrize("done", [0, 20])
def test_a_batch_sent_again_that_is_forbidden_is_not_halved(stage: Stage, done: int) -> None:
    users, team = people(stage, 40), stage.organisation.add_team("Big")
    plan = plan_of(add_members(team, *users))
    stage.server.faults.add(Fault(kind="status", status=502, call=ADD, times=None))
    assert stage.kinds(plan) == ["failed"]
    stage.server.faults.clear()
    if done:
        stage.organisation.add_members(team, users[:done])
    stage.server.faults.add(Fault(kind="status", status=403, call=ADD, times=None))
    stage.server.log.clear()
    [outcome] = stage.apply(plan)
    stage.server.faults.clear()
    assert (outcome.outcome, outcome.http_status) == ("rejected", 403)
    assert stage.asked() == [TEAMS, ADD]


def test_a_batch_sent_again_to_a_deleted_team_is_not_halved(stage: Stage) -> None:
    users, team = people(stage, 40), stage.organisation.add_team("Big")
    plan = plan_of(add_members(team, *users))
    stage.server.faults.add(Fault(kind="status", status=502, call=ADD, times=None))
    assert stage.kinds(plan) == ["failed"]
    stage.server.faults.clear()
    stage.organisation.delete_team(team)
    stage.server.log.clear()
    [outcome] = stage.apply(plan)
    assert (outcome.outcome, outcome.http_status) == ("rejected", 404)
    assert stage.asked() == [TEAMS, ADD, TEAMS]


@pytest.mark.parametrize("place", [0, 1, 100, 198])
def test_all_others_are_added_wherever_the_user_is_for_whom_swit_always_fails(
    stage: Stage, place: int
) -> None:
    users, team = people(stage, 199), stage.organisation.add_team("Big")
    bad = users[place]
    fault = Fault(
        kind="status", status=500, call=ADD, times=None, where=lambda sent: bad in sent["user_ids"]
    )
    stage.server.faults.add(fault)
    plan = plan_of(add_members(team, *users))
    [outcome] = stage.apply(plan)
    stage.server.faults.clear()
    assert (outcome.outcome, outcome.http_status) == ("failed", 500)
    assert set(stage.team("Big").users) == set(users) - {bad}
    stage.server.log.clear()
    assert stage.kinds(plan) == ["applied"]
    assert sizes(stage) == [1]


def test_a_user_for_whom_swit_always_fails_does_not_stop_the_step(stage: Stage) -> None:
    """The user belongs to more teams than may fail in a row while Swit counts as up."""
    stage.concurrency = 1
    users = people(stage, 3)
    teams = [stage.organisation.add_team(f"Team {number}") for number in range(8)]
    fault = Fault(
        kind="status",
        status=500,
        call=ADD,
        times=None,
        where=lambda sent: users[0] in sent["user_ids"],
    )
    stage.server.faults.add(fault)
    plan = plan_of(*(add_members(team, *users) for team in teams))
    assert stage.kinds(plan) == ["failed"] * 8
    stage.server.faults.clear()
    for number in range(8):
        assert set(stage.team(f"Team {number}").users) == set(users[1:])
