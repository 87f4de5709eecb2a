"""Which entries of a file are read: by class, by OU and by filter, as from a server."""

import json
from pathlib import Path

import pytest

from swit_provisioning.planning.snapshots import BaseCount, DirectorySnapshot
from swit_provisioning.sources.base import DirectoryConfigError, DirectoryIncompleteError
from swit_provisioning.sources.config import FileScope, parse_bases
from swit_provisioning.sources.entries import Entry
from swit_provisioning.sources.filters import EntryFilter
from swit_provisioning.sources.json_file import JsonDirectory
from swit_provisioning.sources.ldif_file import LdifDirectory

MIXED = """\
dn: dc=x
objectClass: domain
mail: hostmaster@example.test

dn: ou=Staff,dc=x
objectClass: organizationalUnit

dn: ou=Guests,dc=x
objectclass: organizationalunit

dn: uid=ada,ou=Staff,dc=x
objectClass: top
objectClass: companyPerson
uid: ada
cn: Ada
mail: ada@example.test
entryUUID: 11111111-0000-4000-8000-000000000001

dn: uid=ben,ou=Staff,dc=x
objectClass: top
objectClass: companyPerson
uid: ben
cn: Ben

dn: uid=cem,ou=Staff,dc=x
objectClass: OpenLDAPperson
cn: Cem
mail: cem@example.test
employeeType: external

dn: uid=dan,ou=Guests,dc=x
objectClass: inetOrgPerson
cn: Dan
mail: dan@example.test

dn: cn=printer,ou=Staff,dc=x
objectClass: device
objectClass: extensibleObject
mail: printer@example.test

dn: cn=app,dc=x
objectClass: companyService
cn: app

dn: cn=list,ou=Lists,dc=x
objectClass: companyList
mail: list@example.test
member: uid=ada,ou=Staff,dc=x

dn: cn=Sales,ou=Teams,dc=x
objectClass: groupOfNames
cn: Sales
member: uid=ada,ou=Staff,dc=x
nsUniqueId: 66446001-1dd211b2-801ccc9f-11223344

dn: cn=Old,ou=Archive,dc=x
objectClass: groupOfNames
cn: Old
member: uid=ada,ou=Staff,dc=x
"""
ADA, BEN = "uid=ada,ou=Staff,dc=x", "uid=ben,ou=Staff,dc=x"
CEM, DAN = "uid=cem,ou=Staff,dc=x", "uid=dan,ou=Guests,dc=x"
SALES, OLD = "cn=Sales,ou=Teams,dc=x", "cn=Old,ou=Archive,dc=x"


def read(folder: Path, scope: FileScope | None = None, text: str = MIXED) -> DirectorySnapshot:
    path = folder / "mixed.ldif"
    path.write_text(text, encoding="utf-8")
    return LdifDirectory(path, scope=scope).read()


def below(users: str = "", groups: str = "", base: str = "DC=X") -> FileScope:
    return FileScope(
        search_base=base,
        user_bases=parse_bases(users, base),
        group_bases=parse_bases(groups, base),
    )


def test_an_unknown_class_with_addresses_is_one_of_people(tmp_path: Path) -> None:
    """Ben has no address, but is of Ada's class: the account that he had stays his."""
    state = read(tmp_path)
    assert list(state.users["dn"]) == [ADA, BEN, CEM, DAN]
    assert list(state.groups["dn"]) == [SALES, OLD]
    (warning,) = state.facts.warnings
    assert "3 entries of unknown classes count as people" in warning
    assert "2 companyPerson; 1 OpenLDAPperson" in warning


def test_what_is_left_out_is_counted_and_a_possible_group_is_named(tmp_path: Path) -> None:
    state = read(tmp_path)
    assert state.facts.left_out == {
        "other entries": {
            "domain": 1,
            "organizationalUnit": 2,
            "device+extensibleObject": 1,
            "companyService": 1,
            "companyList": 1,
        }
    }
    (finding,) = state.findings.to_dict("records")
    assert (finding["kind"], finding["dn"]) == ("unknown object class", "cn=list,ou=Lists,dc=x")
    assert "LDAP_GROUP_FILTER" in finding["reason"]


def test_groups_none_of_which_lists_a_member_are_a_warning(tmp_path: Path) -> None:
    """The export may have left the members out."""
    without = "".join(
        line for line in MIXED.splitlines(keepends=True) if not line.startswith("member")
    )
    (_, warning) = read(tmp_path, text=without).facts.warnings
    assert "no group lists a member (groups: 2)" in warning
    assert "export member, uniqueMember and memberUid" in warning


def test_ous_of_the_settings_apply_to_a_file(tmp_path: Path) -> None:
    state = read(tmp_path, below("Staff", "ou=Teams"))
    assert list(state.users["dn"]) == [ADA, BEN, CEM]
    assert list(state.groups["dn"]) == [SALES]
    assert state.facts.left_out["users"] == {"outside LDAP_USER_OUS": 1}
    assert state.facts.left_out["groups"] == {"outside LDAP_GROUP_OUS": 1}
    # A team below the base whose group is gone has left; what is elsewhere is another directory's.
    assert state.facts.search_base == "dc=x"
    assert state.facts.bases == (
        BaseCount(base="ou=staff,dc=x", users=2, groups=0),
        BaseCount(base="ou=teams,dc=x", users=0, groups=1),
    )


def test_entries_of_several_ous_keep_the_order_of_the_file(tmp_path: Path) -> None:
    state = read(tmp_path, below("Guests,Staff"))
    assert list(state.users["dn"]) == [ADA, BEN, CEM, DAN]
    assert list(state.users["position"]) == [0, 1, 2, 3]


def test_a_base_that_holds_nobody_is_a_failed_read_that_says_why(tmp_path: Path) -> None:
    with pytest.raises(
        DirectoryIncompleteError, match=r"there is no person \(4 outside LDAP_SEARCH_BASE"
    ):
        read(tmp_path, below(base="DC=elsewhere"))


def test_filters_of_the_settings_apply_to_a_file(tmp_path: Path) -> None:
    scope = FileScope(
        user_filter=EntryFilter("(&(mail=*)(!(employeeType=EXTERNAL)))"),
        group_filter=EntryFilter("(|(objectClass=companyList)(cn=s*))"),
    )
    state = read(tmp_path, scope)
    # A filter decides alone, as on a server: the printer has an address, too.
    assert list(state.users["dn"]) == [ADA, DAN, "cn=printer,ou=Staff,dc=x"]
    assert list(state.groups["dn"]) == ["cn=list,ou=Lists,dc=x", SALES]
    assert state.facts.left_out["users"] == {"not matching LDAP_USER_FILTER": 2}
    assert state.facts.left_out["groups"] == {"not matching LDAP_GROUP_FILTER": 1}
    assert state.facts.warnings == ()


def test_a_filter_about_what_no_entry_has_is_a_warning(tmp_path: Path) -> None:
    scope = FileScope(user_filter=EntryFilter("(&(cn=*)(!(employeeStatus=left)))"))
    (warning,) = read(tmp_path, scope, MIXED.replace("companyList", "device")).facts.warnings
    assert "LDAP_USER_FILTER uses employeestatus, but no entry of mixed.ldif has it" in warning


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("(displayName;lang-ja=*)", ()),
        ("(displayName=*)", ()),
        ("(displayName;lang-de=*)", ("displayname;lang-de",)),
        ("(uid=ann)", ()),
        ("(ou:dn:=Staff)", ()),
        ("(|(ou=Staff)(uid=ann))", ("ou",)),
    ],
)
def test_a_filter_may_look_at_attributes_with_options_and_at_those_of_the_dn(
    tmp_path: Path, text: str, missing: tuple[str, ...]
) -> None:
    ann = (
        "dn: uid=ann,ou=Staff,dc=x\nobjectClass: person\nmail: ann@example.test\n"
        "displayName;lang-ja;phonetic: あん\n"
    )
    bob = "\ndn: cn=Bob,dc=x\nobjectClass: person\nmail: bob@example.test\n"
    # A filter for groups is judged by all entries, too.
    scope = FileScope(group_filter=EntryFilter(f"(&(objectClass=groupOfNames){text})"))
    warnings = [
        warning
        for warning in read(tmp_path, scope, ann + bob).facts.warnings
        if "_FILTER uses" in warning
    ]
    assert [warning.partition(", but")[0] for warning in warnings] == [
        f"LDAP_GROUP_FILTER uses {name}" for name in missing
    ]


def test_scope_and_ids_of_a_json_file_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "company.json"
    people = [{"distinguishedName": dn, "mail": f"{n}@x.test"} for n, dn in enumerate((ADA, DAN))]
    path.write_text(json.dumps({"users": people, "groups": []}), encoding="utf-8")
    assert len(JsonDirectory(path, scope=below("Guests")).read().users) == 1
    only = FileScope(user_filter=EntryFilter("(mail=0@X.TEST)"))
    state = JsonDirectory(path, scope=only).read()
    assert list(state.users["dn"]) == [ADA]
    assert state.facts.left_out == {"users": {"not matching LDAP_USER_FILTER": 1}}


def test_a_reference_that_no_group_of_a_file_has_is_refused(tmp_path: Path) -> None:
    """Ada's entryUUID is none of a group, and Sales' nsUniqueId is another attribute."""
    scope = FileScope(reference_attribute="entryUUID")
    with pytest.raises(DirectoryConfigError, match="no group has entryUUID") as caught:
        read(tmp_path, scope)
    assert "Export it" in str(caught.value)
    assert "LDAP_REFERENCE_ATTRIBUTE=distinguishedName" in str(caught.value)
    with_id = MIXED.replace("cn: Sales", "cn: Sales\nentryUUID: 22222222-0000-4000-8000-0000000002")
    state = read(tmp_path, scope, with_id)
    assert list(state.groups["directory_id"]) == [
        "22222222-0000-4000-8000-0000000002",
        "cn=old,ou=archive,dc=x",
    ]
    assert any("1 of 2 groups have no entryUUID" in warning for warning in state.facts.warnings)


PERSON = Entry(
    dn="CN=Ann (Sales)+uid=ann,OU=Sales,DC=x",
    attributes={
        "objectclass": ("user",),
        "objectcategory": ("CN=Person,CN=Schema,DC=x",),
        "mail": ("ann@example.test", "Ann.Lee@Example.Test"),
        "displayname;lang-de": ("Ännchen  von Tharau",),
        "memberof": ("CN=Board, DC=X",),
        "useraccountcontrol": ("66050",),
        "objectguid": (b"\x00\xff1",),
        "createtimestamp": ("20260301120000Z",),
        "room": ("007",),
    },
)


@pytest.mark.parametrize(
    "text",
    [
        "(mail=ANN@example.test)",
        "mail=ann@example.test",
        "(mail=*.lee@*)",
        "(mail=a*l*test)",
        "(&(objectClass=PERSON)(objectClass=top))",
        "(objectCategory=person)",
        "(displayName=ännchen von tharau)",
        "(displayName=Ä*)",
        "(displayName~=ÄNNCHEN von Tharau)",
        "(displayName;lang-de=*)",
        r"(cn=Ann \28Sales\29)",
        "(uid=ann)",
        "(memberOf=cn=board,dc=x)",
        "(userAccountControl:1.2.840.113556.1.4.803:=2)",
        "(userAccountControl:1.2.840.113556.1.4.803:=514)",
        "(userAccountControl:1.2.840.113556.1.4.804:=3)",
        r"(objectGUID=\00\ff1)",
        "(createTimestamp>=20260101000000Z)",
        "(userAccountControl<=100000)",
        "(room=7)",
        "(ou:dn:=sales)",
        "(mail:caseIgnoreMatch:=ANN@example.test)",
        "(!(mobile=*))",
        "(|(mobile=*)(!(uid=bob)))",
    ],
)
def test_a_filter_finds_an_entry_of_a_file(text: str) -> None:
    assert EntryFilter(text).matches(PERSON)


@pytest.mark.parametrize(
    "text",
    [
        "(mail=ann)",
        "(mail=*@elsewhere.test)",
        "(ou=Sales)",
        "(mobile=*)",
        "(mobile>=0)",
        "(objectClass=computer)",
        "(memberOf=board)",
        "(userAccountControl:1.2.840.113556.1.4.803:=3)",
        "(userAccountControl>=100000)",
        "(createTimestamp<=20260101000000Z)",
        "(!(mail=*))",
        "(&(mail=*)(mobile=*))",
        r"(mail=ann\2a)",
    ],
)
def test_a_filter_does_not_find_an_entry_of_a_file(text: str) -> None:
    assert not EntryFilter(text).matches(PERSON)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (
            "(memberOf:1.2.840.113556.1.4.1941:=CN=Board,DC=x)",
            "the matching rule 1.2.840.113556.1.4.1941",
        ),
        ("(:dn:2.5.13.2:=x)", "a condition without an attribute"),
        ("(!(a:caseExactMatch:=X))", "the matching rule caseExactMatch"),
        ("(a:1.2.840.113556.1.4.803:=x)", "with a value that is not a number"),
    ],
)
def test_a_filter_that_only_a_server_can_apply_is_an_error_that_names_the_part(
    text: str, part: str
) -> None:
    with pytest.raises(ValueError, match="cannot be applied to a file") as caught:
        EntryFilter(text)
    assert part in str(caught.value)
    assert text in str(caught.value)
