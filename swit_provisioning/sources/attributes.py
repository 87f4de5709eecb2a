"""Names of the attributes that are read, and parsers for the settings that choose them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*(?:;[A-Za-z0-9-]+)*")
# A `;` also begins an option of an attribute (`displayName;lang-ja`). It is a separator only if
# another pair, another separator or nothing follows.
_SEPARATOR = re.compile(r",|;(?=\s*(?:\w+\s*=|[,;]|\Z))")
_USER_FIELDS = {
    "email": "email",
    "name": "name",
    "phone_number": "phone_number",
    "language": "language",
    "primary_group": "primary_group",
}
_GROUP_FIELDS = {"name": "group_name", "order": "order"}
# People cannot be matched or shown without these. The others can be switched off (`language=`).
_NEEDED = {"email", "name", "group_name"}


@dataclass(frozen=True, kw_only=True)
class AttributeMapping:
    """Attribute names. The defaults are those of the reference program.

    Of `name` and `group_name`, the first attribute that has a value is used.
    """

    email: str = "mail"
    name: tuple[str, ...] = ("displayName", "cn")
    phone_number: str | None = "mobile"
    language: str | None = "preferredLanguage"
    primary_group: str | None = None
    """Contains the DN or the name of the group whose team is the user's primary team."""
    group_name: tuple[str, ...] = ("displayName", "cn")
    order: str | None = None
    """Contains a number. Groups with smaller numbers come first among their siblings."""

    def of_users(self) -> tuple[str, ...]:
        """Attributes to request for people."""
        return _distinct(
            self.email, *self.name, self.phone_number, self.language, self.primary_group
        )

    def of_groups(self) -> tuple[str, ...]:
        """Attributes to request for groups."""
        return _distinct(*self.group_name, self.order)

    def by_field(self) -> dict[str, str]:
        """Attributes of each field, as text."""
        return {
            field: ", ".join(names) if isinstance(names, tuple) else names
            for field, names in vars(self).items()
            if names
        }


def parse_user_attributes(text: str, onto: AttributeMapping | None = None) -> AttributeMapping:
    """Parse `LDAP_USER_ATTRIBUTES`, such as `name=displayName,email=mail`.

    Fields that the text does not contain are taken from `onto`, by default the usual mapping. An
    empty `phone_number=`, `language=` or `primary_group=` switches that field off. An attribute may
    have options (`name=displayName;lang-ja`). `cn` remains the last choice for the name.

    Raises:
        ValueError: the message contains the problem and an example.

    """
    example = "LDAP_USER_ATTRIBUTES=name=displayName,email=mail,phone_number=mobile"
    return _replaced(onto or AttributeMapping(), _pairs(text, _USER_FIELDS, example))


def parse_group_attributes(text: str, onto: AttributeMapping | None = None) -> AttributeMapping:
    """Parse `LDAP_GROUP_ATTRIBUTES`, such as `name=displayName,order=employeeNumber`.

    Fields that the text does not contain are taken from `onto`, by default the usual mapping.

    Raises:
        ValueError: the message contains the problem and an example.

    """
    example = "LDAP_GROUP_ATTRIBUTES=name=displayName,order=sortOrder"
    return _replaced(onto or AttributeMapping(), _pairs(text, _GROUP_FIELDS, example))


def _distinct(*names: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if name))


def _pairs(text: str, fields: Mapping[str, str], example: str) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for piece in _SEPARATOR.split(text):
        if not piece.strip():
            continue
        given, equals, attribute = (part.strip() for part in piece.partition("="))
        field = fields.get(given)
        if not equals or field is None:
            known = ", ".join(fields)
            message = f"{piece.strip()!r} must be one of {known}, `=`, an attribute: {example}"
            raise ValueError(message)
        if field in found:
            message = f"{given} is given twice. Give it once, as in {example}"
            raise ValueError(message)
        if not _NAME.fullmatch(attribute) and (attribute or field in _NEEDED):
            message = f"{given}={attribute}: {attribute!r} is not an attribute name: {example}"
            raise ValueError(message)
        found[field] = attribute or None
    return found


def _replaced(onto: AttributeMapping, pairs: Mapping[str, str | None]) -> AttributeMapping:
    changes: dict[str, Any] = dict(pairs)
    for name in ("name", "group_name"):
        if name in changes:
            written = changes[name]
            untagged = written.partition(";")[0]
            changes[name] = tuple(dict.fromkeys((written, untagged, "cn")))
    return replace(onto, **changes)
