"""What `dn` says of one name, and case folding, for many at once."""

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from swit_provisioning.sources.ldap.dn import PLAIN_DN, SIMPLE_LETTERS, InvalidDN, dn_key

_PLAIN = f"^{PLAIN_DN}$"


# Only `lower` is there for columns; for these characters it is the same as `casefold`.
_SIMPLE = f"^[ -~{SIMPLE_LETTERS}]*$"


def dn_keys(names: pa.LargeStringArray) -> pa.LargeStringArray:
    """`dn_key` of each name; null where the text is no distinguished name."""
    return _lower(names, _PLAIN, _key_or_none)


def plain_dn_keys(names: pa.LargeStringArray) -> tuple[pa.LargeStringArray, pa.BooleanArray]:
    """Each name in lower case, and whether that is its `dn_key`."""
    return pc.utf8_lower(names), pc.fill_null(pc.match_substring_regex(names, _PLAIN), False)  # noqa: FBT003 - a cell


def casefolded(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    """`str.casefold` of each text."""
    return _lower(texts, _SIMPLE, str.casefold)


def _lower(
    texts: pa.LargeStringArray, simple: str, otherwise: Callable[[str], str | None]
) -> pa.LargeStringArray:
    small = pc.utf8_lower(texts)
    others = pc.invert(pc.match_substring_regex(texts, simple))
    if not pc.any(others).as_py():
        return small
    made = [otherwise(text) for text in texts.filter(others).to_pylist()]
    return pc.replace_with_mask(small, others, pa.array(made, texts.type))


def _key_or_none(name: str) -> str | None:
    try:
        return dn_key(name)
    except InvalidDN:
        return None
