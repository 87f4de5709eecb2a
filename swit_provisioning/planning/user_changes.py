"""The changes to users: create, update, deactivate or remove, activate."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from swit_provisioning.planning.actions import Action
from swit_provisioning.planning.decisions import Decision
from swit_provisioning.planning.match_users import (
    Match,
    UserMatches,
    is_protected,
    role_name,
    written_address,
)
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
    work = _Work(
        matches=matches,
        policy=policy,
        memory=memory,
        phones_unread=phones_unread,
        handed_on=_handed_on(matches, memory),
    )
    for match in matches.matches:
        if match.is_new:
            work.create(match)
        elif match.user is not None and match.user.user_id not in matches.left_alone:
            work.update(match, match.user)
    for user in matches.users:
        if user.user_id not in matches.person_of and user.user_id not in matches.left_alone:
            work.let_go(user)
    created = sorted(work.created, key=lambda change: change.object_id)
    changes = [
        change
        for change in (*created, *work.updated, *work.departures)
        if change.action not in policy.disabled_actions
    ]
    made = {c.object_id: c.target for c in changes if c.action == "user.create"}
    user_of = {m.person.key: m.user.user_id for m in matches.matches if m.user is not None}
    for match in matches.matches if made else ():
        if match.user is None and NEW_USER + match.address in made:
            user_of[match.person.key] = NEW_USER + match.address
    return UserChanges(
        changes=tuple(changes),
        findings=tuple(work.findings),
        decisions=tuple(work.decisions),
        user_of=user_of,
        created=made,
        removed=frozenset(c.object_id for c in changes if c.action == "user.remove"),
    )


_HANDED_ON = "; the account follows its address, which was another entry's before"


@dataclass(kw_only=True)
class _Work:
    """The changes, findings and decisions so far."""

    matches: UserMatches
    policy: Policy
    memory: Memory
    phones_unread: Collection[str]
    handed_on: Collection[str]
    created: list[Change] = field(default_factory=list)
    updated: list[Change] = field(default_factory=list)
    departures: list[Change] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._known = frozenset(self.memory.users.values())
        roles = {user.role for user in self.matches.users}
        self._protected = {role for role in roles if is_protected(role, self.policy)}

    def _unless(self, action: Action) -> str:
        is_off = action in self.policy.disabled_actions
        return ", but DISABLED_ACTIONS keeps it from being sent" if is_off else ""

    def create(self, match: Match) -> None:
        person = match.person
        name = choose_name(person.names, None)
        if name is None:
            self.decisions.append(Decision("person", person.key, "no name"))
            return
        written = written_address(person.emails, match.address)
        unless = {"unless": self._unless("user.create")}
        self.decisions.append(Decision("person", person.key, "created", unless))
        self.created.append(
            single_change(
                step="create_users",
                action="user.create",
                object_id=NEW_USER + match.address,
                target=written,
                after={
                    "email": written,
                    "name": name,
                    "phone_number": choose_phone(person.phone_numbers, None) or None,
                    "language": self._language(match),
                    "timezone": self.policy.default_user_timezone,
                },
                reason="in the directory, without an account",
            )
        )

    def _language(self, match: Match) -> str:
        """`en` or `ko`, which are all that Swit takes; for any other the default, and a finding."""
        wanted = written_language(match.person.language)
        if wanted in _WRITTEN_LANGUAGES:
            return wanted
        default = self.policy.default_user_language
        if wanted is not None:
            self.findings.append(
                Finding(
                    kind="language",
                    subject=match.person.dn,
                    side="swit",
                    message="Swit makes accounts in en and ko only, not in"
                    f" {match.person.language}; the new account gets {default}. The person can"
                    " change it in Swit.",
                )
            )
        return default

    def update(self, match: Match, user: User) -> None:
        """Update the name and phone number, and activate the user, where they differ."""
        person = match.person
        name = choose_name(person.names, user.name)
        phone = choose_phone(person.phone_numbers, user.phone_number)
        before: dict[str, str | None] = {}
        after: dict[str, str] = {}
        # None stands for a value with a finding: what the user has stays.
        if name is not None and name != user.name:
            before["name"], after["name"] = user.name, name
        is_read = phone is not None and person.dn not in self.phones_unread
        is_set = is_read and (phone or self.policy.clear_empty_phone)
        if is_set and digits(phone) != digits(user.phone_number):
            before["phone_number"], after["phone_number"] = user.phone_number, phone or ""
        why = _HANDED_ON if user.user_id in self.handed_on else ""
        self.decisions.append(Decision("person", person.key, "follows"))
        if after:
            self.updated.append(
                single_change(
                    step="update_users",
                    action="user.update",
                    object_id=user.user_id,
                    target=user.email,
                    before=before,
                    after=after,
                    reason=another(after) + why,
                )
            )
        if not user.active:
            unless = {"unless": self._unless("user.activate")}
            self.decisions.append(Decision("person", person.key, "activated", unless))
            self.updated.append(
                single_change(
                    step="activate_users",
                    action="user.activate",
                    object_id=user.user_id,
                    target=user.email,
                    before={"active": False},
                    after={"active": True},
                    reason="in the directory, but not active" + why,
                )
            )
        if user.role in self._protected:
            role = {"role": role_name(user.role)}
            self.decisions.append(Decision("person", person.key, "role is protected", role))

    def let_go(self, user: User) -> None:
        """Deactivate or remove a user who is not in the directory, unless a setting keeps them."""
        removal, was_there = self.policy.user_removal, user.user_id in self._known
        where = "The person has left the directory" if was_there else "Not in the directory"
        values = {"where": where}
        if not user.active:
            self.decisions.append(Decision("user", user.user_id, "inactive", values))
            return
        if self.policy.unmanaged_users == "keep" and not was_there:
            self.decisions.append(Decision("user", user.user_id, "never seen"))
            return
        if removal == "keep":
            self.decisions.append(Decision("user", user.user_id, "kept", values))
            return
        action: Action = "user.remove" if removal == "remove" else "user.deactivate"
        values |= {
            "done": "removed for good" if removal == "remove" else "deactivated",
            "removal": removal,
            "unless": self._unless(action),
        }
        self.decisions.append(Decision("user", user.user_id, "departs", values))
        self.departures.append(
            single_change(
                step="deactivate_users",
                action=action,
                object_id=user.user_id,
                target=user.email,
                before={"active": True},
                after={} if removal == "remove" else {"active": False},
                reason="left the directory" if was_there else "not in the directory",
            )
        )


def _handed_on(matches: UserMatches, memory: Memory) -> set[str]:
    """Ids of users who are matched with another person than the remembered one."""
    holders: dict[str, set[str]] = {}
    for directory_id, user in memory.users.items():
        holders.setdefault(user, set()).add(directory_id)
    return {
        user
        for user, before in holders.items()
        if user in matches.person_of and matches.person_of[user].directory_id not in before
    }
