"""A directory with a truth, and answers that may be wrong: for histories of many nights.

Everything is immutable, so that a server that lags behind is one with an earlier truth.
"""

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Any, Final

from swit_provisioning.planning.model import ACCOUNT_STATE, DISABLED, MEMBERS, TOTAL
from swit_provisioning.planning.schemas import IDP_GROUPS, IDP_MEMBERSHIPS, IDP_USERS
from swit_provisioning.planning.snapshots import BaseCount, DirectoryFacts, DirectorySnapshot
from swit_provisioning.planning.whereabouts import Presence, Whereabouts, strongest
from swit_provisioning.sources.ldap.dn import DnScope

STAFF, BRANCH, GROUPS, ELSEWHERE = (f"ou={n},dc=x" for n in ("staff", "branch", "groups", "old"))
_READ: Final = frozenset({STAFF, BRANCH, GROUPS})
_EMAIL: Final = "email (mail)"


@dataclass(frozen=True, kw_only=True)
class Person:
    """An entry of a person."""

    id: str
    address: str
    base: str = STAFF
    enabled: bool = True
    has_address: bool = True

    @property
    def key(self) -> str:
        return f"uid={self.id},{self.base}"

    @property
    def presence(self) -> Presence:
        """What a server answers that is asked for the person."""
        if self.base not in _READ:
            return Presence.OUT_OF_SCOPE
        if not self.enabled:
            return Presence.DISABLED
        return Presence.PRESENT if self.has_address else Presence.NO_ADDRESS


@dataclass(frozen=True, kw_only=True)
class Group:
    """An entry of a group; its members are people, by id."""

    id: str
    name: str
    members: frozenset[str] = frozenset()
    base: str = GROUPS

    @property
    def key(self) -> str:
        return f"cn={self.name},{self.base}"

    @property
    def presence(self) -> Presence:
        """What a server answers that is asked for the group."""
        return Presence.PRESENT if self.base in _READ else Presence.OUT_OF_SCOPE


@dataclass(frozen=True, kw_only=True)
class Truth:
    """All entries, by id."""

    people: Mapping[str, Person] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)

    def with_person(self, person: Person) -> "Truth":
        return replace(self, people={**self.people, person.id: person})

    def with_group(self, group: Group) -> "Truth":
        return replace(self, groups={**self.groups, group.id: group})

    def without(self, id_: str) -> "Truth":
        """Without a person, in groups too, or without a group."""
        return Truth(
            people={key: each for key, each in self.people.items() if key != id_},
            groups={
                key: replace(each, members=each.members - {id_})
                for key, each in self.groups.items()
                if key != id_
            },
        )

    def is_usable(self, id_: str) -> bool:
        """Whether a person is present, enabled, in scope, and has an address."""
        return id_ in self.people and self.people[id_].presence is Presence.PRESENT

    def lists(self, group_id: str, person_id: str) -> bool:
        """Whether a group in scope lists a person."""
        group = self.groups.get(group_id)
        return (
            group is not None
            and group.presence is Presence.PRESENT
            and (person_id in group.members)
        )


@dataclass(frozen=True, kw_only=True)
class Fault:
    """How the answers of one night differ from the truth."""

    missing: frozenset[str] = frozenset()
    """Ids that a read does not return. Who asks for them finds them."""
    wrong_reads: int = 2
    """How many reads lack them."""
    lagging: Truth | None = None
    """What the first server still has: the one that is read."""
    second_is_down: bool = False
    hidden: frozenset[str] = frozenset()
    """Ids that no server shows to the reading account."""
    without_address: frozenset[str] = frozenset()
    """Ids of people whose address is hidden."""
    without_members: bool = False
    without_account_state: bool = False


NO_FAULT: Final = Fault()


class UnreliableDirectory:
    """Two servers, of which the first one is read and both are asked."""

    description = "two servers"

    def __init__(self, truth: Truth) -> None:
        self.truth, self.fault = truth, NO_FAULT
        self.reads = 0
        self._answered: tuple[tuple[Truth, Fault, bool], DirectorySnapshot] | None = None

    @property
    def shown(self) -> Truth:
        """What the server that is read has."""
        return self.fault.lagging or self.truth

    def read(self) -> DirectorySnapshot:
        """The entries in scope, as far as this night's fault shows them."""
        self.reads += 1
        is_wrong = self.reads <= self.fault.wrong_reads
        question = (self.truth, self.fault, is_wrong)
        if self._answered is None or self._answered[0] != question:
            self._answered = question, self._snapshot(is_wrong=is_wrong)
        return self._answered[1]

    def _snapshot(self, *, is_wrong: bool) -> DirectorySnapshot:
        fault = self.fault
        unseen = fault.hidden | (fault.missing if is_wrong else set())
        people = [p for p in self.shown.people.values() if p.base in _READ and p.id not in unseen]
        groups = [g for g in self.shown.groups.values() if g.base in _READ and g.id not in unseen]
        members = [] if fault.without_members else list(self._memberships(groups))
        users = [self._user(number, person) for number, person in enumerate(people)]
        return DirectorySnapshot(
            users=IDP_USERS.frame(users),
            groups=IDP_GROUPS.frame(map(_group, range(len(groups)), groups)),
            memberships=IDP_MEMBERSHIPS.frame(members),
            facts=DirectoryFacts(
                source=self.description,
                kind="ldap",
                search_base="dc=x",
                bases=tuple(BaseCount(base=base, users=0, groups=0) for base in sorted(_READ)),
                presence={
                    "people": {
                        TOTAL: len(users),
                        _EMAIL: sum(bool(user["emails"]) for user in users),
                        ACCOUNT_STATE: 0 if fault.without_account_state else len(users),
                        DISABLED: sum(not user["enabled"] for user in users),
                    },
                    "groups": {
                        TOTAL: len(groups),
                        MEMBERS: len({row["group"] for row in members}),
                    },
                },
            ),
            scope=DnScope("dc=x"),
        )

    def find(
        self, people: AbstractSet[str], groups: AbstractSet[str]
    ) -> dict[str, Whereabouts] | None:
        """Ask both servers."""
        servers: dict[str, Truth | None] = {"first": self.shown}
        servers["second"] = None if self.fault.second_is_down else self.truth
        return {
            id_: strongest({name: self._place(id_, state) for name, state in servers.items()})
            for id_ in sorted(people | groups)
        }

    def _place(self, id_: str, state: Truth | None) -> Whereabouts:
        if state is None:
            return Whereabouts(Presence.UNKNOWN, "the second server could not be asked")
        found: Person | Group | None = state.people.get(id_) or state.groups.get(id_)
        if found is None or id_ in self.fault.hidden:
            return Whereabouts(Presence.ABSENT, "not found")
        presence = found.presence
        if presence is Presence.PRESENT and id_ in self.fault.without_address:
            presence = Presence.NO_ADDRESS
        return Whereabouts(presence, f"{presence}: {found.key}", found.key)

    def _user(self, position: int, person: Person) -> dict[str, Any]:
        shows = person.has_address and person.id not in self.fault.without_address
        return {
            "key": person.key,
            "dn": person.key,
            "directory_id": person.id,
            "emails": [person.address] if shows else [],
            "other_emails": [],
            "names": [person.id],
            "phone_numbers": [],
            "enabled": person.enabled or self.fault.without_account_state,
            "base": person.base,
            "position": position,
        }

    def _memberships(self, groups: Iterable[Group]) -> Iterator[dict[str, str]]:
        people = self.shown.people
        for group in groups:
            for id_ in sorted(group.members & people.keys()):
                key = people[id_].key
                yield {"group": group.key, "member": key, "member_dn": key}


def _group(position: int, group: Group) -> dict[str, Any]:
    return {
        "key": group.key,
        "dn": group.key,
        "directory_id": group.id,
        "references": [group.id, group.key],
        "names": [group.name],
        "aliases": [group.name],
        "base": group.base,
        "position": position,
    }
