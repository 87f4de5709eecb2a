"""What changes about accounts: made, brought up to date, let go, taken back."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from swit_provisioning.planning.actions import Action
from swit_provisioning.planning.match_users import People, written_address
from swit_provisioning.planning.memory import Memory
from swit_provisioning.planning.model import (
    NEW_USER,
    Change,
    Finding,
    Policy,
    another,
    single_change,
)
from swit_provisioning.planning.normalize import choose_name, choose_phone, digits, written_language
from swit_provisioning.planning.snapshots import NONE

_WRITTEN_LANGUAGES = ("en", "ko")


@dataclass(frozen=True, kw_only=True, eq=False)
class UserPlan:
    """The changes to accounts, in order, and what memberships need to know of them."""

    changes: tuple[Change, ...]
    findings: tuple[Finding, ...]
    user_of: list[str | None]
    """By the entries' places: who the entry is once the plan is applied, as an id of Swit's or
    `new:user:...`; those left alone are among them."""
    made: Mapping[str, str]
    """`new:user:...` -> address, of the accounts that the plan makes."""
    removed: frozenset[str]
    """Accounts that the plan removes for good."""


def plan_users(
    people: People, policy: Policy, memory: Memory, phones_unread: Collection[str] = ()
) -> UserPlan:
    """Hold each entry against its account.

    `phones_unread` are DNs of entries whose phone number says something that nobody can read.
    """
    findings: list[Finding] = []
    created = sorted(_creations(people, policy, findings), key=lambda change: change.object_id)
    handed_on = _handed_on(people, memory)
    updated = list(_updates(people, policy, handed_on, phones_unread))
    changes = [
        change
        for change in (*created, *updated, *_departures(people, policy, memory))
        if change.action not in policy.disabled_actions
    ]
    made = {c.object_id: c.target for c in changes if c.action == "user.create"}
    ids = people.accounts.user_id
    user_of = [
        ids[account] if account != NONE else (new if (new := NEW_USER + address) in made else None)
        for account, address in zip(people.account, people.address, strict=True)
    ]
    return UserPlan(
        changes=tuple(changes),
        findings=tuple(findings),
        user_of=user_of,
        made=made,
        removed=frozenset(c.object_id for c in changes if c.action == "user.remove"),
    )


def _creations(people: People, policy: Policy, findings: list[Finding]) -> Iterator[Change]:
    entries = people.entries
    for place, kind in enumerate(people.verdict):
        if kind != "new":
            continue
        name = choose_name(entries.names[place], None)
        if name is None:
            continue
        phone = choose_phone(entries.phone_numbers[place], None)
        address = people.address[place]
        written = written_address(entries.emails[place], address)
        yield single_change(
            step="create_users",
            action="user.create",
            object_id=NEW_USER + address,
            target=written,
            after={
                "email": written,
                "name": name,
                "phone_number": phone or None,
                "language": _language(people, place, policy, findings),
                "timezone": policy.default_user_timezone,
            },
            reason="in the directory, without an account",
        )


def _language(people: People, place: int, policy: Policy, findings: list[Finding]) -> str:
    """Swit takes `en` and `ko` from us; for any other the default, and a finding."""
    said = people.entries.language[place]
    wanted = written_language(said)
    if wanted in _WRITTEN_LANGUAGES:
        return wanted
    if wanted is not None:
        findings.append(
            Finding(
                kind="language",
                subject=people.entries.dn[place],
                side="swit",
                message=f"Swit makes accounts in en and ko only, not in {said}; the new account"
                f" gets {policy.default_user_language}. The person can change it in Swit.",
            )
        )
    return policy.default_user_language


def _updates(
    people: People, policy: Policy, handed_on: set[int], phones_unread: Collection[str]
) -> Iterator[Change]:
    """Those whose name or phone number differs, and those to activate."""
    entries, accounts, alone = people.entries, people.accounts, people.left_alone
    for place, account in enumerate(people.account):
        if account == NONE or accounts.user_id[account] in alone:
            continue
        name, phone = accounts.name[account], accounts.phone_number[account]
        wanted_name = choose_name(entries.names[place], name)
        wanted_phone = choose_phone(entries.phone_numbers[place], phone)
        after = {}
        # None: a finding about the record; what it stands for stays as it is.
        if wanted_name is not None and wanted_name != name:
            after["name"] = wanted_name
        read = wanted_phone is not None and entries.dn[place] not in phones_unread
        says = read and (wanted_phone or policy.clear_empty_phone)
        if says and digits(wanted_phone) != digits(phone):
            after["phone_number"] = wanted_phone or ""
        why = _HANDED_ON if account in handed_on else ""
        if after:
            before = {"name": name, "phone_number": phone}
            yield _update(people, account, {key: before[key] for key in after}, after, why)
        if not accounts.active[account]:
            yield _activation(people, account, why)


_HANDED_ON = "; the account follows its address, which was another entry's before"


def _update(
    people: People, account: int, before: Mapping[str, Any], after: Mapping[str, Any], why: str
) -> Change:
    return single_change(
        step="update_users",
        action="user.update",
        object_id=people.accounts.user_id[account],
        target=people.accounts.email[account],
        before=before,
        after=after,
        reason=another(after) + why,
    )


def _activation(people: People, account: int, why: str) -> Change:
    return single_change(
        step="activate_users",
        action="user.activate",
        object_id=people.accounts.user_id[account],
        target=people.accounts.email[account],
        before={"active": False},
        after={"active": True},
        reason="in the directory, but not active" + why,
    )


def _departures(people: People, policy: Policy, memory: Memory) -> Iterator[Change]:
    """Active accounts that aren't in the directory and that nothing keeps."""
    accounts, seen = people.accounts, set(memory.users.values())
    present = set(people.account)
    remove = policy.user_removal == "remove"
    action: Action = "user.remove" if remove else "user.deactivate"
    for account, user in enumerate(accounts.user_id):
        goes = accounts.active[account] and account not in present and user not in people.left_alone
        kept = policy.unmanaged_users == "keep" and user not in seen
        if not goes or kept or policy.user_removal == "keep":
            continue
        yield single_change(
            step="deactivate_users",
            action=action,
            object_id=user,
            target=accounts.email[account],
            before={"active": True},
            after={} if remove else {"active": False},
            reason="left the directory" if user in seen else "not in the directory",
        )


def _handed_on(people: People, memory: Memory) -> set[int]:
    """Accounts remembered to be another entry's."""
    if not memory.users:
        return set()
    holders: dict[str, set[str]] = {}
    for directory_id, user in memory.users.items():
        holders.setdefault(user, set()).add(directory_id)
    return {
        account
        for place, account in enumerate(people.account)
        if account != NONE
        and (before := holders.get(people.accounts.user_id[account]))
        and people.entries.directory_id[place] not in before
    }
