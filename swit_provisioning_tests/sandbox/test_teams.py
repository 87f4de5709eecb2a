import unicodedata

import pytest

from swit_provisioning.sandbox.organisation import Organisation
from swit_provisioning.sandbox.records import Behaviour
from swit_provisioning_tests.sandbox.caller import Caller, message


def tree(organisation: Organisation) -> list[tuple[int, str]]:
    return [(team["depth"], team["name"]) for team in organisation.snapshot()["teams"]]


def test_a_new_organisation_has_a_root_and_unassigned(caller: Caller) -> None:
    root, unassigned = caller.get("user.team.list").json()["data"]["team"]
    assert (root["depth"], unassigned["depth"]) == (0, 1)
    assert (unassigned["team_name"], unassigned["parent_id"]) == ("Unassigned", root["team_id"])
    assert root["team_id"] != caller.get("organization.info").json()["data"]["id"]


def test_teams_are_created_under_their_parent_and_listed_in_order(
    caller: Caller, organisation: Organisation
) -> None:
    top = caller.post("team.create", name="Top", parent_id=organisation.records.root_id)
    below = caller.post(
        "team.create", name="Below", parent_id=top.json()["data"]["id"], reference="CN=Below"
    )
    assert below.json()["data"]["reference"] == "CN=Below"
    assert below.json()["data"]["depth"] == 2
    organisation.add_team("Last")
    assert tree(organisation)[1:] == [(1, "Unassigned"), (1, "Top"), (2, "Below"), (1, "Last")]


def test_spaces_in_names_are_trimmed_and_collapsed(
    caller: Caller, organisation: Organisation
) -> None:
    made = caller.post(
        "team.create", name="  Sales \t EMEA ", parent_id=organisation.records.root_id
    )
    assert made.json()["data"]["name"] == "Sales EMEA"


@pytest.mark.parametrize("taken", ["SALES é", "Sales  É ", "unassigned", "sandbox organisation"])
def test_team_names_are_unique_regardless_of_case_spaces_and_normal_form(
    caller: Caller, organisation: Organisation, taken: str
) -> None:
    organisation.add_team("Sales é")
    name = unicodedata.normalize("NFD", taken)
    answer = caller.post("team.create", name=name, parent_id=organisation.records.root_id)
    assert answer.status_code == 409
    other = organisation.add_team("Other")
    assert caller.post("team.update", id=other, name=name).status_code == 409


def test_a_team_may_change_the_case_of_its_own_name(
    caller: Caller, organisation: Organisation
) -> None:
    sales = organisation.add_team("Sales")
    assert caller.post("team.update", id=sales, name="SALES").json()["data"]["name"] == "SALES"


def test_the_old_name_of_a_renamed_team_is_free(caller: Caller, organisation: Organisation) -> None:
    sales = organisation.add_team("Sales")
    caller.post("team.update", id=sales, name="Marketing")
    organisation.add_team("Sales")
    assert organisation.team_by_name("sales") is not organisation.team(sales)


@pytest.mark.parametrize("character", sorted("@#<>§▒{};*"))
def test_a_team_name_with_a_forbidden_character_is_refused(
    caller: Caller, organisation: Organisation, character: str
) -> None:
    answer = caller.post(
        "team.create", name=f"A{character}B", parent_id=organisation.records.root_id
    )
    assert answer.status_code == 400
    assert character in message(answer)


def test_an_update_keeps_values_that_are_not_given(
    caller: Caller, organisation: Organisation
) -> None:
    above = organisation.add_team("Above")
    team = organisation.add_team("Team", parent_id=above, reference="CN=Team")
    caller.post("team.update", id=team, name="Renamed")
    found = organisation.team(team)
    assert (found.name, found.parent_id, found.reference) == ("Renamed", above, "CN=Team")
    caller.post("team.update", id=team, reference="")
    assert organisation.team(team).reference is None


def test_a_refused_update_changes_nothing(caller: Caller, organisation: Organisation) -> None:
    organisation.add_team("Taken")
    team = organisation.add_team("Team", reference="CN=Team")
    before = organisation.snapshot()
    refused = [
        caller.post("team.update", id=team, reference="CN=New", name="Taken"),
        caller.post("team.update", id=team, reference="CN=New", parent_id="none"),
        caller.post("team.update", id=team, name="New", parent_id=team),
    ]
    assert [answer.status_code for answer in refused] == [409, 404, 400]
    assert organisation.snapshot() == before


def test_a_moved_team_becomes_the_last_child_of_its_new_parent(
    caller: Caller, organisation: Organisation
) -> None:
    left, right = organisation.add_team("Left"), organisation.add_team("Right")
    organisation.add_team("Old", parent_id=right)
    moving = organisation.add_team("Moving", parent_id=left)
    caller.post("team.update", id=moving, parent_id=right)
    assert tree(organisation)[2:] == [(1, "Left"), (1, "Right"), (2, "Old"), (2, "Moving")]
    caller.post("team.update", id=left, parent_id=organisation.records.root_id)
    assert tree(organisation)[2] == (1, "Left")


def test_a_team_cannot_be_moved_under_itself_or_a_team_below_it(
    caller: Caller, organisation: Organisation
) -> None:
    top = organisation.add_team("Top")
    middle = organisation.add_team("Middle", parent_id=top)
    bottom = organisation.add_team("Bottom", parent_id=middle)
    answers = [caller.post("team.update", id=top, parent_id=to) for to in (top, middle, bottom)]
    assert [answer.status_code for answer in answers] == [400, 400, 400]


def test_deleting_a_team_deletes_the_teams_below_it(
    caller: Caller, organisation: Organisation
) -> None:
    top = organisation.add_team("Top")
    below = organisation.add_team("Below", parent_id=top)
    ann = organisation.add_user("ann@example.com", teams=[below])
    assert caller.post("team.delete", id=top).json() == {"data": None}
    assert caller.post("team.delete", id=below).status_code == 404
    assert [name for _, name in tree(organisation)] == ["Sandbox Organisation", "Unassigned"]
    assert organisation.user(ann).primary is None
    organisation.add_team("Below")


def test_deleting_a_parent_can_move_its_children_up_or_be_refused(
    caller: Caller, organisation: Organisation
) -> None:
    top = organisation.add_team("Top")
    organisation.add_team("Below", parent_id=top)
    organisation.behaviour = Behaviour(parent_deletion="reject")
    assert caller.post("team.delete", id=top).status_code == 400
    organisation.behaviour = Behaviour(parent_deletion="orphan")
    assert caller.post("team.delete", id=top).status_code == 200
    assert tree(organisation)[2:] == [(1, "Below")]


@pytest.mark.parametrize("own", ["root_id", "unassigned_id"])
def test_the_root_and_unassigned_cannot_be_changed(
    caller: Caller, organisation: Organisation, own: str
) -> None:
    team_id = getattr(organisation.records, own)
    other = organisation.add_team("Other")
    before = organisation.snapshot()
    answers = [
        caller.post("team.delete", id=team_id),
        caller.post("team.update", id=team_id, name="Mine"),
        caller.post("team.update", id=team_id, parent_id=other),
        caller.post("team.user.add", id=team_id, user_ids=[organisation.authorised_user_id]),
        caller.post("team.user.remove", id=team_id, user_ids=[organisation.authorised_user_id]),
    ]
    assert {answer.status_code for answer in answers} == {403}
    assert organisation.snapshot() == before


def test_unassigned_cannot_have_child_teams(caller: Caller, organisation: Organisation) -> None:
    unassigned = organisation.records.unassigned_id
    made = caller.post("team.create", name="Below", parent_id=unassigned)
    moved = caller.post("team.update", id=organisation.add_team("T"), parent_id=unassigned)
    assert (made.status_code, moved.status_code) == (400, 400)


def test_sorting_sets_the_order_of_all_children(caller: Caller, organisation: Organisation) -> None:
    root, unassigned = organisation.records.root_id, organisation.records.unassigned_id
    one, two = organisation.add_team("One"), organisation.add_team("Two")
    answer = caller.post("team.sort", parent_id=root, team_ids=[two, one, unassigned])
    assert answer.status_code == 200
    assert [name for _, name in tree(organisation)[1:]] == ["Two", "One", "Unassigned"]


def test_sorting_requires_exactly_all_children(caller: Caller, organisation: Organisation) -> None:
    root, unassigned = organisation.records.root_id, organisation.records.unassigned_id
    one = organisation.add_team("One")
    below = organisation.add_team("Below", parent_id=one)
    for team_ids in ([one], [], [one, unassigned, below], [one, one, unassigned], ["none"]):
        answer = caller.post("team.sort", parent_id=root, team_ids=team_ids)
        assert answer.status_code == 400
    assert caller.post("team.sort", parent_id="none", team_ids=[]).status_code == 404


def test_references_need_not_be_unique(organisation: Organisation) -> None:
    """Some organisations have several teams with one reference."""
    organisation.add_team("One", reference="CN=Same")
    organisation.add_team("Two", reference="CN=Same")
    assert [t["reference"] for t in organisation.snapshot()["teams"][2:]] == ["CN=Same"] * 2


def test_teams_can_be_listed_by_parent_and_by_direct_children(
    caller: Caller, organisation: Organisation
) -> None:
    top = organisation.add_team("Top")
    middle = organisation.add_team("Middle", parent_id=top)
    organisation.add_team("Bottom", parent_id=middle)

    def names(**query: object) -> list[str]:
        answer = caller.get("user.team.list", **query).json()
        return [team["team_name"] for team in answer["data"]["team"]]

    assert names(parent_id=top) == ["Middle", "Bottom"]
    assert names(parent_id=top, direct_children_only=True) == ["Middle"]
    assert names(direct_children_only="true") == ["Unassigned", "Top"]
    assert caller.get("user.team.list", parent_id="none").status_code == 404
    assert caller.get("user.team.list", direct_children_only="maybe").status_code == 400


def test_a_reference_above_the_limit_is_refused(caller: Caller, organisation: Organisation) -> None:
    sent = {"name": "A", "parent_id": organisation.records.root_id, "reference": "x" * 2001}
    organisation.behaviour = Behaviour(longest_reference=2000)
    assert caller.post("team.create", **sent).status_code == 400
    organisation.behaviour = Behaviour()
    assert caller.post("team.create", **sent).status_code == 200


@pytest.mark.parametrize(
    ("call", "body"),
    [
        ("team.create", {"name": "A"}),
        ("team.create", {"parent_id": "A"}),
        ("team.create", {"name": 5, "parent_id": "A"}),
        ("team.update", {"name": "A"}),
        ("team.delete", {}),
        ("team.sort", {"parent_id": "A"}),
        ("team.sort", {"team_ids": []}),
        ("team.user.add", {"id": "A"}),
        ("team.user.add", {"id": "A", "user_ids": "B"}),
        ("team.user.primary.update", {"id": "A"}),
    ],
)
def test_a_call_without_a_required_argument_is_refused(
    caller: Caller, call: str, body: dict[str, object]
) -> None:
    assert caller.post(call, **body).status_code == 400


def test_unknown_ids_return_404(caller: Caller, organisation: Organisation) -> None:
    answers = [
        caller.post("team.create", name="A", parent_id="none"),
        caller.post("team.create", name="A", parent_id=organisation.records.organization_id),
        caller.post("team.update", id="none", name="A"),
        caller.post("team.delete", id="none"),
        caller.post("team.user.add", id="none", user_ids=["none"]),
        caller.post("team.user.primary.update", id="none", user_id="none"),
    ]
    assert {answer.status_code for answer in answers} == {404}
