"""From the file to the plan: a value that can't be read changes nothing that it stands for."""

import json
from pathlib import Path
from typing import Any

import pytest

from swit_provisioning.planning.model import Plan
from swit_provisioning.planning.planner import make_plan
from swit_provisioning.planning.policy import Memory, Policy
from swit_provisioning.planning.snapshots import DirectorySnapshot
from swit_provisioning.sources.attributes import AttributeMapping
from swit_provisioning.sources.json_file import JsonDirectory
from swit_provisioning.sources.ldif_file import LdifDirectory
from swit_provisioning_tests.planning.specification.organisation import Organisation
from swit_provisioning_tests.planning.specification.states import swit_state

HALF = "\ud83d"
"""Half of a character: JSON can hold it, nothing can send it."""
ANN, BOB = "CN=ann,DC=x", "CN=bob,DC=x"
STAFF, TEAM = "CN=staff,DC=x", "CN=team,DC=x"
REMEMBERED = Memory(users={"cn=bob,dc=x": "bob"})
POLICY = Policy(clear_empty_phone=True)


def organisation() -> Organisation:
    made = Organisation()
    made.add_user("ann", "ann@x", "Ann", "1")
    made.add_user("bob", "bob@x", "Bob", "2")
    made.add_team("T1", "Staff", "T0", STAFF, ["ann", "bob"])
    made.add_team("T2", "Team", "T1", TEAM, ["ann"])
    for user in ("ann", "bob"):
        made.users[user].teams["T1"] = True
    return made


def documents() -> dict[str, Any]:
    """What Swit has, but for Ann's name: she is called Anna now."""
    ann = {"mail": "ann@x", "displayName": "Anna", "mobile": "1"}
    bob = {"mail": "bob@x", "displayName": "Bob", "cn": "bob", "mobile": "2"}
    return {
        "users": [{"distinguishedName": ANN, **ann}, {"distinguishedName": BOB, **bob}],
        "groups": [
            {"distinguishedName": STAFF, "cn": "Staff", "member": [ANN, BOB, TEAM]},
            {"distinguishedName": TEAM, "cn": "Team", "member": [ANN], "memberOf": [STAFF]},
        ],
    }


def read(path: Path, document: dict[str, Any], **mapping: str) -> DirectorySnapshot:
    path.write_text(json.dumps(document), encoding="utf-8")
    return JsonDirectory(path, AttributeMapping(**mapping)).read()  # type: ignore[arg-type]


def planned(state: DirectorySnapshot) -> Plan:
    return make_plan(state, swit_state(organisation()), POLICY, REMEMBERED)


def named(plan: Plan) -> list[tuple[str, str, str]]:
    return [(f.kind, f.subject, f.attribute) for f in plan.findings]


ONLY_ANN = [("user.update", {"name": "Anna"})]


@pytest.mark.parametrize(
    ("part", "changed", "kinds"),
    [
        ("users", {"mail": HALF}, {("invalid encoding", BOB, "mail")}),
        (
            "users",
            {"displayName": HALF},
            {("invalid encoding", BOB, "displayName"), ("missing name", BOB, "displayName, cn")},
        ),
        ("users", {"mobile": HALF}, {("invalid encoding", BOB, "mobile")}),
        ("users", {"preferredLanguage": HALF}, {("invalid encoding", BOB, "preferredLanguage")}),
        ("users", {"accountExpires": "soon"}, {("invalid number", BOB, "accountExpires")}),
        ("users", {"userAccountControl": "0x2"}, {("invalid number", BOB, "userAccountControl")}),
        ("groups", {"memberOf": ["Staff"]}, {("invalid DN", TEAM, "memberOf")}),
        ("groups", {"member": [ANN, "Zoe"]}, {("invalid DN", TEAM, "member")}),
        ("groups", {"rank": "first"}, {("invalid number", TEAM, "rank")}),
        (
            "groups",
            {"displayName": HALF, "cn": "t7"},
            {
                ("invalid encoding", TEAM, "displayName"),
                ("missing group name", TEAM, "displayName, cn"),
            },
        ),
    ],
)
def test_a_value_that_can_not_be_read_leaves_what_it_stands_for(
    tmp_path: Path, part: str, changed: dict[str, Any], kinds: set[tuple[str, str, str]]
) -> None:
    document = documents()
    document[part][1] |= changed
    plan = planned(read(tmp_path / "x.json", document, order="rank"))
    assert set(named(plan)) == kinds
    assert [(change.action, change.after) for change in plan.changes] == ONLY_ANN


def test_a_login_that_is_nobodys_means_nothing_to_the_others(tmp_path: Path) -> None:
    """Named once, as a login; not once more as a member that doesn't exist."""
    path = tmp_path / "x.ldif"
    path.write_text(
        "dn: uid=ann,dc=x\nobjectClass: inetOrgPerson\nuid: ann\ncn: Ann\nmail: ann@x\n\n"
        "dn: cn=unix,dc=x\nobjectClass: posixGroup\ncn: unix\nmemberUid: ann\nmemberUid: gone\n",
        encoding="utf-8",
    )
    plan = make_plan(LdifDirectory(path).read(), swit_state(Organisation()), POLICY, Memory())
    assert named(plan) == [("unknown login", "cn=unix,dc=x", "memberUid")]
    (joining,) = (change for change in plan.changes if change.action == "membership.add")
    assert joining.after["emails"] == ["ann@x"]
