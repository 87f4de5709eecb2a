"""Values of entries, as servers send them; and who counts as enabled."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swit_provisioning.sources.attributes import AttributeMapping
from swit_provisioning.sources.base import listed
from swit_provisioning.sources.entries import Entry, EntryReader, Findings, Value, directory_id
from swit_provisioning.sources.people import is_enabled
from swit_provisioning.sources.server_types import is_person

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def entry(**attributes: tuple[Value, ...]) -> Entry:
    return Entry(dn="cn=a", attributes={name.lower(): v for name, v in attributes.items()})


def reader(*, from_file: bool = False) -> EntryReader:
    return EntryReader(mapping=AttributeMapping(), now=NOW, ordered=from_file)


def ticks(when: datetime) -> bytes:
    """Active Directory's count of tenths of microseconds since 1601."""
    passed = when - datetime(1601, 1, 1, tzinfo=UTC)
    return str(passed // timedelta(microseconds=1) * 10).encode()


@pytest.mark.parametrize(
    ("attributes", "enabled"),
    [
        ({}, True),
        ({"userAccountControl": b"512"}, True),
        ({"userAccountControl": b"514"}, False),
        ({"userAccountControl": b"66050"}, False),
        ({"userAccountControl": b"-2147483646"}, False),
        ({"userAccountControl": b"nonsense"}, True),
        ({"accountExpires": b"0"}, True),
        ({"accountExpires": b"9223372036854775807"}, True),
        ({"accountExpires": b"9223372036854775806"}, True),
        ({"accountExpires": ticks(NOW - timedelta(seconds=1))}, False),
        ({"accountExpires": ticks(NOW)}, False),
        ({"accountExpires": ticks(NOW + timedelta(seconds=1))}, True),
        ({"pwdAccountLockedTime": b"000001010000Z"}, False),
        ({"pwdAccountLockedTime": b"00000101000000Z"}, False),
        ({"pwdAccountLockedTime": b"20260301110000Z"}, True),
        ({"nsAccountLock": b"true"}, False),
        ({"nsAccountLock": b"TRUE"}, False),
        ({"nsAccountLock": b"false"}, True),
    ],
)
def test_disabled_and_expired_accounts_are_not_enabled(
    attributes: Mapping[str, bytes], *, enabled: bool
) -> None:
    """A lock with a time comes of wrong passwords and goes away again: nobody loses an account."""
    account = entry(**{name: (value,) for name, value in attributes.items()})
    assert is_enabled(account, reader()) is enabled


def test_a_flag_that_is_no_number_is_a_finding() -> None:
    known = reader()
    is_enabled(entry(userAccountControl=(b"x",)), known)
    reason = "The value 'x' is not a number, so it is ignored. Correct it."
    assert [*known.findings] == [("invalid number", "cn=a", "userAccountControl", reason)]


@given(st.uuids())
def test_both_kinds_of_id_are_read_as_text(made: uuid.UUID) -> None:
    text = str(made)
    assert directory_id(entry(entryUUID=(text.upper().encode(),)), "k") == text
    assert directory_id(entry(objectGUID=(made.bytes_le,)), "k") == text
    assert directory_id(entry(objectGUID=("{" + text.upper() + "}",)), "k") == text


def test_the_id_of_389_directory_server_is_read_where_there_is_no_other() -> None:
    written = b"66446001-1dd211b2-ad6a8bf6-da1cdb3d"
    usual = "66446001-1dd2-11b2-ad6a-8bf6da1cdb3d"
    assert directory_id(entry(nsUniqueId=(written,)), "k") == usual
    better = str(uuid.UUID(int=7))
    assert directory_id(entry(nsUniqueId=(written,), entryUUID=(better,)), "k") == better


@pytest.mark.parametrize(
    "attributes", [{}, {"objectGUID": (b"short",)}, {"entryUUID": (b" ",)}, {"objectGUID": ()}]
)
def test_an_entry_without_a_usable_id_is_known_by_its_key(
    attributes: Mapping[str, tuple[Value, ...]],
) -> None:
    assert directory_id(entry(**attributes), "cn=a") == "cn=a"


def test_a_servers_values_are_sorted_because_it_promises_no_order() -> None:
    mail = entry(mail=(b"b@x.test", b" a@x.test", b"", b"b@x.test"))
    assert reader().texts(mail, "mail") == ["a@x.test", "b@x.test"]
    assert reader(from_file=True).texts(mail, "mail") == ["b@x.test", "a@x.test"]


def test_bytes_that_are_no_text_are_left_out_as_a_finding() -> None:
    known = reader()
    assert known.texts(entry(displayName=(b"\xff\xfe", b"Zo\xc3\xab")), "displayName") == ["Zoë"]
    (finding,) = known.findings
    assert finding[:3] == ("invalid encoding", "cn=a", "displayName")


def test_values_with_a_language_tag_count_where_there_are_no_others() -> None:
    tagged = {"displayname;lang-fr": (b"Equipe",), "displayname;lang-de": (b"Gruppe",)}
    only = Entry(dn="cn=a", attributes=tagged)
    assert reader(from_file=True).texts(only, "displayName") == ["Gruppe", "Equipe"]
    both = Entry(dn="cn=a", attributes={**tagged, "displayname": (b"Team",)})
    assert reader().texts(both, "displayName") == ["Team"]


def test_what_is_in_a_group_or_an_ou_is_no_person_whoever_wrote_the_filter() -> None:
    assert not is_person(frozenset({"top", "organizationalunit"}), own_filter=True)
    assert not is_person(frozenset({"top", "group"}), own_filter=True)
    assert is_person(frozenset({"person", "contact"}), own_filter=True)
    assert not is_person(frozenset({"person", "contact"}))
    assert is_person(frozenset())


def test_every_value_that_was_left_out_is_named_each_once() -> None:
    findings = Findings()
    for number in [*range(7), 6]:
        findings.add("invalid number", dn=f"cn={number}", attribute="order", reason="why")
    assert [dn for _, dn, _, _ in findings] == [f"cn={number}" for number in range(7)]


def test_a_list_in_a_message_is_cut_and_says_so() -> None:
    assert listed(["a", "b"]) == "a; b"
    assert listed(["a", "b", "c"], most=2) == "a; b; and 1 more"
