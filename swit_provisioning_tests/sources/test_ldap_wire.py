"""What decodes bytes by hand: held against ldap3's own decoder, and fed with nonsense."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ldap3.protocol.rfc4511 import (
    AttributeValue,
    LDAPMessage,
    LDAPString,
    MessageID,
    PartialAttribute,
    PartialAttributeList,
    ProtocolOp,
    ResultCode,
    SearchResultDone,
    SearchResultEntry,
    Vals,
)
from ldap3.strategy.sync import SyncStrategy
from ldap3.utils.asn1 import decode_message_fast, encode  # type: ignore[attr-defined]

from swit_provisioning.sources.ldap.wire import Answer, DisconnectedError, WireError
from swit_provisioning_tests.sources.scripted_server import Reply, done, entry, reference
from swit_provisioning_tests.sources.wire import number, tlv

Attributes = Mapping[str, Sequence[bytes]]
Raw = list[tuple[bytes, dict[str, list[bytes]]]]
"""DN and attributes of each entry; names are in lower case, as they have no case in LDAP."""
MESSAGE_ID = 7

# Long ones need lengths in two octets and more.
VALUES = st.one_of(
    st.binary(max_size=20),
    st.integers(min_value=120, max_value=300).map(lambda size: b"x" * size),
)
NAMES = st.from_regex(r"[a-z]{1,8}(;[a-z-]{1,8})?", fullmatch=True)
ENTRIES = st.lists(
    st.tuples(
        st.text(st.characters(codec="utf-8"), max_size=200),
        st.dictionaries(NAMES, st.lists(VALUES, max_size=5), max_size=4),
    ),
    max_size=8,
)


def inner(reply: Reply) -> tuple[bytes, bytes]:
    """Operation and controls of what the scripted server would send."""
    assert isinstance(reply, tuple)
    return reply


def message(operation: bytes, controls: bytes = b"", *, message_id: int = MESSAGE_ID) -> bytes:
    return tlv(0x30, number(message_id), operation, controls)


ADA, _ = inner(entry("cn=Ada", {"mail": ["ada@example.test"]}))
END, _ = inner(done())
GOOD = message(ADA)


def of_ldap3(entries: Sequence[tuple[str, Attributes]]) -> bytes:
    """An answer as ldap3's types and pyasn1 encode it."""
    answer = bytearray()
    for dn, attributes in entries:
        listed = PartialAttributeList()
        for place, (name, values) in enumerate(attributes.items()):
            attribute = PartialAttribute()
            attribute["type"] = name
            attribute["vals"] = Vals()
            for number_, value in enumerate(values):
                attribute["vals"].setComponentByPosition(number_, AttributeValue(value))
            listed.setComponentByPosition(place, attribute)
        found = SearchResultEntry()
        found["object"] = LDAPString(dn.encode())
        found["attributes"] = listed
        answer += _encoded("searchResEntry", found)
    end = SearchResultDone()
    end["resultCode"] = ResultCode("success")
    end["matchedDN"] = ""
    end["diagnosticMessage"] = "fine"
    return bytes(answer + _encoded("searchResDone", end))


def _encoded(kind: str, operation: Any) -> bytes:  # noqa: ANN401 - ldap3's
    made = LDAPMessage()
    made["messageID"] = MessageID(MESSAGE_ID)
    made["protocolOp"] = ProtocolOp().setComponentByName(kind, operation)
    return bytes(encode(made))


def by_ldap3(answer: bytes) -> Raw:
    """What ldap3 makes of the entries in an answer."""
    found: Raw = []
    while answer:
        size = SyncStrategy.compute_ldap_message_size(answer)  # type: ignore[no-untyped-call]
        decoded = decode_message_fast(answer[:size])  # type: ignore[no-untyped-call]
        answer = answer[size:]
        if decoded["protocolOp"] == 4:
            (_, _, _, dn), (_, _, _, attributes) = decoded["payload"]
            values: dict[str, list[bytes]] = {}
            for attribute in attributes:
                name = bytes(attribute[3][0][3]).decode(errors="replace").lower()
                values.setdefault(name, []).extend(bytes(v[3]) for v in attribute[3][1][3])
            found.append((bytes(dn), values))
    return found


def read(answer: bytes, *pieces: int) -> Raw:
    """Read an answer that comes in pieces, each of so many bytes, the last whatever is left."""
    incoming = Answer(MESSAGE_ID)
    for size in pieces:
        incoming.add(answer[:size])
        answer = answer[size:]
    assert incoming.add(answer)
    return decoded(incoming)


def decoded(answer: Answer) -> Raw:
    """Entries of an answer, their DNs as the bytes that were sent."""
    return [
        (
            entry.dn.encode(errors="surrogateescape"),
            {
                name: [value for value in values if isinstance(value, bytes)]
                for name, values in entry.attributes.items()
            },
        )
        for entry in answer.entries
    ]


@given(entries=ENTRIES)
@example(entries=[])
@example(entries=[("", {})])
@example(entries=[("cn=x", {"member": [b"%d" % n for n in range(300)], "photo": [b"y" * 70_000]})])
def test_entries_are_read_as_ldap3_reads_them(entries: list[tuple[str, Attributes]]) -> None:
    answer = of_ldap3(entries)
    assert read(answer) == by_ldap3(answer)


@given(entries=ENTRIES, pieces=st.lists(st.integers(min_value=0, max_value=400), max_size=8))
def test_it_does_not_matter_in_which_pieces_an_answer_comes(
    entries: list[tuple[str, Attributes]], pieces: list[int]
) -> None:
    answer = of_ldap3(entries)
    assert read(answer, *pieces) == by_ldap3(answer)


@given(answer=st.binary(max_size=300))
def test_arbitrary_bytes_are_an_error_or_an_answer_that_goes_on(answer: bytes) -> None:
    outcome(answer)


@given(
    entries=ENTRIES,
    changes=st.lists(
        st.tuples(st.floats(min_value=0, max_value=1, exclude_max=True), st.binary(max_size=3)),
        min_size=1,
        max_size=4,
    ),
)
def test_a_damaged_answer_is_an_error_or_read_as_ldap3_reads_it(
    entries: list[tuple[str, Attributes]], changes: list[tuple[float, bytes]]
) -> None:
    """No byte of it decides how long reading takes, or how much memory."""
    answer = bytearray(of_ldap3(entries))
    for place, replacement in changes:
        at = int(place * len(answer))
        answer[at : at + 1] = replacement
    found = outcome(bytes(answer))
    if found is not None:
        assert found == by_ldap3(ended(bytes(answer)))


@pytest.mark.parametrize("count", [1, 2])
def test_values_of_every_length_are_read(count: int) -> None:
    """Up to 127 bytes the length has one octet, then two and three: 128 and 256 are the edges."""
    for size in [*range(300), 65_535, 65_536]:
        value = bytes([size % 251 + 1]) * size
        answer = of_ldap3([("cn=Ada", {"photo": [value] * count})])
        assert read(answer) == [(b"cn=Ada", {"photo": [value] * count})], size


def test_nothing_is_complete_before_its_last_byte() -> None:
    answer = of_ldap3([("cn=x", {"mail": [b"a", b"b"]}), ("cn=y", {})])
    for size in range(len(answer)):
        incoming = Answer(MESSAGE_ID)
        assert not incoming.add(answer[:size])
        with pytest.raises(RuntimeError, match="not ended"):
            _ = incoming.result


def test_what_comes_behind_the_end_is_kept_for_the_next_answer() -> None:
    end = message(END)
    first = Answer(MESSAGE_ID)
    assert first.add(end + end[:5])
    second = Answer(MESSAGE_ID, first.left_over)
    assert not second.add()
    assert second.add(end[5:])


def test_lengths_in_more_octets_than_needed_are_read() -> None:
    """Active Directory writes every outer length in four."""

    def long(tag: int, *parts: bytes) -> bytes:
        content = b"".join(parts)
        return bytes((tag, 0x84)) + len(content).to_bytes(4, "big") + content

    name, value, dn = tlv(4, b"mail"), tlv(4, b"a@x"), tlv(4, b"cn=x")
    found = long(0x64, dn, long(0x30, long(0x30, name, long(0x31, value))))
    end = long(0x65, b"\x0a\x01\x00", tlv(4), tlv(4))
    answer = long(0x30, number(MESSAGE_ID), found) + long(0x30, number(MESSAGE_ID), end)
    assert read(answer) == [(b"cn=x", {"mail": [b"a@x"]})]


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        (b"GET / HTTP/1.1", "where a message begins"),
        (b"\x30\x80", "a length that LDAP does not allow"),
        (b"\x30\x85\x00\x00\x00\x00\x01", "a length that LDAP does not allow"),
        (b"\x30\x84\x7f\xff\xff\xff", "it has more than 1073741824 bytes"),
        (b"\x30\x00", "cut off"),
        (message(ADA, message_id=MESSAGE_ID + 1), "another request"),
        (message(ADA, message_id=0), "was not requested"),
        (message(tlv(0x6E, b"")), "tag 0x6e"),
        (message(tlv(0x73)), "a reference without a URL"),
        (message(tlv(0x65, b"\x0a\x00", tlv(4), tlv(4))), "too few or too many bytes"),
        (message(tlv(0x65, b"\x02\x01\x00", tlv(4), tlv(4))), "tag 0x02 instead of 0x0a"),
        (message(tlv(0x65, b"\x0a\x01\x00", tlv(4))), "cut off"),
        (message(tlv(0x65, b"\x0a\x01\x00", tlv(4), tlv(4), tlv(4))), "after the end of a result"),
        (message(END, tlv(0xA1)), "instead of 0xa0"),
        (message(END, tlv(0xA0) + b"\x04\x00"), "after the end of a message"),
    ],
)
def test_what_is_no_answer_is_refused(sent: bytes, problem: str) -> None:
    with pytest.raises(WireError, match=problem):
        Answer(MESSAGE_ID).add(GOOD + sent)


@pytest.mark.parametrize(
    "operation",
    [
        tlv(0x64),
        tlv(0x64, tlv(0x0C, b"cn=x"), tlv(0x30)),
        tlv(0x64, tlv(4, b"cn=x")),
        tlv(0x64, tlv(4, b"cn=x"), tlv(0x30), b"\x04\x00"),
        tlv(0x64, tlv(4, b"cn=x"), tlv(0x30, tlv(0x31))),
        tlv(0x64, tlv(4, b"cn=x"), tlv(0x30, tlv(0x30, tlv(4, b"mail")))),
        tlv(0x64, tlv(4, b"cn=x"), tlv(0x30, tlv(0x30, tlv(4, b"mail"), tlv(0x30)))),
        tlv(0x64, tlv(4, b"cn=x"), tlv(0x30, tlv(0x30, tlv(4, b"mail"), tlv(0x31), b"\x04\x00"))),
        tlv(0x64, tlv(4, b"cn=x"), tlv(0x30, tlv(0x30, tlv(4, b"mail"), tlv(0x31, b"\x04")))),
        tlv(0x64, tlv(4, b"cn=x"), tlv(0x30, tlv(0x30, tlv(4, b"mail"), tlv(0x31, b"\x04\x05a")))),
        tlv(0x64, tlv(4, b"cn=x"), tlv(0x30, tlv(0x30, tlv(4, b"mail"), tlv(0x31, b"\x04\x80a")))),
        tlv(0x64, tlv(4, b"cn=x"), tlv(0x30, tlv(0x30, tlv(4, b"mail"), tlv(0x31, tlv(2, b"a"))))),
    ],
)
def test_an_entry_that_is_none_is_refused(operation: bytes) -> None:
    """Refused at once, whatever follows."""
    incoming = Answer(MESSAGE_ID)
    with pytest.raises(WireError, match="at byte"):
        incoming.add(GOOD + message(operation) + GOOD + message(END))
    with pytest.raises(RuntimeError, match="not ended"):
        _ = incoming.result


def test_an_entry_may_come_with_controls_and_with_nothing_else_behind_it() -> None:
    incoming = Answer(MESSAGE_ID)
    assert incoming.add(message(ADA, tlv(0xA0, tlv(0x30, tlv(4, b"1.2")))) + message(END))
    assert len(incoming.entries) == 1
    with pytest.raises(WireError):
        Answer(MESSAGE_ID).add(message(ADA, tlv(0x04, b"more")) + message(END))


def test_references_and_the_end_are_told() -> None:
    incoming = Answer(MESSAGE_ID)
    end = inner(done(4, cookie=b"next", message="limit", found="dc=x"))
    sent = message(*inner(reference("ldap://a/", "ldap://b/"))) + message(*end)
    assert incoming.add(sent)
    assert incoming.references == ["ldap://a/", "ldap://b/"]
    result = incoming.result
    assert (result.code, result.matched_dn, result.message, result.cookie) == (
        4,
        "dc=x",
        "limit",
        b"next",
    )


def test_a_notice_of_disconnection_is_told() -> None:
    notice = tlv(0x78, b"\x0a\x01\x34", tlv(4), tlv(4, b"going down"))
    with pytest.raises(DisconnectedError, match="52 going down"):
        Answer(MESSAGE_ID).add(GOOD + message(notice, message_id=0))


def outcome(answer: bytes) -> Raw | None:
    """What is read; nothing where it is refused or goes on."""
    incoming = Answer(MESSAGE_ID)
    try:
        if not incoming.add(answer):
            return None
    except (WireError, DisconnectedError):
        return None
    found = decoded(incoming)
    sizes = [sum(map(len, values)) for _, named in found for values in named.values()]
    assert sum(sizes) <= len(answer)
    return found


def ended(answer: bytes) -> bytes:
    """An answer up to its end: what comes behind that belongs to another one."""
    incoming = Answer(MESSAGE_ID)
    incoming.add(answer)
    return answer.removesuffix(incoming.left_over)
