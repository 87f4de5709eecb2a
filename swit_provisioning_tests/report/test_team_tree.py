"""The picture of the team tree: what changes, in its place, and no more than fits."""

import base64
from dataclasses import replace
from xml.etree.ElementTree import fromstring

import pytest

from swit_provisioning.planning.match_teams import Team
from swit_provisioning.planning.model import Change, Plan, TeamBefore
from swit_provisioning.planning.planner import teams_around
from swit_provisioning.report.page import tree_markdown, tree_svg
from swit_provisioning.report.tree import Branch, rows_of, tree_of
from swit_provisioning_tests.planning.busy_day import plan_of_the_day
from swit_provisioning_tests.planning.made_plans import change, deletion
from swit_provisioning_tests.report.hostile import NAMES, hostile_plan

TEAMS = {
    team_id: Team(team_id=team_id, name=name, parent_id=parent, reference=None)
    for team_id, name, parent in (
        ("R", "Acme", None),
        ("S", "Sales", "R"),
        ("E", "Europe", "S"),
        ("A", "Asia", "S"),
        ("K", "Korea", "A"),
        ("L", "Law", "R"),
        ("I", "IT", "R"),
        ("W", "Web", "I"),
    )
}


def picture(*changes: Change) -> list[str]:
    """The lines of the tree as a person reads them."""
    root = tree_of(teams_around(changes, TEAMS), changes)
    return [] if root is None else lines(root)


def lines(root: Branch, most: int = 100) -> list[str]:
    found = []
    for row in rows_of(root, most):
        if row.branch is None:
            found.append(row.guides + row.left_out)
        else:
            named = f"{row.branch.sign} {row.branch.name}".strip()
            found.append(row.guides + named + (f" ({row.branch.note})" if row.branch.note else ""))
    return found


def test_only_branches_with_a_change_are_drawn_and_the_rest_is_counted() -> None:
    rename = change("team.update", "K", before={"name": "Korea"}, after={"name": "Seoul"})
    assert picture(rename) == [
        "Acme",
        "├── Sales",
        "│   ├── Asia",
        "│   │   └── ~ Seoul (was Korea)",
        "│   └── … 1 more",
        "└── … 2 more",
    ]


def test_a_new_a_moved_and_a_deleted_team_stand_in_their_place() -> None:
    made = change("team.create", "new:team:x", after={"name": "Ops", "parent_id": "I"})
    moved = change(
        "team.update",
        "E",
        before={"parent_id": "S", "parent": "Sales"},
        after={"parent_id": "R", "parent": "Acme"},
    )
    gone = replace(deletion("L", 2), before={"name": "Law", "parent_id": "R", "members": ["a"]})
    assert picture(made, moved, gone) == [
        "Acme",
        "├── Sales",
        "│   └── … 1 more",
        "├── → Europe (moved from Sales)",
        "├── - Law (deleted, 1 member)",
        "└── IT",
        "    ├── + Ops (new)",
        "    └── … 1 more",
    ]


def test_a_team_that_steps_aside_for_a_moment_is_told_by_its_first_and_last_name() -> None:
    aside = change("team.update", "E", before={"name": "Europe"}, after={"name": "(moving) Europe"})
    then = change("team.update", "E", before={"name": "(moving) Europe"}, after={"name": "Asia 2"})
    assert "│   ├── ~ Asia 2 (was Europe)" in picture(aside, then)


def test_a_team_that_is_renamed_and_moved_has_both_signs() -> None:
    both = change(
        "team.update",
        "E",
        before={"name": "Europe", "parent_id": "S"},
        after={"name": "EU", "parent_id": "R"},
    )
    assert "├── ~→ EU (was Europe, moved from Sales)" in picture(both)


def test_children_stand_in_the_order_that_the_plan_gives_them() -> None:
    sort = change("team.sort", "R", after={"team_ids": ["I", "S", "L"], "teams": []})
    rename = [change("team.update", t, after={"name": f"New {t}"}) for t in ("S", "L", "I")]
    shown = picture(*rename, sort)
    assert [line[4:] for line in shown if line[:3] in {"├──", "└──"}] == [
        "~ New I (was IT)",
        "~ New S (was Sales)",
        "~ New L (was Law)",
    ]
    assert shown[0] == "↕ Acme (the teams below it are sorted)"


def test_there_is_no_picture_where_no_team_changes() -> None:
    assert picture(change("user.create", "new:user:a@x")) == []
    assert picture() == []


def test_the_plan_of_a_busy_day_draws_every_team_that_changes_once() -> None:
    plan = plan_of_the_day()
    root = tree_of(plan.teams, plan.changes)
    assert root is not None
    changed = {c.object_id for c in plan.changes if c.action.startswith("team.")}
    drawn = [row.branch.team_id for row in rows_of(root, 1000) if row.branch and row.branch.marks]
    assert sorted(drawn) == sorted(changed)


def wide_and_deep(number: int) -> Branch:
    """A tree of so many new teams, eight below each."""
    teams = (TeamBefore(team_id="R", name="Acme", parent_id=None),)
    made = [
        change(
            "team.create",
            f"n{n}",
            after={"name": f"Team {n}", "parent_id": f"n{n // 8}" if n >= 8 else "R"},
        )
        for n in range(number)
    ]
    root = tree_of(teams, made)
    assert root is not None
    return root


@pytest.mark.parametrize("number", [10, 1_000, 10_000])
def test_a_tree_of_any_size_fits_and_says_what_is_left_out(number: int) -> None:
    rows = rows_of(wide_and_deep(number), 60)
    drawn = [row for row in rows if row.branch is not None]
    told = [row.left_out.split()[1] for row in rows if row.left_out]
    assert len(drawn) == min(number + 1, 60)
    left = number + 1 - len(drawn)
    # Who is left out with their parent is not counted again.
    assert 0 <= sum(int(count.replace(",", "")) for count in told) <= left
    assert bool(told) == bool(left)
    assert {row.branch.name for row in drawn if row.branch} >= {f"Team {n}" for n in range(8)}


def test_a_very_deep_tree_is_drawn() -> None:
    teams = (TeamBefore(team_id="n0", name="Acme", parent_id=None),)
    deep = [
        change("team.create", f"n{n}", after={"name": f"T{n}", "parent_id": f"n{n - 1}"})
        for n in range(1, 3000)
    ]
    root = tree_of(teams, deep)
    assert root is not None
    assert len(rows_of(root, 5000)) == 3000


def test_the_picture_is_well_formed_whatever_a_team_is_called() -> None:
    plan = hostile_plan()
    root = tree_of(plan.teams, plan.changes)
    assert root is not None
    svg = fromstring(tree_svg(root))  # noqa: S314 - our own
    assert {element.tag.rpartition("}")[2] for element in svg.iter()} == {
        "svg",
        "rect",
        "path",
        "text",
        "tspan",
        "title",
    }
    assert not [name for element in svg.iter() for name in element.attrib if name[:2] == "on"]
    text = "".join(svg.itertext())
    assert NAMES[0] in text
    assert "x" * 79 + "…" in text


def test_the_picture_in_the_ui_is_one_image_that_holds_all_of_it() -> None:
    markdown = tree_markdown(wide_and_deep(10))
    alt, _, rest = markdown.partition("](data:image/svg+xml;base64,")
    assert alt == "![The team tree as it will be"
    assert base64.b64decode(rest.removesuffix(")")).startswith(b"<svg ")


def test_a_plan_of_an_earlier_version_can_still_be_shown_without_a_picture() -> None:
    document = plan_of_the_day().document()
    del document["teams"]
    old = Plan.of(document)
    assert old.plan_id == plan_of_the_day().plan_id
    assert tree_of(old.teams, old.changes) is None


def test_a_stored_plan_keeps_its_picture() -> None:
    plan = plan_of_the_day()
    assert Plan.of(plan.document()).teams == plan.teams != ()
