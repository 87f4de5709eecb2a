"""What a change on teams waits for: without it, Swit would refuse the call."""

from swit_provisioning_tests.planning.by_hand import DN, directory, group, organisation, team
from swit_provisioning_tests.planning.specification.directory import GroupEntry
from swit_provisioning_tests.planning.specification.organisation import Organisation
from swit_provisioning_tests.planning.trial import attempt


def made(number: int) -> str:
    return f"team.create:new:team:{DN[number].lower()}"


def waits(swit: Organisation, *groups: GroupEntry) -> dict[str, tuple[str, ...]]:
    """Change -> what it waits for, of all changes of the plan, in order."""
    plan = attempt(directory(*groups), swit).plan
    return {change.change_id: change.depends_on for change in plan.changes}


def test_new_teams_wait_for_their_parents() -> None:
    groups = group(0, "A"), group(1, "B", below=[0]), group(2, "C", below=[1])
    assert waits(organisation(), *groups) == {made(0): (), made(1): (made(0),), made(2): (made(1),)}


def test_a_move_waits_for_the_new_parent() -> None:
    swit = organisation(team("T1", "A", of=0))
    calls = waits(swit, group(0, "A", below=[1]), group(1, "B"))
    assert calls == {made(1): (), "team.update:T1": (made(1),)}


def test_a_new_team_waits_for_the_renaming_that_frees_its_name() -> None:
    swit = organisation(team("T1", "A", of=0))
    calls = waits(swit, group(0, "Z"), group(1, "a"))
    assert calls == {"team.update:T1": (), made(1): ("team.update:T1",)}


def test_a_new_team_waits_for_the_deletion_that_frees_its_name_and_the_next_does_not() -> None:
    swit = organisation(team("T1", "A", of=0), team("T2", "House", of=3))
    calls = waits(swit, group(1, "A"), group(2, "B"), group(3, "House"))
    assert calls["team.delete:T1"] == ()
    assert calls[made(1)] == ("team.delete:T1",)
    assert calls[made(2)] == ()


def test_a_team_that_moves_and_is_renamed_waits_for_both() -> None:
    swit = organisation(team("T1", "A", of=0), team("T2", "B", of=1))
    calls = waits(swit, group(0, "Z"), group(1, "A", below=[2]), group(2, "House"))
    assert calls == {
        made(2): (),
        "team.update:T1": (),
        "team.update:T2": (made(2), "team.update:T1"),
    }


def test_a_team_waits_until_its_new_parent_is_no_longer_below_it() -> None:
    swit = organisation(team("T1", "A", of=0), team("T2", "B", of=1, below="T1"))
    calls = waits(swit, group(0, "A", below=[1]), group(1, "B"))
    assert calls == {"team.update:T2": (), "team.update:T1": ("team.update:T2",)}


def test_a_move_below_a_team_that_moved_elsewhere_waits_for_nothing() -> None:
    """T3 was below T1, never below T2: whether it has moved is nothing to T2."""
    teams = team("T1", "A", of=0), team("T2", "B", of=1), team("T3", "C", of=2, below="T1")
    calls = waits(organisation(*teams), group(0, "A"), group(1, "B", below=[2]), group(2, "C"))
    assert calls == {"team.update:T3": (), "team.update:T2": ()}


def test_a_move_also_waits_for_those_without_which_an_earlier_one_would_put_it_in_a_ring() -> None:
    """T1 goes below T4; before T2 has left T1, T3 with T4 in it would go below itself."""
    teams = (
        team("T1", "A", of=0),
        team("T2", "P", of=1, below="T1"),
        team("T3", "Q", of=2),
        team("T4", "B", of=3, below="T3"),
    )
    groups = (
        group(0, "Z", below=[3]),
        group(1, "P"),
        group(2, "A", below=[1]),
        group(3, "B", below=[2]),
    )
    calls = waits(organisation(*teams), *groups)
    assert list(calls) == ["team.update:T2", "team.update:T1", "team.update:T3"]
    assert set(calls["team.update:T3"]) == {"team.update:T2", "team.update:T1"}


def test_a_deletion_waits_for_all_that_were_below() -> None:
    teams = (
        team("T1", "Old", of=0),
        team("T2", "B", of=1, below="T1"),
        team("T3", "C", of=2, below="T1"),
        team("T4", "Older", of=3, below="T1"),
    )
    calls = waits(organisation(*teams), group(1, "B"), group(2, "C"))
    gone = calls.pop("team.delete:T1")
    assert set(gone) == {"team.update:T2", "team.update:T3", "team.delete:T4"}
    assert set(calls.values()) == {()}


def test_names_handed_on_from_team_to_team_are_freed_from_the_far_end() -> None:
    """The new A takes T1's name, T1 takes T2's, T2 takes T3's: nobody needs a name in between."""
    swit = organisation(team("T1", "A", of=0), team("T2", "B", of=1), team("T3", "C", of=2))
    calls = waits(swit, group(0, "B"), group(1, "C"), group(2, "D"), group(3, "A"))
    assert calls == {
        "team.update:T3": (),
        "team.update:T2": ("team.update:T3",),
        "team.update:T1": ("team.update:T2",),
        made(3): ("team.update:T1",),
    }


def test_sorting_waits_for_the_parent_to_be_made() -> None:
    """A new child is there before one that moves, whichever the directory has first."""
    groups = group(0, "P"), group(1, "Old", below=[0]), group(2, "New", below=[0])
    calls = waits(organisation(team("T1", "Old", of=1)), *groups)
    assert calls[f"team.sort:{made(0).removeprefix('team.create:')}"] == (made(0),)


def test_sorting_below_a_team_that_is_there_waits_for_nothing() -> None:
    swit = organisation(team("T1", "B", of=1), team("T2", "A", of=0))
    assert waits(swit, group(0, "A"), group(1, "B")) == {"team.sort:T0": ()}
