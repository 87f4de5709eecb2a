"""What a source says about people and groups that its read did not return.

A read can be complete and still be wrong: an entry was moved while it was read, or is hidden from
the account. So nobody leaves because a list lacks them: the source is asked for each by id.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple, Self


class Presence(StrEnum):
    """Where an object is that the read did not return as usable."""

    PRESENT = "present"
    """In scope and usable: the read is wrong."""
    NO_ADDRESS = "no address"
    """A person in scope without an e-mail address that can be used."""
    DISABLED = "disabled"
    OUT_OF_SCOPE = "out of scope"
    UNKNOWN = "unknown"
    """A server could not be asked, and none of the others has the object."""
    ABSENT = "absent"


_DEPARTED: Final = frozenset({Presence.DISABLED, Presence.OUT_OF_SCOPE, Presence.ABSENT})
_REMEDIES: Final[Mapping[Presence, str]] = {
    Presence.PRESENT: "Its id has changed: give the entry its earlier address or name.",
    Presence.NO_ADDRESS: "Give the entry an e-mail address.",
    Presence.UNKNOWN: "Nothing has to be done: the next run looks again. If a server no longer"
    " exists, remove it from LDAP_SERVER_DOMAIN.",
}


class Expected(NamedTuple):
    """Ids of people and groups that a read should return: those with an active user or a team."""

    people: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """What is known about one object, and how."""

    presence: Presence
    detail: str
    """For people: `not found on 2 servers`, `moved to ou=Alumni,..., outside LDAP_USER_OUS`."""
    key: str | None = None
    """Key under which a read returns the object, if it was found."""

    @property
    def has_left(self) -> bool:
        """Whether the object has certainly left the directory."""
        return self.presence in _DEPARTED

    @property
    def remedy(self) -> str:
        """What to do about an object that has not certainly left, in a sentence."""
        return _REMEDIES[self.presence]

    def document(self) -> dict[str, str | None]:
        """As plain JSON values."""
        return {"presence": self.presence.value, "detail": self.detail, "key": self.key}

    @classmethod
    def of(cls, document: Mapping[str, str]) -> Self:
        """The whereabouts that `document` came from."""
        return cls(Presence(document["presence"]), document["detail"], document.get("key"))


def of_swit_ids(
    found: Mapping[str, Whereabouts] | None, remembered: Mapping[str, str]
) -> dict[str, Whereabouts]:
    """Swit id -> whereabouts of the person or group that was matched with it.

    Args:
        found: directory id -> whereabouts; `None` if the source could not be asked.
        remembered: directory id -> Swit id, each once.

    """
    found = found or {}
    return {swit_id: found[id_] for id_, swit_id in remembered.items() if id_ in found}


def under_other_ids(
    found: Mapping[str, Whereabouts] | None, remembered: Mapping[str, str]
) -> dict[str, str]:
    """Key -> Swit id, of remembered objects that were read under another id than before.

    That happens when `LDAP_REFERENCE_ATTRIBUTE` is changed. The arguments are those of
    `of_swit_ids`.
    """
    return {
        place.key: remembered[id_]
        for id_, place in sorted((found or {}).items())
        if place.presence is Presence.PRESENT and place.key is not None and id_ in remembered
    }


def strongest(answers: Mapping[str, Whereabouts]) -> Whereabouts:
    """Combine what several servers say about one object: the first in the order of `Presence`.

    Args:
        answers: name of the server -> its whereabouts; at least one.

    """
    ranks = list(Presence)
    best = min(answers.values(), key=lambda whereabouts: ranks.index(whereabouts.presence))
    if best.presence is not Presence.ABSENT:
        return best
    servers = f"{len(answers)} servers" if len(answers) > 1 else next(iter(answers))
    return Whereabouts(Presence.ABSENT, f"not found on {servers}")
