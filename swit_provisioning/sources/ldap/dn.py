r"""Distinguished names: taken apart (RFC 4514), and brought into one form that can be compared.

Servers differ in how they spell one name: case, spaces, escapes (`\,` or `\2C`), the order in
`cn=a+uid=b`. Two spellings of one name have the same `dn_key`, so everything is joined by it.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from swit_provisioning.planning.normalize import reference_key

Rdn = tuple[tuple[str, str | bytes], ...]
"""One step of a name: pairs of attribute type, as written, and value; bytes where it was `#hex`."""


class InvalidDN(ValueError):  # noqa: N818 - said as it is read: "is an invalid DN"
    """The text is no distinguished name; the message says where it stops being one."""


# A short name or a numeric identifier (RFC 4512); Active Directory may answer `OID.2.5.4.3`.
_TYPE = re.compile(r"\s*((?:OID\.)?(?:[A-Z][A-Z0-9-]*|\d+(?:\.\d+)+))\s*= *", re.IGNORECASE)
_HEX = re.compile(r"#((?:[0-9A-Fa-f]{2})+)(?=[ ,+;]|$)")
# The quoted form of RFC 2253 section 4, which readers still have to accept.
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
# Unescaped spaces belong to the value only where something other than a space follows.
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

# What RFC 4518 section 2.2 maps to nothing: soft hyphens, joiners, controls, variation selectors.
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

# The fast path: nothing quoted or doubled, nothing escaped but as the normal form does it (Active
# Directory's `CN=Doe\, Ann`), and no letter with which more is to be done than to make it small.
# The attribute names that have a longer spelling (`_SHORT_NAMES`) have six letters and more, so
# those aren't in it.
SIMPLE_LETTERS = "À-ÖØ-Þà-öø-ÿĀ-įĴ-ľŁ-ňŊ-žΑ-ΡΤ-Ωα-ρσ-ωЀ-ҁぁ-ゖァ-ヺ一-鿿가-힣"  # noqa: RUF001 - as meant
"""Ranges of letters for which lower case is all the preparation of RFC 4518."""
_PLAIN_LETTER = rf"""(?:[!$-*\-./0-:?-\[\]-~{SIMPLE_LETTERS}]|\\[\\,+="<>;#])"""
_PLAIN_VALUE = rf"{_PLAIN_LETTER}+(?: {_PLAIN_LETTER}+)*"
_PLAIN_RDN = rf"[A-Za-z]{{1,5}}={_PLAIN_VALUE}"
PLAIN_DN = rf"{_PLAIN_RDN}(?:,{_PLAIN_RDN})*"
"""What a DN has to be for its normal form to be itself in lower case (also for RE2)."""

_FAST = re.compile(PLAIN_DN)


def dn_key(dn: str) -> str:
    """Bring a DN into normal form: equal for every spelling of one name, and a DN itself.

    Attribute names are short and lower case, values prepared for comparison without case (RFC
    4518), `+` parts sorted, escapes those of one fixed set.

    Raises:
        InvalidDN: `dn` is no distinguished name.

    """
    if _FAST.fullmatch(dn):
        return dn.casefold()
    return _key(parse_dn(dn))


def is_dn(text: str) -> bool:
    """Whether the text is a distinguished name of one step at least."""
    try:
        return bool(dn_key(text))
    except InvalidDN:
        return False


def parse_dn(dn: str) -> tuple[Rdn, ...]:
    """Take a DN apart, the entry's own part first; the empty DN has no parts.

    Values are unescaped; one written as `#hex` comes as the bytes.

    Raises:
        InvalidDN: `dn` is no distinguished name.

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
    r"""All values of one attribute in a DN, unescaped, from the entry up to the top.

    `rdn_values(r"CN=Sales\, EMEA,OU=Groups,DC=x", "cn")` is `["Sales, EMEA"]`. Values that the
    DN gives as `#hex` are left out.

    Raises:
        InvalidDN: `dn` is no distinguished name.

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
    r"""The attributes of an entry that its DN begins with, in short lower-case form.

    `own_values(r"CN=Sales\, EMEA,OU=Groups,DC=x")` is `{"cn": "Sales, EMEA"}`. Values that the
    DN gives as `#hex` are left out.

    Raises:
        InvalidDN: `dn` is no distinguished name.

    """
    return {
        _short(kind): value
        for rdn in parse_dn(dn)[:1]
        for kind, value in rdn
        if isinstance(value, str) and value.strip()
    }


def is_below(key: str, base_key: str) -> bool:
    """Whether one entry is somewhere under another one (not that one itself), both as `dn_key`.

    In normal form a comma in a value is escaped and so is `=`: comparing the ends is enough.
    """
    return key.endswith("," + base_key) if base_key else bool(key)


def _value(dn: str, position: int) -> tuple[str | bytes, int]:
    """Read one value; return it with the position behind it."""
    mark = dn[position : position + 1]
    if mark == "#":
        matched = _HEX.match(dn, position)
        if matched is None:
            raise _invalid(dn, position, "`#` must be followed by pairs of hexadecimal digits")
        return bytes.fromhex(matched[1]), matched.end()
    pattern = _QUOTED if mark == '"' else _PLAIN
    matched = pattern.match(dn, position)
    if matched is None:
        raise _invalid(dn, position, 'the closing `"` is missing')
    text = matched[1] if mark == '"' else matched[0]
    return _unescaped(dn, position, text), matched.end()


def _unescaped(dn: str, position: int, text: str) -> str:
    try:
        if "\\" not in text:
            text.encode()
            return text
        return _ESCAPE.sub(_octet, text.encode()).decode()
    except UnicodeError:
        raise _invalid(dn, position, "the value is not UTF-8") from None


def _octet(escape: re.Match[bytes]) -> bytes:
    body = escape[1]
    return bytes.fromhex(body.decode()) if len(body) == len("2C") else body


def _invalid(dn: str, position: int, problem: str) -> InvalidDN:
    return InvalidDN(f"{dn!r} is not a distinguished name: at character {position + 1} {problem}")


def _key(rdns: tuple[Rdn, ...]) -> str:
    return ",".join("+".join(sorted(_pair(kind, value) for kind, value in rdn)) for rdn in rdns)


def _pair(kind: str, value: str | bytes) -> str:
    written = "#" + value.hex() if isinstance(value, bytes) else _escaped(_prepared(value))
    return f"{_short(kind)}={written}"


def _short(kind: str) -> str:
    name = kind.lower().removeprefix("oid.")
    return _SHORT_NAMES.get(name, name)


def _escaped(value: str) -> str:
    return _MUST_ESCAPE.sub(r"\\\1", value)


def _prepared(value: str) -> str:
    """Prepare for comparison without case: RFC 4518 for caseIgnoreMatch."""
    mapped = unicodedata.normalize("NFKC", value.translate(_DROPPED)).casefold()
    return " ".join(unicodedata.normalize("NFKC", mapped).split())


@lru_cache(maxsize=400_000)
def _key_or_none(text: str) -> str | None:
    try:
        return dn_key(text)
    except InvalidDN:
        return None


@dataclass(frozen=True)
class DnScope:
    """Scope of a directory whose teams carry DNs or ids (`planning.snapshots.DirectoryScope`)."""

    search_base: str | None
    """In normal form. `None`: every DN belongs to the directory, as in a file without one."""

    def key(self, reference: str | None) -> str:
        """Normal form of a DN; any other reference without case and the braces of a GUID."""
        return (reference and _dn(reference)) or reference_key(reference)

    def owns(self, reference: str | None) -> bool:
        """True if the reference is a DN below the search base."""
        key = _dn(reference) if reference else None
        return bool(key) and (self.search_base is None or is_below(key or "", self.search_base))


def _dn(text: str) -> str | None:
    return _key_or_none(text.strip()) if "=" in text else None
