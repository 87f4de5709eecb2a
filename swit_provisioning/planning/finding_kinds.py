"""The table of finding kinds, and everything that depends on the kind.

Attributes and redaction derive from it. Findings in stored plans and frames may
have the kinds of earlier versions; `current_kind` translates them.
"""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

DOES_NOT_STICK: Final = "does not stick"
AUTHORISING_USER_DEPARTED: Final = "authorising user departed"
UNMANAGED_TEAM: Final = "unmanaged team"


class FindingKind(NamedTuple):
    """A kind of finding."""

    name: str
    former: str = ""
    """The name in earlier versions, if it was another one."""
    field: str = ""
    """The field that it concerns (`email`, `group_name`...); the source knows its attribute."""
    people: Literal["subject", "message", "none"] = "subject"
    """Where it may name people: in subject and message, in the message only, or nowhere."""


_KINDS: Final = (
    # people in the directory
    FindingKind("missing email", "no address", field="email"),
    FindingKind("invalid email", "unusable address", field="email"),
    FindingKind("duplicate email", "two with one address", field="email"),
    FindingKind("email changed", "address changed", field="email"),
    FindingKind("missing name", "no name", field="name"),
    FindingKind("invalid characters in name", "name changed", field="name"),
    FindingKind("invalid phone number", "phone number", field="phone_number"),
    FindingKind("unsupported language", "language", field="language"),
    FindingKind("membership mismatch", "not in the group's list"),
    # people and users
    FindingKind("multiple matching users", "two accounts", field="email"),
    FindingKind("duplicate user email", "two accounts with one address", field="email"),
    FindingKind("conflicting match", "account claimed by two", field="email"),
    FindingKind("user without email", "account without an address"),
    FindingKind("admin not in directory", "admin not in the directory"),
    FindingKind(AUTHORISING_USER_DEPARTED, "owner of the login left"),
    FindingKind("uncertain departure", "departure uncertain"),
    FindingKind("departures not verified", "departures not looked up"),
    # groups in the directory
    FindingKind("missing group name", "group without a name", field="group_name", people="none"),
    FindingKind(
        "invalid characters in group name", "group name changed", field="group_name", people="none"
    ),
    FindingKind(
        "duplicate group name", "two groups with one name", field="group_name", people="none"
    ),
    FindingKind("duplicate group id", "two groups with one id", people="none"),
    FindingKind("multiple parents", "several parents", people="none"),
    FindingKind("circular membership", "ring", people="none"),
    FindingKind("unknown member", field="member", people="message"),
    FindingKind("unknown login"),
    # teams
    FindingKind("parent ignored", "parent passed over", people="none"),
    FindingKind("team name conflict", "name taken", field="group_name", people="none"),
    FindingKind("reserved team name", "name is kept", field="group_name", people="none"),
    FindingKind("team not deleted", "team kept", people="none"),
    FindingKind(UNMANAGED_TEAM, people="none"),
    FindingKind("uncertain group deletion", "group uncertain", people="none"),
    FindingKind("excluded by former name", "excluded by an earlier name"),
    FindingKind("kept by former name", "kept by an earlier name"),
    FindingKind("member count mismatch", "member count", people="none"),
    # values and entries that cannot be read
    FindingKind("invalid encoding", "not text"),
    FindingKind("invalid number", "not a number"),
    FindingKind("invalid DN", "not a DN"),
    FindingKind("unknown object class", "class not known"),
    # changes
    FindingKind(DOES_NOT_STICK),
    FindingKind("left out"),
)
FINDING_KINDS: Final[Mapping[str, FindingKind]] = {kind.name: kind for kind in _KINDS}
_CURRENT: Final[Mapping[str, str]] = {kind.former: kind.name for kind in _KINDS if kind.former}


def current_kind(name: str) -> str:
    """The kind that has this name now or had it in an earlier version; other names as they are."""
    return _CURRENT.get(name, name)
