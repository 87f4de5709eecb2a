r"""Below which entries people and groups are looked for: `LDAP_USER_OUS`, `LDAP_GROUP_OUS`."""

import re

from swit_provisioning.reconcile.dn import InvalidDN, dn_key, is_below, parse_dn

_EXAMPLE = r"Employees,Partners or OU=Employees,OU=HQ,DC=example,DC=com;Sales\, EMEA"


def parse_bases(text: str, search_base: str) -> tuple[str, ...]:
    r"""Read names of OUs, relative DNs or full DNs, as full DNs below the search base.

    They are separated by commas, or by `;` where one of them holds a comma. A single full DN at
    or below the search base needs no `;`. Names are escaped; nothing given is the base itself.

    `parse_bases("Employees, Partners", "DC=x")` is `("OU=Employees,DC=x", "OU=Partners,DC=x")`.

    Raises:
        ValueError: with the problem and an example.

    """
    base_key = _base_key(search_base)
    bases = [_full(piece, search_base, base_key) for piece in _pieces(text, base_key)]
    return tuple({dn_key(base): base for base in bases or [search_base]}.values())


def _base_key(search_base: str) -> str:
    try:
        key = dn_key(search_base)
    except InvalidDN as error:
        message = f"LDAP_SEARCH_BASE: {error}; for example DC=example,DC=com"
        raise ValueError(message) from error
    if not key:
        message = "LDAP_SEARCH_BASE is needed, for example DC=example,DC=com"
        raise ValueError(message)
    return key


def _pieces(text: str, base_key: str) -> list[str]:
    if ";" in text:
        pieces = re.split(r"(?<!\\);", text)
    elif _at_or_below(text, base_key):
        pieces = [text]
    else:
        pieces = re.split(r"(?<!\\),", text)
    return [piece.strip() for piece in pieces if piece.strip()]


def _at_or_below(text: str, base_key: str) -> bool:
    try:
        key = dn_key(text)
    except InvalidDN:
        return False
    return key == base_key or is_below(key, base_key)


def _full(piece: str, search_base: str, base_key: str) -> str:
    if "=" not in piece:
        return f"OU={_escaped_name(piece)},{search_base}"
    try:
        kinds = {kind.lower() for rdn in parse_dn(piece) for kind, _ in rdn}
    except InvalidDN as error:
        message = rf"{error}; a `=` in a name is written `\=`, as in OU=R\=D. Example: {_EXAMPLE}"
        raise ValueError(message) from error
    if _at_or_below(piece, base_key):
        return piece
    if "dc" in kinds:
        message = (
            f"{piece!r} is not below LDAP_SEARCH_BASE ({search_base}); write a base above both,"
            f" and separate several by `;` where one holds a comma: {_EXAMPLE}"
        )
        raise ValueError(message)
    return f"{piece},{search_base}"


def _escaped_name(name: str) -> str:
    r"""Escape a bare name (RFC 4514); one that was typed with its escapes is taken as meant."""
    if "\\" in name:
        try:
            ((_, value),) = parse_dn(f"OU={name}")[0]
        except InvalidDN as error:
            message = rf"{name!r}: a backslash is written `\\`; example: {_EXAMPLE}"
            raise ValueError(message) from error
        return _escaped_name_of(str(value))
    return _escaped_name_of(name)


def _escaped_name_of(value: str) -> str:
    escaped = re.sub(r'([\\,+"<>;=])', r"\\\1", value)
    if escaped.startswith(("#", " ")):
        escaped = "\\" + escaped
    return f"{escaped[:-1]}\\ " if value.endswith(" ") and len(value) > 1 else escaped
