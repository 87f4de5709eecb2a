"""The records of the organisation, its rules for values, and the ledger that locks them.

The operations are in `users.py` and `teams.py`; each takes the ledger's lock first.
"""

import copy
import threading
import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Literal

FORBIDDEN_CHARACTERS = "@#<>§▒{};*"
LONGEST_EMAIL = 254
LANGUAGES = ("en", "ko")
ProofKeys = Literal["checked", "ignored", "refused at authorize", "refused at token"]
MASTER, ADMIN, MEMBER, GUEST = 10, 20, 30, 40


class RefusedError(Exception):
    """A refused call: an HTTP status and a message."""

    def __init__(self, status: int, message: str) -> None:
        """Take the status and the message."""
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """The sandbox's behaviour where Swit's own behaviour is not known."""

    parent_deletion: Literal["cascade", "orphan", "reject"] = "cascade"
    """Children of a deleted team: deleted too, moved to its parent, or a reason to refuse (400)."""
    inactive_members: Literal["stay", "leave"] = "stay"
    """Whether deactivated users stay in their teams; with `leave` they cannot be added either."""
    lost_primary: Literal["next", "none"] = "next"
    """The primary team of a user who left it: the next team, or none."""
    repeated_membership: Literal["accepted", "refused"] = "accepted"
    """Whether adding a member again, or removing a user who is no member, succeeds."""
    teamless: Literal["unassigned", "nowhere"] = "unassigned"
    """Whether users without a team are shown as members of `Unassigned`."""
    refreshing: Literal["rotates", "stays"] = "rotates"
    """`stays`: a refresh returns no new refresh token, and the old one stays valid."""
    pkce: ProofKeys = "checked"
    """The answer to PKCE (RFC 7636), which Swit does not document."""
    scim: bool = True
    """Whether SCIM is enabled for the organisation; otherwise every SCIM call is a 403."""
    longest_name: int | None = None
    longest_reference: int | None = None
    """Characters; `None`: any length."""
    too_long: Literal["refused", "cut"] = "refused"
    """A longer text is refused (400), or shortened."""
    most_user_ids: int | None = None
    """Maximum number of users in a membership call (else 400); `None`: any number."""
    seats: int | None = None
    """Maximum number of active users (else 403); `None`: any number."""


def folded(text: str) -> str:
    """The text for comparisons: case-folded, in normal form C."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def checked_name(name: str, *, of: str, behaviour: Behaviour) -> str:
    """The name as Swit stores it: trimmed, with single spaces.

    Raises:
        RefusedError: 400, it is empty, too long, or contains a forbidden character.

    """
    kept = " ".join(name.split())
    if not kept:
        raise RefusedError(400, f"The name of a {of} must not be empty.")
    bad = sorted(set(kept) & set(FORBIDDEN_CHARACTERS))
    if bad:
        raise RefusedError(400, f"The name of a {of} must not contain {' '.join(bad)}.")
    return _fitted(kept, behaviour.longest_name, what=f"name of a {of}", behaviour=behaviour)


def checked_reference(reference: str | None, behaviour: Behaviour) -> str | None:
    """The reference as Swit stores it; `None` if empty. Raises `RefusedError` (400): too long."""
    if not reference:
        return None
    return _fitted(reference, behaviour.longest_reference, what="reference", behaviour=behaviour)


def checked_email(email: str) -> str:
    """The address, trimmed. Raises `RefusedError` (400): invalid, or over 254 characters."""
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


_FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(kw_only=True)
class UserRecord:
    """One account; `teams` in the order joined, `primary` is one of them or `None`."""

    id: str
    email: str
    name: str
    created: str
    phone_number: str | None = None
    role: int = MEMBER
    active: bool = True
    language: str = "en"
    timezone: str = "UTC"
    primary: str | None = None
    teams: dict[str, None] = field(default_factory=dict)


@dataclass(kw_only=True)
class TeamRecord:
    """One team; `children` in the order shown, `users` in the order joined."""

    id: str
    name: str
    created: str
    parent_id: str | None
    reference: str | None = None
    children: list[str] = field(default_factory=list)
    users: dict[str, None] = field(default_factory=dict)


@dataclass(kw_only=True)
class Records:
    """All records of the organisation, with indexes by address and team name."""

    name: str
    subdomain: str
    organization_id: str = ""
    root_id: str = ""
    unassigned_id: str = ""
    authorised_user_id: str = ""
    last_number: int = 0
    users: dict[str, UserRecord] = field(default_factory=dict)
    teams: dict[str, TeamRecord] = field(default_factory=dict)
    emails: dict[str, str] = field(default_factory=dict)
    team_names: dict[str, str] = field(default_factory=dict)

    def new_id(self, kind: str) -> str:
        """The next id, 19 letters and digits; the same history gives the same ids."""
        self.last_number += 1
        return f"240101{self.last_number:09d}{kind:x<4.4}"

    def now(self) -> str:
        """The time of the newest record (ISO 8601, UTC): it counts records, not seconds."""
        return (_FIRST_DAY + timedelta(seconds=self.last_number)).strftime("%Y-%m-%dT%H:%M:%SZ")


class Ledger:
    """The records, their lock, and the behaviour."""

    def __init__(self, records: Records, behaviour: Behaviour) -> None:
        """Take the records and mark their state."""
        self.lock = threading.RLock()
        self.behaviour = behaviour
        self.records = records
        self._marked = copy.deepcopy(records)

    def mark(self) -> None:
        """Remember the current state for `reset`."""
        with self.lock:
            self._marked = copy.deepcopy(self.records)

    def reset(self) -> None:
        """Return to the state that was marked last."""
        with self.lock:
            self.records = copy.deepcopy(self._marked)

    def user(self, user_id: str) -> UserRecord:
        """The user with this id. Raises `RefusedError` (404)."""
        found = self.records.users.get(user_id)
        if found is None:
            raise RefusedError(404, f"There is no user with the id {user_id}.")
        return found

    def team(self, team_id: str) -> TeamRecord:
        """The team with this id. Raises `RefusedError` (404)."""
        found = self.records.teams.get(team_id)
        if found is None:
            raise RefusedError(404, f"There is no team with the id {team_id}.")
        return found

    def changeable_team(self, team_id: str) -> TeamRecord:
        """The team, unless it is the root or `Unassigned`. Raises `RefusedError` (404, 403)."""
        found = self.team(team_id)
        if team_id in (self.records.root_id, self.records.unassigned_id):
            raise RefusedError(403, f"The team {found.name} cannot be changed.")
        return found

    def put_user(self, user: UserRecord) -> UserRecord:
        """Add the account. Raises `RefusedError` (409): its address is taken."""
        self.check_address(user.email)
        self.records.users[user.id] = user
        self.records.emails[folded(user.email)] = user.id
        return user

    def check_address(self, email: str) -> None:
        """Raise `RefusedError` (409) if a user has this address, whatever its case."""
        if folded(email) in self.records.emails:
            raise RefusedError(409, f"{email} is already a user of the organisation.")

    def put_team(self, team: TeamRecord) -> TeamRecord:
        """Add the team as its parent's last child. Raises `RefusedError` (409): name taken."""
        self.check_free(team.name, team.id)
        self.records.teams[team.id] = team
        self.records.team_names[folded(team.name)] = team.id
        if team.parent_id is not None:
            self.team(team.parent_id).children.append(team.id)
        return team

    def check_free(self, name: str, team_id: str) -> None:
        """Raise `RefusedError` (409) if another team has this name, whatever its case."""
        if self.records.team_names.get(folded(name), team_id) != team_id:
            raise RefusedError(409, f"There is already a team called {name}.")


def sample_directory_path() -> Path:
    """The sample directory, a JSON file for `IDP_FILE`."""
    return Path(str(files("swit_provisioning.sandbox") / "data" / "sample_directory.json"))
