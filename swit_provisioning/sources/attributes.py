"""Names of the attributes that hold addresses, names and so on, and how settings choose them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*(?:;[A-Za-z0-9-]+)*")
# A `;` also begins an option of an attribute (`displayName;lang-ja`): it separates only where
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
# Nobody can be matched or shown without these; the others can be switched off (`language=`).
_NEEDED = {"email", "name", "group_name"}


@dataclass(frozen=True, kw_only=True)
class AttributeMapping:
    """Attribute names; as the reference program's where nothing else is said.

    Of `name` and `group_name` the first attribute that holds a value counts.
    """

    email: str = "mail"
    name: tuple[str, ...] = ("displayName", "cn")
    phone_number: str | None = "mobile"
    language: str | None = "preferredLanguage"
    primary_group: str | None = None
    """Holds the DN or the name of the group that is the user's primary team."""
    group_name: tuple[str, ...] = ("displayName", "cn")
    order: str | None = None
    """Holds a number: groups with a smaller one come first among their siblings."""

    def of_users(self) -> tuple[str, ...]:
        """The attributes to ask of people."""
        return _asked(self.email, *self.name, self.phone_number, self.language, self.primary_group)

    def of_groups(self) -> tuple[str, ...]:
        """The attributes to ask of groups."""
        return _asked(*self.group_name, self.order)

    def by_field(self) -> dict[str, str]:
        """Attributes of each field, as findings name them."""
        values = {
            **vars(self),
            "name": ", ".join(self.name),
            "group_name": ", ".join(self.group_name),
        }
        return {field: name for field, name in values.items() if name}


def parse_user_attributes(text: str, onto: AttributeMapping | None = None) -> AttributeMapping:
    """Read `LDAP_USER_ATTRIBUTES`, such as `name=displayName,email=mail`.

    What it doesn't name stays as it is in `onto` (the defaults). An empty `phone_number=`,
    `language=` or `primary_group=` switches that one off. An attribute may carry options
    (`name=displayName;lang-ja`). `cn` stays the name of last resort.

    Raises:
        ValueError: with the problem and an example.

    """
    example = "LDAP_USER_ATTRIBUTES=name=displayName,email=mail,phone_number=mobile"
    return _replaced(onto or AttributeMapping(), _pairs(text, _USER_FIELDS, example))


def parse_group_attributes(text: str, onto: AttributeMapping | None = None) -> AttributeMapping:
    """Read `LDAP_GROUP_ATTRIBUTES`, such as `name=displayName,order=employeeNumber`.

    What it doesn't name stays as it is in `onto` (the defaults).

    Raises:
        ValueError: with the problem and an example.

    """
    example = "LDAP_GROUP_ATTRIBUTES=name=displayName,order=sortOrder"
    return _replaced(onto or AttributeMapping(), _pairs(text, _GROUP_FIELDS, example))


def _asked(*names: str | None) -> tuple[str, ...]:
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
            message = f"{given} is given twice; once is meant, as in {example}"
            raise ValueError(message)
        found[field] = _attribute(given, field, attribute, example)
    return found


def _attribute(given: str, field: str, attribute: str, example: str) -> str | None:
    if not attribute and field not in _NEEDED:
        return None
    if not _NAME.fullmatch(attribute):
        message = f"{given}={attribute}: {attribute!r} is no attribute's name; {example}"
        raise ValueError(message)
    return attribute


def _replaced(onto: AttributeMapping, pairs: Mapping[str, str | None]) -> AttributeMapping:
    changes: dict[str, Any] = dict(pairs)
    for name in ("name", "group_name"):
        if name in changes:
            written = changes[name]
            untagged = written.partition(";")[0]
            changes[name] = tuple(dict.fromkeys((written, untagged, "cn")))
    return replace(onto, **changes)
