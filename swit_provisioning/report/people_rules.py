"""The rule that decided about a person, in a sentence or two."""

from collections.abc import Mapping
from typing import Final

from swit_provisioning.reconcile.columns import NONE
from swit_provisioning.reconcile.decisions import Decisions, Read
from swit_provisioning.reconcile.memory import Memory
from swit_provisioning.reconcile.people import Verdict, is_protected, role_name
from swit_provisioning.reconcile.policy import Action, Policy
from swit_provisioning.reconcile.text import choose_name
from swit_provisioning.report.subjects import Person

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
