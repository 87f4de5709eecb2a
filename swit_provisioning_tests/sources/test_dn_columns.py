"""Normal forms of DNs, computed for whole columns."""

from unittest import mock

import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import given
from hypothesis import strategies as st

from swit_provisioning.sources.ldap.dn import SIMPLE_LETTERS, dn_key
from swit_provisioning.sources.people import plain_dn_keys

NAMES = st.one_of(
    st.sampled_from(["cn=Zoë,dc=x", "CN=ada,DC=X", "cn=ada, dc=x", r"cn=a\,b,dc=x", "cn=İ,dc=x"]),
    st.text("abÀß", min_size=1, max_size=3).map(lambda name: f"cn={name},dc=x"),
    st.text('cn=,; +Aaß\\#"x', max_size=12),
)


@given(names=st.lists(NAMES))
def test_plain_names_have_the_same_key_in_a_column_as_alone(names: list[str]) -> None:
    keys, are_plain = plain_dn_keys(pa.array(names, pa.large_string()))
    for name, key, is_plain in zip(names, keys.to_pylist(), are_plain.to_pylist(), strict=True):
        assert not is_plain or key == dn_key(name)


def test_names_as_active_directory_writes_them_take_the_fast_path() -> None:
    """Where people are called `Doe, Ann` one by one would take several times as long."""
    names = [r"CN=Doe\, Ann,OU=R\+D,DC=x", r"CN=Doe\2C Ann,DC=x", r"CN=a\\,DC=x", r"CN=a\,DC=x\ "]
    keys, are_plain = plain_dn_keys(pa.array(names, pa.large_string()))
    assert are_plain.to_pylist() == [True, False, True, False]
    assert keys.filter(are_plain).to_pylist() == [r"cn=doe\, ann,ou=r\+d,dc=x", r"cn=a\\,dc=x"]


def test_the_letters_of_the_fast_path_need_nothing_but_lower_case() -> None:
    """Each is held against the slow path, which is the one that RFC 4518 describes."""
    every = pa.array([chr(code) for code in range(0x20, 0x110000) if not 0xD800 <= code < 0xE000])
    letters = pc.match_substring_regex(every, f"^[{SIMPLE_LETTERS}]$")
    names = [f"cn=x{letter}" for letter in every.filter(letters).to_pylist()]
    fast = [dn_key(name) for name in names]
    assert len(names) > 30_000
    with mock.patch("swit_provisioning.sources.ldap.dn._FAST") as never:
        never.fullmatch.return_value = None
        assert [dn_key(name) for name in names] == fast
    keys, are_plain = plain_dn_keys(pa.array(names, pa.large_string()))
    assert pc.all(are_plain).as_py()
    assert keys.to_pylist() == fast
