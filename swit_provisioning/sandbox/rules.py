"""What Swit accepts as a name, an address or a language, how it refuses, and what is not known.

Pure functions and frozen values only; who exists already is the business of the other modules.
"""

import unicodedata
from dataclasses import dataclass
from typing import Literal

FORBIDDEN_CHARACTERS = "@#<>§▒{};*"
LONGEST_EMAIL = 254
LANGUAGES = ("en", "ko")
ProofKeys = Literal["checked", "ignored", "refused at authorize", "refused at token"]
MASTER, ADMIN, MEMBER, GUEST = 10, 20, 30, 40


class RefusedError(Exception):
    """Swit's answer to a call that it does not carry out: an HTTP status and a message."""

    def __init__(self, status: int, message: str) -> None:
        """Refuse with this HTTP status and these words."""
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """How the sandbox acts where nobody outside Swit knows the answer; each can be played."""

    parent_deletion: Literal["cascade", "orphan", "reject"] = "cascade"
    """Children of a deleted team: deleted with it, moved up to its parent, or in its way (400)."""
    inactive_members: Literal["stay", "leave"] = "stay"
    """Whether deactivated people stay in their teams; `leave`: they can't be added either."""
    lost_primary: Literal["next", "none"] = "next"
    """Who leaves the primary team gets the next of their teams as primary team, or none."""
    repeated_membership: Literal["accepted", "refused"] = "accepted"
    """Whether adding a member again, or removing who is none, counts as done."""
    teamless: Literal["unassigned", "nowhere"] = "unassigned"
    """Whether people in no team are shown as members of `Unassigned`."""
    refreshing: Literal["rotates", "stays"] = "rotates"
    """`stays`: a refresh brings no new refresh token, and the old one lives on."""
    pkce: ProofKeys = "checked"
    """What becomes of a proof key (RFC 7636) that a login sends: Swit documents none."""
    scim: bool = True
    """Whether SCIM is switched on for the organisation; where it is off, every call is a 403."""
    longest_name: int | None = None
    longest_reference: int | None = None
    """Characters; `None`: any length."""
    too_long: Literal["refused", "cut"] = "refused"
    """What is longer than that is refused (400), or comes back shortened."""
    most_user_ids: int | None = None
    """How many users one membership call takes (else 400); `None`: any number."""
    seats: int | None = None
    """How many active users the plan pays for (else 403); `None`: any number."""


def folded(text: str) -> str:
    """The text as it is compared: without case, and one spelling for each accented letter."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def checked_name(name: str, *, of: str, behaviour: Behaviour) -> str:
    """The name as Swit keeps it: ends trimmed, runs of spaces made one.

    Raises:
        RefusedError: 400, nothing is left, a character is not allowed, or it is too long.

    """
    kept = " ".join(name.split())
    if not kept:
        raise RefusedError(400, f"The name of a {of} must not be empty.")
    bad = sorted(set(kept) & set(FORBIDDEN_CHARACTERS))
    if bad:
        raise RefusedError(400, f"The name of a {of} must not contain {' '.join(bad)}.")
    return _fitted(kept, behaviour.longest_name, what=f"name of a {of}", behaviour=behaviour)


def checked_reference(reference: str | None, behaviour: Behaviour) -> str | None:
    """The reference as Swit keeps it; empty means none. Raises `RefusedError` (400): too long."""
    if not reference:
        return None
    return _fitted(reference, behaviour.longest_reference, what="reference", behaviour=behaviour)


def checked_email(email: str) -> str:
    """The address, trimmed. Raises `RefusedError` (400): it is none, or over 254 characters."""
    kept = email.strip()
    before, _, after = kept.partition("@")
    if not before or not after or "@" in after or " " in kept or len(kept) > LONGEST_EMAIL:
        raise RefusedError(400, "user_email must be an e-mail address of at most 254 characters.")
    return kept


def checked_language(language: str) -> str:
    """The language of a new user. Raises `RefusedError` (400): neither `en` nor `ko`."""
    if language not in LANGUAGES:
        raise RefusedError(400, f"language must be one of {', '.join(LANGUAGES)}.")
    return language


def _fitted(text: str, longest: int | None, *, what: str, behaviour: Behaviour) -> str:
    if longest is None or len(text) <= longest:
        return text
    if behaviour.too_long == "refused":
        raise RefusedError(400, f"The {what} must not be longer than {longest} characters.")
    return text[:longest].rstrip()
