"""A company that changes: what happens to its people and groups, and whose account is whose."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, Final, Literal, TypeVar

from swit_provisioning_tests.apply.unreliable_directory import (
    BRANCH,
    ELSEWHERE,
    STAFF,
    Group,
    Person,
    Truth,
    UnreliableDirectory,
)

EXCLUDED: Final = "Night Shift"
"""Name of a group that the settings exclude, until it is renamed."""
EXCLUDED_ID: Final = "gx"

EventKind = Literal[
    "joins",
    "leaves",
    "returns",
    "is disabled",
    "is enabled",
    "changes base",
    "moves out of scope",
    "moves back",
    "changes address",
    "loses address",
    "gets address",
    "joins a group",
    "leaves a group",
    "group is renamed",
    "group is deleted",
    "group moves out of scope",
]
Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happens; `number` chooses to whom."""

    kind: EventKind
    number: int = 0


def chosen(items: Sequence[Item], number: int) -> Item | None:
    """One of the items, if there are any."""
    return items[number % len(items)] if items else None


class Company:
    """The truth of the directory, and whose account is whose."""

    def __init__(self, people: int, groups: Sequence[frozenset[int]]) -> None:
        self._number = count(people)
        ids = [f"p{number}" for number in range(people)]
        truth = Truth()
        for number, id_ in enumerate(ids):
            base = BRANCH if number % 3 == 2 else STAFF
            truth = truth.with_person(Person(id=id_, address=f"{id_}@x.test", base=base))
        for number, places in enumerate(groups):
            members = frozenset(ids[place % people] for place in places)
            truth = truth.with_group(Group(id=f"g{number}", name=f"G{number}", members=members))
        truth = truth.with_group(Group(id=EXCLUDED_ID, name=EXCLUDED, members=frozenset(ids[:1])))
        self.directory = UnreliableDirectory(truth)
        self.owners: dict[str, str] = {}
        """Address of an account -> id of the person who had the address last."""
        self._earlier = [truth]
        self._note_owners()

    @property
    def truth(self) -> Truth:
        return self.directory.truth

    def happens(self, event: Event) -> None:
        """Change the truth, if there is somebody or something to change."""
        if event.kind == "joins":
            self.directory.truth = self.truth.with_person(self._newcomer("n"))
        elif event.kind == "returns":
            known = {p.id: p for truth in self._earlier for p in truth.people.values()}
            gone = [known[id_] for id_ in sorted(known) if id_ not in self.truth.people]
            if back := chosen(gone, event.number):
                self.directory.truth = self.truth.with_person(back)
        elif event.kind.startswith("group"):
            groups = [self.truth.groups[id_] for id_ in sorted(self.truth.groups)]
            if group := chosen(groups, event.number):
                self.directory.truth = self._with_changed_group(group, event.kind)
        else:
            people = [self.truth.people[id_] for id_ in sorted(self.truth.people)]
            if person := chosen(people, event.number):
                self.directory.truth = self._with_changed_person(person, event)
        self._note_owners()

    def false_entries(self) -> None:
        """Somebody adds twenty entries of people who do not exist."""
        for _ in range(20):
            self.directory.truth = self.truth.with_person(self._newcomer("false"))
        self._note_owners()

    def a_day_ends(self) -> None:
        self._earlier.append(self.truth)

    def earlier(self, days: int) -> Truth:
        """The truth so many days ago, as far as there was one."""
        return self._earlier[-1 - days % len(self._earlier)]

    def owner_is_present(self, address: str, truth: Truth) -> bool:
        """Whether the person of an account is present, enabled and in scope."""
        return truth.is_usable(self.owners.get(address, ""))

    def had_another(self, address: str) -> bool:
        """Whether the server that is read is behind, and still has another address of the owner.

        The person is there, so nobody asks another server, and another account is the person's.
        """
        owner = self.owners.get(address, "")
        shown = self.directory.shown.people.get(owner)
        is_now = self.truth.people[owner].address == address
        return is_now and shown is not None and shown.address != address

    def owner_is_listed(self, address: str, group_id: str, truth: Truth) -> bool:
        """Whether a group lists the person of an account."""
        return truth.lists(group_id, self.owners.get(address, ""))

    def _note_owners(self) -> None:
        for person in self.truth.people.values():
            if self.truth.is_usable(person.id):
                self.owners[person.address] = person.id

    def _newcomer(self, prefix: str) -> Person:
        id_ = f"{prefix}{next(self._number)}"
        return Person(id=id_, address=f"{id_}@x.test")

    def _with_changed_group(self, group: Group, kind: EventKind) -> Truth:
        if kind == "group is renamed":
            return self.truth.with_group(replace(group, name=f"Name {next(self._number)}"))
        if group.id == EXCLUDED_ID:
            return self.truth
        if kind == "group is deleted":
            return self.truth.without(group.id)
        return self.truth.with_group(replace(group, base=ELSEWHERE))

    def _with_changed_person(self, person: Person, event: Event) -> Truth:
        if event.kind == "leaves":
            return self.truth.without(person.id)
        if event.kind.endswith("a group"):
            joins = event.kind == "joins a group"
            groups = [self.truth.groups[id_] for id_ in sorted(self.truth.groups)]
            group = chosen([g for g in groups if (person.id in g.members) != joins], event.number)
            if group is None:
                return self.truth
            members = group.members ^ {person.id}
            return self.truth.with_group(replace(group, members=members))
        change: Callable[..., dict[str, Any]] = _CHANGES[event.kind]
        return self.truth.with_person(replace(person, **change(person, next(self._number))))


_CHANGES: Final[dict[EventKind, Callable[[Person, int], dict[str, Any]]]] = {
    "is disabled": lambda *_: {"enabled": False},
    "is enabled": lambda *_: {"enabled": True},
    "changes base": lambda p, _: {"base": STAFF if p.base == BRANCH else BRANCH},
    "moves out of scope": lambda *_: {"base": ELSEWHERE},
    "moves back": lambda *_: {"base": STAFF},
    "changes address": lambda p, number: {"address": f"{p.id}-{number}@x.test"},
    "loses address": lambda *_: {"has_address": False},
    "gets address": lambda *_: {"has_address": True},
}
