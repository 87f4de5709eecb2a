"""Whose account is whose, and what becomes of it."""

from collections import Counter
from dataclasses import dataclass, field

from swit_provisioning.planning.policy import ROLES, Memory, Policy
from swit_provisioning_tests.planning.specification.directory import Directory, Entry
from swit_provisioning_tests.planning.specification.organisation import ME, Account, Organisation
from swit_provisioning_tests.planning.specification.words import best, digits, matches

Call = tuple[str, dict[str, object]]


@dataclass(kw_only=True)
class Accounts:
    """Who has which account after the calls."""

    account_of: dict[str, str] = field(default_factory=dict)
    """Entry's key -> user id, or `new:user:...`."""
    left_alone: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)
    findings: list[tuple[str, str]] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)


def address(text: str) -> str:
    return text.strip().casefold()


def usable(text: str) -> bool:
    local, _, domain = address(text).partition("@")
    return bool(local and domain and "@" not in domain and not set(address(text)) & set(" \t"))


def addresses(emails: tuple[str, ...]) -> list[str]:
    return sorted({address(email) for email in emails if usable(email)})


def find_accounts(
    directory: Directory, organisation: Organisation, policy: Policy, memory: Memory
) -> Accounts:
    """Match entries with accounts, and say what changes."""
    found = Accounts()
    entries = [entry for entry in directory.users if entry.enabled]
    owners: dict[str, list[Account]] = {}
    for account in organisation.users.values():
        owners.setdefault(address(account.email), []).append(account)
    claims = Counter(
        value for entry in entries for value in addresses(entry.emails + entry.other_emails)
    )
    for entry in entries:
        _match(found, entry, owners, claims, organisation, policy, memory)
    present = {user for user in found.account_of.values() if user in organisation.users}
    _leave_alone(found, organisation, policy, present)
    calls: list[Call] = []
    for user_id, account in organisation.users.items():
        if user_id not in found.left_alone and user_id not in present:
            calls += _departure(account, policy, memory)
    for entry in entries:
        if found.account_of.get(entry.key) in organisation.users:
            account = organisation.users[found.account_of[entry.key]]
            if account.user_id not in found.left_alone:
                calls += _update(found, entry, account, policy)
    found.calls += [call for call in calls if call[0] not in policy.disabled_actions]
    found.removed = {str(v["user"]) for action, v in found.calls if action == "user.remove"}
    return found


def _match(
    found: Accounts,
    entry: Entry,
    owners: dict[str, list[Account]],
    claims: Counter[str],
    organisation: Organisation,
    policy: Policy,
    memory: Memory,
) -> None:
    """One entry's account, or a finding with all it stands for left alone."""
    own, values = addresses(entry.emails), addresses(entry.emails + entry.other_emails)
    known = [value for value in values if value in owners]
    accounts = [account.user_id for value in known for account in owners[value]]
    remembered = memory.users.get(entry.stable_id)
    stands_for = {*accounts, *([remembered] if remembered in organisation.users else [])}
    chosen = known[0] if known else (own[0] if own else "")
    excluded = matches(policy.users_to_exclude, chosen)
    kind = ""
    if not own:
        kind = "missing email"
    elif len(known) > 1:
        kind = "multiple matching users"
    elif excluded:
        kind = "excluded"
    elif len(accounts) > 1 or any(claims[value] > 1 for value in values):
        kind = "duplicate email"
    elif not accounts and remembered in organisation.users:
        kind = "email changed"
    elif accounts and _is_only_remembered(remembered, accounts[0], claims, organisation):
        kind = "conflicting match"
    if kind:
        found.left_alone |= stands_for
        found.findings += [] if kind == "excluded" else [(kind, entry.dn)]
    elif accounts:
        found.account_of[entry.key] = accounts[0]
    else:
        _create(found, entry, chosen, policy)


def _is_only_remembered(
    remembered: str | None, matched: str, claims: Counter[str], organisation: Organisation
) -> bool:
    """Whether an entry would leave behind an active account that no other entry's address has."""
    if remembered is None or remembered == matched or remembered not in organisation.users:
        return False
    account = organisation.users[remembered]
    return account.active and not claims[address(account.email)]


def _create(found: Accounts, entry: Entry, chosen: str, policy: Policy) -> None:
    name, phone = best(entry.names, None), _phone(found, entry, "")
    if not name:
        found.findings.append(("missing name", entry.dn))
    elif "user.create" not in policy.disabled_actions:
        email = min(e.strip() for e in entry.emails if address(e) == chosen)
        found.account_of[entry.key] = f"new:user:{chosen}"
        found.calls.append(("user.create", {"email": email, "name": name, "phone": phone or ""}))


def _phone(found: Accounts, entry: Entry, present: str) -> str | None:
    """The number, `""` if the entry has none, `None` if what it has is no number."""
    written = [" ".join(phone.split()) for phone in entry.phones if phone.strip()]
    numbers = sorted(phone for phone in written if digits(phone))
    if written and not numbers:
        found.findings.append(("invalid phone number", entry.dn))
        return None
    same = [phone for phone in numbers if digits(phone) == digits(present)]
    return present if same else (numbers[0] if numbers else "")


def _protected(account: Account, policy: Policy) -> bool:
    return account.role == 10 or ROLES.get(account.role, "?") in (*policy.protected_roles, "?")


def _leave_alone(
    found: Accounts, organisation: Organisation, policy: Policy, present: set[str]
) -> None:
    for user_id, account in organisation.users.items():
        if matches(policy.users_to_exclude, address(account.email)) or (
            user_id not in present and (user_id == ME or _protected(account, policy))
        ):
            found.left_alone.add(user_id)


def _departure(account: Account, policy: Policy, memory: Memory) -> list[Call]:
    seen = account.user_id in memory.users.values()
    stays = policy.user_removal == "keep" or (policy.unmanaged_users == "keep" and not seen)
    if stays or not account.active:
        return []
    return [(f"user.{policy.user_removal}", {"user": account.user_id})]


def _update(found: Accounts, entry: Entry, account: Account, policy: Policy) -> list[Call]:
    wanted: dict[str, object] = {}
    name, phone = best(entry.names, account.name), _phone(found, entry, account.phone)
    if not name:
        found.findings.append(("missing name", entry.dn))
    elif name != account.name:
        wanted["name"] = name
    differs = phone is not None and digits(phone) != digits(account.phone)
    if differs and (phone or policy.clear_empty_phone):
        wanted["phone"] = phone
    calls: list[Call] = [("user.update", {"user": account.user_id, **wanted})] if wanted else []
    if not account.active:
        calls.append(("user.activate", {"user": account.user_id}))
    return calls
