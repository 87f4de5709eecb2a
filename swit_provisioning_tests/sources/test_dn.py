"""Distinguished names: every spelling of one name meets, and no two names do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swit_provisioning.sources.ldap.dn import (
    DnScope,
    InvalidDN,
    dn_key,
    is_below,
    parse_dn,
    rdn_values,
)

SPECIAL = '\\,+"<>;=# '


def escaped(value: str) -> str:
    return "".join(f"\\{c}" if c in SPECIAL else c for c in value)


def hex_escaped(value: str) -> str:
    return "".join(f"\\{octet:02X}" for octet in value.encode())


TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
# What is typed often, so that the fast path and its borders are met as well.
PLAIN = st.text("abcXYZ 09.-_@/'()&,+=\\#;", min_size=1, max_size=12)
KINDS = st.sampled_from(["cn", "CN", "OU", "dc", "uid", "2.5.4.3", "OID.2.5.4.11", "commonName"])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"CN=Smith\, John,OU=Sales,DC=x", r"cn=smith\2c john, ou=sales , dc=X"),
        ("CN=Lučić,DC=x", r"cn=LU\C4\8Di\C4\87,DC=X"),
        ("CN=a+UID=b,DC=x", "uid=B+cn=A,dc=x"),
        (r"CN=\20lead,DC=x", r"CN=\ lead,DC=x"),
        ("2.5.4.3=oid,DC=x", "cn=oid,dc=x"),
        ("OID.2.5.4.3=oid,DC=x", "cn=oid,dc=x"),
        ("commonName=long,DC=x", "cn=long,domainComponent=x"),
        ('CN="quoted, v2",DC=x', r"cn=quoted\, v2,dc=x"),
        ("CN=a  b,DC=x", "cn=a b,dc=x"),
        ("cn=Straße,dc=x", "CN=STRASSE,dc=x"),
        ("CN=A;OU=b", "cn=a,ou=b"),
        (r"cn=a\=b,dc=x", "cn=a=b,dc=x"),
        ("cn=ﬁ,dc=x", "cn=fi,dc=x"),
        ("CN=e\u0301,DC=x", "CN=é,DC=x"),
        ("cn=soft\u00adhyphen", "cn=softhyphen"),
        ("cn=end\n", "cn=end"),
        ("", " "),
        (r"CN=Gone\0ACNF:4f1d,DC=x", r"cn=gone\0acnf:4F1D,dc=x"),
    ],
)
def test_spellings_of_one_name_have_one_key(one: str, other: str) -> None:
    assert dn_key(one) == dn_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cn=a,dc=x", r"cn=a\,dc\=x"),
        ("cn=a+dc=x", "cn=a,dc=x"),
        (r"cn=\#31", "cn=#31"),
        (r"cn=a\+b=c", "cn=a+b=c"),
        ("cn=a,ou=b", "ou=b,cn=a"),
    ],
)
def test_different_names_have_different_keys(one: str, other: str) -> None:
    assert dn_key(one) != dn_key(other)


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        ("CN=bad,user@x,DC=x", 8, "an attribute name and `=` are expected"),
        ("CN=a,,DC=x", 6, "an attribute name"),
        (r"CN=\zz,DC=x", 4, "the value ends, but neither `,` nor `+` follows"),
        ("abc", 1, "an attribute name"),
        ("=x", 1, "an attribute name"),
        (r"cn=\ff", 4, "the value is not UTF-8"),
        ("cn=#0", 4, "`#` must be followed by pairs of hexadecimal digits"),
        ("cn=#", 4, "`#` must be followed"),
        ('cn="x', 4, 'the closing `"` is missing'),
        ('cn="x"y', 7, "the value ends"),
        ("cn=a,", 6, "an attribute name"),
        ("cn=a+", 6, "an attribute name"),
        ("cn=a<b", 5, "the value ends"),
        ("cn=\ud800", 4, "the value is not UTF-8"),
        ("c n=a", 1, "an attribute name"),
    ],
)
def test_what_is_no_name_is_refused_and_the_message_says_where(
    text: str, place: int, problem: str
) -> None:
    with pytest.raises(InvalidDN) as caught:
        dn_key(text)
    said = f"{text!r} is not a distinguished name: at character {place} {problem}"
    assert str(caught.value).startswith(said)


def test_a_key_is_in_lower_case_sorted_and_escaped_in_one_way() -> None:
    assert dn_key("UID=#0401FF+CN=A\\2c b,DC=x") == "cn=a\\, b+uid=#0401ff,dc=x"


def test_a_name_is_taken_apart_from_the_entry_upwards() -> None:
    assert parse_dn(r"CN=Doe\, Jane+UID=jd,OU=#0401FF,DC=x") == (
        (("CN", "Doe, Jane"), ("UID", "jd")),
        (("OU", b"\x04\x01\xff"),),
        (("DC", "x"),),
    )
    assert parse_dn("  ") == ()


@given(st.lists(st.tuples(KINDS, TEXT | PLAIN), min_size=1, max_size=4))
def test_a_value_comes_back_whichever_way_it_was_escaped(pairs: list[tuple[str, str]]) -> None:
    typed = ",".join(f"{kind}={escaped(value)}" for kind, value in pairs)
    as_octets = ", ".join(f"{kind}={hex_escaped(value)}" for kind, value in pairs)
    expected = tuple(((kind, value),) for kind, value in pairs)
    if "\0" not in typed:  # that one can only be written as an octet
        assert parse_dn(typed) == expected
        assert dn_key(typed) == dn_key(as_octets)
    assert parse_dn(as_octets) == expected


@given(st.lists(st.tuples(KINDS, TEXT | PLAIN), min_size=1, max_size=4))
def test_a_key_is_a_name_in_normal_form_already(pairs: list[tuple[str, str]]) -> None:
    key = dn_key(",".join(f"{kind}={hex_escaped(value)}" for kind, value in pairs))
    assert dn_key(key) == key


@given(st.text(alphabet='aB ,+"\\#<>;=é ß0\n', max_size=9))
def test_any_text_is_either_a_name_or_refused(text: str) -> None:
    try:
        key = dn_key(f"cn={text}")
    except InvalidDN:
        return
    assert dn_key(key) == key


@given(st.lists(st.tuples(KINDS, PLAIN), min_size=1, max_size=3))
def test_plain_names_get_the_same_key_on_the_fast_path(pairs: list[tuple[str, str]]) -> None:
    typed = ",".join(f"{kind}={escaped(value)}" for kind, value in pairs)
    # A space before a comma means nothing, but the fast path doesn't take it.
    assert dn_key(typed) == dn_key(typed + " ")


@given(st.lists(st.tuples(KINDS, TEXT | PLAIN), min_size=2, max_size=4))
def test_an_entry_is_below_each_of_those_above_it_and_no_other(
    pairs: list[tuple[str, str]],
) -> None:
    steps = [f"{kind}={hex_escaped(value)}" for kind, value in pairs]
    key = dn_key(",".join(steps))
    for above in range(1, len(steps)):
        assert is_below(key, dn_key(",".join(steps[above:])))
    assert not is_below(key, key)
    assert not is_below(dn_key(",".join(steps[1:])), key)


def test_a_comma_in_a_value_puts_nobody_below_another() -> None:
    assert not is_below(dn_key(r"cn=a\,dc=x"), dn_key("dc=x"))
    assert is_below(dn_key(r"cn=a\\,dc=x"), dn_key("dc=x"))


def test_everything_is_below_the_empty_name_but_itself() -> None:
    assert is_below("dc=x", "")
    assert not is_below("", "")


def test_the_common_names_in_a_name_come_unescaped_from_the_entry_upwards() -> None:
    dn = r"CN=Sales\, EMEA+UID=s,commonName=Teams,OU=Groups,2.5.4.3=#0401FF,DC=x"
    assert rdn_values(dn, "cn") == ["Sales, EMEA", "Teams"]
    assert rdn_values(dn, "OU") == ["Groups"]
    assert rdn_values("", "cn") == []


@pytest.mark.parametrize(
    ("reference", "base", "is_owned"),
    [
        ("CN=Sales, OU=G, DC=x", "ou=g,dc=x", True),
        ("cn=sales,ou=g,dc=x", "dc=x", True),
        ("cn=sales,ou=g,dc=x", "ou=other,dc=x", False),
        ("ou=g,dc=x", "ou=g,dc=x", False),
        ("cn=sales,dc=y", None, True),
        ("0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0", None, False),
        ("a=b, no DN", None, False),
        ("", None, False),
        (None, None, False),
    ],
)
def test_a_directory_owns_the_dns_below_its_search_base_and_a_file_all(
    reference: str | None, base: str | None, *, is_owned: bool
) -> None:
    assert DnScope(base).owns(reference) is is_owned


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (None, ""),
        ("  ", ""),
        (" {11AA-22} ", "11aa-22"),
        ("X-11AA-X", "x-11aa-x"),
        ("CN=Sales , DC=x", "cn=sales,dc=x"),
        ("= No name", "= no name"),
    ],
)
def test_references_are_compared_as_names_or_as_ids_without_braces(
    text: str | None, key: str
) -> None:
    assert DnScope(None).key(text) == key


@given(st.lists(st.tuples(KINDS, PLAIN.map(escaped)), min_size=1, max_size=4))
def test_values_of_a_plain_name_are_those_that_parsing_finds(parts: list[tuple[str, str]]) -> None:
    """There is a shorter way for names without escapes."""
    dn = ",".join(f"{kind}={value}" for kind, value in parts if kind.isalpha()) or "cn=a"
    parsed = [v for rdn in parse_dn(dn) for kind, v in rdn if kind.lower() in {"cn", "commonname"}]
    assert rdn_values(dn, "cn") == [value for value in parsed if isinstance(value, str)]
