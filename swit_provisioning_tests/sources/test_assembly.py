"""Entries become rows; members that are normalised many at once are as if one by one."""

import gc
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import NAMESPACE_X500, uuid5

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from swit_provisioning.planning.policy import ReferenceAttribute
from swit_provisioning.planning.snapshots import DirectorySnapshot, column
from swit_provisioning.sources import memberships
from swit_provisioning.sources.assembly import Batch, Source, assemble
from swit_provisioning.sources.attributes import AttributeMapping
from swit_provisioning.sources.base import DirectoryConfigError
from swit_provisioning.sources.entries import Entry, EntryReader, Value
from swit_provisioning.sources.groups import read_group
from swit_provisioning.sources.ldap.dn import dn_key
from swit_provisioning.sources.people import PEOPLE, TableBuilder, read_person
from swit_provisioning_tests.sources.test_primary_groups import sid

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SOURCE = Source(name="here", kind="ldap", search_base="dc=x", bases=("dc=x",), hint="")
ADA = Entry("cn=ada,dc=x", {"mail": [b"ada@x.test"], "cn": [b"Ada"], "uid": [b"ada"]})


def reader(*, ordered: bool = False) -> EntryReader:
    return EntryReader(mapping=AttributeMapping(), now=NOW, ordered=ordered)


def assembled(
    *groups: Entry, people: Sequence[Entry] = (), ordered: bool = False
) -> DirectorySnapshot:
    return assemble(
        [Batch(base="dc=x", entries=[ADA, *people])],
        [Batch(base="dc=x", entries=groups)],
        source=SOURCE,
        reader=reader(ordered=ordered),
    )


def group(name: str, members: Sequence[Value], attribute: str = "member") -> Entry:
    return Entry(f"cn={name},dc=x", {"cn": [name], attribute.lower(): members})


def pairs(state: DirectorySnapshot) -> list[tuple[str, str, str]]:
    frame = state.memberships
    return [*zip(frame["group"], frame["member"], frame["member_dn"], strict=True)]


def named(state: DirectorySnapshot) -> list[tuple[str, str, str]]:
    return [(f["kind"], f["dn"], f["attribute"]) for f in state.findings.to_dict("records")]


def with_guid(dn: str, attributes: Mapping[str, Sequence[bytes]]) -> Entry:
    """An entry as Active Directory sends it."""
    return Entry(dn, {**attributes, "objectguid": [uuid5(NAMESPACE_X500, dn).bytes_le]})


SPELLINGS = st.sampled_from(
    [
        "cn=Zoë,dc=x",
        "CN=ada,DC=X",
        "cn=ada, dc=x",
        "  cn=ada,dc=x ",
        r"cn=a\,b,dc=x",
        r"cn=a\2cb,dc=x",
        "cn=ß,dc=x",
        "cn=SS,dc=x",
        "cn=İ,dc=x",
        "cn=b+uid=a,dc=x",
        "UID=a+CN=b,dc=x",
        " ",
        "",
    ]
)
MEMBERS = st.lists(st.one_of(SPELLINGS, st.text("abÀß", min_size=1).map("cn={},dc=x".format)))


@given(groups=st.lists(MEMBERS, max_size=4), block=st.sampled_from([1, 3, 1000]))
@example(groups=[["cn=B,dc=x", "cn=b,dc=x"]], block=1)
def test_members_are_those_that_each_value_names_by_itself(
    groups: list[list[str]], block: int
) -> None:
    """Two spellings are one member: of a server, that has no order, the one that sorts first."""
    entries = [group(f"g{place}", [m.encode() for m in g]) for place, g in enumerate(groups)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memberships, "_BLOCK_ROWS", block)
        state = assembled(*entries)
    wanted: dict[tuple[str, str], str] = {}
    for place, members in enumerate(groups):
        for text in sorted(member.strip() for member in members if member.strip()):
            wanted.setdefault((f"cn=g{place},dc=x", dn_key(text)), text)
    assert sorted(pairs(state)) == sorted((*key, text) for key, text in wanted.items())
    assert not len(state.findings)


def test_of_two_spellings_in_a_file_the_first_counts() -> None:
    state = assembled(group("g", ["cn=b,dc=x", "cn=B,dc=x"]), ordered=True)
    assert pairs(state) == [("cn=g,dc=x", "cn=b,dc=x", "cn=b,dc=x")]


@pytest.mark.parametrize("value", [b"cn=\xff,dc=x", "cn=\ud800,dc=x"])
def test_a_member_that_is_no_text_is_a_finding_and_the_others_are_members(value: Value) -> None:
    state = assembled(group("g", [value, "cn=ada,dc=x"]), group("h", ["cn=ada,dc=x"]))
    assert named(state) == [("invalid encoding", "cn=g,dc=x", "member")]
    assert [member for _, member, _ in pairs(state)] == ["cn=ada,dc=x"] * 2


def test_the_bit_string_behind_a_unique_member_is_no_part_of_its_name() -> None:
    state = assembled(group("g", [b"cn=ada,dc=x#'0101'B", b"cn=b,dc=x"], "uniqueMember"))
    assert [dn for _, _, dn in pairs(state)] == ["cn=ada,dc=x", "cn=b,dc=x"]
    assert state.facts.attributes["member"] == "uniqueMember"


def test_a_group_that_two_bases_gave_has_each_member_once() -> None:
    found = with_guid("cn=a,dc=x", {"member": [b"cn=b,dc=x", b"cn=c,dc=x"]})
    state = assemble(
        [Batch(base="dc=x", entries=[ADA])],
        [Batch(base=base, entries=[found]) for base in ("dc=x", "ou=y")],
        source=SOURCE,
        reader=reader(),
    )
    assert list(state.memberships["member"]) == ["cn=b,dc=x", "cn=c,dc=x"]


def test_a_group_may_not_have_the_dn_of_a_person() -> None:
    with pytest.raises(DirectoryConfigError, match="have the same DN"):
        assembled(group("ada", []))


def test_primary_groups_have_the_people_of_their_own_domain() -> None:
    people = [
        with_guid(f"cn={name},dc=x", {"objectsid": [sid(21, 7, 1104)], "primarygroupid": [number]})
        for name, number in (("ben", b"513"), ("cid", b"513"), ("dan", b"514"))
    ]
    state = assembled(
        with_guid("cn=users,dc=x", {"objectsid": [sid(21, 7, 513)]}),
        with_guid("cn=others,dc=x", {"objectsid": [sid(21, 8, 513)]}),
        people=people,
    )
    assert pairs(state) == [
        ("cn=users,dc=x", f"cn={name},dc=x", f"cn={name},dc=x") for name in ("ben", "cid")
    ]


def test_a_person_of_active_directory_is_read_with_id_flags_and_other_addresses() -> None:
    entry = with_guid(
        "cn=ada,dc=x",
        {
            "objectsid": [sid(21, 7, 4294967295, 9, 1104)],
            "primarygroupid": [b"513"],
            "useraccountcontrol": [b"514"],
            "accountexpires": [b"9223372036854775807"],
            "mail": [b"a@x.test"],
            "proxyaddresses": [b"SMTP:A@x.test", b"smtp:c@x.test", b"smtp:b@x.test", b"X500:/o=X"],
        },
    )
    person = read_person(entry, key="cn=ada,dc=x", base="dc=x", reader=reader())
    assert person.directory_id == str(uuid5(NAMESPACE_X500, "cn=ada,dc=x"))
    assert person.primary_group_sid == "S-1-5-21-7-4294967295-9-513"
    assert person.emails == ["a@x.test"]
    assert person.other_emails == ["b@x.test", "c@x.test"]
    assert not person.enabled


@pytest.mark.parametrize("attribute", ["distinguishedName", "objectGUID"])
def test_the_first_reference_of_a_group_is_the_one_that_the_settings_ask_for(
    attribute: ReferenceAttribute,
) -> None:
    entry = with_guid("CN=Sales,OU=CN\\=x,DC=x", {})
    found = read_group(
        entry, key="k", base="dc=x", reader=replace(reader(), reference_attribute=attribute)
    )
    both = [entry.dn, str(uuid5(NAMESPACE_X500, entry.dn))]
    assert found.references == (both if attribute == "distinguishedName" else both[::-1])
    assert found.aliases == ["Sales"]


def test_a_group_without_an_id_has_its_dn_for_a_reference() -> None:
    by_id = replace(reader(), reference_attribute="entryUUID")
    found = read_group(group("Sales", []), key="cn=sales,dc=x", base="dc=x", reader=by_id)
    assert found.references == ["cn=Sales,dc=x", "cn=sales,dc=x"]


@pytest.mark.parametrize(("text", "read"), [("CN=G1 , DC=x", "cn=g1,dc=x"), ("Sales", "Sales")])
def test_a_primary_group_is_named_by_its_key_or_its_name(text: str, read: str) -> None:
    mapping = AttributeMapping(primary_group="ou")
    person = read_person(
        Entry("cn=a,dc=x", {"ou": [text]}),
        key="cn=a,dc=x",
        base="dc=x",
        reader=replace(reader(), mapping=mapping),
    )
    assert person.primary_group == read


def test_members_that_are_no_dns_are_findings_and_no_memberships() -> None:
    state = assembled(group("g", ["nobody", "cn=ada,dc=x"]), group("h", ["7"], "memberUid"))
    assert named(state) == [
        ("unknown login", "cn=h,dc=x", "memberUid"),
        ("invalid DN", "cn=g,dc=x", "member"),
    ]
    assert [member for _, member, _ in pairs(state)] == ["cn=ada,dc=x"]


def test_rows_that_are_converted_in_blocks_stay_in_order() -> None:
    rows = TableBuilder(PEOPLE)
    for place in range(12_000):
        rows.add((str(place), "", "", [], None, [], [], None, None, True, "dc=x", [], None))
    assert len(rows) == 12_000
    assert rows.table()["key"].to_pylist() == [str(place) for place in range(12_000)]


def test_people_are_in_order_of_their_names() -> None:
    people = [Entry(f"cn={name},dc=x", {"cn": [name.encode()]}) for name in ("Zoe", "ben")]
    assert column(assembled(people=people).users, "names") == [["Ada"], ["ben"], ["Zoe"]]


def test_white_space_that_is_trimmed_is_pythons() -> None:
    every = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    trimmed = pc.utf8_trim_whitespace(pa.array(every)).to_pylist()
    assert trimmed == [one.strip() for one in every]


def test_garbage_is_collected_as_usual_after_a_read_that_failed() -> None:
    usual = gc.get_threshold()
    with pytest.raises(DirectoryConfigError):
        assembled(Entry("no DN", {}))
    assert gc.get_threshold() == usual
