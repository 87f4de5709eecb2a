"""Swit's provisioning example, as far as its description and its calls are known.

Its models need every field to be there: `tel` of a user, `parent_id` of the root team. It makes
its calls in the order of its description, one at a time, and takes any answer but success as the
end of the run. Users are found by address, forbidden characters are replaced in names, ` (2)` at
the end of a user's name is dropped, phone numbers are reduced to digits, `+` and `-`. Teams have
the DN as reference and are below their group's first parent in scope, in the file's order.
"""

import re
from typing import Any

import requests
from pydantic import BaseModel, ConfigDict

from swit_provisioning.sandbox.server import SandboxServer

Directory = dict[str, list[dict[str, Any]]]
_FORBIDDEN = re.compile(r"[@#<>§▒{};*]")
_MEMBER = 30
_TIMEOUT_SECONDS = 10
_USER_SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:User"
_MOBILE = 'phoneNumbers[type eq "mobile"].value'


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class UserTeam(_Strict):
    team_id: str
    team_name: str
    main_dept_yn: str


class SwitUser(_Strict):
    user_id: str
    user_name: str
    email: str
    tel: str
    role: int
    is_active: bool
    language: str
    team: list[UserTeam]

    @property
    def primary(self) -> str | None:
        return next((team.team_id for team in self.team if team.main_dept_yn == "Y"), None)


class SwitTeam(_Strict):
    team_id: str
    team_name: str
    parent_id: str
    reference: str
    depth: int
    users: list[str]


class ReferenceProgram:
    """Makes an organisation follow a directory file, on the sandbox."""

    def __init__(self, server: SandboxServer, directory: Directory, *, excluded: str) -> None:
        self._server = server
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {server.issue_tokens()['access_token']}"
        self._people = {user["distinguishedName"]: user for user in directory["users"]}
        self._groups = {
            group["distinguishedName"]: group
            for group in directory["groups"]
            if f"CN={excluded}," not in group["distinguishedName"]
        }

    def run(self) -> None:
        """One night."""
        with self._session:
            self._follow_users()
            self._follow_teams()
            self._sort_teams()
            self._follow_memberships()

    def users(self) -> dict[str, SwitUser]:
        """All users, by address."""
        data = self._call("GET", "organization.user.list", cnt="1000", page="1")
        return {user.email: user for user in map(SwitUser.model_validate, data["users"])}

    def teams(self) -> list[SwitTeam]:
        """All teams, in the order shown."""
        return [SwitTeam.model_validate(t) for t in self._call("GET", "user.team.list")["team"]]

    def _follow_users(self) -> None:
        wanted = {user["mail"]: user for user in self._people.values()}
        for email in wanted.keys() - self.users().keys():
            self._call(
                "POST",
                "organization.user.create",
                user_email=email,
                user_name=_user_name(wanted[email]),
                language="en",
            )
        for email, user in self.users().items():
            if email in wanted:
                self._update_user(user, wanted[email])
                if not user.is_active:
                    # Its one bug: the call takes `user_id`.
                    self._call("POST", "organization.user.activate", id=user.user_id)
            elif user.is_active and user.role == _MEMBER:
                self._call("POST", "organization.user.deactivate", user_id=user.user_id)

    def _update_user(self, user: SwitUser, entry: dict[str, Any]) -> None:
        name, tel = _user_name(entry), re.sub(r"[^\d+-]", "", entry["mobile"] or "")
        if (user.user_name, user.tel) == (name, tel):
            return
        values = {"displayName": name, _MOBILE: tel}
        answer = self._session.patch(
            f"{self._server.scim_url}/Users/{user.user_id}",
            json={
                "schemas": [_USER_SCHEMA],
                "Operations": [
                    {"op": "Replace", "path": path, "value": value}
                    for path, value in values.items()
                ],
            },
            timeout=_TIMEOUT_SECONDS,
        )
        answer.raise_for_status()

    def _follow_teams(self) -> None:
        teams = self.teams()
        (self._root,) = (team for team in teams if team.depth == 0)
        for team in teams:
            is_own = team.depth == 0 or team.team_name == "Unassigned"
            if not is_own and team.reference not in self._groups:
                self._call("POST", "team.delete", id=team.team_id)
        self._team_of = {team.reference: team.team_id for team in teams if team.reference}
        waiting = [dn for dn in self._groups if dn not in self._team_of]
        while waiting:
            dn = next(dn for dn in waiting if self._above(dn) not in waiting)
            waiting.remove(dn)
            made = self._call("POST", "team.create", **self._place(dn), reference=dn)
            # The answer has either name, by edition.
            self._team_of[dn] = made.get("team_id") or made["id"]
        now = {team.reference: team for team in teams}
        for dn in self._groups.keys() & now.keys():
            place = self._place(dn)
            if place != {"name": now[dn].team_name, "parent_id": now[dn].parent_id}:
                self._call("POST", "team.update", id=now[dn].team_id, **place)

    def _above(self, dn: str) -> str | None:
        above = self._groups[dn].get("memberOf", ())
        return next((parent for parent in above if parent in self._groups), None)

    def _place(self, dn: str) -> dict[str, str]:
        above = self._above(dn)
        parent_id = self._root.team_id if above is None else self._team_of[above]
        return {"name": _clean(self._groups[dn]["displayName"]), "parent_id": parent_id}

    def _sort_teams(self) -> None:
        teams = self.teams()
        wanted = [self._team_of[dn] for dn in self._groups]
        for parent in {team.parent_id for team in teams if team.team_id in wanted}:
            children = [team.team_id for team in teams if team.parent_id == parent]
            ours = [team_id for team_id in wanted if team_id in children]
            own = [team_id for team_id in children if team_id not in ours]
            if own + ours != children:
                self._call("POST", "team.sort", parent_id=parent, team_ids=own + ours)

    def _follow_memberships(self) -> None:
        users, teams = self.users(), {team.team_id: team for team in self.teams()}
        ids = {dn: users[entry["mail"]].user_id for dn, entry in self._people.items()}
        wanted = {
            self._team_of[dn]: [ids[member] for member in group["member"] if member in ids]
            for dn, group in self._groups.items()
        }
        for team_id, members in wanted.items():
            new = [user for user in members if user not in teams[team_id].users]
            if new:
                self._call("POST", "team.user.add", id=team_id, user_ids=new)
        for team_id, members in wanted.items():
            gone = [user for user in teams[team_id].users if user not in members]
            if gone:
                self._call("POST", "team.user.remove", id=team_id, user_ids=gone)
        for user in self.users().values():
            theirs = [team_id for team_id, members in wanted.items() if user.user_id in members]
            if len(theirs) > 1 and user.primary != theirs[0]:
                call = "team.user.primary.update"
                self._call("POST", call, id=theirs[0], user_id=user.user_id)

    def _call(self, method: str, call: str, **values: Any) -> Any:  # noqa: ANN401 - as JSON has it
        is_read = method == "GET"
        answer = self._session.request(
            method,
            f"{self._server.url}/v1/api/{call}",
            params=values if is_read else None,
            json=None if is_read else values,
            timeout=_TIMEOUT_SECONDS,
        )
        answer.raise_for_status()
        return answer.json().get("data") if answer.content else None


def provision(server: SandboxServer, directory: Directory, *, excluded: str) -> None:
    """Run it once; the sandbox forgets the calls."""
    ReferenceProgram(server, directory, excluded=excluded).run()
    server.log.clear()


def _user_name(entry: dict[str, Any]) -> str:
    return re.sub(r" \(\d+\)$", "", _clean(entry["displayName"]))


def _clean(name: str) -> str:
    return _FORBIDDEN.sub("_", name)
