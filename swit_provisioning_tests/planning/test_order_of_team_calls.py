"""In which order teams are changed, and which names they are given for a moment."""

from dataclasses import replace

from swit_provisioning.planning.policy import Memory, Policy
from swit_provisioning_tests.planning.by_hand import DN, directory, group, organisation, team
from swit_provisioning_tests.planning.specification.directory import GroupEntry
from swit_provisioning_tests.planning.specification.organisation import Organisation
from swit_provisioning_tests.planning.trial import attempt

Call = tuple[str, dict[str, object]]


def calls(swit: Organisation, *groups: GroupEntry, policy: Policy | None = None) -> list[Call]:
    return attempt(directory(*groups), swit, policy).after.calls


def update(team_id: str, **wanted: str) -> Call:
    return "team.update", {"team": team_id, **wanted}


def test_teams_that_go_with_all_below_them_go_bottom_up_in_one_step() -> None:
    teams = team("T1", "Old", of=0), team("T2", "Older", of=1, below="T1")
    plan = attempt(directory(), organisation(*teams)).plan
    assert [(c.object_id, c.step) for c in plan.changes] == [
        ("T2", "delete_teams"),
        ("T1", "delete_teams"),
    ]


def test_teams_that_have_to_be_emptied_go_bottom_up_after_the_moves() -> None:
    teams = (
        team("T1", "Old", of=2),
        team("T2", "Older", of=3, below="T1"),
        team("T3", "Oldest", of=4, below="T1"),
        team("T4", "A", of=0, below="T2"),
        team("T5", "B", of=1, below="T3"),
    )
    plan = attempt(directory(group(0, "A"), group(1, "B")), organisation(*teams)).plan
    assert [(c.object_id, c.step) for c in plan.changes] == [
        ("T4", "update_teams"),
        ("T5", "update_teams"),
        ("T3", "delete_emptied_teams"),
        ("T2", "delete_emptied_teams"),
        ("T1", "delete_emptied_teams"),
    ]


def test_updates_go_top_down_in_the_wanted_tree() -> None:
    """In directory order the child comes first."""
    teams = team("T1", "A", of=1), team("T2", "B", of=0, below="T1")
    wanted = group(0, "Child", below=[1]), group(1, "Parent")
    assert calls(organisation(*teams), *wanted) == [
        update("T1", name="Parent"),
        update("T2", name="Child"),
    ]


def test_a_move_goes_before_the_renaming_of_what_is_below_it() -> None:
    teams = team("T9", "House", of=4), team("T1", "A", of=1), team("T2", "B", of=0, below="T1")
    wanted = group(0, "Child", below=[1]), group(1, "A", below=[4]), group(4, "House")
    assert calls(organisation(*teams), *wanted) == [
        update("T1", parent="T9"),
        update("T2", name="Child"),
    ]


def test_who_arrives_later_waits_for_who_arrives_before_though_it_could_go_at_once() -> None:
    """T2 waits for T4's name; T1 waits for T2, and what is below T1 for T1. Nothing is sorted."""
    teams = (
        team("T9", "House", of=2),
        team("T8", "Barn", of=5),
        team("T2", "Z", of=0),
        team("T1", "B", of=1),
        team("T4", "A", of=3, below="T8"),
        team("T5", "X", of=4, below="T1"),
    )
    wanted = (
        group(0, "A", below=[2]),
        group(1, "B", below=[2]),
        group(2, "House"),
        group(3, "Y", below=[5]),
        group(4, "W", below=[1]),
        group(5, "Barn"),
    )
    assert calls(organisation(*teams), *wanted) == [
        update("T4", name="Y"),
        update("T2", name="A", parent="T9"),
        update("T1", parent="T9"),
        update("T5", name="W"),
    ]


def test_who_lost_its_place_while_it_waited_for_its_turn_does_not_go_out_of_turn() -> None:
    """T2 waits for T1 to be below T4, which goes below T3 meanwhile, which is below T2 till then.

    T1 needs the name of T3, and T3 that of T2.
    """
    teams = (
        team("T1", "A", of=1),
        team("T2", "B", of=2),
        team("T3", "C", of=3, below="T2"),
        team("T4", "D", of=4),
        team("T7", "House", of=7),
        team("T8", "Barn", of=8, below="T7"),
        team("T5", "E", of=5, below="T8"),
    )
    wanted = (
        group(1, "C", below=[4]),
        group(2, "Z", below=[4]),
        group(3, "B"),
        group(4, "E", below=[3]),
        group(7, "House"),
        group(8, "Barn", below=[7]),
        group(5, "Y", below=[8]),
    )
    assert calls(organisation(*teams), *wanted) == [
        update("T5", name="Y"),
        update("T4", name="E", parent="T3"),
        update("T2", name="Z"),
        update("T3", name="B", parent="T0"),
        update("T1", name="C", parent="T4"),
        update("T2", parent="T4"),
        ("team.sort", {"parent": "T0", "teams": ["T3", "T7", "TU"]}),
    ]


def test_who_arrives_later_goes_first_if_the_earlier_one_needs_its_name() -> None:
    """One sort is less than a name for a moment and a sort."""
    teams = team("T9", "House", of=2), team("T1", "A", of=0), team("T2", "B", of=1)
    wanted = group(0, "B", below=[2]), group(1, "C", below=[2]), group(2, "House")
    assert calls(organisation(*teams), *wanted) == [
        update("T2", name="C", parent="T9"),
        update("T1", name="B", parent="T9"),
        ("team.sort", {"parent": "T9", "teams": ["T1", "T2"]}),
    ]


def test_of_three_that_hand_names_on_against_their_order_all_go_out_of_turn() -> None:
    teams = (
        team("T9", "House", of=3),
        team("T1", "A", of=0),
        team("T2", "B", of=1),
        team("T3", "C", of=2),
    )
    wanted = (
        group(0, "B", below=[3]),
        group(1, "C", below=[3]),
        group(2, "D", below=[3]),
        group(3, "House"),
    )
    assert calls(organisation(*teams), *wanted) == [
        update("T3", name="D", parent="T9"),
        update("T2", name="C", parent="T9"),
        update("T1", name="B", parent="T9"),
        ("team.sort", {"parent": "T9", "teams": ["T1", "T2", "T3"]}),
    ]


def test_two_that_swap_names_do_so_beside_one_that_has_waited_for_a_third() -> None:
    teams = (team(f"T{number + 1}", name, of=number) for number, name in enumerate("ABCD"))
    wanted = group(0, "D"), group(1, "C"), group(2, "B"), group(3, "E")
    assert calls(organisation(*teams), *wanted) == [
        update("T4", name="E"),
        update("T1", name="D"),
        update("T3", name="(moving) C"),
        update("T2", name="C"),
        update("T3", name="B"),
    ]


def test_who_steps_aside_with_a_name_of_its_own_takes_the_reference_along() -> None:
    """T1 can't move below T2 before T2 has left it, and T2 needs its name for that."""
    first = replace(group(0, "C", below=[1]), directory_id="one")
    teams = team("T1", "A", of=4), team("T2", "B", of=1, below="T1")
    memory = Memory(groups={"one": "T1"})
    trial = attempt(directory(first, group(1, "A")), organisation(*teams), memory=memory)
    assert trial.after.calls == [
        update("T1", name="C", reference=DN[0]),
        update("T2", name="A", parent="T0"),
        update("T1", parent="T2"),
    ]


SWAP = team("T1", "A", of=0), team("T2", "B", of=1)
SWAPPED = group(0, "B"), group(1, "A")


def names_for_a_moment(swit: Organisation, *groups: GroupEntry) -> list[object]:
    found = calls(swit, *groups)
    return [v["name"] for _, v in found if str(v.get("name")).startswith("(moving) ")]


def test_a_name_for_a_moment_is_none_that_another_team_has() -> None:
    swit = organisation(*SWAP, team("T3", "(moving) B"))
    assert names_for_a_moment(swit, *SWAPPED) == ["(moving) B (2)"]


def test_a_name_for_a_moment_is_none_that_another_team_is_about_to_get() -> None:
    """T3 can't move below T1 before T1 has left it, and T1 waits for the swap."""
    swit = organisation(team("T3", "C", of=2), team("T1", "A", of=0, below="T3"), SWAP[1])
    groups = *SWAPPED, group(2, "(moving) B", below=[0])
    assert names_for_a_moment(swit, *groups) == ["(moving) B (2)", "(moving) B"]


def test_a_name_for_a_moment_is_none_that_a_new_team_has_got_before() -> None:
    groups = *SWAPPED, group(2, "(moving) B")
    assert names_for_a_moment(organisation(*SWAP), *groups) == ["(moving) B", "(moving) B (2)"]


def test_who_makes_way_for_a_new_team_takes_no_name_that_another_new_one_gets() -> None:
    """Sales, the old team, can only go once its child is below the new one."""
    teams = team("T1", "Sales", of=0), team("T2", "EMEA", of=2, below="T1")
    groups = group(1, "Sales"), group(2, "EMEA", below=[1]), group(3, "(moving) Sales")
    made = attempt(directory(*groups), organisation(*teams))
    assert [v["name"] for _, v in made.after.calls if "name" in v] == [
        "(moving) Sales (2)",
        "Sales",
        "(moving) Sales",
    ]
    assert made.plan.changes[0].step == "free_team_names"
    assert made.plan.changes[0].reason == 'another team needs its name "Sales"'


def test_names_that_two_new_teams_need_are_freed_along_both_chains() -> None:
    """Nobody steps aside: each chain is gone through from its far end."""
    teams = team("T1", "A", of=0), team("T2", "B", of=1), team("T3", "C", of=2)
    groups = group(0, "B"), group(1, "D"), group(2, "E"), group(3, "C"), group(4, "A")
    found = calls(organisation(*teams), *groups)
    assert [(action, v["name"]) for action, v in found] == [
        ("team.update", "D"),
        ("team.update", "B"),
        ("team.update", "E"),
        ("team.create", "C"),
        ("team.create", "A"),
    ]


def test_a_holder_whose_way_another_one_has_to_clear_first_is_updated_whole_too() -> None:
    """T1 goes below T2, which is below it until T2's own name is needed."""
    teams = team("T1", "X", of=0), team("T2", "Y", of=1, below="T1")
    groups = group(0, "Z", below=[1]), group(1, "W"), group(2, "Y"), group(3, "X")
    assert calls(organisation(*teams), *groups)[:2] == [
        update("T2", name="W", parent="T0"),
        update("T1", name="Z", parent="T2"),
    ]


def test_who_stays_put_is_renamed_before_those_that_have_a_place() -> None:
    """The group above it has no name, so no team."""
    teams = team("T1", "A", of=0), team("T2", "B", of=1)
    groups = group(0, "Y"), group(1, "Z", below=[2]), group(2, "")
    assert calls(organisation(*teams), *groups) == [
        update("T2", name="Z"),
        update("T1", name="Y"),
    ]


def test_marked_teams_are_renamed_before_all_others() -> None:
    swit = organisation(team("T1", "A", of=0), team("T2", "Old", of=1))
    assert calls(swit, group(0, "B"), policy=Policy(team_removal="mark")) == [
        update("T2", name="(removed) Old"),
        update("T1", name="B"),
    ]


def test_two_teams_that_are_marked_get_two_names() -> None:
    """The number of the one is the name of the other."""
    teams = team("T1", "A", of=0), team("T2", "A (2)", of=1), team("T3", "(removed) A")
    plan = attempt(directory(), organisation(*teams), Policy(team_removal="mark")).plan
    assert [(c.object_id, c.after) for c in plan.changes] == [
        ("T1", {"name": "(removed) A (2)"}),
        ("T2", {"name": "(removed) A (2) (2)"}),
    ]


def test_a_team_that_is_marked_says_why() -> None:
    swit = organisation(team("T1", "A", of=0))
    (change,) = attempt(directory(), swit, Policy(team_removal="mark")).plan.changes
    assert change.after == {"name": "(removed) A"}
    assert change.reason == "its group has left the directory"


def test_who_steps_aside_under_its_own_new_name_moves_once_its_parent_is_made() -> None:
    """The new parent needs the name that its child has till now."""
    swit = organisation(team("T1", "A", of=1))
    trial = attempt(directory(group(0, "A"), group(1, "B", below=[0])), swit)
    assert [(c.step, c.object_id) for c in trial.plan.changes] == [
        ("free_team_names", "T1"),
        ("create_teams", f"new:team:{DN[0].lower()}"),
        ("update_teams", "T1"),
    ]
    assert [sorted(c.after) for c in trial.plan.changes if c.object_id == "T1"] == [
        ["name"],
        ["parent", "parent_id"],
    ]
