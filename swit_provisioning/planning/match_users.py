"""Whose account is whose: entries of the directory matched with Swit's accounts.

An entry has the account with its address, else the one it is remembered to have had. Whatever
is not plain (an address claimed twice, an entry without one) is left alone; what shows only against
Swit's accounts is a finding here, what shows in the entries alone is one in `user_records`.
"""

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from swit_provisioning.planning.memory import Memory
from swit_provisioning.planning.model import ROLES, Finding, Policy
from swit_provisioning.planning.normalize import (
    address_key,
    changed_name,
    choose_phone,
    clean_name,
    matcher,
    others,
    usable_address,
)
from swit_provisioning.planning.snapshots import (
    NONE,
    Accounts,
    Entries,
    Mask,
    Numbers,
    among,
    distinct,
    ranked,
)

Verdict = Literal[
    "matched",
    "new",
    "excluded",
    "address changed",
    "two with one address",
    "two accounts with one address",
    "two accounts",
    "no address",
]
_MASTER = 10
_HAVE_RIGHTS = frozenset({"master", "admin"})


@dataclass(frozen=True, kw_only=True, eq=False)
class People:
    """Who is who. Lists go by the entries' places."""

    entries: Entries
    accounts: Accounts
    verdict: list[Verdict]
    account: list[int]
    """The place of the entry's account, where it is `matched`."""
    address: list[str]
    """The address that stands for the entry, folded; `""` where it has none."""
    left_alone: Mapping[str, str]
    """User id -> why nothing about this account is changed."""
    findings: tuple[Finding, ...]

    def present(self) -> set[str]:
        """Ids of the accounts whose entries are in the directory."""
        return {self.accounts.user_id[place] for place in self.account if place != NONE}


@dataclass(frozen=True, kw_only=True, eq=False)
class _Addresses:
    """Entries' and accounts' addresses as numbers, in the order of their sorted texts."""

    texts: list[str]
    entry: Numbers
    """Together with `address` the usable addresses of entries, each pair once, sorted."""
    address: Numbers
    is_own: Mask
    """Which of these pairs an account may be made with: those of `emails`."""
    of_account: Numbers
    """The address of each account."""


def match_people(
    entries: Entries,
    accounts: Accounts,
    policy: Policy,
    memory: Memory,
    authorised_user_id: str,
) -> People:
    """Find each entry's account, and the accounts that nobody may touch."""
    found = _addresses(entries, accounts)
    owners = np.bincount(found.of_account, minlength=len(found.texts))
    chosen, known, owned, shared = _counts(found, owners, len(entries))
    address = [found.texts[number] if number != NONE else "" for number in chosen.tolist()]
    remembered = _remembered(entries, accounts, memory)
    is_out = excludes(policy)
    out = np.fromiter((is_out(text) for text in address), dtype=np.bool_, count=len(address))
    verdict: list[Verdict] = np.select(
        [
            chosen == NONE,
            known > 1,
            out,
            shared,
            owned > 1,
            owned == 1,
            np.array(remembered, dtype=np.int64) != NONE,
        ],
        [
            "no address",
            "two accounts",
            "excluded",
            "two with one address",
            "two accounts with one address",
            "matched",
            "address changed",
        ],
        default="new",
    ).tolist()
    account_at = np.full(len(found.texts) + 1, NONE, dtype=np.int64)
    account_at[found.of_account] = np.arange(len(accounts))
    account = np.where(np.array(verdict) == "matched", account_at[chosen], NONE).tolist()
    stands_for = _stands_for(found, verdict, remembered)
    left_alone: dict[str, str] = {accounts.user_id[p]: why for p, why in stands_for.items()}
    present = {place for place in account if place != NONE}
    left_alone |= _left_alone_by_rule(accounts, present, authorised_user_id, policy)
    accounted = {*present, *stands_for}
    people = People(
        entries=entries,
        accounts=accounts,
        verdict=verdict,
        account=account,
        address=address,
        left_alone=left_alone,
        findings=(
            *_owner_that_left(entries, accounts, memory, authorised_user_id, accounted),
            *_admins_that_left(accounts, present, left_alone),
        ),
    )
    return _with_findings(people, remembered)


def role_name(role: int) -> str:
    """The role's name; one that nobody told us about is `unknown role 77`."""
    return ROLES.get(role, f"unknown role {role}")


def is_protected(role: int, policy: Policy) -> bool:
    """Whether an account of this role is never deactivated: the master and unknown roles always."""
    return role == _MASTER or role not in ROLES or ROLES[role] in policy.protected_roles


def excludes(policy: Policy) -> Callable[[str], bool]:
    """Whether an address, folded, is one of `USERS_TO_EXCLUDE`."""
    return matcher(policy.users_to_exclude, address_key)


def written_address(emails: list[str], address: str) -> str:
    """The address as the directory writes it, where it is one of these."""
    return min(text.strip() for text in emails if address_key(text) == address)


def _addresses(entries: Entries, accounts: Accounts) -> _Addresses:
    own, values = entries.addresses, [*entries.addresses, *entries.other_addresses]
    entry = np.repeat(np.arange(len(values)) % max(len(own), 1), [len(found) for found in values])
    flat = [address for found in values for address in found]
    numbers, texts = ranked([*flat, *map(address_key, accounts.email)])
    size = max(len(texts), 1)
    places = entry * size + numbers[: len(flat)]
    pairs = distinct(places)
    return _Addresses(
        texts=texts,
        entry=pairs // size,
        address=pairs % size,
        is_own=among(pairs, distinct(places[: sum(map(len, own))])),
        of_account=numbers[len(flat) :],
    )


def _counts(
    found: _Addresses, owners: Numbers, size: int
) -> tuple[Numbers, Numbers, Numbers, Mask]:
    """For each entry: its address (one that Swit has before others; none where it has none of its
    own), how many of its addresses Swit has, how many accounts these are, whether another entry
    has one of its addresses.
    """  # noqa: D205 - one sentence
    entry, address = found.entry, found.address
    is_known = owners[address] > 0
    chosen = np.full(size, NONE, dtype=np.int64)
    # The last assignment to a place stays: backwards, the first when sorted.
    for rows in (found.is_own, is_known):
        chosen[entry[rows][::-1]] = address[rows][::-1]
    has_own = np.bincount(entry[found.is_own], minlength=size) > 0
    chosen[~has_own] = NONE
    known = np.bincount(entry[is_known], minlength=size)
    owned = np.bincount(entry, weights=owners[address], minlength=size).astype(np.int64)
    claims = np.bincount(address, minlength=len(found.texts))
    shared = np.bincount(entry, weights=claims[address] > 1, minlength=size) > 0
    return chosen, known, owned, shared


def _remembered(entries: Entries, accounts: Accounts, memory: Memory) -> list[int]:
    """For each entry the place of the account it had, if that is still there."""
    if not memory.users:
        return [NONE] * len(entries)
    place = {user: number for number, user in enumerate(accounts.user_id)}
    users = memory.users
    return [place.get(users.get(key, ""), NONE) for key in entries.directory_id]


def _stands_for(
    found: _Addresses, verdict: list[Verdict], remembered: list[int]
) -> dict[int, Verdict]:
    """Places of accounts that bad records stand for: by their addresses, and the one they had."""
    plain = {"matched", "new"}
    bad = np.array([kind not in plain for kind in verdict], dtype=np.bool_)
    why = {
        remembered[place]: verdict[place]
        for place in np.flatnonzero(bad).tolist()
        if remembered[place] != NONE
    }
    claimed: dict[int, Verdict] = {}
    rows = bad[found.entry]
    for entry, address in zip(
        found.entry[rows].tolist(), found.address[rows].tolist(), strict=True
    ):
        claimed.setdefault(address, verdict[entry])
    hit = np.isin(found.of_account, np.fromiter(claimed, dtype=np.int64))
    for place in np.flatnonzero(hit).tolist():
        why[place] = claimed[int(found.of_account[place])]
    return why


def _left_alone_by_rule(
    accounts: Accounts, present: set[int], authorised_user_id: str, policy: Policy
) -> dict[str, str]:
    """`USERS_TO_EXCLUDE`, accounts without an address (whose they are can't be told); of those
    not in the directory the protected and who authorised us.
    """  # noqa: D205 - one sentence
    is_out = excludes(policy) if policy.users_to_exclude else None
    protected = {role for role in set(accounts.role) if is_protected(role, policy)}
    why: dict[str, str] = {}
    for place, (user, role) in enumerate(zip(accounts.user_id, accounts.role, strict=True)):
        if is_out is not None and is_out(address_key(accounts.email[place])):
            why[user] = "USERS_TO_EXCLUDE"
        elif not address_key(accounts.email[place]):
            why[user] = "no address in Swit"
        elif user == authorised_user_id and place not in present:
            why[user] = "the account that authorised this program"
        elif role in protected and place not in present:
            why[user] = f"PROTECTED_ROLES ({role_name(role)})"
    return why


OWNER_LEFT: Final = "owner of the login left"
"""The kind of finding that nobody must overlook: soon nothing works any longer."""

_MESSAGES: Mapping[str, str] = {
    "two accounts": "The entry's addresses belong to two Swit accounts or more; all of them are"
    " left alone. Take the addresses out that are not this person's.",
    "two accounts with one address": "Two Swit accounts or more have this entry's address; all of"
    " them are left alone. Leave the address to one account in Swit's console.",
}


def _with_findings(people: People, remembered: list[int]) -> People:
    entries, holder = people.entries, {a: e for e, a in enumerate(people.account) if a != NONE}
    findings = list(people.findings)
    for place, kind in enumerate(people.verdict):
        if kind in _MESSAGES:
            findings.append(
                Finding(
                    kind=kind,
                    subject=entries.dn[place],
                    side="directory" if kind == "two accounts" else "swit",
                    message=_MESSAGES[kind],
                )
            )
        elif kind == "address changed":
            other = holder.get(remembered[place])
            written = written_address(entries.emails[place], people.address[place])
            other_dn = entries.dn[other] if other is not None else None
            findings.append(_changed(entries.dn[place], written, other_dn))
    return People(**{**vars(people), "findings": tuple(findings)})


def _changed(dn: str, written: str, other: str | None) -> Finding:
    if other is not None:
        message = (
            f"This entry's account is claimed by {other} too, which has its address now; the"
            f" account is left alone. Give the account the address {written} in Swit's"
            " console, and the other entry gets an account of its own."
        )
        return Finding(kind="account claimed by two", subject=dn, message=message, side="swit")
    message = (
        f"The entry's address is {written} now; its account has another one and is left"
        " alone. Change the address of the account in Swit's console: no API call does that."
    )
    return Finding(kind="address changed", subject=dn, message=message, side="swit")


def _owner_that_left(
    entries: Entries,
    accounts: Accounts,
    memory: Memory,
    authorised_user_id: str,
    found: set[int],
) -> Iterator[Finding]:
    """Who authorised this program was in the directory once and is no longer: `found` are the
    places of accounts that an entry stands for. A service account never was in it.
    """  # noqa: D205 - one sentence
    known = {entry for entry, user in memory.users.items() if user == authorised_user_id}
    if not known or not known.isdisjoint(entries.directory_id):
        return
    for place, user in enumerate(accounts.user_id):
        if user == authorised_user_id and place not in found:
            yield Finding(
                kind=OWNER_LEFT,
                subject=accounts.email[place],
                side="swit",
                message="This program works with the login of this account, whose owner has left"
                " the directory; the account is left alone. Let another administrator log in"
                " (swit-provisioning login), then deactivate it in Swit's console.",
            )


def _admins_that_left(
    accounts: Accounts, present: set[int], left_alone: Mapping[str, str]
) -> Iterator[Finding]:
    """Protected, so still active, and not in the directory: a leaver with rights."""
    for place, (user, role) in enumerate(zip(accounts.user_id, accounts.role, strict=True)):
        name = ROLES.get(role)
        has_rights = name is None or name in _HAVE_RIGHTS
        if not has_rights or place in present or not accounts.active[place]:
            continue
        if left_alone.get(user, "").startswith("PROTECTED_ROLES"):
            yield Finding(
                kind="admin not in the directory",
                subject=accounts.email[place],
                side="swit",
                message=f"The account is active ({role_name(role)}), but isn't in the directory;"
                " it is protected. Take its rights away in Swit's console if the person has left.",
            )


def bad_users(
    entries: Entries,
    policy: Policy,
    *,
    attributes: Mapping[str, str],
    unread: AbstractSet[str] = frozenset(),
) -> Iterator[Finding]:
    """Findings about addresses, names and phone numbers of all users that are in scope.

    Args:
        entries: the enabled people.
        policy: says who is out of scope.
        attributes: what the directory calls `other_email`.
        unread: DNs of entries with an address that can't be read, which is a finding already.

    """
    is_out = excludes(policy)
    addresses = [sorted(set(own)) for own in entries.addresses]
    with_others = [
        sorted({*own, *more}) if more else own
        for own, more in zip(addresses, entries.other_addresses, strict=True)
    ]
    shared = _shared(with_others)
    for place, own in enumerate(addresses):
        if own and all(map(is_out, own)):
            continue
        yield from _user_records_addresses(entries, place, own, unread)
        yield from _two_with_one_address(entries, place, with_others[place], shared, attributes)
        yield from _name(entries.dn[place], entries.names[place])
        if choose_phone(entries.phone_numbers[place], None) is None:
            written = ", ".join(sorted(entries.phone_numbers[place]))
            yield Finding(
                kind="phone number",
                subject=entries.dn[place],
                message=f"The value {written!r} is no phone number and is not looked at. Correct"
                " it in the directory.",
            )


def _shared(addresses: list[list[str]]) -> dict[str, list[int]]:
    """Address -> places of the entries that have it, of those that two have or more."""
    holders: dict[str, list[int]] = {}
    for place, own in enumerate(addresses):
        for address in own:
            holders.setdefault(address, []).append(place)
    return {address: places for address, places in holders.items() if len(places) > 1}


def _user_records_addresses(
    entries: Entries, place: int, own: list[str], unread: AbstractSet[str]
) -> Iterator[Finding]:
    dn, emails = entries.dn[place], entries.emails[place]
    # Nearly all entries have usable addresses only; then there is nothing to look for.
    written = sorted({text.strip() for text in emails} - {""}) if len(own) < len(emails) else ()
    bad = [text for text in written if not usable_address(address_key(text))]
    left_alone = "" if own else " It has no other, so the account that it last had is left alone."
    for text in bad:
        yield Finding(
            kind="unusable address",
            subject=dn,
            message=f"The value {text!r} can't be an e-mail address and is not used.{left_alone}"
            " Correct it in the directory.",
        )
    if not (own or bad or dn in unread):
        yield Finding(
            kind="no address",
            subject=dn,
            message="The entry has no e-mail address, so the account that it last had is left"
            " alone. Give the entry an address, or disable it.",
        )


def _two_with_one_address(
    entries: Entries,
    place: int,
    addresses: list[str],
    shared: Mapping[str, list[int]],
    attributes: Mapping[str, str],
) -> Iterator[Finding]:
    dn, emails = entries.dn[place], [*entries.emails[place], *entries.other_emails[place]]
    for address in addresses:
        if address in shared:
            holders = shared[address]
            other = next(holder for holder in holders if holder != place)
            also = others(entries.dn[other], len(holders) - 1)
            is_main = address in entries.addresses[place]
            yield Finding(
                kind="two with one address",
                subject=dn,
                attribute=attributes.get("email" if is_main else "other_email", ""),
                message=f"The address {written_address(emails, address)} is also that of {also};"
                " all of them, and the account, are left alone. Leave each address to one entry.",
            )


def _name(dn: str, names: list[str]) -> Iterator[Finding]:
    cleaned = [clean_name(name) for name in names]
    if not any(cleaned):
        yield Finding(
            kind="no name",
            subject=dn,
            message="The entry has no usable name; no account is made for it, and an account"
            " that it has keeps its name. Give it a display name.",
        )
    for name, would_be in zip(names, cleaned, strict=True):
        if clean := changed_name(name, would_be):
            yield Finding(
                kind="name changed",
                subject=dn,
                message=f"The name {name!r} holds characters that Swit doesn't take; it becomes"
                f" {clean!r}. Write it without @ # < > § ▒ {{ }} ; * and control characters.",
            )
