"""A typed client for Swit: the table of calls, and one method for each. It decides nothing."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from swit_provisioning.swit.answers import error_words
from swit_provisioning.swit.errors import SwitIncompleteReadError, SwitUnavailableError
from swit_provisioning.swit.http import MIB
from swit_provisioning.swit.models import (
    AuthorisedUser,
    Organization,
    ScimUser,
    Team,
    TeamList,
    User,
    UserPage,
)
from swit_provisioning.swit.transport import Call, Transport

USER_INFO: Final = Call(name="user.info", method="GET")
ORGANIZATION_INFO: Final = Call(name="organization.info", method="GET")
ORGANIZATION_USER_INFO: Final = Call(name="organization.user.info", method="GET")
LIST_USERS: Final = Call(name="organization.user.list", method="GET")
# All teams with all members in one answer: 5,000,000 memberships are about 120 MiB.
LIST_TEAMS: Final = Call(name="user.team.list", method="GET", most_bytes=256 * MIB)
CREATE_USER: Final = Call(name="organization.user.create", method="POST", repeatable=False)
UPDATE_USER: Final = Call(name="SCIM Users", method="PATCH", host="scim")
DEACTIVATE_USER: Final = Call(name="organization.user.deactivate", method="POST")
ACTIVATE_USER: Final = Call(name="organization.user.activate", method="POST")
REMOVE_USER: Final = Call(name="organization.user.remove", method="POST")
CREATE_TEAM: Final = Call(name="team.create", method="POST", repeatable=False)
UPDATE_TEAM: Final = Call(name="team.update", method="POST")
DELETE_TEAM: Final = Call(name="team.delete", method="POST")
SORT_TEAMS: Final = Call(name="team.sort", method="POST")
ADD_TEAM_USERS: Final = Call(name="team.user.add", method="POST", repeatable=False)
REMOVE_TEAM_USERS: Final = Call(name="team.user.remove", method="POST", repeatable=False)
UPDATE_PRIMARY_TEAM: Final = Call(name="team.user.primary.update", method="POST")

MAX_USERS: Final = 5_000_000
"""More than any organisation has. It limits the number of pages."""

# Swit requires this schema where RFC 7644 has PatchOp.
_SCIM_SCHEMA: Final = "urn:ietf:params:scim:schemas:core:2.0:User"
_SCIM_MOBILE: Final = 'phoneNumbers[type eq "mobile"].value'

Model = TypeVar("Model", bound=BaseModel)


class SwitClient(Transport):
    """Reads and writes one Swit organisation, with one method for each call. Thread-safe.

    Every method raises a `SwitError`. Calls that fail in Swit or in the network are sent again,
    except the two creations and the two membership changes: the answer alone may be lost, so the
    caller must look in Swit before it sends them again.
    """

    def user_info(self) -> AuthorisedUser:
        """The user that the token belongs to."""
        return self._ask(USER_INFO, AuthorisedUser)

    def organization_info(self) -> Organization:
        """The organisation; `SwitNotFoundError` if the API's edition has no such call."""
        return self._ask(ORGANIZATION_INFO, Organization)

    def organization_user_info(self, user_id: str) -> User:
        """One user."""
        return self._ask(ORGANIZATION_USER_INFO, User, query={"user_id": user_id})

    def list_users(
        self, *, page: int = 1, count: int = 1000, keyword: str | None = None
    ) -> UserPage:
        """One page of `count` (1 to 1000) users, active and inactive ones.

        `keyword` is a part of a name or an address.

        Raises:
            SwitIncompleteReadError: Swit counts more than `MAX_USERS` users.

        """
        query = {"cnt": str(count), "page": str(page), "keyword": keyword}
        answer = self._ask(LIST_USERS, UserPage, query=query)
        if answer.total_rows > MAX_USERS:
            words = f"Swit counts {answer.total_rows:,} users. The maximum is {MAX_USERS:,}"
            raise SwitIncompleteReadError(call=LIST_USERS.name, message=words)
        return answer

    def list_teams(self) -> tuple[Team, ...]:
        """All teams in the order shown."""
        return self._ask(LIST_TEAMS, TeamList).teams

    def create_user(
        self,
        *,
        email: str,
        name: str,
        phone_number: str | None = None,
        language: str | None = None,
        timezone: str | None = None,
    ) -> User:
        """Create a user. `language` is `en` or `ko`, `timezone` an IANA name."""
        body = {
            "user_name": name,
            "user_email": email,
            "language": language,
            "timezone": timezone,
            "tel": phone_number,
        }
        return self._ask(CREATE_USER, User, body=_given(body))

    def update_user(
        self, user_id: str, *, name: str | None = None, phone_number: str | None = None
    ) -> ScimUser | None:
        """Change name and mobile number over SCIM; `None` leaves one as it is, `""` clears it."""
        values = _given({"displayName": name, _SCIM_MOBILE: phone_number})
        if not values:
            message = f"update_user({user_id}): give a name or a phone number"
            raise ValueError(message)
        operations = [
            {"op": "Replace", "path": path, "value": value} for path, value in values.items()
        ]
        body = {"schemas": [_SCIM_SCHEMA], "Operations": operations}
        answer = self.send(UPDATE_USER, object_id=user_id, body=body)
        return _parsed(UPDATE_USER, ScimUser, answer) if answer else None

    def deactivate_user(self, user_id: str) -> None:
        """Deactivate a user; `activate_user` reverses it."""
        self.send(DEACTIVATE_USER, body={"user_id": user_id})

    def activate_user(self, user_id: str) -> None:
        """Activate a deactivated user."""
        self.send(ACTIVATE_USER, body={"user_id": user_id})

    def remove_user(self, user_id: str) -> None:
        """Delete a user. This cannot be undone."""
        self.send(REMOVE_USER, body={"user_id": user_id})

    def create_team(self, *, name: str, parent_id: str, reference: str | None = None) -> Team:
        """Create a team under another; a top-level team is under the root team."""
        body = {"name": name, "parent_id": parent_id, "reference": reference}
        return self._ask(CREATE_TEAM, Team, body=_given(body))

    def update_team(
        self,
        team_id: str,
        *,
        name: str | None = None,
        parent_id: str | None = None,
        reference: str | None = None,
    ) -> Team | None:
        """Rename, move or re-key a team; `None` leaves a value as it is.

        Returns the team as Swit stores it; `None` if the answer does not contain it.
        """
        values = _given({"name": name, "parent_id": parent_id, "reference": reference})
        if not values:
            message = f"update_team({team_id}): give a name, a parent or a reference"
            raise ValueError(message)
        answer = self.send(UPDATE_TEAM, body={"id": team_id, **values})
        data = (answer or {}).get("data")
        return _parsed(UPDATE_TEAM, Team, data) if data else None

    def delete_team(self, team_id: str) -> None:
        """Delete a team, most likely with all teams below it. This cannot be undone."""
        self.send(DELETE_TEAM, body={"id": team_id})

    def sort_teams(self, parent_id: str, team_ids: Sequence[str]) -> None:
        """Order the teams directly under `parent_id`; `team_ids` must contain all of them."""
        body = {"parent_id": parent_id, "team_ids": list(team_ids)}
        self.send(SORT_TEAMS, body=body)

    def add_team_users(self, team_id: str, user_ids: Sequence[str]) -> None:
        """Add users to a team. Swit reports success if it added any of them: read to be sure."""
        self._change_members(ADD_TEAM_USERS, team_id, user_ids)

    def remove_team_users(self, team_id: str, user_ids: Sequence[str]) -> None:
        """Remove users from a team. A partial success looks like a success: read to be sure."""
        self._change_members(REMOVE_TEAM_USERS, team_id, user_ids)

    def update_primary_team(self, user_id: str, *, team_id: str) -> None:
        """Make a team the primary one of a user who is in it."""
        body = {"id": team_id, "user_id": user_id}
        self.send(UPDATE_PRIMARY_TEAM, body=body)

    def _change_members(self, call: Call, team_id: str, user_ids: Sequence[str]) -> None:
        # It is not known what Swit does with an empty list; it must not mean all users.
        if not user_ids:
            message = f"{call.name}({team_id}): name at least one user"
            raise ValueError(message)
        self.send(call, body={"id": team_id, "user_ids": list(user_ids)})

    def _ask(
        self,
        call: Call,
        model: type[Model],
        *,
        query: Mapping[str, str | None] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Model:
        answer = self.send(call, query=_given(query or {}), body=body)
        if answer is None or answer.get("data") is None:
            words = f"the answer contains no data: {error_words(answer, '')}"
            status = HTTPStatus.NO_CONTENT if answer is None else HTTPStatus.OK
            raise SwitUnavailableError(call=call.name, message=words, status=int(status))
        return _parsed(call, model, answer["data"])


def _given(values: Mapping[str, str | None]) -> dict[str, str]:
    return {key: value for key, value in values.items() if value is not None}


def _parsed(call: Call, model: type[Model], data: object) -> Model:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        fields = sorted({".".join(map(str, ("data", *e["loc"]))) for e in error.errors()})
        first = error.errors()[0]["msg"]
        words = f"the answer cannot be used: {', '.join(fields[:5])}: {first}"
        raise SwitUnavailableError(
            call=call.name, message=words, status=int(HTTPStatus.OK)
        ) from error
