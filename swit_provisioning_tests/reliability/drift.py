"""A company that changes every day, and an organisation that somebody meddles with by hand."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from swit_provisioning.sandbox.organisation import Organisation
from swit_provisioning_tests.directories import Directory

_PEOPLE: Final = 40
_DEPARTMENTS: Final = 3
_UNITS: Final = 9
_QUIET_DAYS: Final = 12
"""For so long nobody meddles again with what was meddled with: that would not stick."""

People = Mapping[str, tuple[str, str]]
"""Address -> name and phone number."""
Units = Mapping[str, tuple[str, str | None, frozenset[str]]]
"""Reference -> name, the parent's reference, addresses of the members."""


@dataclass
class Unit:
    """A group of the directory."""

    name: str
    parent: str | None
    members: set[str] = field(default_factory=set)


class Company:
    """What the directory says, day after day."""

    def __init__(self, random: Random) -> None:
        self._random, self._named, self._meddled = random, 0, dict[str, int]()
        self.people: dict[str, tuple[str, str]] = {}
        self.units: dict[str, Unit] = {}
        for _ in range(_PEOPLE):
            self._joins()
        for _ in range(_DEPARTMENTS):
            self._opens(parent=None)
        for _ in range(_UNITS):
            self._opens(parent=random.choice(list(self.units)[:_DEPARTMENTS]))

    def directory(self) -> Directory:
        """In the shape of the program that was replaced."""
        return {
            "users": [
                {
                    "distinguishedName": _user_dn(email),
                    "mail": email,
                    "displayName": name,
                    "mobile": phone,
                }
                for email, (name, phone) in self.people.items()
            ],
            "groups": [self._group(key, unit) for key, unit in self.units.items()],
        }

    def half_read(self) -> Directory:
        """What a directory says that is being restored: half of the people are missing."""
        directory = self.directory()
        return {**directory, "users": directory["users"][::2]}

    def wanted_people(self) -> People:
        """Everybody who has an account that is in use."""
        return dict(self.people)

    def wanted_units(self) -> Units:
        """Every team, by its reference."""
        return {
            _group_dn(key): (
                unit.name,
                _group_dn(unit.parent) if unit.parent else None,
                frozenset(unit.members),
            )
            for key, unit in self.units.items()
        }

    def another_day(self) -> None:
        """A few things happen."""
        happenings = [
            (0.35, self._joins_a_unit),
            (0.20, self._leaves),
            (0.25, self._is_renamed),
            (0.25, self._has_another_number),
            (0.40, self._changes_units),
            (0.15, self._unit_is_renamed),
            (0.15, self._unit_moves),
            (0.10, self._unit_opens),
            (0.08, self._unit_closes),
        ]
        for likely, happen in happenings:
            if self._random.random() < likely:
                happen()

    def meddle(self, organisation: Organisation, day: int) -> None:
        """Somebody changes in Swit by hand what the directory says otherwise."""
        records = organisation.records
        teams = [t for t in records.teams.values() if t.reference and t.reference.startswith("CN=")]
        users = [u for u in records.users.values() if u.active and u.email in self.people]
        choices = [("team", t.id) for t in teams] + [("user", u.id) for u in users]
        quiet = [c for c in choices if day - self._meddled.get(c[1], -day) > _QUIET_DAYS]
        if not quiet:
            return
        kind, found = self._random.choice(quiet)
        self._meddled[found] = day
        if kind == "user":
            organisation.update_user(found, phone_number=f"+49176999{day:04d}")
        elif self._random.random() < 0.5:
            organisation.update_team(found, name=f"By hand {day}")
        elif records.teams[found].users:
            organisation.remove_members(found, [next(iter(records.teams[found].users))])

    def _group(self, key: str, unit: Unit) -> dict[str, Any]:
        below = [_group_dn(k) for k, u in self.units.items() if u.parent == key]
        return {
            "distinguishedName": _group_dn(key),
            "displayName": unit.name,
            "member": [_user_dn(email) for email in sorted(unit.members)] + below,
            "memberOf": [_group_dn(unit.parent)] if unit.parent else [],
        }

    def _number(self) -> int:
        self._named += 1
        return self._named

    def _anybody(self) -> str:
        return self._random.choice(list(self.people))

    def _any_unit(self) -> str:
        return self._random.choice([k for k, unit in self.units.items() if unit.parent])

    def _joins(self) -> str:
        number = self._number()
        email = f"p{number:04d}@example.org"
        self.people[email] = (f"Person {number}", f"+49176000{number:04d}")
        return email

    def _joins_a_unit(self) -> None:
        self.units[self._any_unit()].members.add(self._joins())

    def _leaves(self) -> None:
        email = self._anybody()
        del self.people[email]
        for unit in self.units.values():
            unit.members.discard(email)

    def _is_renamed(self) -> None:
        email = self._anybody()
        self.people[email] = (f"Person {self._number()}", self.people[email][1])

    def _has_another_number(self) -> None:
        email = self._anybody()
        self.people[email] = (self.people[email][0], f"+49176555{self._number():04d}")

    def _changes_units(self) -> None:
        email = self._anybody()
        for unit in self.units.values():
            unit.members.discard(email)
        self.units[self._any_unit()].members.add(email)

    def _unit_is_renamed(self) -> None:
        self.units[self._any_unit()].name = f"Unit {self._number()}"

    def _unit_moves(self) -> None:
        departments = [k for k, unit in self.units.items() if unit.parent is None]
        self.units[self._any_unit()].parent = self._random.choice(departments)

    def _unit_opens(self) -> None:
        departments = [k for k, unit in self.units.items() if unit.parent is None]
        self._opens(parent=self._random.choice(departments))

    def _opens(self, *, parent: str | None) -> None:
        number = self._number()
        members = set(self._random.sample(list(self.people), 3)) if parent else set()
        self.units[f"G{number}"] = Unit(f"Unit {number}", parent, members)

    def _unit_closes(self) -> None:
        if len(self.units) > _DEPARTMENTS + _UNITS // 2:
            del self.units[self._any_unit()]


def _user_dn(email: str) -> str:
    return f"CN={email.partition('@')[0]},OU=Staff,DC=example,DC=org"


def _group_dn(key: str) -> str:
    return f"CN={key},OU=Units,DC=example,DC=org"
