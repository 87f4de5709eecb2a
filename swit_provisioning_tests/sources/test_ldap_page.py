"""What a page is taken apart into is what was sent, whatever bytes the values are made of."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from swit_provisioning.sources.ldap import page
from swit_provisioning.sources.ldap.page import read_page
from swit_provisioning.sources.ldap.wire import Answer
from swit_provisioning_tests.sources.wire import number, text, tlv

# The byte that begins a value, as a length too; and values longer than one byte can say.
VALUES = st.one_of(
    st.lists(st.sampled_from([b"\x04", b"\x00", b"\x01", b"a"]), max_size=6).map(b"".join),
    st.sampled_from([b"\x04" * 4, b"Adam", b"x" * 127, b"x" * 128, b"\x04\x00" * 600]),
)
Page = list[tuple[bytes, list[tuple[bytes, list[bytes]]]]]
PAGES = st.lists(
    st.tuples(
        VALUES, st.lists(st.tuples(st.just(b"member"), st.lists(VALUES, max_size=5)), max_size=3)
    ),
    max_size=4,
)


@pytest.fixture(params=[0, 1000], ids=["in step", "one by one"], autouse=True)
def few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "_FEW", request.param)


@given(page=PAGES)
@example(page=[(b"cn=a", [(b"member", [b"cn=b,dc=x", b"Adam", b"cn=c"]), (b"member", [])])])
@example(page=[(b"cn=a", [(b"member", [])]), (b"cn=b", [(b"member", [b"\x04", b"b"])])])
def test_every_value_comes_out_as_it_was_sent(page: Page) -> None:
    answer = Answer(1)
    for dn, attributes in page:
        pairs = [tlv(0x30, text(n), tlv(0x31, *map(text, values))) for n, values in attributes]
        answer.add(tlv(0x30, number(1), tlv(0x64, text(dn), tlv(0x30, *pairs))))
    answer.add(tlv(0x30, number(1), tlv(0x65, b"\x0a\x01\x00", text(""), text(""))))
    assert list(read_page(answer).raw()) == page
