"""Columns straight from a page hold what reading entry by entry gives, whatever is in the page."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import NAMESPACE_X500, uuid5

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from swit_provisioning.planning.dn import dn_key
from swit_provisioning.planning.snapshots import DirectoryState, column
from swit_provisioning.sources import assembly
from swit_provisioning.sources.assembly import Batch, Source, assemble
from swit_provisioning.sources.base import AttributeMapping, DirectoryError
from swit_provisioning.sources.config import is_person
from swit_provisioning.sources.entries import Entry, Terms, directory_id
from swit_provisioning.sources.ldap import page
from swit_provisioning.sources.ldap.page import Page, read_page
from swit_provisioning.sources.ldap.page_columns import PageColumns
from swit_provisioning.sources.ldap.plain_members import plain_members
from swit_provisioning.sources.ldap.plain_rows import (
    directory_ids,
    plain_groups,
    plain_people,
    sids,
)
from swit_provisioning.sources.ldap.wire import Answer
from swit_provisioning.sources.server_types import WINDOWS_EPOCH, sid_text
from swit_provisioning_tests.sources.test_primary_groups import sid
from swit_provisioning_tests.sources.wire import number, text, tlv

Attributes = Sequence[tuple[str, Sequence[bytes]]]
Entries = Sequence[tuple[bytes, Attributes]]
MAPPING = AttributeMapping(primary_group="ou", order="order")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SOURCE = Source(name="here", kind="ldap", search_base="dc=x", bases=("dc=x",), hint="")

TEXTS = st.one_of(
    st.sampled_from(
        ["Ada", " Ada ", "", " ", "ß", "Zoë", "İ", "\u2003x\x1f", "ada@x.test", "\U0001f600"]
    ),
    st.text(st.characters(codec="utf-8"), max_size=8),
).map(str.encode)
VALUES = st.one_of(TEXTS, st.sampled_from([b"\xff\xfe", b"\x00", b"512", b"514", b"TRUE"]))
NAMES = st.one_of(
    st.sampled_from(["mail", "Mail", "mail;lang-de", "displayName", "cn", "mobile", "ou", "uid"]),
    st.sampled_from(["preferredLanguage", "entryUUID", "objectGUID", "objectClass", "other"]),
    st.sampled_from(["userAccountControl", "nsAccountLock", "accountExpires", "primaryGroupID"]),
    st.sampled_from(["objectSid", "proxyAddresses"]),
)
IDS = st.sampled_from(
    [
        b"0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
        b"0F1E2D3C-4B5A-6978-8796-A5B4C3D2E1F0",
        b"0123456789abcdef",
        b"\xff\x00\x80 456789abcdef",
        b"66446001-1dd211b2-80008000-12345678",
        b"",
    ]
)
# Just now is expired, a tenth of a microsecond later it is too; then come never, and no number.
JUST_NOW = (NOW - WINDOWS_EPOCH) // timedelta(microseconds=1) * 10
NUMBERS = st.one_of(
    st.sampled_from([0, 2, 9, 10, 512, 514, 546, 2**63 - 1, 2**63, 10**19, -2]).map(str),
    st.sampled_from([JUST_NOW, JUST_NOW + 9, JUST_NOW + 10, JUST_NOW - 10]).map(str),
    st.sampled_from(["0512", "+2", " 514 ", "1_0", "5 14", "٢", "x", ""]),
).map(str.encode)
SIDS = st.sampled_from(
    [
        *(sid(21, 7, number) for number in (0, 513, 1104, 2**32 - 1)),
        *(sid(*parts) for parts in [(32, 544), (513,), ()]),
        b"\x01\x02" + (2**48 - 2).to_bytes(6, "big") + bytes(8),  # of another authority
        *(b"S-1-5-21-7-513", b"s-1-5-513", b"\x01\x05", b"", b"\x02\x01" + bytes(10)),
    ]
)
PROXIES = st.builds(
    "{}{}".format,
    st.sampled_from(["SMTP:", "smtp:", "Smtp:", "X500:", "\u017fmtp:", "sm", " smtp:", ""]),
    st.sampled_from(["ada@x.test", "Ada@X.test", " b@x.test\t", "ß@x.test", "", "c@x.test"]),
).map(str.encode)
ACCOUNT_NUMBERS = st.sampled_from(["userAccountControl", "accountExpires", "primaryGroupID"])
CLASSES = st.lists(st.sampled_from([b"top", b"inetOrgPerson", b"Computer", b"group"]), max_size=3)


def key(name: str) -> str | None:
    """The key, or that the name is none."""
    try:
        return dn_key(name)
    except ValueError:
        return None


DNS = st.one_of(
    st.sampled_from(
        [
            "cn=Zoë,dc=x",
            "CN=ada,DC=X",
            "cn=ada, dc=x",
            r"cn=a\,b,dc=x",
            "cn=ß,dc=x",
            "none",
            "",
            "cn=İ,dc=x",
        ]
    ),
    st.text("abÀß", min_size=1, max_size=3).map(lambda name: f"cn={name},dc=x"),
).map(str.encode)


def with_id(entry: tuple[bytes, Attributes]) -> tuple[bytes, Attributes]:
    """Without one no entry is plain; two entries with one id would be one that was moved."""
    dn, attributes = entry
    id_ = str(uuid5(NAMESPACE_X500, dn.decode())).encode()
    return dn, [*attributes, ("entryUUID", [id_])]


def with_guid(entry: tuple[bytes, Attributes]) -> tuple[bytes, Attributes]:
    """As Active Directory names an entry."""
    dn, attributes = entry
    return dn, [*attributes, ("objectGUID", [uuid5(NAMESPACE_X500, dn.decode()).bytes_le])]


ENTRIES = st.tuples(
    DNS,
    st.lists(
        st.one_of(
            st.tuples(NAMES, st.lists(VALUES, max_size=2)),
            st.tuples(
                st.sampled_from(["entryUUID", "objectGUID", "nsUniqueId"]),
                st.lists(IDS, max_size=2),
            ),
            st.tuples(st.just("objectClass"), CLASSES),
            st.tuples(ACCOUNT_NUMBERS, st.lists(NUMBERS, max_size=2)),
            st.tuples(st.just("objectSid"), st.lists(SIDS, max_size=2)),
            st.tuples(st.just("proxyAddresses"), st.lists(PROXIES, max_size=5)),
        ),
        max_size=6,
    ),
)
# Active Directory's people, of whom most should be plain.
DOMAIN_PEOPLE = st.tuples(
    DNS,
    st.tuples(
        st.tuples(st.just("mail"), st.sampled_from([[], [b"ada@x.test"], [b"SS@X.test"]])),
        st.tuples(st.just("userAccountControl"), st.tuples(NUMBERS)),
        st.tuples(st.just("accountExpires"), st.tuples(NUMBERS)),
        st.tuples(st.just("primaryGroupID"), st.tuples(st.sampled_from([b"513", b"0", b"x"]))),
        st.tuples(st.just("objectSid"), st.tuples(SIDS)),
        st.tuples(st.just("proxyAddresses"), st.lists(PROXIES, max_size=5)),
    ),
).map(with_guid)
PEOPLE = st.lists(
    st.one_of(ENTRIES, ENTRIES.map(with_id), DOMAIN_PEOPLE),
    max_size=6,
    unique_by=lambda e: key(e[0].decode()),
)
LISTS = st.sampled_from(["member", "Member", "uniqueMember", "memberUid", "memberOf", "member;x-y"])
MEMBERS = st.one_of(
    DNS, st.sampled_from([b"cn=\xff,dc=x", b"cn=ada,dc=x#'01'B", b"  cn=ada,dc=x "])
)
GROUPS = st.lists(
    st.tuples(
        DNS,
        st.lists(
            st.one_of(
                st.tuples(LISTS, st.lists(MEMBERS, max_size=5)),
                st.tuples(st.sampled_from(["cn", "order"]), st.lists(VALUES, max_size=1)),
                st.tuples(st.just("objectSid"), st.lists(SIDS, max_size=2)),
            ),
            max_size=4,
        ),
    ).flatmap(lambda entry: st.sampled_from([entry, with_id(entry), with_guid(entry)])),
    max_size=5,
    unique_by=lambda entry: key(entry[0].decode()),
)


@pytest.fixture(params=[0, 1000], ids=["in step", "one by one"], autouse=True)
def few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How many values are few: small answers then take every way through the code."""
    monkeypatch.setattr(page, "_FEW", request.param)


def page_of(entries: Entries) -> Page:
    """What a server's answer with these entries is read as."""
    answer = Answer(1)
    for dn, attributes in entries:
        pairs = [tlv(0x30, text(n), tlv(0x31, *map(text, values))) for n, values in attributes]
        answer.add(tlv(0x30, number(1), tlv(0x64, text(dn), tlv(0x30, *pairs))))
    assert answer.add(tlv(0x30, number(1), tlv(0x65, b"\x0a\x01\x00", text(""), text(""))))
    return read_page(answer)


def by_entry(page: Page, without: frozenset[int] = frozenset()) -> list[Entry]:
    """All entries of a page; those of one attribute that comes twice are put together."""
    made = []
    for dn, pairs in page.raw(without=without):
        attributes: dict[str, tuple[bytes, ...]] = {}
        for name, values in pairs:
            plain = name.decode().lower()
            attributes[plain] = (*attributes.get(plain, ()), *values)
        made.append(Entry(dn=dn.decode(errors="surrogateescape"), attributes=attributes))
    return made


ADA = Entry(dn="cn=the one,dc=y", attributes={"mail": (b"one@x.test",), "cn": (b"The One",)})
ONE = Batch(base="dc=y", entries=[ADA])


def read(people: Sequence[Batch], groups: Sequence[Batch]) -> DirectoryState | set[str]:
    """The state; or what the error says, in whatever order."""
    terms = Terms(mapping=MAPPING, now=NOW, listed=False)
    try:
        return assemble([ONE, *people], groups, source=SOURCE, terms=terms)
    except DirectoryError as error:
        return set(str(error).partition("filter: ")[2].split("; "))


def same(one: DirectoryState | set[str], other: DirectoryState | set[str]) -> None:
    """Both hold the same rows; memberships and findings in whatever order."""
    if isinstance(one, set) or isinstance(other, set):
        assert one == other
        return
    for name in ("users", "groups", "memberships", "findings"):
        frames = getattr(one, name), getattr(other, name)
        rows = [list(zip(*(column(f, c) for c in f.columns), strict=True)) for f in frames]
        if name in ("memberships", "findings"):
            rows = [sorted(made) for made in rows]
        assert rows[0] == rows[1], name
    assert one.facts == other.facts


def with_addresses(mail: str, *proxies: str) -> tuple[bytes, Attributes]:
    """Somebody in Active Directory."""
    others = [proxy.encode() for proxy in proxies]
    attributes = [("mail", [mail.encode()]), ("proxyAddresses", others)]
    return with_guid((b"cn=ada,dc=x", attributes))


@given(entries=PEOPLE, own_filter=st.booleans())
@example(entries=[], own_filter=False)
@example(entries=[with_addresses("a@x.test", "smtp:b@x.test", " smtp:b@x.test")], own_filter=False)
@example(entries=[with_addresses("ß@x.test", "smtp:SS@x.test", "smtp:b@x.test")], own_filter=False)
def test_people_are_the_same_by_column_and_by_entry(entries: Entries, *, own_filter: bool) -> None:
    page = page_of(entries)
    plain, odd = plain_people(page, base="dc=x", mapping=MAPPING, own_filter=own_filter, now=NOW)
    every = by_entry(page)
    persons = [entry for entry in every if is_person(entry.classes(), own_filter=own_filter)]
    rest = [entry for place, entry in enumerate(every) if place in odd and entry in persons]
    by_column = read([Batch(base="dc=x", entries=rest, rows=plain)], [])
    by_row = read([Batch(base="dc=x", entries=persons)], [])
    same(by_column, by_row)


def test_people_of_active_directory_are_read_by_column() -> None:
    """All of them have these attributes: by entry they would take ten times as long."""
    guid = uuid5(NAMESPACE_X500, "ada")
    attributes = [
        ("objectGUID", [guid.bytes_le]),
        ("objectSid", [sid(21, 7, 4294967295, 9, 1104)]),
        ("primaryGroupID", [b"513"]),
        ("userAccountControl", [b"514"]),
        ("accountExpires", [b"9223372036854775807"]),
        ("mail", [b"a@x.test"]),
        ("proxyAddresses", [b"SMTP:A@x.test", b"smtp:c@x.test", b"smtp:b@x.test", b"X500:/o=X"]),
    ]
    page = page_of([(b"cn=ada,dc=x", attributes)])
    plain, odd = plain_people(page, base="dc=x", mapping=MAPPING, own_filter=False, now=NOW)
    assert odd == []
    (row,) = plain.to_pylist()
    assert row["directory_id"] == str(guid)
    assert row["primary_group_sid"] == "S-1-5-21-7-4294967295-9-513"
    assert row["other_emails"] == ["b@x.test", "c@x.test"]
    assert not row["enabled"]


@given(value=SIDS)
def test_a_security_id_is_the_same_by_column_or_odd(value: bytes) -> None:
    columns = PageColumns(page_of([(b"cn=a,dc=x", [("objectSid", [value])])]))
    assert sids(columns).to_pylist() == [sid_text(value) or None] or columns.odd.all()


@given(
    ids=st.dictionaries(
        st.sampled_from(["entryUUID", "objectGUID", "nsUniqueId"]), IDS, min_size=1, max_size=3
    )
)
@example(ids={"nsUniqueId": b"66446001-1dd211b2-a0b0c0d0-12345678"})
@example(ids={"entryUUID": b"1-2", "objectGUID": bytes(range(16))})
@example(
    ids={
        "objectGUID": b"0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
        "nsUniqueId": b"66446001-1dd211b2-a0b0c0d0-12345678",
    }
)
def test_an_id_is_the_same_by_column_or_odd(ids: dict[str, bytes]) -> None:
    page = page_of([(b"cn=a,dc=x", [(name, [value]) for name, value in ids.items()])])
    columns = PageColumns(page)
    made = directory_ids(columns).to_pylist()
    assert made == [directory_id(by_entry(page)[0], "cn=a,dc=x")] or columns.odd.all()


@pytest.mark.parametrize(
    "ids",
    [
        {"objectGUID": bytes(range(16))},
        {"nsUniqueId": b"66446001-1dd211b2-a0b0c0d0-12345678"},
        {"entryUUID": b"0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0", "objectGUID": b"none"},
    ],
)
def test_ids_as_servers_write_them_are_read_by_column(ids: dict[str, bytes]) -> None:
    page = page_of([(b"cn=a,dc=x", [(name, [value]) for name, value in ids.items()])])
    columns = PageColumns(page)
    assert directory_ids(columns).to_pylist() == [directory_id(by_entry(page)[0], "")]
    assert not columns.odd.any()


def test_groups_of_active_directory_are_read_by_column() -> None:
    page = page_of([with_guid((b"cn=a,dc=x", [("objectSid", [sid(32, 544)])]))])
    plain = plain_groups(page, base="dc=x", mapping=MAPPING)
    assert plain.odd == []
    assert plain.rows["sid"].to_pylist() == ["S-1-5-32-544"]


@given(entries=PEOPLE, groups=GROUPS)
@example(
    entries=[
        with_guid((dn, [("objectSid", [sid(21, 7, 1104)]), ("primaryGroupID", [b"513"])]))
        for dn in (b"cn=ada,dc=x", b"cn=ben,dc=x")
    ],
    groups=[
        with_guid((b"cn=users,dc=x", [("objectSid", [sid(21, 7, 513)])])),
        with_guid((b"cn=others,dc=x", [("objectSid", [sid(21, 8, 513)])])),
    ],
)
def test_primary_groups_are_the_same_by_column_and_by_entry(
    entries: Entries, groups: Entries
) -> None:
    people, teams = page_of(entries), page_of(groups)
    rows, odd = plain_people(people, base="dc=x", mapping=MAPPING, own_filter=True, now=NOW)
    persons = [e for e in by_entry(people) if is_person(e.classes(), own_filter=True)]
    rest = [e for place, e in enumerate(by_entry(people)) if place in odd and e in persons]
    plain = plain_groups(teams, base="dc=x", mapping=MAPPING)
    others = [by_entry(teams, plain.taken)[place] for place in plain.odd]
    by_column = read(
        [Batch(base="dc=x", entries=rest, rows=rows)],
        [Batch(base="dc=x", entries=others, rows=plain.rows, members=plain.members)],
    )
    by_row = read(
        [Batch(base="dc=x", entries=persons)], [Batch(base="dc=x", entries=by_entry(teams))]
    )
    same(by_column, by_row)


def test_plain_people_are_all_read_by_column() -> None:
    """Else nothing here would prove anything."""
    attributes = [("entryUUID", [b"0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"]), ("mail", [b"a@x.test"])]
    page = page_of([("cn=Zoë,dc=x".encode(), attributes), (b"cn=b,dc=x", attributes[:1])])
    plain, odd = plain_people(page, base="dc=x", mapping=MAPPING, own_filter=False, now=NOW)
    assert odd == []
    assert plain["emails"].to_pylist() == [["a@x.test"], []]


@given(entries=GROUPS)
@example(entries=[])
@example(entries=[(b"cn=a,dc=x", [("member", [b"cn=B,dc=x", b"cn=b,dc=x", b"cn=b, dc=x"])])])
@example(entries=[(b"cn=a,dc=x", [("member", [b"cn=b,dc=x", b"cn=B,dc=x"])])])
@example(
    entries=[
        with_id((dn, [("member", [b"cn=B, dc=x", "cn=ß,dc=x".encode(), b"cn=C,dc=x"])]))
        for dn in (b"cn=z,dc=x", b"cn=a,dc=x")
    ]
)
def test_groups_are_the_same_by_column_and_by_entry(entries: Entries) -> None:
    page = page_of(entries)
    plain = plain_groups(page, base="dc=x", mapping=MAPPING)
    entries_left = [by_entry(page, plain.taken)[place] for place in plain.odd]
    batch = Batch(base="dc=x", entries=entries_left, rows=plain.rows, members=plain.members)
    same(read([], [batch]), read([], [Batch(base="dc=x", entries=by_entry(page))]))


def test_a_group_that_two_bases_gave_has_each_member_once() -> None:
    page = page_of([with_id((b"cn=a,dc=x", [("member", [b"cn=b,dc=x", b"cn=c,dc=x"])]))])
    batches = []
    for base in ("dc=x", "ou=y"):
        plain = plain_groups(page, base=base, mapping=MAPPING)
        batches.append(Batch(base=base, entries=[], rows=plain.rows, members=plain.members))
    state = read([], batches)
    assert isinstance(state, DirectoryState)
    assert list(state.memberships["member"]) == ["cn=b,dc=x", "cn=c,dc=x"]


def test_plain_groups_are_all_read_by_column() -> None:
    attributes = [("memberOf", [b"CN=b,dc=x"]), ("cn", [b"A"])]
    page = page_of([with_id((b"cn=a,dc=x", attributes)), with_id((b"cn=b,dc=x", []))])
    plain = plain_groups(page, base="dc=x", mapping=MAPPING)
    assert plain.odd == []
    assert plain.rows["parents"].to_pylist() == [["cn=b,dc=x"], None]


def test_plain_members_are_all_read_by_column() -> None:
    page = page_of([(b"cn=a,dc=x", [("member", [b"cn=b,dc=x", b"cn=c,dc=x"])])])
    (members,), taken = plain_members(PageColumns(page))
    assert members.text.to_pylist() == ["cn=b,dc=x", "cn=c,dc=x"]
    assert by_entry(page, taken)[0].attributes == {"member": ()}


def test_white_space_that_is_trimmed_is_pythons() -> None:
    every = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    trimmed = pc.utf8_trim_whitespace(pa.array(every)).to_pylist()
    assert trimmed == [one.strip() for one in every]


def test_arrows_own_memory_is_back_in_use_after_a_read() -> None:
    usual = pa.default_memory_pool().backend_name
    read([], [])
    with pytest.raises(ZeroDivisionError), assembly._memory_given_back():
        raise ZeroDivisionError
    assert pa.default_memory_pool().backend_name == usual
