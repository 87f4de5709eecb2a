"""The changes to users: create, update, deactivate or remove, activate."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from swit_provisioning.planning.actions import Action
from swit_provisioning.planning.decisions import Decision, Kind, Rule
from swit_provisioning.planning.match_users import (
    Match,
    UserMatches,
    is_protected,
    role_name,
    written_address,
)
from swit_provisioning.planning.model import NEW_USER, Change, Finding, another, single_change
from swit_provisioning.planning.normalize import choose_name, choose_phone, digits, written_language
from swit_provisioning.planning.policy import Memory, Policy
from swit_provisioning.planning.snapshots import User

_WRITTEN_LANGUAGES = ("en", "ko")


@dataclass(frozen=True, kw_only=True, eq=False)
class UserChanges:
    """The changes to users, in order, and what memberships need to know of them."""

    changes: tuple[Change, ...]
    findings: tuple[Finding, ...]
    decisions: tuple[Decision, ...]
    user_of: Mapping[str, str]
    """Person key -> the user after the plan, as Swit's id or `new:user:...`, left alone or not."""
    created: Mapping[str, str]
    """`new:user:...` -> address, of users that the plan creates."""
    removed: frozenset[str]
    """Ids of users that the plan removes for good."""


def user_changes(
    matches: UserMatches, policy: Policy, memory: Memory, phones_unread: Collection[str] = ()
) -> UserChanges:
    """Compare each person with the matched user.

    `phones_unread` has the DNs of people with an unreadable phone number.
    """
    compare = _Comparison(matches, policy, memory, phones_unread)
    new: list[_Result] = []
    present: list[_Result] = []
    for match in matches.matches:
        if match.is_new:
            new += compare.new_person(match)
        elif match.user is not None and match.user.user_id not in matches.left_alone:
            present += compare.matched(match, match.user)
    for user in matches.users:
        if user.user_id not in matches.person_of and user.user_id not in matches.left_alone:
            present += compare.without_person(user)
    creations = [result for result in new if isinstance(result, Change)]
    creations.sort(key=lambda change: change.object_id)
    others = (result for result in present if isinstance(result, Change))
    changes = tuple(c for c in (*creations, *others) if c.action not in policy.disabled_actions)
    created = {c.object_id: c.target for c in changes if c.action == "user.create"}
    user_of = {m.person.key: m.user.user_id for m in matches.matches if m.user is not None}
    for match in matches.matches if created else ():
        if match.user is None and NEW_USER + match.address in created:
            user_of[match.person.key] = NEW_USER + match.address
    return UserChanges(
        changes=changes,
        findings=tuple(result for result in new if isinstance(result, Finding)),
        decisions=tuple(r for r in (*new, *present) if isinstance(r, Decision)),
        user_of=user_of,
        created=created,
        removed=frozenset(c.object_id for c in changes if c.action == "user.remove"),
    )


_Result = Change | Finding | Decision


class _Comparison:
    """Compares people with users, one after the other."""

    def __init__(
        self,
        matches: UserMatches,
        policy: Policy,
        memory: Memory,
        phones_unread: Collection[str],
    ) -> None:
        self._policy, self._phones_unread = policy, phones_unread
        self._whereabouts = matches.whereabouts
        self._known = frozenset(memory.users.values())
        roles = {user.role for user in matches.users}
        self._protected = {role for role in roles if is_protected(role, policy)}
        holders: dict[str, set[str]] = {}
        for directory_id, user_id in memory.users.items():
            holders.setdefault(user_id, set()).add(directory_id)
        self._handed_on = {
            user_id
            for user_id, before in holders.items()
            if user_id in matches.person_of
            and matches.person_of[user_id].directory_id not in before
        }
        """Ids of users who are matched with another person than the remembered one."""

    def new_person(self, match: Match) -> Iterator[_Result]:
        """The creation of a user, if the person has a name."""
        person = match.person
        name = choose_name(person.names, None)
        if name is None:
            yield Decision("person", person.key, Rule.NO_NAME)
            return
        written = written_address(person.emails, match.address)
        wanted = written_language(person.language)
        language = wanted if wanted in _WRITTEN_LANGUAGES else self._policy.default_user_language
        if wanted not in {None, language}:
            yield Finding(
                kind="unsupported language",
                subject=person.dn,
                side="swit",
                message="Swit creates users with the languages en and ko only, not"
                f" {person.language}. The new user gets {language}. The person can change it in"
                " Swit.",
            )
        yield self._decision("person", person.key, Rule.CREATED, "user.create")
        yield single_change(
            action="user.create",
            object_id=NEW_USER + match.address,
            target=written,
            after={
                "email": written,
                "name": name,
                "phone_number": choose_phone(person.phone_numbers, None) or None,
                "language": language,
                "timezone": self._policy.default_user_timezone,
            },
            reason="in the directory, without a user",
        )

    def matched(self, match: Match, user: User) -> Iterator[_Result]:
        """The update of name and phone number, and the activation, where the two differ."""
        person = match.person
        name = choose_name(person.names, user.name)
        phone = choose_phone(person.phone_numbers, user.phone_number)
        before: dict[str, str | None] = {}
        after: dict[str, str] = {}
        # None stands for a value with a finding: what the user has stays.
        if name is not None and name != user.name:
            before["name"], after["name"] = user.name, name
        is_read = phone is not None and person.dn not in self._phones_unread
        is_set = is_read and (phone or self._policy.clear_empty_phone)
        if is_set and digits(phone) != digits(user.phone_number):
            before["phone_number"], after["phone_number"] = user.phone_number, phone or ""
        why = ""
        if user.user_id in self._handed_on:
            why = "; the user's address belonged to another person before"
        yield Decision("person", person.key, Rule.FOLLOWS)
        if after:
            yield single_change(
                action="user.update",
                object_id=user.user_id,
                target=user.email,
                before=before,
                after=after,
                reason=another(after) + why,
            )
        if not user.active:
            yield self._decision("person", person.key, Rule.ACTIVATED, "user.activate")
            yield single_change(
                action="user.activate",
                object_id=user.user_id,
                target=user.email,
                before={"active": False},
                after={"active": True},
                reason="in the directory, but not active" + why,
            )
        if user.role in self._protected:
            role = {"role": role_name(user.role)}
            yield Decision("person", person.key, Rule.ROLE_IS_PROTECTED, role)

    def without_person(self, user: User) -> Iterator[_Result]:
        """The deactivation or removal of a user, unless a setting keeps the user."""
        removal, was_there = self._policy.user_removal, user.user_id in self._known
        place = self._whereabouts.get(user.user_id)
        how = f": {place.detail}" if place else ""
        where = "The person has left the directory" if was_there else "Not in the directory"
        values = {"where": where + how}
        if not user.active:
            yield Decision("user", user.user_id, Rule.INACTIVE, values)
        elif self._policy.unmanaged_users == "keep" and not was_there:
            yield Decision("user", user.user_id, Rule.NEVER_SEEN)
        elif removal == "keep":
            yield Decision("user", user.user_id, Rule.KEPT, values)
        else:
            is_removed = removal == "remove"
            action: Action = "user.remove" if is_removed else "user.deactivate"
            values |= {
                "done": "removed for good" if is_removed else "deactivated",
                "removal": removal,
            }
            yield self._decision("user", user.user_id, Rule.DEPARTS, action, values)
            yield single_change(
                action=action,
                object_id=user.user_id,
                target=user.email,
                before={"active": True},
                after={} if is_removed else {"active": False},
                reason=f"left the directory{how}" if was_there else "not in the directory",
            )

    def _decision(
        self,
        kind: Kind,
        subject: str,
        rule: Rule,
        action: Action,
        values: Mapping[str, str] = MappingProxyType({}),
    ) -> Decision:
        """A decision that leads to a change, with a note if its action is disabled."""
        is_off = action in self._policy.disabled_actions
        unless = ", but DISABLED_ACTIONS prevents it" if is_off else ""
        return Decision(kind, subject, rule, {**values, "unless": unless})
