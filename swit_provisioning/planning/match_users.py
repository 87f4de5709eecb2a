"""Match the people of the directory with the users of Swit.

A person's user is the one with the person's address, else the remembered one. Ambiguous records
(an address claimed twice, a person without one, a person whose remembered user is another one and
still active) are left alone. Findings that need both sides are
made here; `bad_users` finds what is wrong with people's records alone.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

from swit_provisioning.planning.decisions import Decision, Rule
from swit_provisioning.planning.finding_kinds import AUTHORISING_USER_DEPARTED
from swit_provisioning.planning.model import Finding
from swit_provisioning.planning.normalize import (
    address_key,
    changed_name,
    choose_phone,
    clean_name,
    matcher,
    others,
    usable_address,
)
from swit_provisioning.planning.policy import ROLES, Memory, Policy
from swit_provisioning.planning.snapshots import People, Person, User
from swit_provisioning.planning.whereabouts import Whereabouts, of_swit_ids, under_other_ids

_MASTER = 10
_HAVE_RIGHTS = frozenset({"master", "admin", "unknown"})
AUTHORISING: Final = "the account that authorised this program"


class Match(NamedTuple):
    """What was found for one person: a user, nothing (the person is new), or an ambiguity."""

    person: Person
    address: str
    """The address that stands for the person, folded; empty where there is none."""
    user: User | None
    ambiguity: Rule | None

    @property
    def is_new(self) -> bool:
        """Whether the person needs a user."""
        return self.user is None and self.ambiguity is None


@dataclass(frozen=True, kw_only=True, eq=False)
class UserMatches:
    """The matches, and the users that must not be changed."""

    matches: tuple[Match, ...]
    """One for each enabled person, sorted by the person's key."""
    users: tuple[User, ...]
    """All users of Swit, sorted by id."""
    person_of: Mapping[str, Person]
    """User id -> the person, of matched users."""
    left_alone: Mapping[str, str]
    """User id -> why nothing about this user is changed."""
    never_deactivated: Mapping[str, str]
    """User id -> why the user is never deactivated or removed, in the directory or not."""
    whereabouts: Mapping[str, Whereabouts]
    """User id -> where the remembered person is, of users without a person."""
    findings: tuple[Finding, ...]
    decisions: tuple[Decision, ...]


def match_users(
    people: People,
    users: tuple[User, ...],
    policy: Policy,
    memory: Memory,
    authorised_user_id: str,
    found: Mapping[str, Whereabouts] | None = None,
) -> UserMatches:
    """Find each person's user, and the users that must not be touched.

    `found` has the whereabouts of people who were not read, by directory id.
    """
    users_at: dict[str, list[User]] = {}
    for user in users:
        users_at.setdefault(user.address, []).append(user)
    by_id = {user.user_id: user for user in users} if memory.users else {}
    earlier = under_other_ids(found, memory.users)
    remembered = {
        person.key: by_id[user_id]
        for person in (people.enabled if by_id else ())
        if (user_id := memory.users.get(person.directory_id) or earlier.get(person.key)) in by_id
    }
    shared = _shared_addresses(people.enabled)
    is_out = excludes(policy)
    held = _Held(people.enabled)
    matches = tuple(
        _match(person, users_at, shared, is_out, remembered.get(person.key), held)
        for person in people.enabled
    )
    person_of = {m.user.user_id: m.person for m in matches if m.user is not None}
    claimed = _claimed(matches, users_at, remembered)
    never = _never_deactivated(users, authorised_user_id, policy)
    by_rule: dict[str, str] = {}
    decisions = [Decision("person", key, Rule.DISABLED) for key in sorted(people.disabled)]
    decisions += (
        Decision("person", match.person.key, match.ambiguity)
        for match in matches
        if match.ambiguity is not None
    )
    findings = list(_ambiguous(matches, person_of, remembered))
    findings += (
        _owner_left(user)
        for user in users
        if user.user_id == authorised_user_id
        and user.user_id not in person_of.keys() | claimed.keys()
        and _has_left(user.user_id, people, memory)
    )
    for user in users:
        user_id, why = user.user_id, never.get(user.user_id, "")
        is_absent = user_id not in person_of
        if is_out(user.address):
            by_rule[user_id] = "USERS_TO_EXCLUDE"
            decisions.append(Decision("user", user_id, Rule.USER_EXCLUDED))
        elif not user.address:
            by_rule[user_id] = "no address in Swit"
            decisions.append(Decision("user", user_id, Rule.NO_ADDRESS_IN_SWIT))
        elif is_absent and why == AUTHORISING:
            by_rule[user_id] = why
            decisions.append(Decision("user", user_id, Rule.AUTHORISING_ACCOUNT))
        elif is_absent and why:
            by_rule[user_id] = why
            values = {"role": role_name(user.role)}
            decisions.append(Decision("user", user_id, Rule.PROTECTED_ROLE, values))
            if user.active and ROLES.get(user.role, "unknown") in _HAVE_RIGHTS:
                findings.append(_admin_left(user))
    decisions += (Decision("user", u, rule) for u, rule in claimed.items() if u not in by_rule)
    accounted = person_of.keys() | claimed.keys() | by_rule.keys()
    whereabouts = {
        user_id: each
        for user_id, each in of_swit_ids(found, memory.users).items()
        if user_id not in accounted
    }
    for user in users:
        place = whereabouts.get(user.user_id)
        if place is not None and not place.has_left and user.active:
            by_rule[user.user_id] = "not certain to have left the directory"
            values = {"detail": place.detail}
            decisions.append(Decision("user", user.user_id, Rule.DEPARTURE_UNCERTAIN, values))
            findings.append(_departure_uncertain(user, place))
    return UserMatches(
        matches=matches,
        users=users,
        person_of=person_of,
        left_alone={**{u: rule.phrase for u, rule in claimed.items()}, **by_rule},
        never_deactivated=never,
        whereabouts=whereabouts,
        findings=tuple(findings),
        decisions=tuple(decisions),
    )


def _departure_uncertain(user: User, place: Whereabouts) -> Finding:
    return Finding(
        kind="uncertain departure",
        subject=user.email,
        side="swit",
        message="The person of this user was not read, and it is not certain that the person has"
        f" left ({place.detail}). The user is left alone. {place.remedy}",
    )


def role_name(role: int) -> str:
    """The role's name; a role that Swit does not document is `unknown role 77`."""
    return ROLES.get(role, f"unknown role {role}")


def is_protected(role: int, policy: Policy) -> bool:
    """Whether a user of this role is never deactivated: the master and unknown roles always."""
    return role == _MASTER or role not in ROLES or ROLES[role] in policy.protected_roles


def excludes(policy: Policy) -> Callable[[str], bool]:
    """A predicate: whether `USERS_TO_EXCLUDE` names an address, given folded."""
    return matcher(policy.users_to_exclude, address_key)


def written_address(emails: list[str], address: str) -> str:
    """The address as the directory writes it; it must be one of `emails`."""
    return min(text.strip() for text in emails if address_key(text) == address)


class _Held:
    """The addresses of all enabled people; collected when they are first needed."""

    def __init__(self, people: Iterable[Person]) -> None:
        self._people = people

    @cached_property
    def _addresses(self) -> frozenset[str]:
        return frozenset(address for person in self._people for address in person.all_addresses)

    def is_only_remembered(self, user: User) -> bool:
        """Whether an active user has no one's address: only its remembered person keeps it."""
        return user.active and user.address not in self._addresses


def _match(
    person: Person,
    users_at: Mapping[str, list[User]],
    shared: Mapping[str, list[Person]],
    is_out: Callable[[str], bool],
    remembered: User | None,
    held: _Held,
) -> Match:
    if not person.addresses:
        return Match(person, "", None, Rule.MISSING_EMAIL)
    known = [address for address in person.all_addresses if address in users_at]
    address = known[0] if known else person.addresses[0]
    users = users_at[address] if known else []
    ambiguity: Rule | None = None
    if len(known) > 1:
        ambiguity = Rule.MULTIPLE_MATCHING_USERS
    elif is_out(address):
        ambiguity = Rule.EXCLUDED
    elif not shared.keys().isdisjoint(person.all_addresses):
        ambiguity = Rule.DUPLICATE_EMAIL
    elif len(users) > 1:
        ambiguity = Rule.DUPLICATE_USER_EMAIL
    elif not users and remembered is not None:
        ambiguity = Rule.EMAIL_CHANGED
    elif remembered is not None and remembered not in users and held.is_only_remembered(remembered):
        ambiguity = Rule.CONFLICTING_MATCH
    user = users[0] if users and ambiguity is None else None
    return Match(person, address, user, ambiguity)


def _shared_addresses(people: Iterable[Person]) -> dict[str, list[Person]]:
    """Address -> the people who have it, of addresses that two people or more have."""
    seen: dict[str, Person] = {}
    shared: dict[str, list[Person]] = {}
    for person in people:
        for address in person.all_addresses:
            first = seen.setdefault(address, person)
            if first is not person:
                shared.setdefault(address, [first]).append(person)
    return shared


def _claimed(
    matches: Iterable[Match],
    users_at: Mapping[str, list[User]],
    remembered: Mapping[str, User],
) -> dict[str, Rule]:
    """User id -> the ambiguity of the person who claims the user by an address or as remembered."""
    claimed: dict[str, Rule] = {}
    by_address: dict[str, Rule] = {}
    for match in matches:
        if match.ambiguity is not None:
            person = match.person
            if person.key in remembered:
                claimed[remembered[person.key].user_id] = match.ambiguity
            for address in person.all_addresses:
                by_address.setdefault(address, match.ambiguity)
    for address, ambiguity in by_address.items():
        for user in users_at.get(address, ()):
            claimed[user.user_id] = ambiguity
    return claimed


def _never_deactivated(
    users: Iterable[User], authorised_user_id: str, policy: Policy
) -> dict[str, str]:
    """User id -> why: the authorising account, protected roles, `USERS_TO_EXCLUDE`."""
    is_out = excludes(policy)
    protected = {role for role in {user.role for user in users} if is_protected(role, policy)}
    never: dict[str, str] = {}
    for user in users:
        if user.user_id == authorised_user_id:
            never[user.user_id] = AUTHORISING
        elif user.role in protected:
            never[user.user_id] = f"PROTECTED_ROLES ({role_name(user.role)})"
        elif is_out(user.address):
            never[user.user_id] = "USERS_TO_EXCLUDE"
    return never


_MESSAGES: Final[Mapping[Rule, str]] = {
    Rule.MULTIPLE_MATCHING_USERS: "The person's addresses belong to several users in Swit. All"
    " of them are left alone. Remove the addresses that are not this person's.",
    Rule.DUPLICATE_USER_EMAIL: "Several users in Swit have this person's address. All of them"
    " are left alone. Give the address to one user only in Swit's console.",
    Rule.CONFLICTING_MATCH: "The person's address belongs to another user than the one"
    " that was matched before, which is still active. Both are left alone. Deactivate the wrong one"
    " in Swit's console, or give its address to the other.",
}


def _ambiguous(
    matches: Iterable[Match], person_of: Mapping[str, Person], remembered: Mapping[str, User]
) -> Iterator[Finding]:
    for person, address, _, ambiguity in matches:
        if ambiguity is not None and ambiguity in _MESSAGES:
            yield Finding(
                kind=ambiguity.phrase,
                subject=person.dn,
                side="directory" if ambiguity is Rule.MULTIPLE_MATCHING_USERS else "swit",
                message=_MESSAGES[ambiguity],
            )
        elif ambiguity is Rule.EMAIL_CHANGED:
            other = person_of.get(remembered[person.key].user_id)
            written = written_address(person.emails, address)
            message = (
                f"The person's address is now {written}. The matched user has another one and is"
                " left alone. Change the user's address in Swit's console. Swit's API cannot change"
                " it."
            )
            if other is not None:
                message = (
                    f"This person's user also matches {other.dn}, who now has the user's address."
                    f" The user is left alone. Change the user's address to {written} in Swit's"
                    " console. A new user is then created for the other person."
                )
            kind = "email changed" if other is None else "conflicting match"
            yield Finding(kind=kind, subject=person.dn, message=message, side="swit")


def _has_left(user_id: str, people: People, memory: Memory) -> bool:
    """Whether the user's person was in the directory and is absent now."""
    known = {key for key, user in memory.users.items() if user == user_id}
    return bool(known) and not any(person.directory_id in known for person in people.enabled)


def _owner_left(user: User) -> Finding:
    return Finding(
        kind=AUTHORISING_USER_DEPARTED,
        subject=user.email,
        side="swit",
        message="This user authorised this program and has left the directory. The user is left"
        " alone. Let another administrator log in (swit-provisioning login). Then deactivate this"
        " user in Swit's console.",
    )


def _admin_left(user: User) -> Finding:
    return Finding(
        kind="admin not in directory",
        subject=user.email,
        side="swit",
        message=f"The user is active ({role_name(user.role)}) but not in the directory. Users with"
        " this role are protected. If the person has left, remove the role in Swit's console.",
    )


def bad_users(
    people: People,
    policy: Policy,
    *,
    attributes: Mapping[str, str],
    unread: AbstractSet[str] = frozenset(),
) -> Iterator[Finding]:
    """Findings about addresses, names and phone numbers of all people in scope.

    Args:
        people: of the directory.
        policy: says who is out of scope.
        attributes: the directory's name of `other_email`.
        unread: DNs of people with an unreadable address, which is a finding already.

    """
    is_out = excludes(policy)
    shared = _shared_addresses(people.enabled)
    for person in people.enabled:
        if person.addresses and all(map(is_out, person.addresses)):
            continue
        yield from _bad_addresses(person, unread)
        if shared:
            yield from _two_with_one_address(person, shared, attributes)
        yield from _bad_name(person.dn, person.names)
        if choose_phone(person.phone_numbers, None) is None:
            written = ", ".join(sorted(person.phone_numbers))
            yield Finding(
                kind="invalid phone number",
                subject=person.dn,
                message=f"The value {written!r} is not a phone number and is ignored. Correct it in"
                " the directory.",
            )


def _bad_addresses(person: Person, unread: AbstractSet[str]) -> Iterator[Finding]:
    # Nearly all people have usable addresses only; then there is nothing to look for.
    if person.addresses and len(person.addresses) == len(person.emails):
        return
    written = sorted({text.strip() for text in person.emails} - {""})
    bad = [text for text in written if not usable_address(address_key(text))]
    left_alone = (
        ""
        if person.addresses
        else " The person has no other, so the last matched user is left alone."
    )
    for text in bad:
        yield Finding(
            kind="invalid email",
            subject=person.dn,
            message=f"The value {text!r} is not an email address and is ignored.{left_alone}"
            " Correct it in the directory.",
        )
    if not (person.addresses or bad or person.dn in unread):
        yield Finding(
            kind="missing email",
            subject=person.dn,
            message="The person has no email address, so the last matched user is left alone. Give"
            " the person an address, or disable the person.",
        )


def _two_with_one_address(
    person: Person, shared: Mapping[str, list[Person]], attributes: Mapping[str, str]
) -> Iterator[Finding]:
    for address in person.all_addresses:
        if address in shared:
            other = next(holder for holder in shared[address] if holder is not person)
            also = others(other.dn, len(shared[address]) - 1)
            written = written_address([*person.emails, *person.other_emails], address)
            is_main = address in person.addresses
            yield Finding(
                kind="duplicate email",
                subject=person.dn,
                attribute=attributes.get("email" if is_main else "other_email", ""),
                message=f"The address {written} also belongs to {also}. Their users are left alone."
                " Give each address to one person only.",
            )


def _bad_name(dn: str, names: list[str]) -> Iterator[Finding]:
    cleaned = [clean_name(name) for name in names]
    if not any(cleaned):
        yield Finding(
            kind="missing name",
            subject=dn,
            message="The person has no usable name. No user is created, and an existing user keeps"
            " the name. Set a display name.",
        )
    for name, would_be in zip(names, cleaned, strict=True):
        if clean := changed_name(name, would_be):
            yield Finding(
                kind="invalid characters in name",
                subject=dn,
                message=f"The name {name!r} has characters that Swit does not accept. The user's"
                f" name is {clean!r}. Write the name without @ # < > § ▒ {{ }} ; * and control"
                " characters.",
            )
