"""Decisions of the planner: which rule applied to a person, user, group or team, and why.

Each stage records its decisions where it makes them. `explain` renders them and knows no rule.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

Kind = Literal["person", "user", "group", "team"]

Rule = Literal[
    # people and users
    "disabled",
    "excluded",
    "no address",
    "two with one address",
    "two accounts",
    "two accounts with one address",
    "address changed",
    "follows",
    "activated",
    "role is protected",
    "created",
    "no name",
    "no address in Swit",
    "user excluded",
    "authorising account",
    "protected role",
    "inactive",
    "never seen",
    "kept",
    "departs",
    # groups and teams
    "group excluded",
    "remembered",
    "reference",
    "adopted",
    "team kept by name",
    "no free name",
    "numbered",
    "stays in place",
    "no team: no name",
    "no team: no free name",
    "no team: disabled",
    "team created",
    "Swit's own",
    "team kept",
    "team deleted",
    "team marked",
    "team deletion disabled",
    "team below stays",
    "team left as it is",
]
RULES: Final[Mapping[Rule, str]] = {
    "disabled": "The entry is disabled or expired in the directory, so it counts as not there.",
    "excluded": "USERS_TO_EXCLUDE names the address: no account is made, and nothing about one that"
    " is there is changed.",
    "no address": "The entry has no usable e-mail address: no account is made, and the one that it"
    " last had is left alone. Give the entry an address.",
    "two with one address": "Another entry has one of the entry's addresses, so nobody can tell"
    " whose account it is: all of them are left alone. Leave each address to one entry.",
    "two accounts": "The entry's addresses are those of several accounts: all of them are left"
    " alone. Take the addresses out that are not this person's.",
    "two accounts with one address": "Several accounts have the entry's address: all of them are"
    " left alone. Leave the address to one account in Swit's console.",
    "address changed": "The entry's address is another one than that of the account that it had:"
    " the account is left alone, and none is made anew. Change the address of the account in"
    " Swit's console.",
    "follows": "In the directory, and the account with its address follows it.",
    "activated": "The account is not active and is activated{unless}.",
    "role is protected": "Its role is protected, so it is never deactivated ({role}).",
    "created": "In the directory, without an account: one is made{unless}.",
    "no name": "The entry has no usable name, so no account is made. Give it a display name.",
    "no address in Swit": "The account has no address in Swit, so nobody can tell whose it is: it"
    " is left alone.",
    "user excluded": "USERS_TO_EXCLUDE names the account's address: nothing about it is changed.",
    "authorising account": "The account is not in the directory, but it authorised this program:"
    " it is left alone.",
    "protected role": "Not in the directory, but the role is protected: the account is left alone."
    " PROTECTED_ROLES ({role}).",
    "inactive": "{where}, and the account is not active: nothing to do.",
    "never seen": "Not in the directory, and no read has ever seen the person there: the account is"
    " left as it is (UNMANAGED_USERS=keep).",
    "kept": "{where}, but the account is left as it is (USER_REMOVAL=keep).",
    "departs": "{where}: the account is {done} (USER_REMOVAL={removal}){unless}.",
    "group excluded": "TEAMS_TO_EXCLUDE names the group, by its name, an earlier one or a part of"
    " its DN: it is out of scope, and its team, if it has one, is left alone.",
    "remembered": "The team is the group's: a plan that was applied before left it so.",
    "reference": "The team is the group's: its reference is a key of the group.",
    "adopted": "The team is called as the group, which has no other, and becomes its team"
    " (UNMANAGED_TEAMS=adopt).",
    "team kept by name": "SWIT_TEAMS_TO_KEEP names it: it is never changed, moved or deleted.",
    "no free name": "The group has no name that a team may have: the team keeps its own.",
    "numbered": "It is called {name}, as another team has the group's name.",
    "stays in place": "It stays where it is: no parent of the group has a team.",
    "no team: no name": "The group has no usable name, so no team is made for it. Give it another"
    " name.",
    "no team: no free name": "The group has no name that SWIT_TEAMS_TO_KEEP leaves free, so no team"
    " is made for it. Give it another name.",
    "no team: disabled": "The group has no team, and DISABLED_ACTIONS keeps one from being made.",
    "team created": 'The group has no team: "{name}" is made, below "{parent}".',
    "Swit's own": "The team is Swit's own (the organisation itself, or Unassigned): never touched.",
    "team kept": "SWIT_TEAMS_TO_KEEP names the team, or TEAMS_TO_EXCLUDE its group: it is never"
    " changed, moved, deleted or given other members.",
    "team deleted": "{why}: it is deleted ({setting}).",
    "team marked": "{why}: it is renamed as removed ({setting}).",
    "team deletion disabled": "{why}, but DISABLED_ACTIONS keeps it from being deleted"
    " ({setting}).",
    "team below stays": "{why}, but a team that stays is below it, so it stays too ({setting}).",
    "team left as it is": "{why}: it is left as it is ({setting}).",
}
"""Rule -> the reason as a sentence, with the names of a decision's values."""

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
        return RULES[self.rule].format_map(self.values)
