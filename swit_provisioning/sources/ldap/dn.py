r"""Distinguished names (RFC 4514): parse them, and normalise them for comparison.

Servers spell one name in different ways: case, spaces, escapes (`\,` or `\2C`), the order in
`cn=a+uid=b`. All spellings of one name have the same `dn_key`, by which entries are joined.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from swit_provisioning.planning.normalize import reference_key

Rdn = tuple[tuple[str, str | bytes], ...]
"""One part of a DN: pairs of attribute type, as written, and value. `#hex` values are bytes."""


class InvalidDN(ValueError):  # noqa: N818 - reads like the standard's result code `invalidDNSyntax`
    """The text is not a distinguished name. The message contains the position of the error."""


# A short name or a numeric identifier (RFC 4512); Active Directory may answer `OID.2.5.4.3`.
_TYPE = re.compile(r"\s*((?:OID\.)?(?:[A-Z][A-Z0-9-]*|\d+(?:\.\d+)+))\s*= *", re.IGNORECASE)
_HEX = re.compile(r"#((?:[0-9A-Fa-f]{2})+)(?=[ ,+;]|$)")
# The quoted form of RFC 2253 section 4, which readers must still accept.
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
# Unescaped spaces belong to the value only if something other than a space follows.
_PLAIN = re.compile(r'(?: *(?:[^ \\,+;"<>\0]|\\(?:[0-9A-Fa-f]{2}|[ "#+,;<=>\\])))*', re.DOTALL)
_SEPARATOR = re.compile(r" *([,;+]|$)")
_ESCAPE = re.compile(rb"\\([0-9A-Fa-f]{2}|.)", re.DOTALL)
_MUST_ESCAPE = re.compile(r'([\\,+="<>;#])')

_SHORT_NAMES = {
    "2.5.4.3": "cn",
    "2.5.4.4": "sn",
    "2.5.4.6": "c",
    "2.5.4.7": "l",
    "2.5.4.8": "st",
    "2.5.4.9": "street",
    "2.5.4.10": "o",
    "2.5.4.11": "ou",
    "0.9.2342.19200300.100.1.25": "dc",
    "0.9.2342.19200300.100.1.1": "uid",
    "commonname": "cn",
    "surname": "sn",
    "countryname": "c",
    "localityname": "l",
    "stateorprovincename": "st",
    "streetaddress": "street",
    "organizationname": "o",
    "organizationalunitname": "ou",
    "domaincomponent": "dc",
    "userid": "uid",
}

# RFC 4518 section 2.2 maps these to nothing: soft hyphens, joiners, controls, variation selectors.
_DROPPED = dict.fromkeys(
    (
        *range(0x09),
        *range(0x0E, 0x20),
        *range(0x7F, 0x85),
        *range(0x86, 0xA0),
        *(0xAD, 0x34F, 0x6DD, 0x70F, 0x1806, 0x200B, 0xFEFF, 0xFFFC),
        *range(0x180B, 0x180F),
        *range(0x200C, 0x2010),
        *range(0x202A, 0x202F),
        *range(0x2060, 0x2064),
        *range(0x206A, 0x2070),
        *range(0xFE00, 0xFE10),
        *range(0xFFF9, 0xFFFC),
    )
)

# The fast path: DNs whose normal form is the DN in lower case. They contain no quotes or double
# spaces, only escapes of the normal form (Active Directory's `CN=Doe\, Ann`), only letters that
# need nothing but lower case, and no attribute names that have a short form (`_SHORT_NAMES`; those
# have six letters and more).
SIMPLE_LETTERS = "À-ÖØ-Þà-öø-ÿĀ-įĴ-ľŁ-ňŊ-žΑ-ΡΤ-Ωα-ρσ-ωЀ-ҁぁ-ゖァ-ヺ一-鿿가-힣"  # noqa: RUF001 - as meant
"""Ranges of letters for which lower case is all the preparation of RFC 4518."""
_PLAIN_LETTER = rf"""(?:[!$-*\-./0-:?-\[\]-~{SIMPLE_LETTERS}]|\\[\\,+="<>;#])"""
_PLAIN_VALUE = rf"{_PLAIN_LETTER}+(?: {_PLAIN_LETTER}+)*"
_PLAIN_RDN = rf"[A-Za-z]{{1,5}}={_PLAIN_VALUE}"
PLAIN_DN = rf"{_PLAIN_RDN}(?:,{_PLAIN_RDN})*"
"""Matches DNs whose normal form is the DN in lower case. Python and RE2 read it alike."""

_FAST = re.compile(PLAIN_DN)


def dn_key(dn: str) -> str:
    """Normal form of a DN. It is a DN too, and equal for all spellings of one name.

    Attribute names are short and in lower case, values are prepared for comparison without case
    (RFC 4518), `+` parts are sorted, and one fixed set of characters is escaped.

    Raises:
        InvalidDN: `dn` is not a distinguished name.

    """
    if _FAST.fullmatch(dn):
        return dn.casefold()
    parts = []
    for rdn in parse_dn(dn):
        pairs = []
        for kind, value in rdn:
            if isinstance(value, bytes):
                written = "#" + value.hex()
            else:
                mapped = unicodedata.normalize("NFKC", value.translate(_DROPPED)).casefold()
                prepared = " ".join(unicodedata.normalize("NFKC", mapped).split())
                written = _MUST_ESCAPE.sub(r"\\\1", prepared)
            pairs.append(f"{_short(kind)}={written}")
        parts.append("+".join(sorted(pairs)))
    return ",".join(parts)


def is_dn(text: str) -> bool:
    """True if the text is a distinguished name that is not empty."""
    try:
        return bool(dn_key(text))
    except InvalidDN:
        return False


def parse_dn(dn: str) -> tuple[Rdn, ...]:
    """Parse a DN. The first part is that of the entry itself. An empty DN has no parts.

    Values are unescaped. `#hex` values are bytes.

    Raises:
        InvalidDN: `dn` is not a distinguished name.

    """
    rdns: list[Rdn] = []
    pairs: list[tuple[str, str | bytes]] = []
    position = 0
    if not dn.strip():
        return ()
    while True:
        kind = _TYPE.match(dn, position)
        if kind is None:
            raise _invalid(dn, position, "an attribute name and `=` are expected")
        value, position = _value(dn, kind.end())
        pairs.append((kind[1], value))
        separator = _SEPARATOR.match(dn, position)
        if separator is None:
            raise _invalid(dn, position, "the value ends, but neither `,` nor `+` follows")
        position = separator.end()
        if separator[1] != "+":
            rdns.append(tuple(pairs))
            pairs = []
        if not separator[1]:
            return tuple(rdns)


def rdn_values(dn: str, attribute: str) -> list[str]:
    r"""Values of one attribute in a DN, unescaped, from the entry up to the top.

    `rdn_values(r"CN=Sales\, EMEA,OU=Groups,DC=x", "cn")` is `["Sales, EMEA"]`. `#hex` values are
    left out.

    Raises:
        InvalidDN: `dn` is not a distinguished name.

    """
    wanted = _short(attribute)
    if _FAST.fullmatch(dn) and "\\" not in dn:
        parts = (part.split("=", 1) for part in dn.split(","))
        return [value for kind, value in parts if _short(kind) == wanted]
    return [
        value
        for rdn in parse_dn(dn)
        for kind, value in rdn
        if isinstance(value, str) and _short(kind) == wanted
    ]


def own_values(dn: str) -> dict[str, str]:
    r"""Attributes in the first part of a DN, by short name in lower case.

    `own_values(r"CN=Sales\, EMEA,OU=Groups,DC=x")` is `{"cn": "Sales, EMEA"}`. `#hex` values are
    left out.

    Raises:
        InvalidDN: `dn` is not a distinguished name.

    """
    return {
        _short(kind): value
        for rdn in parse_dn(dn)[:1]
        for kind, value in rdn
        if isinstance(value, str) and value.strip()
    }


def is_below(key: str, base_key: str) -> bool:
    """True if one entry is below another one, and not that one itself. Both are `dn_key`.

    In normal form commas and `=` in values are escaped, so it is enough to compare the ends.
    """
    return key.endswith("," + base_key) if base_key else bool(key)


def _value(dn: str, position: int) -> tuple[str | bytes, int]:
    """Parse one value. Returns it with the position after it."""
    mark = dn[position : position + 1]
    if mark == "#":
        matched = _HEX.match(dn, position)
        if matched is None:
            raise _invalid(dn, position, "`#` must be followed by pairs of hexadecimal digits")
        return bytes.fromhex(matched[1]), matched.end()
    matched = (_QUOTED if mark == '"' else _PLAIN).match(dn, position)
    if matched is None:
        raise _invalid(dn, position, 'the closing `"` is missing')
    text = matched[1] if mark == '"' else matched[0]
    try:
        unescaped = _ESCAPE.sub(
            lambda escape: bytes.fromhex(escape[1].decode()) if len(escape[1]) > 1 else escape[1],
            text.encode(),
        )
        return unescaped.decode(), matched.end()
    except UnicodeError:
        raise _invalid(dn, position, "the value is not UTF-8") from None


def _invalid(dn: str, position: int, problem: str) -> InvalidDN:
    return InvalidDN(f"{dn!r} is not a distinguished name: at character {position + 1} {problem}")


def _short(kind: str) -> str:
    name = kind.lower().removeprefix("oid.")
    return _SHORT_NAMES.get(name, name)


@lru_cache(maxsize=400_000)
def _key_or_none(text: str) -> str | None:
    """`dn_key` of a reference, or `None` if it is not a DN."""
    try:
        return dn_key(text.strip()) if "=" in text else None
    except InvalidDN:
        return None


@dataclass(frozen=True)
class DnScope:
    """Scope of a directory whose teams carry DNs or ids (`planning.snapshots.DirectoryScope`)."""

    search_base: str | None
    """In normal form. `None`: every DN belongs to the directory."""

    def key(self, reference: str | None) -> str:
        """Normal form of a DN; any other reference without case and the braces of a GUID."""
        return _key_or_none(reference or "") or reference_key(reference)

    def owns(self, reference: str | None) -> bool:
        """True if the reference is a DN below the search base."""
        key = _key_or_none(reference or "") or ""
        return bool(key) and (self.search_base is None or is_below(key, self.search_base))
