"""Swit in memory: it takes or refuses calls as Swit does, and checks itself after each of them."""

import copy
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

FORBIDDEN = re.compile(r"[@#<>§▒{};*]")
ROOT, UNASSIGNED, ME = "T0", "TU", "UME"
MASTER = 10

WhenParentIsDeleted = Literal["cascade", "reject", "orphan"]


class RefusedError(Exception):
    """A 4xx answer."""


@dataclass(kw_only=True)
class Account:
    """One user."""

    user_id: str
    email: str
    name: str
    phone: str = ""
    role: int = 30
    active: bool = True
    teams: dict[str, bool] = field(default_factory=dict)
    """Team id -> whether it is the primary one."""

    @property
    def primary(self) -> str | None:
        return next((team for team, primary in self.teams.items() if primary), None)


@dataclass(kw_only=True)
class TeamRecord:
    """One team; children in order."""

    team_id: str
    name: str
    parent: str | None
    reference: str = ""
    users: list[str] = field(default_factory=list)
    children: list[str] = field(default_factory=list)


class Organisation:
    """An organisation with a root, perhaps `Unassigned`, and the account that authorised us."""

    def __init__(
        self, delete: WhenParentIsDeleted = "cascade", unassigned: str | None = "Unassigned"
    ) -> None:
        self.when_parent_is_deleted = delete
        self.made = 0
        self.teams = {ROOT: TeamRecord(team_id=ROOT, name="Org", parent=None)}
        self.users: dict[str, Account] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.refuses: Callable[[str, Mapping[str, Any]], bool] = lambda _action, _values: False
        if unassigned:
            self.add_team(UNASSIGNED, unassigned, ROOT)
        self.add_user(ME, "me@x", "Me", role=20)

    def copy(self) -> Self:
        return copy.deepcopy(self)

    def add_team(
        self, team_id: str, name: str, parent: str, reference: str = "", users: Iterable[str] = ()
    ) -> None:
        members = list(users)
        self.teams[team_id] = TeamRecord(
            team_id=team_id, name=name, parent=parent, reference=reference, users=members
        )
        self.teams[parent].children.append(team_id)
        for user in members:
            self.users[user].teams.setdefault(team_id, False)

    def add_user(
        self,
        user_id: str,
        email: str,
        name: str,
        phone: str = "",
        *,
        role: int = 30,
        active: bool = True,
    ) -> None:
        self.users[user_id] = Account(
            user_id=user_id, email=email, name=name, phone=phone, role=role, active=active
        )

    def below(self, team_id: str) -> list[str]:
        found, todo = [], list(self.teams[team_id].children)
        while todo:
            team = todo.pop()
            found.append(team)
            todo += self.teams[team].children
        return found

    def check(self) -> None:
        names = [team.name.lower() for team in self.teams.values()]
        assert len(names) == len(set(names)), "names are not unique"
        assert {ROOT, *self.below(ROOT)} == set(self.teams), "the tree is broken"
        for team in self.teams.values():
            assert team.name.strip()
            assert not FORBIDDEN.search(team.name)
            assert all(team.team_id in self.users[user].teams for user in team.users)
        for user in self.users.values():
            assert sum(user.teams.values()) <= 1, "two primary teams"

    def call(self, action: str, **values: Any) -> Any:  # noqa: ANN401 - an answer
        self.calls.append((action, values))
        if self.refuses(action, values):
            message = "injected"
            raise RefusedError(message)
        answer = getattr(self, "_" + action.replace(".", "_"))(**values)
        self.check()
        return answer

    def holder(self, name: str, but: str | None = None) -> str | None:
        """Another team of that name."""
        same = (t.team_id for t in self.teams.values() if t.name.lower() == name.lower())
        return next((team for team in same if team != but), None)

    def _refuse(self, condition: object, message: str) -> None:
        if condition:
            raise RefusedError(message)

    def _new_id(self, letter: str) -> str:
        self.made += 1
        return f"{letter}new{self.made}"

    def _user(self, user_id: str) -> Account:
        self._refuse(user_id not in self.users, "404 user")
        return self.users[user_id]

    def _team(self, team_id: str) -> TeamRecord:
        self._refuse(team_id not in self.teams or team_id in {ROOT, UNASSIGNED}, "404 team")
        return self.teams[team_id]

    def _members(self, team_id: str, users: list[str]) -> TeamRecord:
        unknown = not users or any(user not in self.users for user in users)
        self._refuse(team_id not in self.teams or unknown, "404")
        return self.teams[team_id]

    def _name(self, name: str, but: str | None = None) -> None:
        self._refuse(self.holder(name, but), f"409 {name}")
        self._refuse(not name.strip() or FORBIDDEN.search(name), "400 name")

    def _user_create(self, email: str, name: str, phone: str = "") -> str:
        taken = any(user.email.lower() == email.lower() for user in self.users.values())
        self._refuse(taken, "409 user")
        self._refuse(not name or FORBIDDEN.search(name), "400 name")
        user_id = self._new_id("U")
        self.add_user(user_id, email, name, phone)
        return user_id

    def _user_update(self, user: str, name: str | None = None, phone: str | None = None) -> None:
        account = self._user(user)
        account.name = account.name if name is None else name
        account.phone = account.phone if phone is None else phone

    def _user_deactivate(self, user: str) -> None:
        self._refuse(self._user(user).role == MASTER, "403")
        self.users[user].active = False

    def _user_activate(self, user: str) -> None:
        self._user(user).active = True

    def _user_remove(self, user: str) -> None:
        self._user(user)
        for team in self.teams.values():
            team.users = [member for member in team.users if member != user]
        del self.users[user]

    def _team_create(self, name: str, parent: str, reference: str) -> str:
        self._refuse(parent not in self.teams, "404 parent")
        self._name(name)
        team_id = self._new_id("T")
        self.add_team(team_id, name, parent, reference)
        return team_id

    def _team_update(
        self,
        team: str,
        name: str | None = None,
        parent: str | None = None,
        reference: str | None = None,
    ) -> None:
        record = self._team(team)
        if name is not None:
            self._name(name, team)
        if parent is not None:
            self._refuse(parent not in self.teams, "404 parent")
            self._refuse(parent == team or parent in self.below(team), "400 under itself")
        record.name = record.name if name is None else name
        record.reference = record.reference if reference is None else reference
        if parent is not None and record.parent is not None and parent != record.parent:
            self.teams[record.parent].children.remove(team)
            record.parent = parent
            self.teams[parent].children.append(team)

    def _team_delete(self, team: str) -> None:
        record = self._team(team)
        assert record.parent is not None
        rejects = record.children and self.when_parent_is_deleted == "reject"
        self._refuse(rejects, "400 has children")
        if self.when_parent_is_deleted == "orphan":
            for child in record.children:
                self.teams[child].parent = record.parent
            self.teams[record.parent].children += record.children
            record.children = []
        self.teams[record.parent].children.remove(team)
        for gone in (team, *self.below(team)):
            for user in self.users.values():
                user.teams.pop(gone, None)
        for gone in (*self.below(team), team):
            del self.teams[gone]

    def _team_sort(self, parent: str, teams: list[str]) -> None:
        self._refuse(sorted(teams) != sorted(self.teams[parent].children), "400 all children")
        self.teams[parent].children = list(teams)

    def _membership_add(self, team: str, users: list[str]) -> None:
        record = self._members(team, users)
        for user in users:
            if user not in record.users:
                record.users.append(user)
            teams = self.users[user].teams
            teams.setdefault(team, False)
            if not any(teams.values()):
                teams[team] = True

    def _membership_remove(self, team: str, users: list[str]) -> None:
        record = self._members(team, users)
        for user in users:
            if user in record.users:
                record.users.remove(user)
            self.users[user].teams.pop(team, None)

    def _primary_update(self, team: str, user: str) -> None:
        teams = self._user(user).teams
        self._refuse(team not in teams, "400 not in the team")
        for other in teams:
            teams[other] = other == team
