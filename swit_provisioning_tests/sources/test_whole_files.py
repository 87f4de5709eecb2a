"""A file that is only a part of an export is a failed read: nothing is planned with it."""

import json
from pathlib import Path

import pytest

from swit_provisioning.sources.base import DirectoryConfigError, DirectoryIncompleteError
from swit_provisioning.sources.json_file import JsonDirectory
from swit_provisioning.sources.ldif_file import LdifDirectory

PEOPLE = 25


def person(number: int) -> str:
    return (
        f"dn: uid=p{number},ou=people,dc=x\nobjectClass: top\nobjectClass: inetOrgPerson\n"
        f"cn: Person {number}\nmail: p{number}@example.test\nentryUUID: {number}\n\n"
    )


EXPORT = "version: 1\n\n" + "".join(map(person, range(PEOPLE)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "export.ldif"


def users(path: Path, text: str) -> int:
    path.write_text(text, encoding="utf-8")
    return len(LdifDirectory(path).read().users)


@pytest.mark.incident(29)
def test_a_file_that_ends_anywhere_in_a_line_is_refused(path: Path) -> None:
    assert users(path, EXPORT) == PEOPLE
    begin = EXPORT.index(person(PEOPLE - 3))
    for end in range(begin, len(EXPORT)):
        if EXPORT[end - 1] != "\n":
            with pytest.raises(DirectoryIncompleteError, match="the last line has no line break"):
                users(path, EXPORT[:end])


@pytest.mark.parametrize(
    ("last_line", "missing"),
    [
        ("dn: uid=p24", "objectclass"),
        ("cn: Person 24", "entryuuid, mail"),
        ("mail: p24", "entryuu"),
    ],
)
def test_a_file_that_ends_between_two_lines_of_an_entry_is_refused(
    path: Path, last_line: str, missing: str
) -> None:
    """As far as the entries before it tell what is missing."""
    end = EXPORT.index("\n", EXPORT.index(last_line)) + 1
    with pytest.raises(DirectoryIncompleteError, match=f"has no {missing}.*an empty line"):
        users(path, EXPORT[:end])
    assert users(path, EXPORT[:end] + "objectClass: person\n\n") == PEOPLE


def test_a_file_by_hand_needs_no_empty_line_at_its_end(path: Path) -> None:
    assert users(path, EXPORT.rstrip("\n") + "\n") == PEOPLE
    by_hand = "dn: uid=a,dc=x\nobjectClass: person\nmail: a@example.test\n\n"
    assert users(path, by_hand + "dn: uid=b,dc=x\nobjectClass: person\n") == 2


COMMENTED = """\
# extended LDIF
#
# LDAPv3
# base <dc=x> with scope subtree
#

{}# search result
search: 2
result: 0 Success
control: 1.2.840.113556.1.4.319 false MA0CAQAECAUAAAAAAAAA
pagedresults: cookie=BQAAAAAAAAA=
# extended LDIF
#
# LDAPv3
# base <dc=x> with scope subtree
#

{}# search result
search: 3
result: 0 Success

# numResponses: 4
# numEntries: 2
"""


def test_an_export_of_ldapsearch_ends_with_its_comment_and_as_many_entries(path: Path) -> None:
    export = COMMENTED.format(person(0), person(1))
    assert users(path, export) == 2
    for cut_at in ("# numResponses", "# search result\nsearch: 3", "search: 3"):
        with pytest.raises(
            DirectoryIncompleteError, match=r"comment .* is missing. Export it again.$"
        ):
            users(path, export[: export.index(cut_at)])
    with pytest.raises(DirectoryIncompleteError, match="1 entries, and ldapsearch wrote 2"):
        users(path, export.replace(person(1), ""))
    assert users(path, export.replace(person(1), "").replace("# numEntries: 2\n", "")) == 1


def test_a_range_of_the_members_of_a_group_is_not_the_group(path: Path) -> None:
    """Active Directory sends 1,500 members at a time; simple exports hold only the first."""
    group = "dn: cn=g,dc=x\nobjectClass: group\ncn: g\nmember;range=0-{}: uid=p1,ou=people,dc=x\n"
    with pytest.raises(
        DirectoryIncompleteError,
        match=r"'cn=g,dc=x' has only some of its members .*\. Export it again with a program that"
        " reads all ranges.$",
    ):
        users(path, EXPORT + group.format(1499))
    assert users(path, EXPORT + group.format("*")) == PEOPLE


def test_the_count_beside_a_file_has_to_agree(path: Path) -> None:
    """All entries count, those that are neither people nor groups, too: `grep -c ^dn:`."""
    export = EXPORT + "dn: dc=x\nobjectClass: domain\n\n"
    beside = path.with_name("export.ldif.count")
    beside.write_text(f"{PEOPLE + 1}\n", encoding="utf-8")
    assert users(path, export) == PEOPLE
    with pytest.raises(
        DirectoryIncompleteError, match=r"25 entries, but export.ldif.count says 26"
    ):
        users(path, EXPORT)
    for text in ("", "about 26", "-26"):
        beside.write_text(text, encoding="utf-8")
        with pytest.raises(DirectoryConfigError, match="instead of the number of entries"):
            users(path, export)


def test_the_count_beside_a_json_file_is_of_users_and_groups(tmp_path: Path) -> None:
    path, beside = tmp_path / "company.json", tmp_path / "company.json.count"
    ada = {"distinguishedName": "CN=Ada,DC=x", "mail": "ada@example.test"}
    team = {"distinguishedName": "CN=Team,DC=x", "member": ["CN=Ada,DC=x"]}
    path.write_text(json.dumps({"users": [ada], "groups": [team]}), encoding="utf-8")
    beside.write_text("2", encoding="utf-8")
    assert len(JsonDirectory(path).read().users) == 1
    beside.write_text("3", encoding="utf-8")
    with pytest.raises(DirectoryIncompleteError, match=r"2 entries, but company.json.count says 3"):
        JsonDirectory(path).read()
