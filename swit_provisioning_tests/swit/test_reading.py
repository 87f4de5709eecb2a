"""Complete and incomplete reads of the organisation."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses

from swit_provisioning.planning.findings import organisation_findings
from swit_provisioning.planning.schemas import SWIT_MEMBERSHIPS, SWIT_TEAMS, SWIT_USERS
from swit_provisioning.swit.client import SwitClient
from swit_provisioning.swit.errors import (
    SwitIncompleteReadError,
    SwitOtherOrganizationError,
    SwitRejectedError,
)
from swit_provisioning.swit.reader import ATTEMPTS, read_organization
from swit_provisioning_tests.swit.fakes import API

Row = dict[str, Any]
Page = Callable[[int, list[Row]], Row]


def user(number: int, **changes: object) -> Row:
    row = {
        "user_id": f"u{number}",
        "user_name": f"User {number}",
        "email": f"u{number}@x.example",
        "role": 30,
        "is_active": True,
    }
    return row | changes


def team(number: int, parent: int | None = 0, **changes: object) -> Row:
    row = {
        "team_id": f"t{number}",
        "team_name": f"Team {number}",
        "parent_id": f"t{parent}" if parent is not None else "",
        "depth": 0 if parent is None else 1,
    }
    return row | changes


@dataclass
class Swit:
    """A fake organisation; `bend` may change the answer of a page."""

    users: list[Row] = field(
        default_factory=lambda: [user(1, role=10), *(user(n) for n in range(2, 6))]
    )
    teams: list[Row] = field(default_factory=lambda: [team(0, None), team(1), team(2, 1)])
    me: Row = field(default_factory=lambda: {"id": "u1", "cmp_id": "o1"})
    organization: Row | None = field(
        default_factory=lambda: {"id": "o1", "name": "Acme", "subdomain": "acme"}
    )
    refuses: dict[str, int] = field(default_factory=dict)
    bend: Callable[[int, Row], None] = lambda _number, _data: None
    asked: list[str] = field(default_factory=list)

    def serve(self, web: responses.RequestsMock) -> None:
        for name, answer in {
            "user.info": self.user_info,
            "organization.info": self.organization_info,
            "organization.user.list": self.user_list,
            "user.team.list": self.team_list,
        }.items():
            web.add_callback(responses.GET, f"{API}/{name}", self.answering(name, answer))

    def answering(
        self, name: str, answer: Callable[[dict[str, list[str]]], tuple[int, Row]]
    ) -> Callable[[requests.PreparedRequest], tuple[int, dict[str, str], str]]:
        def respond(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
            self.asked.append(name)
            status, data = answer(parse_qs(urlsplit(request.url or "").query))
            return self.refuses.get(name, status), {}, json.dumps({"data": data})

        return respond

    def user_info(self, _query: dict[str, list[str]]) -> tuple[int, Row]:
        return 200, {"user": self.me}

    def organization_info(self, _query: dict[str, list[str]]) -> tuple[int, Row]:
        return (404, {}) if self.organization is None else (200, self.organization)

    def team_list(self, _query: dict[str, list[str]]) -> tuple[int, Row]:
        return 200, {"team": self.teams}

    def user_list(self, query: dict[str, list[str]]) -> tuple[int, Row]:
        page, count = int(query["page"][0]), int(query["cnt"][0])
        rows = self.users[(page - 1) * count : page * count]
        data = {"total_rows": len(self.users), "users": rows}
        self.bend(self.asked.count("organization.user.list"), data)
        return 200, data


@pytest.fixture
def swit(web: responses.RequestsMock) -> Swit:
    made = Swit()
    made.serve(web)
    return made


def incomplete(client: SwitClient, *, page_size: int = 1000) -> str:
    with pytest.raises(SwitIncompleteReadError) as caught:
        read_organization(client, page_size=page_size)
    assert "No plan is made from this read" in str(caught.value)
    return str(caught.value)


def test_a_small_organisation_takes_four_calls(swit: Swit, client: SwitClient) -> None:
    state = read_organization(client)
    assert sorted(swit.asked) == [
        "organization.info",
        "organization.user.list",
        "user.info",
        "user.team.list",
    ]
    assert client.calls == 4
    assert state.facts.organization_id == "o1"
    assert state.facts.organization_name == "Acme"
    assert state.facts.authorised_user_id == "u1"
    assert state.facts.total_rows == 5
    assert state.facts.warnings == ()


def test_the_frames_contain_the_values_that_were_read(swit: Swit, client: SwitClient) -> None:
    swit.users[1] |= {
        "tel": "+82-10",
        "language": "ja",
        "is_active": False,
        "team": [
            {"team_id": "t2", "main_dept_yn": "N"},
            {"team_id": "t1", "main_dept_yn": "Y"},
        ],
    }
    swit.teams[1] |= {"reference": "cn=one", "member_cnt": 1}
    state = read_organization(client)
    assert state.users.to_dict("records")[1] == {
        "user_id": "u2",
        "email": "u2@x.example",
        "name": "User 2",
        "phone_number": "+82-10",
        "role": 30,
        "active": False,
        "language": "ja",
        "primary_team": "t1",
    }
    assert list(state.teams["position"]) == [0, 1, 2]
    assert list(state.teams["team_id"]) == ["t0", "t1", "t2"]
    assert list(state.teams["parent_id"].fillna("")) == ["", "t0", "t1"]
    assert list(state.teams["reference"].fillna("")) == ["", "cn=one", ""]
    assert state.memberships.to_dict("records") == [
        {"team_id": "t1", "user_id": "u2"},
        {"team_id": "t2", "user_id": "u2"},
    ]
    for schema, frame in (
        (SWIT_USERS, state.users),
        (SWIT_TEAMS, state.teams),
        (SWIT_MEMBERSHIPS, state.memberships),
    ):
        assert list(frame.columns) == schema.names


def test_all_pages_are_read(swit: Swit, client: SwitClient) -> None:
    swit.users = [user(n, role=20) for n in range(1, 8)]
    state = read_organization(client, page_size=3)
    assert list(state.users["user_id"]) == [f"u{n}" for n in range(1, 8)]
    assert client.calls == 3 + 3


def test_no_page_is_read_after_a_full_last_page(swit: Swit, client: SwitClient) -> None:
    swit.users = [user(n, role=20) for n in range(1, 7)]
    read_organization(client, page_size=3)
    assert client.calls == 3 + 2


def test_a_short_page_is_an_incomplete_read(swit: Swit, client: SwitClient) -> None:
    swit.bend = lambda _, data: data["users"].pop()
    assert "page 1 is too short: 1 of 5 users were read" in incomplete(client, page_size=2)
    assert client.calls == 2 + ATTEMPTS


def test_an_empty_page_is_an_incomplete_read(swit: Swit, client: SwitClient) -> None:
    swit.bend = lambda _, data: data.update(users=[])
    assert "page 1 is too short: 0 of 5" in incomplete(client)


def test_a_last_page_below_the_total_is_an_incomplete_read(swit: Swit, client: SwitClient) -> None:
    swit.bend = lambda _, data: data.update(total_rows=6)
    assert "page 1 is too short: 5 of 6" in incomplete(client)


def test_more_users_than_the_total_are_an_incomplete_read(swit: Swit, client: SwitClient) -> None:
    swit.bend = lambda _, data: data.update(total_rows=4)
    assert "Swit listed 5 users, but counts 4" in incomplete(client)


def test_an_empty_user_list_is_an_incomplete_read(swit: Swit, client: SwitClient) -> None:
    swit.users = []
    assert "(id u1) is not among the 0 users" in incomplete(client)


def test_a_user_who_joins_during_paging_restarts_the_read(swit: Swit, client: SwitClient) -> None:
    def joins(number: int, data: Row) -> None:
        if number == 1:
            swit.users.append(user(6))
            data["users"] = list(data["users"])

    swit.bend = joins
    state = read_organization(client, page_size=3)
    assert state.facts.total_rows == len(state.users) == 6
    assert client.calls == 3 + 2 + 2


def test_a_total_that_keeps_changing_is_an_incomplete_read(swit: Swit, client: SwitClient) -> None:
    def restless(number: int, _data: Row) -> None:
        swit.users.append(user(100 + number))

    swit.bend = restless
    assert "the total changed from 9 to 10 between pages" in incomplete(client, page_size=3)
    assert client.calls == 2 + ATTEMPTS * 2


@pytest.mark.parametrize("page_size", [10, 3])
def test_a_repeated_user_is_an_incomplete_read(
    page_size: int, swit: Swit, client: SwitClient
) -> None:
    swit.users[4] = user(1, role=10)
    assert "users that were listed twice: 1 (page " in incomplete(client, page_size=page_size)


def test_a_user_who_moves_to_the_next_page_restarts_the_read(
    swit: Swit, client: SwitClient
) -> None:
    """One user leaves and another joins, so the total is unchanged, but not the pages."""

    def slips(number: int, _data: Row) -> None:
        if number == 1:
            swit.users = [user(9), *swit.users[:4]]

    swit.bend = slips
    state = read_organization(client, page_size=3)
    assert set(state.users["user_id"]) == {"u9", "u1", "u2", "u3", "u4"}


@pytest.mark.parametrize(
    ("mine", "problem"),
    [
        (user(1, role=10, is_active=False), "is not active"),
        (user(1, role=30), "is not a master or admin (role 30)"),
        (user(1, role=None), "is not a master or admin (role 0)"),
        (user(9, role=10), "is not among the 5 users"),
    ],
)
def test_the_authorised_user_must_be_a_listed_active_administrator(
    mine: Row, problem: str, swit: Swit, client: SwitClient
) -> None:
    swit.users[0] = mine
    assert f"the user that the token belongs to (id u1) {problem}" in incomplete(client)


@pytest.mark.parametrize("role", [10, 20, "20"])
def test_a_master_or_an_admin_may_read(role: object, swit: Swit, client: SwitClient) -> None:
    swit.users[0] = user(1, role=role)
    assert read_organization(client).facts.authorised_user_id == "u1"


@pytest.mark.parametrize(
    ("teams", "problem"),
    [
        ([], "Root teams found: 0."),
        ([team(1)], "Root teams found: 0."),
        ([team(0, None), team(1, None)], "Root teams found: 2 (Team 0, Team 1)."),
        (
            [team(0, None), team(1), team(2, 7), team(3, 8)],
            "teams whose parent is not in the list: 2 (Team 2, Team 3).",
        ),
        (
            [team(0, None), team(1, None, depth=1)],
            "teams whose parent is not in the list: 1 (Team 1).",
        ),
        ([team(0, None), team(1), team(1)], "teams that were listed twice: 1."),
        (
            [team(0, None), team(1, 2), team(2, 1), team(3, 2)],
            "teams that form a cycle: 3 (Team 1, Team 2, Team 3).",
        ),
        (
            [team(0, None), *(team(n, 99) for n in range(1, 9))],
            "8 (Team 1, Team 2, Team 3, Team 4, Team 5 and 3 more).",
        ),
    ],
)
def test_teams_that_are_not_one_tree_are_an_incomplete_read(
    teams: Sequence[Row], problem: str, swit: Swit, client: SwitClient
) -> None:
    swit.teams = list(teams)
    assert problem in incomplete(client)


@pytest.mark.parametrize(
    "root",
    [
        team(0, None, parent_id="o1"),
        team(0, None, parent_id=None),
        team(0, None, parent_id="0", depth=None),
        team(0, None, depth="0"),
    ],
)
def test_the_root_is_found_by_depth_or_by_its_missing_parent(
    root: Row, swit: Swit, client: SwitClient
) -> None:
    """At any position in the list."""
    swit.teams = [team(1), root]
    state = read_organization(client)
    assert list(state.teams["team_id"]) == ["t1", "t0"]
    assert list(state.teams["parent_id"].fillna("")) == ["t0", ""]


@pytest.mark.parametrize("expected", [None, "", "o1", "acme", " ACME "])
def test_the_expected_organisation_is_read(
    expected: str | None, swit: Swit, client: SwitClient
) -> None:
    assert read_organization(client, expected=expected).facts.organization_name == "Acme"
    assert swit.asked


@pytest.mark.parametrize("expected", ["other", "O1", "Acme Inc"])
def test_another_organisation_is_not_read(expected: str, swit: Swit, client: SwitClient) -> None:
    with pytest.raises(SwitOtherOrganizationError) as caught:
        read_organization(client, expected=expected)
    assert isinstance(caught.value, SwitRejectedError)
    assert str(caught.value) == (
        "organization.info: the token belongs to Acme (id o1, subdomain acme), but"
        f" {expected} is expected. Use a token of the expected organisation, or correct"
        " SWIT_ORGANIZATION."
    )
    assert "organization.user.list" not in swit.asked


@pytest.mark.parametrize("expected", [None, "o1"])
def test_an_old_edition_names_the_organisation_only_in_user_info(
    expected: str | None, swit: Swit, client: SwitClient
) -> None:
    swit.organization = None
    facts = read_organization(client, expected=expected).facts
    assert facts.organization_id == "o1"
    assert facts.organization_name == "Team 0"


def test_an_old_edition_cannot_confirm_a_subdomain(swit: Swit, client: SwitClient) -> None:
    swit.organization = None
    with pytest.raises(SwitOtherOrganizationError, match="subdomain not known"):
        read_organization(client, expected="acme")


def test_an_organisation_without_an_id_is_not_read(swit: Swit, client: SwitClient) -> None:
    swit.organization = None
    swit.me = {"id": "u1"}
    assert "user.info: the answer contains no organisation" in incomplete(client)


def test_memberships_are_read_from_both_lists(swit: Swit, client: SwitClient) -> None:
    """One of the lists may be shortened."""
    swit.users[1]["team"] = [{"team_id": "t1"}]
    swit.users[2]["team"] = [{"team_id": "t1"}]
    swit.teams[1]["users"] = ["u3", "u4"]
    pairs = read_organization(client).memberships.to_dict("records")
    assert [(row["team_id"], row["user_id"]) for row in pairs] == [
        ("t1", "u2"),
        ("t1", "u3"),
        ("t1", "u4"),
    ]


def test_memberships_of_unlisted_users_and_teams_are_left_out_with_a_warning(
    swit: Swit, client: SwitClient
) -> None:
    swit.teams[1]["users"] = ["u2", "u77"]
    swit.users[2]["team"] = [{"team_id": "t88", "main_dept_yn": "Y"}]
    state = read_organization(client)
    assert state.memberships.to_dict("records") == [{"team_id": "t1", "user_id": "u2"}]
    assert state.users["primary_team"].isna().all()
    (warning,) = state.facts.warnings
    assert warning == (
        "memberships that name a user or a team that Swit does not list are ignored;"
        " teams: 2 (ids t1, t88)"
    )


def test_inconsistent_counts_and_missing_addresses_are_findings(
    swit: Swit, client: SwitClient
) -> None:
    """The read is complete all the same."""
    swit.teams[1] |= {"users": ["u2", "u3"], "member_cnt": 5}
    swit.users[3]["email"] = None
    state = read_organization(client)
    assert state.facts.warnings == ()
    found = {(f.kind, f.subject): f for f in organisation_findings(state)}
    assert set(found) == {
        ("member count mismatch", "Team 1"),
        ("user without email", "User 4 (u4)"),
    }
    assert {finding.side for finding in found.values()} == {"swit"}
    assert (
        "counts 5 members of this team and lists 2"
        in found["member count mismatch", "Team 1"].message
    )


def test_the_member_count_is_optional(swit: Swit, client: SwitClient) -> None:
    swit.teams[1] |= {"users": ["u2", "u3"]}
    swit.teams[2] |= {"users": ["u2"], "member_cnt": 1}
    assert list(organisation_findings(read_organization(client))) == []


def test_a_refused_organization_info_is_not_an_old_edition(swit: Swit, client: SwitClient) -> None:
    swit.refuses["organization.info"] = 403
    with pytest.raises(SwitRejectedError, match="HTTP 403"):
        read_organization(client)
