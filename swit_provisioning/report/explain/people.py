"""A person explained: what each side says, through which groups, in which teams."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from swit_provisioning.planning.actions import Action
from swit_provisioning.planning.match_teams import Group
from swit_provisioning.planning.match_users import Verdict, is_protected, role_name
from swit_provisioning.planning.memory import Memory
from swit_provisioning.planning.model import NEW_USER, Plan, Policy
from swit_provisioning.planning.normalize import address_key, choose_name, usable_address
from swit_provisioning.planning.planner import Decisions, Read
from swit_provisioning.planning.snapshots import NONE, column
from swit_provisioning.report.explain.lookup import Person
from swit_provisioning.report.explain.model import (
    AccountFacts,
    Address,
    EntryFacts,
    GroupSeat,
    PersonExplained,
    TeamSeat,
    consequence,
)
from swit_provisioning.sources.server_types import OTHER_ADDRESSES

_LEFT_ALONE: Final[Mapping[str, str]] = {
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
    "no address in Swit": "The account has no address in Swit, so nobody can tell whose it is: it"
    " is left alone.",
    "USERS_TO_EXCLUDE": "USERS_TO_EXCLUDE names the account's address: nothing about it is"
    " changed.",
    "the account that authorised this program": "The account is not in the directory, but it"
    " authorised this program: it is left alone.",
}


def rule_of_person(
    person: Person, read: Read, decided: Decisions, policy: Policy, memory: Memory
) -> str:
    """What decided, by the entry, else by the account alone."""
    place = NONE if person.row is None else int(read.entries.place_of_row[person.row])
    if place != NONE:
        return _of_entry(place, read, decided, policy)
    told = [_of_account(account, read, decided, policy, memory) for account in person.accounts]
    if person.row is None:
        return " ".join(told)
    disabled = "The entry is disabled or expired in the directory, so it counts as not there."
    return " ".join([disabled, *(told or ["There is no account for it either."])])


def _of_entry(place: int, read: Read, decided: Decisions, policy: Policy) -> str:
    verdict: Verdict = decided.people.verdict[place]
    if verdict == "matched":
        return _of_match(decided.people.account[place], read, decided, policy)
    if verdict != "new":
        return _LEFT_ALONE[verdict]
    if choose_name(read.entries.names[place], None) is None:
        return "The entry has no usable name, so no account is made. Give it a display name."
    return f"In the directory, without an account: one is made{_unless('user.create', policy)}."


def _of_match(account: int, read: Read, decided: Decisions, policy: Policy) -> str:
    user, role = read.accounts.user_id[account], read.accounts.role[account]
    why = decided.people.left_alone.get(user)
    if why is not None:
        return _left_alone(why)
    told = "In the directory, and the account with its address follows it"
    if not read.accounts.active[account]:
        told += f"; it is not active and is activated{_unless('user.activate', policy)}"
    if is_protected(role, policy):
        told += f". Its role is protected, so it is never deactivated ({role_name(role)})"
    return f"{told}."


def _of_account(
    account: int, read: Read, decided: Decisions, policy: Policy, memory: Memory
) -> str:
    user = read.accounts.user_id[account]
    why = decided.people.left_alone.get(user)
    if why is not None:
        return _left_alone(why)
    was_there = user in memory.users.values()
    where = "The person has left the directory" if was_there else "Not in the directory"
    if not read.accounts.active[account]:
        return f"{where}, and the account is not active: nothing to do."
    if policy.unmanaged_users == "keep" and not was_there:
        return (
            "Not in the directory, and no read has ever seen the person there: the account is left"
            " as it is (UNMANAGED_USERS=keep)."
        )
    if policy.user_removal == "keep":
        return f"{where}, but the account is left as it is (USER_REMOVAL=keep)."
    action: Action = "user.remove" if policy.user_removal == "remove" else "user.deactivate"
    done = "removed for good" if action == "user.remove" else "deactivated"
    unless = _unless(action, policy)
    return f"{where}: the account is {done} (USER_REMOVAL={policy.user_removal}){unless}."


def _left_alone(why: str) -> str:
    if why.startswith("PROTECTED_ROLES"):
        return f"Not in the directory, but the role is protected: the account is left alone. {why}."
    return _LEFT_ALONE.get(why, f"The account is left alone: {why}.")


def _unless(action: Action, policy: Policy) -> str:
    return ", but DISABLED_ACTIONS keeps it from being sent" if _is_off(action, policy) else ""


def _is_off(action: Action, policy: Policy) -> bool:
    return action in policy.disabled_actions


def explain_person(
    person: Person, read: Read, decided: Decisions, policy: Policy, memory: Memory, plan: Plan
) -> PersonExplained:
    """All that can be said."""
    entry = _entry(person.row, read, decided) if person.row is not None else None
    accounts = tuple(_account(place, read, decided) for place in person.accounts)
    ids = {account.user_id for account in accounts}
    if person.row is not None:
        place = int(read.entries.place_of_row[person.row])
        ids |= {NEW_USER + decided.people.address[place]} if place != NONE else set()
    subjects = [account.email for account in accounts]
    subjects += [f"{account.name} ({account.user_id})" for account in accounts]
    subjects += [entry.dn] if entry else []
    rule = rule_of_person(person, read, decided, policy, memory)
    return PersonExplained(
        title=_title(entry, accounts),
        entry=entry,
        accounts=accounts,
        groups=tuple(_groups(person.row, read, decided)) if person.row is not None else (),
        teams=tuple(_teams({account.user_id for account in accounts}, read, decided)),
        consequence=consequence(rule, plan, ids, subjects),
    )


def _title(entry: EntryFacts | None, accounts: tuple[AccountFacts, ...]) -> str:
    names = [*(entry.names if entry else ()), *(account.name for account in accounts)]
    ways = [*names, *(account.email for account in accounts), *((entry.dn,) if entry else ())]
    return next((way for way in ways if way.strip()), "without a name")


def _entry(row: int, read: Read, decided: Decisions) -> EntryFacts:
    values: dict[str, Any] = {
        name: column(read.directory.users.iloc[row : row + 1], name)[0]
        for name in read.directory.users.columns
    }
    place = int(read.entries.place_of_row[row])
    return EntryFacts(
        dn=values["dn"],
        base=values["base"],
        enabled=bool(values["enabled"]),
        names=tuple(values["names"] or ()),
        addresses=tuple(_addresses(values, place, read, decided)),
        phone_numbers=tuple(values["phone_numbers"] or ()),
        primary_group=values["primary_group"],
    )


def _addresses(
    values: dict[str, Any], place: int, read: Read, decided: Decisions
) -> Iterator[Address]:
    attributes = read.directory.facts.attributes
    chosen = decided.people.address[place] if place != NONE else ""
    for text in values["emails"] or ():
        key = address_key(text)
        if not usable_address(key):
            note = "can't be an account's address"
        elif key == chosen:
            note = "stands for the entry"
        else:
            note = "another one of the entry's"
        yield Address(value=text, attribute=attributes.get("email", "email"), note=note)
    for text in values["other_emails"] or ():
        stands = address_key(text) == chosen
        note = "finds the account that is there" if stands else "would find an account"
        yield Address(value=text, attribute=OTHER_ADDRESSES, note=note)


def _account(place: int, read: Read, decided: Decisions) -> AccountFacts:
    accounts = read.accounts
    primary = accounts.primary_team[place]
    teams = decided.owners.teams
    return AccountFacts(
        user_id=accounts.user_id[place],
        email=accounts.email[place],
        name=accounts.name[place],
        phone_number=accounts.phone_number[place],
        role=role_name(accounts.role[place]),
        active=bool(accounts.active[place]),
        primary_team=teams[primary].name if primary and primary in teams else primary,
    )


def _groups(row: int, read: Read, decided: Decisions) -> Iterator[GroupSeat]:
    """Those that list the person, in directory order; then those that list these, and so on."""
    keys = column(read.directory.groups, "key")
    listing = read.links.group[(read.links.user == row) & (read.links.group != NONE)]
    direct = {keys[place] for place in np.unique(listing).tolist()}
    scope = read.scope.in_scope
    for group in read.scope.excluded:
        if group.key in direct:
            yield _seat(group, (), "out of scope: TEAMS_TO_EXCLUDE")
    seen = dict.fromkeys(key for key in scope if key in direct)
    for key in seen:
        yield _seat(scope[key], (), _outcome(scope[key], decided))
    near: list[tuple[str, tuple[str, ...]]] = [(key, ()) for key in seen]
    while near:
        key, through = near.pop(0)
        for above in scope[key].parents:
            if above not in seen:
                seen[above] = None
                way = (*through, _name(scope[key]))
                near.append((above, way))
                yield _seat(scope[above], way, "by way of another group: no member of its team")


def _seat(group: Group, through: tuple[str, ...], outcome: str) -> GroupSeat:
    return GroupSeat(name=_name(group), dn=group.dn, through=through, outcome=outcome)


def _name(group: Group) -> str:
    return group.names[0] if group.names else group.dn


def _outcome(group: Group, decided: Decisions) -> str:
    """What being in a group in scope means."""
    owners = decided.owners
    team = owners.team_of.get(group.key)
    if team is None:
        made = group.key in decided.standing.created
        name = decided.names.get(group.new_team, _name(group))
        return f'member of its team "{name}", which is made' if made else "the group has no team"
    name = owners.teams[team].name
    if team in owners.kept:
        return f'its team "{name}" is kept as it is: SWIT_TEAMS_TO_KEEP'
    return f'member of its team "{name}"'


def _teams(users: set[str], read: Read, decided: Decisions) -> Iterator[TeamSeat]:
    """Where somebody is now, in the order shown."""
    rows = read.swit.memberships
    mine = set(rows["team_id"][rows["user_id"].isin(list(users))])
    for team_id, team in decided.owners.teams.items():
        if team_id in mine:
            owner = owner_of(team_id, decided, read)
            yield TeamSeat(name=team.name, team_id=team_id, owner=owner)


def owner_of(team_id: str, decided: Decisions, read: Read) -> str:
    """Who manages a team, in a few words."""
    owners = decided.owners
    if team_id in owners.own:
        return "Swit's own"
    if team_id in owners.kept:
        return "kept as it is: SWIT_TEAMS_TO_KEEP or TEAMS_TO_EXCLUDE"
    if team_id in owners.group_of:
        return f"the team of {read.scope.in_scope[owners.group_of[team_id]].dn}"
    return "its group has left" if team_id in owners.left else "no group stands behind it"
