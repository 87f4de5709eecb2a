"""A small typed client for Swit: one method for each call we make. Nothing is decided here."""

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ValidationError

from swit_provisioning.swit import http as calls
from swit_provisioning.swit.auth import TokenSource
from swit_provisioning.swit.errors import SwitIncompleteReadError, SwitUnavailableError
from swit_provisioning.swit.http import Call, error_words
from swit_provisioning.swit.models import (
    AuthorisedUser,
    Organization,
    ScimUser,
    Team,
    TeamList,
    User,
    UserPage,
)
from swit_provisioning.swit.rate_limit import Pace
from swit_provisioning.swit.transport import Transport

Model = TypeVar("Model", bound=BaseModel)

# The schema that Swit takes, where RFC 7644 would have PatchOp.
_SCIM_SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:User"
_SCIM_MOBILE = 'phoneNumbers[type eq "mobile"].value'


MOST_USERS = 5_000_000
"""More than any organisation has: whoever reads all pages comes to an end."""


class SwitClient:
    """Reads and writes one Swit organisation; may be shared by threads.

    Every method raises a `SwitError` by what to do about it. What Swit or the network fails is
    sent again, except for the two creations and the two membership changes: the answer may be
    lost and the work done, so the caller has to look before it asks again.
    """

    def __init__(
        self,
        *,
        base_url: str,
        scim_base_url: str,
        tokens: TokenSource,
        pace: Pace,
        timeout_seconds: float = 30.0,
        connections: int = 8,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Connect nothing yet.

        `base_url` is `https://openapi.swit.io`, `scim_base_url` `https://saml.swit.io/scim/v2`;
        `connections` is how many calls are in flight at most; `sleep` waits before a retry.
        """
        self._transport = Transport(
            base_url=base_url,
            scim_base_url=scim_base_url,
            tokens=tokens,
            pace=pace,
            timeout_seconds=timeout_seconds,
            connections=connections,
            sleep=sleep,
        )
        self._send = self._transport.send

    def only_while(self, may_go: Callable[[], None]) -> Self:
        """The same client, asking `may_go` just before each request; it raises to end the call.

        That holds for repetitions, too, however long was waited before them. Both share
        connections, pace and the count of calls, so only one of them is closed.
        """
        guarded = copy.copy(self)
        guarded._send = partial(self._transport.send, may_go=may_go)  # noqa: SLF001 - its own
        return guarded

    def __enter__(self) -> Self:
        """Use it as a context: the connections are closed at its end."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    @property
    def calls(self) -> int:
        """API requests sent so far: repetitions and SCIM count, OAuth doesn't."""
        return self._transport.sent

    @property
    def calls_here(self) -> int:
        """The same of the calling thread alone: what one change took."""
        return self._transport.sent_here

    @property
    def status_here(self) -> int | None:
        """HTTP status of the last answer that the calling thread got; `None`: it got none."""
        return self._transport.status_here

    def user_info(self) -> AuthorisedUser:
        """The account that the token belongs to."""
        return self._ask(calls.USER_INFO, AuthorisedUser)

    def organization_info(self) -> Organization:
        """The organisation; `SwitNotFoundError` where the API's edition doesn't have the call."""
        return self._ask(calls.ORGANIZATION_INFO, Organization)

    def organization_user_info(self, user_id: str) -> User:
        """One account."""
        return self._ask(calls.ORGANIZATION_USER_INFO, User, query={"user_id": user_id})

    def list_users(
        self,
        *,
        page: int = 1,
        count: int = 1000,
        keyword: str | None = None,
        team_id: str | None = None,
        active: bool | None = None,
    ) -> UserPage:
        """One page of `count` (1 to 1000) accounts; without `active`, active and inactive ones.

        `keyword` finds a part of a name or an address.

        Raises:
            SwitIncompleteReadError: Swit counts more users than an organisation has. Whoever reads
                page after page would never come to an end.

        """
        status = {True: "active", False: "inactive", None: None}[active]
        query = {
            "cnt": str(count),
            "page": str(page),
            "keyword": keyword,
            "team_id": team_id,
            "filters.membership_status": status,
        }
        answer = self._ask(calls.LIST_USERS, UserPage, query=query)
        if answer.total_rows > MOST_USERS:
            words = f"Swit counts {answer.total_rows:,} users; {MOST_USERS:,} are read at most"
            raise SwitIncompleteReadError(call=calls.LIST_USERS.name, message=words)
        return answer

    def list_teams(
        self,
        *,
        parent_id: str | None = None,
        direct_children_only: bool = False,
        reference: str | None = None,
    ) -> tuple[Team, ...]:
        """Every team, or those below `parent_id`, in the order shown."""
        query = {
            "parent_id": parent_id,
            "direct_children_only": "true" if direct_children_only else None,
            "reference": reference,
        }
        teams = self._ask(calls.LIST_TEAMS, TeamList, query=query).teams
        if reference is None:
            return teams
        # Newer editions have no such filter and answer with every team.
        return tuple(team for team in teams if team.reference == reference)

    def create_user(
        self,
        *,
        email: str,
        name: str,
        phone_number: str | None = None,
        language: str | None = None,
        timezone: str | None = None,
    ) -> User:
        """Create an account. `language` is `en` or `ko`, `timezone` an IANA name."""
        body = {
            "user_name": name,
            "user_email": email,
            "language": language,
            "timezone": timezone,
            "tel": phone_number,
        }
        return self._ask(calls.CREATE_USER, User, body=_given(body))

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
        call = calls.UPDATE_USER
        answer = self._send(call, object_id=user_id, body=body)
        return _parsed(call, ScimUser, answer) if answer else None

    def deactivate_user(self, user_id: str) -> None:
        """Take an account's access away; `activate_user` gives it back."""
        self._send(calls.DEACTIVATE_USER, body={"user_id": user_id})

    def activate_user(self, user_id: str) -> None:
        """Give a deactivated account its access back."""
        self._send(calls.ACTIVATE_USER, body={"user_id": user_id})

    def remove_user(self, user_id: str) -> None:
        """Delete an account. Nothing brings it back."""
        self._send(calls.REMOVE_USER, body={"user_id": user_id})

    def create_team(self, *, name: str, parent_id: str, reference: str | None = None) -> Team:
        """Create a team under another; under the root team's id for one at the top."""
        body = {"name": name, "parent_id": parent_id, "reference": reference}
        return self._ask(calls.CREATE_TEAM, Team, body=_given(body))

    def update_team(
        self,
        team_id: str,
        *,
        name: str | None = None,
        parent_id: str | None = None,
        reference: str | None = None,
    ) -> Team | None:
        """Rename, move or re-key a team; `None` leaves a value as it is.

        Returns the team as Swit keeps it, `None` where the answer doesn't say.
        """
        values = _given({"name": name, "parent_id": parent_id, "reference": reference})
        if not values:
            message = f"update_team({team_id}): give a name, a parent or a reference"
            raise ValueError(message)
        answer = self._send(calls.UPDATE_TEAM, body={"id": team_id, **values})
        data = (answer or {}).get("data")
        return _parsed(calls.UPDATE_TEAM, Team, data) if data else None

    def delete_team(self, team_id: str) -> None:
        """Delete a team, most likely with all teams below it. Nothing brings it back."""
        self._send(calls.DELETE_TEAM, body={"id": team_id})

    def sort_teams(self, parent_id: str, team_ids: Sequence[str]) -> None:
        """Order the teams directly under `parent_id`; `team_ids` must name all of them."""
        body = {"parent_id": parent_id, "team_ids": list(team_ids)}
        self._send(calls.SORT_TEAMS, body=body)

    def add_team_users(self, team_id: str, user_ids: Sequence[str]) -> None:
        """Add accounts to a team. Swit answers well if it took any of them: read to be sure."""
        self._change_members(calls.ADD_TEAM_USERS, team_id, user_ids)

    def remove_team_users(self, team_id: str, user_ids: Sequence[str]) -> None:
        """Remove accounts from a team. A partial success looks like a success: read to be sure."""
        self._change_members(calls.REMOVE_TEAM_USERS, team_id, user_ids)

    def update_primary_team(self, user_id: str, *, team_id: str) -> None:
        """Make a team the primary one of an account that is in it."""
        body = {"id": team_id, "user_id": user_id}
        self._send(calls.UPDATE_PRIMARY_TEAM, body=body)

    def _change_members(self, call: Call, team_id: str, user_ids: Sequence[str]) -> None:
        # Nobody knows what Swit makes of an empty list; "everybody" must not be it.
        if not user_ids:
            message = f"{call.name}({team_id}): name at least one user"
            raise ValueError(message)
        self._send(call, body={"id": team_id, "user_ids": list(user_ids)})

    def _ask(
        self,
        call: Call,
        model: type[Model],
        *,
        query: Mapping[str, str | None] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Model:
        answer = self._send(call, query=_given(query or {}), body=body)
        if answer is None or answer.get("data") is None:
            words = f"the answer holds no data: {error_words(answer, '')}"
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
        words = f"the answer can't be used: {', '.join(fields[:5])}: {first}"
        raise SwitUnavailableError(
            call=call.name, message=words, status=int(HTTPStatus.OK)
        ) from error
