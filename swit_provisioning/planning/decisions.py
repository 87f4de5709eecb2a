"""Decisions of the planner: which rule applied to a person, user, group or team, and why.

Each stage records its decisions where it makes them. `explain` renders them and knows no rule.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

Kind = Literal["person", "user", "group", "team"]


class Rule(Enum):
    """A rule; its value is the reason as a sentence, with the names of a decision's values."""

    # people and users
    DISABLED = "The person is disabled or expired in the directory and counts as absent."
    EXCLUDED = (
        "USERS_TO_EXCLUDE names the address: no user is created, and nothing about an existing one"
        " is changed."
    )
    MISSING_EMAIL = (
        "The person has no usable e-mail address: no user is created, and the last matched one is"
        " left alone. Give the person an address."
    )
    DUPLICATE_EMAIL = (
        "Another person has one of the addresses, so the match is ambiguous. Their users are left"
        " alone. Give each address to one person only."
    )
    MULTIPLE_MATCHING_USERS = (
        "The addresses belong to several users, and all of them are left alone. Remove the"
        " addresses that are not this person's."
    )
    DUPLICATE_USER_EMAIL = (
        "Several users have the address, and all of them are left alone. Give the address to one"
        " user only in Swit's console."
    )
    EMAIL_CHANGED = (
        "The person's address differs from that of the matched user: the user is left alone, and no"
        " other one is created. Change the address of the user in Swit's console."
    )
    CONFLICTING_MATCH = (
        "The person's address belongs to another user than the one that was matched before, which"
        " is still active. Both are left alone. Deactivate the wrong one in Swit's console, or give"
        " its address to the other."
    )
    FOLLOWS = "In the directory: the user with the person's address follows it."
    ACTIVATED = "The user is not active and is activated{unless}."
    ROLE_IS_PROTECTED = "The role is protected, so the user is never deactivated ({role})."
    CREATED = "In the directory, without a user: one is created{unless}."
    NO_NAME = "The person has no usable name, so no user is created. Set a display name."
    NO_ADDRESS_IN_SWIT = (
        "The user has no address in Swit, so no person can be matched. The user is left alone."
    )
    USER_EXCLUDED = "USERS_TO_EXCLUDE names the user's address: nothing about the user is changed."
    AUTHORISING_ACCOUNT = (
        "The user is not in the directory, but authorised this program. The user is left alone."
    )
    PROTECTED_ROLE = (
        "Not in the directory, but the role is protected: the user is left alone."
        " PROTECTED_ROLES ({role})."
    )
    INACTIVE = "{where}, and the user is not active: nothing to do."
    NEVER_SEEN = (
        "Not in the directory, and no earlier read found the person: the user is not changed"
        " (UNMANAGED_USERS=keep)."
    )
    KEPT = "{where}, but the user is not changed (USER_REMOVAL=keep)."
    DEPARTURE_UNCERTAIN = (
        "The person was not read, but it is not certain that the person has left ({detail}): the"
        " user is left alone."
    )
    DEPARTS = "{where}: the user is {done} (USER_REMOVAL={removal}){unless}."
    # groups and teams
    GROUP_EXCLUDED = (
        "TEAMS_TO_EXCLUDE names the group, by its name, a former name or a part of its DN. The"
        " group is out of scope, and its team, if it has one, is left alone."
    )
    REMEMBERED = "The team is the group's: an earlier plan matched the two."
    REFERENCE = "The team is the group's: its reference is a key of the group."
    ADOPTED = (
        "The team has the name of the group, and the group has no other team. The team becomes the"
        " group's team (UNMANAGED_TEAMS=adopt)."
    )
    TEAM_KEPT_BY_NAME = "SWIT_TEAMS_TO_KEEP names it: it is never changed, moved or deleted."
    NO_FREE_NAME = "The group has no name that a team may have: the team keeps its name."
    NUMBERED = "The team is called {name}, because another team has the group's name."
    STAYS_IN_PLACE = "It stays where it is: no parent of the group has a team."
    NO_TEAM_NO_NAME = "The group has no usable name, so no team is created. Give it another name."
    NO_TEAM_NO_FREE_NAME = (
        "SWIT_TEAMS_TO_KEEP contains all names of the group, so no team is created. Give the group"
        " another name."
    )
    NO_TEAM_DISABLED = "The group has no team. DISABLED_ACTIONS prevents its creation."
    TEAM_CREATED = 'The group has no team: "{name}" is created, below "{parent}".'
    SWITS_OWN = "The team is Swit's own (the organisation itself, or Unassigned): never touched."
    TEAM_KEPT = (
        "SWIT_TEAMS_TO_KEEP names the team, or TEAMS_TO_EXCLUDE its group: it is never changed,"
        " moved, deleted or given other members."
    )
    GROUP_UNCERTAIN = (
        "The team's group was not read, but it is not certain that it has left ({detail}): the team"
        " is kept as it is."
    )
    TEAM_DELETED = "{why}: it is deleted ({setting})."
    TEAM_MARKED = "{why}: it is renamed as removed ({setting})."
    TEAM_DELETION_DISABLED = "{why}, but DISABLED_ACTIONS prevents its deletion ({setting})."
    TEAM_BELOW_STAYS = (
        "{why}, but a team below it is not deleted, so this team is not deleted either ({setting})."
    )
    TEAM_LEFT_AS_IT_IS = "{why}: it is not changed ({setting})."

    @property
    def phrase(self) -> str:
        """The name in words: `duplicate email`."""
        return self.name.lower().replace("_", " ")


_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class Decision(NamedTuple):
    """Which rule applied to one subject."""

    kind: Kind
    subject: str
    """The key of a person or group in the directory, the id of a user or team in Swit."""
    rule: Rule
    values: Mapping[str, str] = _NOTHING
    """What the reason names."""

    @property
    def reason(self) -> str:
        """Why, in a sentence or two."""
        return self.rule.value.format_map(self.values)
