"""The reference program's JSON shape, and everything that is wrong with such files in practice."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from swit_provisioning.planning.snapshots import BaseCount, DirectorySnapshot, column
from swit_provisioning.sources.attributes import AttributeMapping
from swit_provisioning.sources.base import DirectoryConfigError, DirectoryIncompleteError
from swit_provisioning.sources.json_file import JsonDirectory

ADA = {
    "distinguishedName": "CN=Ada,OU=People,DC=x",
    "mail": "ada@example.test",
    "displayName": "Ada",
    "mobile": "+1 2",
}
BEN = {"distinguishedName": "CN=Ben,OU=People,DC=x", "mail": "ben@example.test", "mobile": None}
TEAM = {
    "distinguishedName": "CN=Team,OU=Groups,DC=x",
    "displayName": "Team",
    "member": ["cn=ada, ou=people, dc=x", "CN=Gone,OU=People,DC=x"],
    "memberOf": ["CN=Company,OU=Groups,DC=x"],
}
COMPANY = {
    "distinguishedName": "CN=Company,OU=Groups,DC=x",
    "cn": "Company",
    "member": TEAM["distinguishedName"],
}
NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "company.json"


def read(
    path: Path, document: object, mapping: AttributeMapping | None = None
) -> DirectorySnapshot:
    text = document if isinstance(document, str) else json.dumps(document)
    path.write_text(text, encoding="utf-8")
    return JsonDirectory(path, mapping, clock=lambda: NOW).read()


def test_people_and_groups_are_read_in_the_order_of_the_file(path: Path) -> None:
    state = read(path, {"users": [BEN, ADA], "groups": [TEAM, COMPANY], "version": 3})
    ada = state.users.iloc[1].to_dict()
    assert ada == {
        "key": "cn=ada,ou=people,dc=x",
        "dn": "CN=Ada,OU=People,DC=x",
        "directory_id": "cn=ada,ou=people,dc=x",
        "emails": ["ada@example.test"],
        "other_emails": ada["other_emails"],
        "names": ["Ada"],
        "phone_numbers": ["+1 2"],
        "language": ada["language"],
        "primary_group": ada["primary_group"],
        "enabled": True,
        "base": "company.json",
        "position": 1,
    }
    assert state.users[["other_emails", "language", "primary_group"]].isna().all(axis=None)
    assert list(state.groups["names"]) == [["Team"], ["Company"]]
    assert list(state.groups["position"]) == [0, 1]
    assert state.memberships.values.tolist() == [
        ["cn=team,ou=groups,dc=x", "cn=ada,ou=people,dc=x", "cn=ada, ou=people, dc=x"],
        ["cn=team,ou=groups,dc=x", "cn=gone,ou=people,dc=x", "CN=Gone,OU=People,DC=x"],
        ["cn=company,ou=groups,dc=x", "cn=team,ou=groups,dc=x", "CN=Team,OU=Groups,DC=x"],
    ]


def test_the_facts_name_the_file_and_count_what_is_usable(path: Path) -> None:
    off = {**ADA, "distinguishedName": "CN=Off,DC=x", "userAccountControl": 514}
    nowhere = {"distinguishedName": "CN=No address,DC=x"}
    facts = read(path, {"users": [ADA, BEN, off, nowhere], "groups": [TEAM]}).facts
    assert (facts.source, facts.kind, facts.search_base) == ("company.json", "json", None)
    assert facts.bases == (BaseCount(base="company.json", users=2, groups=1),)
    assert JsonDirectory(path).description == "company.json"


def test_no_member_of_and_an_empty_one_are_two_things(path: Path) -> None:
    """A group that says it has no parent has none; one that says nothing is asked of the others."""
    silent = {"distinguishedName": "CN=A,DC=x", "memberOf": None}
    top = {"distinguishedName": "CN=B,DC=x", "memberOf": []}
    state = read(path, {"users": [ADA], "groups": [silent, top, TEAM]})
    assert column(state.groups, "parents") == [None, [], ["cn=company,ou=groups,dc=x"]]


def named(state: DirectorySnapshot) -> list[tuple[str, str, str]]:
    rows = state.findings[["kind", "dn", "attribute"]].to_numpy().tolist()
    return [(kind, dn, attribute) for kind, dn, attribute in rows]


def test_values_are_trimmed_empty_ones_dropped_and_doubles_once(path: Path) -> None:
    mail = [" b@x.test ", "", None, "a@x.test", "b@x.test"]
    ada = {
        **ADA,
        "mail": mail,
        "displayName": "  ",
        "cn": "Ada C",
        "mobile": 4917,
        "pager": {"x": 1},
    }
    ada.pop("pager")
    user = read(path, {"users": [ada], "groups": []}).users.iloc[0]
    assert user["emails"] == ["b@x.test", "a@x.test"]
    assert user["names"] == ["Ada C"]
    assert user["phone_numbers"] == ["4917"]


def test_names_of_any_script_come_through_unchanged(path: Path) -> None:
    names = ["𠮷田 花子", "נועה לוי", "e\u0301", "👩\u200d🚀"]
    users = [{**ADA, "distinguishedName": f"CN={n},DC=x", "displayName": n} for n in names]
    assert [row[0] for row in read(path, {"users": users, "groups": []}).users["names"]] == names


def test_half_a_surrogate_pair_is_left_out_as_a_finding(path: Path) -> None:
    text = json.dumps({"users": [{**ADA, "mobile": "HALF"}], "groups": []})
    state = read(path, text.replace("HALF", r"\ud83d"))
    assert state.users.iloc[0]["phone_numbers"] == []
    assert named(state) == [("invalid encoding", "CN=Ada,OU=People,DC=x", "mobile")]


def test_a_mapping_says_which_attributes_count(path: Path) -> None:
    mapping = AttributeMapping(
        email="upn", name=("nick",), language="lang", primary_group="main", order="rank"
    )
    ada = {**ADA, "UPN": "ada@corp.test", "nick": "A", "lang": "de", "main": "Team"}
    groups = [{**TEAM, "rank": 2.5}, {**COMPANY, "rank": "first"}]
    state = read(path, {"users": [ada], "groups": groups}, mapping)
    user = state.users.iloc[0]
    assert (user["emails"], user["names"]) == (["ada@corp.test"], ["A"])
    assert (user["language"], user["primary_group"]) == ("de", "Team")
    assert state.groups["order"].tolist()[0] == 2.5
    assert state.groups["order"].isna().tolist() == [False, True]
    assert named(state) == [("invalid number", COMPANY["distinguishedName"], "rank")]
    assert state.facts.attributes["email"] == "upn"
    assert state.facts.attributes["name"] == "nick"


def test_a_member_that_is_no_name_is_a_finding_and_stops_nobody(path: Path) -> None:
    team = {**TEAM, "member": ["ada", "CN=Ada,OU=People,DC=x"]}
    state = read(path, {"users": [ADA], "groups": [team]})
    assert list(state.memberships["member"]) == ["cn=ada,ou=people,dc=x"]
    assert named(state) == [("invalid DN", TEAM["distinguishedName"], "member")]
    assert "'ada'" in state.findings.iloc[0]["reason"]
    assert state.facts.attributes["member"] == "member"


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ("{", "line 1, column 2"),
        ("[]", "not a JSON object"),
        pytest.param("[" * 100_000, "nested too deeply", id="deep"),
        pytest.param(f"[{'1' * 5_000}]", "a number with thousands of digits", id="long number"),
        ({"groups": []}, "`users` is missing"),
        ({"users": {}, "groups": []}, "`users` is not a list"),
        ({"users": [ADA]}, "`groups` is missing (write [] if there are none)"),
        ({"users": [ADA, "Ben"], "groups": []}, "users[1] is not an object"),
        ({"users": [{"mail": "x"}], "groups": []}, "users[0] has no `distinguishedName`"),
        ({"users": [ADA], "groups": [{**TEAM, "distinguishedName": " "}]}, "groups[0] has no"),
        ({"users": [{**ADA, "mail": {"work": "x"}}], "groups": []}, "users[0]: `mail`"),
    ],
)
def test_a_file_of_another_shape_is_an_error_that_names_file_and_entry(
    path: Path, document: object, problem: str
) -> None:
    with pytest.raises(DirectoryConfigError) as caught:
        read(path, document)
    assert problem in str(caught.value)
    assert str(path) in str(caught.value)


def test_all_bad_entries_are_named_at_once(path: Path) -> None:
    bad: list[Any] = [{}, ADA, 7]
    with pytest.raises(DirectoryConfigError, match=r"users\[0\].*users\[2\].*groups\[0\]"):
        read(path, {"users": bad, "groups": [None]})


@pytest.mark.parametrize("dn", ["Ada", "CN=Ada,,DC=x"])
def test_an_entry_whose_name_is_none_is_an_error_that_says_which(path: Path, dn: str) -> None:
    with pytest.raises(DirectoryConfigError, match=r"users\[1\]"):
        read(path, {"users": [BEN, {**ADA, "distinguishedName": dn}], "groups": []})


def test_the_same_entry_twice_is_one_entry(path: Path) -> None:
    assert len(read(path, {"users": [ADA, BEN, ADA], "groups": []}).users) == 2


@pytest.mark.parametrize(
    "other",
    [{**ADA, "mail": "else@example.test"}, {**ADA, "distinguishedName": "cn=ADA,ou=people,dc=x"}],
)
def test_two_entries_with_one_name_are_an_error(path: Path, other: dict[str, str]) -> None:
    """Which of the two is the account's would be a guess; the other would look like a leaver."""
    with pytest.raises(DirectoryConfigError, match=r"users\[0\].* and users\[1\]"):
        read(path, {"users": [ADA, other], "groups": []})


def test_a_user_and_a_group_of_one_name_are_an_error(path: Path) -> None:
    group = {"distinguishedName": ADA["distinguishedName"]}
    with pytest.raises(DirectoryConfigError, match="same DN"):
        read(path, {"users": [ADA], "groups": [group]})


@pytest.mark.parametrize(
    "users", [[], [{**ADA, "userAccountControl": "514"}], [{**ADA, "mail": " "}]]
)
def test_a_file_without_anybody_is_a_failed_read(path: Path, users: list[object]) -> None:
    with pytest.raises(DirectoryIncompleteError, match="failed read"):
        read(path, {"users": users, "groups": [TEAM]})


def test_a_file_that_is_not_there_is_an_error_that_names_it(path: Path) -> None:
    with pytest.raises(DirectoryConfigError, match="IDP_FILE") as caught:
        JsonDirectory(path).read()
    assert str(path) in str(caught.value)


def test_a_file_in_another_encoding_is_an_error_or_read_by_its_mark(path: Path) -> None:
    text = json.dumps({"users": [{**ADA, "displayName": "Zoë"}], "groups": []}, ensure_ascii=False)
    path.write_bytes(text.encode("utf-16"))
    assert JsonDirectory(path).read().users.iloc[0]["names"] == ["Zoë"]
    path.write_bytes(text.encode("utf-8-sig"))
    assert len(JsonDirectory(path).read().users) == 1
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(DirectoryConfigError, match="UTF-8"):
        JsonDirectory(path).read()
