"""LDIF exports: of OpenLDAP, 389 Directory Server and Active Directory."""

import base64
import uuid
from pathlib import Path

import pytest

from swit_provisioning.planning.findings import directory_findings
from swit_provisioning.planning.policy import Memory, Policy
from swit_provisioning.planning.snapshots import DirectorySnapshot
from swit_provisioning.sources.base import DirectoryConfigError, DirectoryIncompleteError
from swit_provisioning.sources.ldif_file import LdifDirectory

GUID = uuid.UUID("6f9619ff-8b86-d011-b42d-00c04fc964ff")
OPENLDAP = """\
version: 1

# The tree
dn: dc=x
objectClass: domain
dc: x

dn: ou=People,dc=x
objectClass: organizationalUnit
ou: People

dn:: Y249Wm/DqyxvdT1QZW9wbGUsZGM9eA==
objectClass: top
objectClass: inetOrgPerson
uid: zoe
cn:: Wm/Dqw==
displayName: Zoe, who has a name so long that the line has to be fol
 ded
mail: zoe@example.test
mail: z@example.test
mobile: +1 2
entryUUID: 8B9F6C1E-0001-4000-8000-000000000001
jpegPhoto:: /9j/4AAQ

dn: cn=ben,ou=People,dc=x
objectClass: person
uid: ben
cn: Ben
mail: ben@example.test

dn: cn=staff,ou=Groups,dc=x
objectClass: groupOfNames
cn: staff
member: cn=ZOË, ou=People, dc=x
member: cn=ben,ou=people,dc=x

dn: cn=unique,ou=Groups,dc=x
objectClass: groupOfUniqueNames
cn: unique
uniqueMember: cn=ben,ou=people,dc=x#'0101'B
uniqueMember: cn=gone,dc=x

dn: cn=unix,ou=Groups,dc=x
objectClass: posixGroup
cn: unix
memberUid: ZOE
memberUid: ben
memberUid: nobody
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "export.ldif"


def read(path: Path, text: str) -> DirectorySnapshot:
    path.write_text(text, encoding="utf-8")
    return LdifDirectory(path).read()


def test_people_and_groups_are_known_by_their_classes(path: Path) -> None:
    state = read(path, OPENLDAP)
    zoe = state.users.iloc[0]
    assert zoe["key"] == "cn=zoë,ou=people,dc=x"
    assert zoe["names"] == ["Zoe, who has a name so long that the line has to be folded"]
    assert zoe["emails"] == ["zoe@example.test", "z@example.test"]
    assert zoe["directory_id"] == "8b9f6c1e-0001-4000-8000-000000000001"
    assert list(state.users["position"]) == [0, 1]
    assert list(state.groups["names"]) == [["staff"], ["unique"], ["unix"]]
    assert (state.facts.source, state.facts.kind) == ("export.ldif", "ldif")


def test_members_are_found_whichever_attribute_lists_them(path: Path) -> None:
    state = read(path, OPENLDAP)
    zoe, ben = state.users["key"]
    pairs = state.memberships[["group", "member"]].to_numpy().tolist()
    assert pairs == [
        ["cn=staff,ou=groups,dc=x", zoe],
        ["cn=staff,ou=groups,dc=x", ben],
        ["cn=unique,ou=groups,dc=x", ben],
        ["cn=unique,ou=groups,dc=x", "cn=gone,dc=x"],
        ["cn=unix,ou=groups,dc=x", zoe],
        ["cn=unix,ou=groups,dc=x", ben],
    ]
    assert state.findings[["kind", "dn", "attribute"]].to_numpy().tolist() == [
        ["unknown login", "cn=unix,ou=Groups,dc=x", "memberUid"]
    ]
    assert "'nobody'" in state.findings.iloc[0]["reason"]
    assert state.facts.attributes["member"] == "member, uniqueMember"


def test_a_login_of_two_people_stands_for_neither(path: Path) -> None:
    state = read(path, OPENLDAP.replace("uid: zoe", "uid: ben").replace("memberUid: ZOE\n", ""))
    unix = state.memberships[state.memberships["group"] == "cn=unix,ou=groups,dc=x"]
    assert unix.empty
    reasons = state.findings["reason"][state.findings["kind"] == "unknown login"]
    assert any("Not exactly one person has the login 'ben'" in reason for reason in reasons)


def test_a_member_uid_may_hold_a_dn(path: Path) -> None:
    """Some directories fill `memberUid` with DNs, of people and of groups."""
    export = OPENLDAP.replace(
        "memberUid: nobody\n",
        "memberUid: cn=Ben, ou=People,dc=x\nmemberUid: cn=staff,ou=groups,dc=x\n"
        "memberUid: cn=gone,dc=x\n",
    ).replace("memberUid: ben\n", "")
    state = read(path, export)
    zoe, ben = state.users["key"]
    unix = state.memberships[state.memberships["group"] == "cn=unix,ou=groups,dc=x"]
    assert list(unix["member"]) == [zoe, ben, "cn=staff,ou=groups,dc=x", "cn=gone,dc=x"]
    found = directory_findings(state, Policy(), Memory())
    assert [f.message.split(" was ")[0] for f in found if f.subject.startswith("cn=unix")] == [
        "The member cn=gone,dc=x"
    ]


def test_the_name_in_the_dn_is_the_last_resort(path: Path) -> None:
    """Hand-made files often have `cn` in the DN only. A login is no person's name."""
    state = read(
        path,
        """\
dn: CN=Ada \\"L\\"\\, Countess,dc=x
objectClass: person
mail: ada@example.test

dn: uid=ben,dc=x
objectClass: person
mail: ben@example.test

dn: cn=Sales\\2c EMEA,dc=x
objectClass: groupOfNames
member: uid=ben,dc=x

dn: ou=Board,dc=x
objectClass: groupOfNames
member: uid=ben,dc=x

dn: cn=bad,dc=x
objectClass: groupOfNames
displayName:: /w==
member: uid=ben,dc=x
""",
    )
    assert list(state.users["names"]) == [['Ada "L", Countess'], []]
    assert list(state.groups["names"]) == [["Sales, EMEA"], ["Board"], []]


MEMBER_OF = """\
dn: uid=ada,dc=x
objectClass: person
cn: Ada
mail: ada@example.test
memberOf: cn=Sales,dc=x
memberOf: CN=All, DC=x
memberOf: cn=elsewhere,dc=y

dn: uid=ben,dc=x
objectClass: person
cn: Ben
mail: ben@example.test
memberOf: cn=all,dc=x
memberOf: cn=Board,dc=x

dn: uid=eve,dc=x
objectClass: person
cn: Eve
mail: eve@example.test
nsAccountLock: TRUE
memberOf: cn=Board,dc=x

dn: cn=All,dc=x
objectClass: groupOfNames

dn: cn=Sales,dc=x
objectClass: groupOfNames
memberOf: cn=All,dc=x

dn: cn=Board,dc=x
objectClass: groupOfNames
member: cn=Chairs,dc=x

dn: cn=Chairs,dc=x
objectClass: groupOfNames
member: uid=ada,dc=x
"""


def test_people_name_the_groups_that_list_nobody(path: Path) -> None:
    """`memberOf` may name the groups above as well: of these the person is no direct member.

    A group's own list counts before what people say of it.
    """
    state = read(path, MEMBER_OF)
    pairs = state.memberships[["group", "member"]].to_numpy().tolist()
    assert sorted(pairs) == [
        ["cn=all,dc=x", "uid=ben,dc=x"],
        ["cn=board,dc=x", "cn=chairs,dc=x"],
        ["cn=chairs,dc=x", "uid=ada,dc=x"],
        ["cn=sales,dc=x", "uid=ada,dc=x"],
    ]
    (finding,) = state.findings.to_dict("records")
    assert (finding["kind"], finding["dn"]) == ("membership mismatch", "uid=ben,dc=x")
    assert "cn=Board,dc=x" in finding["reason"]


def test_a_member_of_a_nested_group_may_say_so(path: Path) -> None:
    """Servers that expand `memberOf` name the groups above in it: nothing is wrong there."""
    state = read(path, MEMBER_OF.replace("memberOf: cn=elsewhere,dc=y", "memberOf: cn=Board,dc=x"))
    assert [f for f in state.findings["dn"] if f.startswith("uid=ada")] == []


def test_groups_in_a_circle_keep_the_people_who_name_them(path: Path) -> None:
    state = read(
        path,
        MEMBER_OF.replace(
            "cn=All,dc=x\nobjectClass: groupOfNames\n",
            "cn=All,dc=x\nobjectClass: groupOfNames\nmemberOf: cn=Sales,dc=x\n",
        ),
    )
    ada = state.memberships[state.memberships["member"] == "uid=ada,dc=x"]
    assert sorted(ada["group"]) == ["cn=all,dc=x", "cn=chairs,dc=x", "cn=sales,dc=x"]


def test_the_ids_of_active_directory_are_read_from_their_bytes(path: Path) -> None:
    guid = base64.b64encode(GUID.bytes_le).decode()
    text_like = base64.b64encode(b"0123456789abcdef").decode()
    export = f"""\
dn: CN=Ada,OU=Staff,DC=x
changetype: add
objectClass: top
objectClass: person
objectClass: organizationalPerson
objectClass: user
mail: ada@example.test
objectGUID:: {guid}

dn: CN=PC7,OU=Staff,DC=x
changetype: add
objectClass: user
objectClass: computer
mail: pc7@example.test

dn: CN=Vendor,OU=Staff,DC=x
changetype: add
objectClass: person
objectClass: contact
mail: vendor@example.test

dn: CN=Team,OU=Staff,DC=x
changetype: add
objectClass: group
cn: Team
member: CN=Ada,OU=Staff,DC=x
memberOf: CN=All,OU=Staff,DC=x
objectGUID:: {text_like}
"""
    state = read(path, export)
    assert list(state.users["directory_id"]) == [str(GUID)]
    assert list(state.groups["parents"]) == [["cn=all,ou=staff,dc=x"]]
    as_bytes = uuid.UUID(bytes_le=b"0123456789abcdef")
    assert list(state.groups["directory_id"]) == [str(as_bytes)]


def test_an_export_from_windows_is_read(path: Path) -> None:
    path.write_bytes(OPENLDAP.replace("\n", "\r\n").encode("utf-16"))
    assert len(LdifDirectory(path).read().users) == 2


def test_what_ldapsearch_says_at_the_end_of_each_page_is_no_entry(path: Path) -> None:
    page = "\n# search result\nsearch: 2\nresult: 0 Success\ncontrol: 1.2.840 false\n\n"
    first, second = OPENLDAP.split("\ndn: cn=staff")
    state = read(path, f"{first}{page}dn: cn=staff{second}{page}# numEntries: 7\n")
    assert (len(state.users), len(state.groups)) == (2, 3)


def test_an_export_that_a_limit_cut_short_is_a_failed_read(path: Path) -> None:
    """`ldapsearch` writes what it got and says so at the end, where nobody looks."""
    with pytest.raises(DirectoryIncompleteError, match="result 4 Size limit exceeded"):
        read(path, OPENLDAP + "\nsearch: 2\nresult: 4 Size limit exceeded\n")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("objectClass: person\nmail: a@x.test\n", "record 1"),
        ("dn: dc=x\ndc: x\n\nref: ldap://other/dc=y\n", "record 2"),
        ("dn: dc=x\nno colon here\n", "record 1"),
        ("dn: cn=a,dc=x\nmail:: a\n", "record 1"),
        ("dn: cn=a,dc=x\nchangetype: modify\nadd: mail\nmail: a@x.test\n", "is a change (modify)"),
        ("dn: cn=a,dc=x\nchangetype: delete\n", "is a change (delete)"),
    ],
)
def test_a_record_that_is_no_entry_is_an_error_that_says_which(
    path: Path, text: str, problem: str
) -> None:
    with pytest.raises(DirectoryConfigError) as caught:
        read(path, text)
    assert problem in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("text", ["", OPENLDAP.replace("objectClass: ", "class: ")])
def test_a_file_without_people_is_a_failed_read(path: Path, text: str) -> None:
    with pytest.raises(DirectoryIncompleteError, match="objectClass"):
        read(path, text)
