"""What was done to one user, one team: by every name and id that it went by."""

from datetime import timedelta
from typing import Any

from swit_provisioning.planning.model import Change, PlanHash
from swit_provisioning.state.journal import Answer, Application
from swit_provisioning.state.journal_history import Effort
from swit_provisioning.state.store import Store
from swit_provisioning_tests.apply.changes import (
    add_members,
    create_team,
    create_user,
    deactivate_user,
    delete_team,
    new_team,
    new_user,
    reference,
    remove_members,
    sort_teams,
    update_primary,
    update_team,
    update_user,
)
from swit_provisioning_tests.state.conftest import Clock

ANN, BOB = "ann@example.com", "bob@example.com"


def done(
    store: Store,
    *changes: Change,
    run: str = "R1",
    approval_id: int | None = None,
    **answer: Any,  # noqa: ANN401 - the fields of `Answer`
) -> None:
    """Note changes of one run as sent and answered."""
    application = Application(
        application_id=run, plan_hash=PlanHash(f"P-{run}"), run_id=run, approval_id=approval_id
    )
    for change in changes:
        entry_id = store.journal.intent(change, application)
        store.journal.outcome(entry_id, Answer(**{"outcome": "applied", **answer}))


def actions(
    store: Store, *, user: str | None = None, team: str | None = None
) -> list[tuple[str, str]]:
    """Action and run of each entry found."""
    found = store.history.find(user=user, team=team)
    return [(deed.entry.action, deed.entry.run_id) for deed in found]


def a_users_life(store: Store) -> None:
    """Made and put into a new team by one run, later known by an id alone."""
    done(store, create_user(ANN), made_id="U1")
    done(store, create_user(BOB), made_id="U2")
    done(store, create_team("Sales", "ROOT"), made_id="T1")
    done(store, add_members(new_team("Sales"), new_user(ANN), new_user(BOB)))
    done(store, update_primary(new_user(ANN), new_team("Sales")))
    done(store, update_user("U1", name="Anna"), run="R2")
    done(store, remove_members("T1", "U1"), run="R2")
    done(store, deactivate_user("U1"), run="R3")
    done(store, delete_team("T1", members=["U2"]), run="R3")


ANNS = [
    ("user.create", "R1"),
    ("membership.add", "R1"),
    ("primary.update", "R1"),
    ("user.update", "R2"),
    ("membership.remove", "R2"),
    ("user.deactivate", "R3"),
]


def test_a_user_is_found_by_address_in_any_case_and_by_id(store: Store) -> None:
    a_users_life(store)
    for asked in (ANN, " Ann@Example.COM ", "U1"):
        assert actions(store, user=asked) == ANNS, asked


def test_a_deleted_team_is_in_the_history_of_its_members(store: Store) -> None:
    a_users_life(store)
    assert actions(store, user=BOB)[-1] == ("team.delete", "R3")


def test_nobody_is_asked_for_by_nothing(store: Store) -> None:
    a_users_life(store)
    assert actions(store, user=" ") == actions(store, team="") == []


def test_a_new_users_id_of_another_run_is_somebody_else(store: Store) -> None:
    """Both runs made an account for one address; the first was removed in between."""
    done(store, create_user(ANN), made_id="U1")
    done(store, create_user(ANN), made_id="U9", run="R2")
    done(store, add_members("T1", new_user(ANN)), run="R2")
    assert actions(store, user="U1") == [("user.create", "R1")]
    assert actions(store, user="U9") == [("user.create", "R2"), ("membership.add", "R2")]


def test_letters_outside_ascii_are_found_in_any_case(store: Store) -> None:
    done(store, create_user("Jürgen.ÖZ@example.com"), made_id="U1")
    assert len(actions(store, user="jürgen.öz@EXAMPLE.com")) == 1
    done(store, create_team("Größe & Maß", "ROOT"), made_id="T1")
    assert len(actions(store, team="GRÖSSE & maß")) == 1


def test_signs_of_the_database_mean_themselves(store: Store) -> None:
    done(store, create_user("a_b%c@example.com"), create_user("axbyc@example.com"))
    assert len(actions(store, user="a_b%c@example.com")) == 1
    done(store, create_team('"Q" \\ 50%', "ROOT"))
    assert len(actions(store, team='"Q" \\ 50%')) == 1


def test_of_a_batch_a_user_sees_what_came_of_this_user(store: Store) -> None:
    refused: dict[str, Any] = {
        "outcome": "rejected",
        "message": "1 were refused: U2 (No.)",
        "http_status": 400,
    }
    done(store, add_members("T1", "U1", "U2"), left_out=("U2",), **refused)
    done(store, add_members("T2", "U1", new_user(BOB)), left_out=(new_user(BOB),), message="none")
    done(store, add_members("T3", "U1"), **refused)

    def seen(user: str) -> list[tuple[str | None, str | None, list[str]]]:
        entries = [deed.entry for deed in store.history.find(user=user)]
        return [(e.outcome, e.message, e.after["user_ids"]) for e in entries]

    told = refused["message"]
    assert seen("U1") == [
        ("applied", None, ["U1"]),
        ("applied", None, ["U1"]),
        ("rejected", told, ["U1"]),
    ]
    assert seen("U2") == [("rejected", told, ["U2"])]
    assert seen(BOB) == [("skipped", "none", [new_user(BOB)])]


def test_a_team_is_found_by_name_id_and_reference_whatever_it_is_called_now(store: Store) -> None:
    done(store, create_team("Sales", "ROOT"), made_id="T1")
    done(store, add_members(new_team("Sales"), "U1"))
    done(store, create_team("IT", "T1"), made_id="T2")
    done(store, update_team("T1", name="Sales EMEA"), run="R2")
    done(store, sort_teams("T1", "T2"), run="R2")
    done(store, remove_members("T1", "U1"), update_user("U1", name="Sales"), run="R2")
    expected = [
        ("team.create", "R1"),
        ("membership.add", "R1"),
        ("team.update", "R2"),
        ("team.sort", "R2"),
        ("membership.remove", "R2"),
    ]
    for asked in ("Sales", "sales emea", "T1", reference("Sales").lower()):
        assert actions(store, team=asked) == expected, asked


def test_a_user_and_a_team_together_narrow(store: Store) -> None:
    a_users_life(store)
    assert actions(store, user=ANN, team="Sales") == [
        ("membership.add", "R1"),
        ("membership.remove", "R2"),
    ]


def test_since_counts_from_that_very_moment(store: Store, clock: Clock) -> None:
    done(store, create_user(ANN))
    clock.forward(hours=1)
    done(store, create_user(BOB))
    deeds = store.history.find(since=clock.time)
    assert [deed.entry.target for deed in deeds] == [BOB]
    assert len(store.history.find(since=clock.time - timedelta(hours=1))) == 2


def test_who_was_made_before_is_known_by_address_since_then(store: Store, clock: Clock) -> None:
    """The id is learned from entries that `since` leaves out."""
    a_users_life(store)
    clock.forward(hours=1)
    done(store, update_user("U1", phone_number="1"), run="R4")
    found = store.history.find(user=ANN, since=clock.time)
    assert [deed.entry.run_id for deed in found] == ["R4"]


def test_who_approved_it_and_why_stands_beside_it(store: Store) -> None:
    approval_id = store.approvals.add(
        PlanHash("P-R1"), actor="eve@pc", reason="the merger", guards=()
    )
    done(store, create_user(ANN), approval_id=approval_id)
    store.approvals.spend(PlanHash("P-R1"))
    done(store, create_user(BOB), run="R2")
    first, second = store.history.find()
    assert first.approval is not None
    assert (first.approval.actor, first.approval.reason) == ("eve@pc", "the merger")
    assert second.approval is None


def test_what_a_run_spent_is_counted_from_its_first_call_to_its_last_answer(
    store: Store, clock: Clock
) -> None:
    done(store, create_user(ANN), calls=2, seconds=1.0)
    clock.forward(seconds=10)
    done(store, create_user(BOB), calls=1, seconds=0.5)
    done(store, update_user("U1", name="A"), calls=9, seconds=99.0)
    done(store, create_user("eve@example.com"), run="R2", calls=7, seconds=99.0)
    application = Application(application_id="R1", plan_hash=PlanHash("P-R1"), run_id="R1")
    clock.forward(hours=1)
    store.journal.unsent(create_user("x@example.com"), application, Answer(outcome="skipped"))
    assert store.history.effort("R1", ["create_users"]) == Effort(calls=3, seconds=10.5)
    assert store.history.effort("R1", ["sort_teams"]) == Effort(calls=0, seconds=0.0)


def test_the_pace_of_the_last_run_is_known_if_it_sent_enough(store: Store, clock: Clock) -> None:
    assert store.history.pace() is None
    for number in range(20):
        assert store.history.pace() is None, number
        done(store, create_user(f"u{number}@example.com"), calls=1, seconds=1.0)
        clock.forward(seconds=1)
    assert store.history.pace() == 1.0
    application = Application(application_id="R2", plan_hash=PlanHash("P-R2"), run_id="R2")
    store.journal.unsent(create_user("x@example.com"), application, Answer(outcome="skipped"))
    assert store.history.pace() == 1.0
    done(store, create_user("y@example.com"), run="R3", calls=1, seconds=1.0)
    assert store.history.pace() is None
