"""The table of all calls: method, path, required scopes and effect of each."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from swit_provisioning.sandbox.editions import Shapes
from swit_provisioning.sandbox.oauth import Grant, Tokens
from swit_provisioning.sandbox.organisation import Organisation
from swit_provisioning.sandbox.records import RefusedError, UserRecord
from swit_provisioning.sandbox.replies import Arguments, Reply, data, refusal

SCIM_PATH = "/scim/v2"
_READ = frozenset({"user:read"})
_READ_OR_ADMIN = frozenset({"user:read", "admin:read"})
_WRITE = frozenset({"admin:write"})
_LANGUAGES = ("en", "ko")
_MAX_ROWS = 1000
_MAX_PAGES = 1_000_000
_NO_CONTENT = Reply(status=204, raw=b"")


@dataclass(frozen=True, kw_only=True)
class Context:
    """Input of a call. The organisation is locked during the call."""

    organisation: Organisation
    tokens: Tokens
    shapes: Shapes
    arguments: Arguments


Work = Callable[[Context], Reply]


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call."""

    name: str
    method: Literal["GET", "POST", "PATCH"]
    path: str
    """A part in braces is an argument."""
    scopes: frozenset[str] | None
    """The token needs one of these scopes. `None`: no token is needed."""
    bot: bool
    """True if a token of the app, which belongs to no person, may make the call."""
    work: Work

    def check(self, grant: Grant) -> None:
        """Raise `RefusedError` (403) if this token may not make the call."""
        if self.scopes is not None and not grant.scopes & self.scopes:
            needed = " or ".join(sorted(self.scopes))
            raise RefusedError(403, f"The access token lacks the scope {needed}.")
        if grant.bot and not self.bot:
            raise RefusedError(403, "The token of an app may not make this call.")

    def refusal(self, error: RefusedError) -> Reply:
        """The error in Swit's form. An error of a SCIM call has SCIM's form too."""
        reply = refusal(error)
        if self.path.startswith(SCIM_PATH):
            reply.body["schemas"] = [_SCIM_ERROR]
            reply.body["detail"] = error.message
            reply.body["status"] = str(error.status)
        return reply


CALLS: dict[str, Call] = {}
"""All calls by name."""


def _call(
    method: Literal["GET", "POST", "PATCH"],
    name: str,
    scopes: frozenset[str] | None,
    *,
    bot: bool = True,
    path: str | None = None,
) -> Callable[[Work], Work]:
    """Add the decorated function to the table."""

    def enter(work: Work) -> Work:
        CALLS[name] = Call(
            name=name,
            method=method,
            path=path or f"/v1/api/{name}",
            scopes=scopes,
            bot=bot,
            work=work,
        )
        return work

    return enter


@_call("GET", "oauth.authorize", None, path="/oauth/authorize")
def authorize(context: Context) -> Reply:
    """Log in: send the browser back with a code."""
    return context.tokens.authorize(context.arguments)


@_call("POST", "oauth.token", None, path="/oauth/token")
def obtain_tokens(context: Context) -> Reply:
    """Exchange a code or a refresh token for a pair of tokens."""
    return context.tokens.answer(context.arguments)


@_call("GET", "user.info", _READ, bot=False)
def authorised_user(context: Context) -> Reply:
    """The user that the token belongs to."""
    organisation = context.organisation
    user = organisation.user(organisation.authorised_user_id)
    return data(context.shapes.authorised_user(user))


@_call("GET", "organization.info", _READ_OR_ADMIN)
def organization_info(context: Context) -> Reply:
    """Id, name and subdomain of the organisation."""
    if context.shapes.edition == "old":
        raise RefusedError(404, "There is no call organization.info.")
    return data(context.organisation.records.organization())


@_call("GET", "organization.user.info", _READ)
def user_info(context: Context) -> Reply:
    """One user."""
    user = context.organisation.user(context.arguments.text("user_id"))
    return data(context.shapes.single_user(user))


@_call("GET", "organization.user.list", _READ)
def list_users(context: Context) -> Reply:
    """One page of the users."""
    arguments = context.arguments
    count = arguments.number("cnt", least=1, most=_MAX_ROWS)
    page = arguments.number("page", least=1, most=_MAX_PAGES, default=1)
    status = arguments.choice("filters.membership_status", "active", "inactive")
    found = context.organisation.list_users(
        keyword=arguments.optional_text("keyword"),
        team_id=arguments.optional_text("team_id"),
        active=None if status is None else status == "active",
    )
    shown = found[(page - 1) * count : page * count]
    users = [context.shapes.listed_user(user) for user in shown]
    return data({"total_rows": len(found), "users": users})


@_call("POST", "organization.user.create", _WRITE, bot=False)
def create_user(context: Context) -> Reply:
    """Create an active user without a team."""
    arguments = context.arguments
    user_id = context.organisation.add_user(
        arguments.text("user_email"),
        arguments.text("user_name"),
        phone_number=arguments.optional_text("tel"),
        language=arguments.choice("language", *_LANGUAGES) or "en",
        timezone=arguments.optional_text("timezone") or "UTC",
    )
    return data({"user": context.shapes.user(context.organisation.user(user_id))})


@_call("POST", "organization.user.deactivate", _WRITE)
def deactivate_user(context: Context) -> Reply:
    """Deactivate a user."""
    context.organisation.deactivate_user(context.arguments.text("user_id"))
    return _NO_CONTENT


@_call("POST", "organization.user.activate", _WRITE)
def activate_user(context: Context) -> Reply:
    """Activate a user."""
    context.organisation.activate_user(context.arguments.text("user_id"))
    return _NO_CONTENT


@_call("POST", "organization.user.remove", _WRITE)
def remove_user(context: Context) -> Reply:
    """Delete a user."""
    context.organisation.remove_user(context.arguments.text("user_id"))
    return data({})


@_call("GET", "user.team.list", _READ)
def list_teams(context: Context) -> Reply:
    """All teams, or those below a parent."""
    found = context.organisation.list_teams(
        parent_id=context.arguments.optional_text("parent_id"),
        direct_children_only=context.arguments.flag("direct_children_only"),
    )
    reference = context.arguments.optional_text("reference")
    # Newer editions have no such filter: they ignore the argument and return every team.
    if reference is not None and context.shapes.edition == "old":
        found = [team for team in found if team.reference == reference]
    return data({"team": [context.shapes.listed_team(team) for team in found]})


@_call("POST", "team.create", _WRITE)
def create_team(context: Context) -> Reply:
    """Create a team under another one."""
    team_id = context.organisation.add_team(
        context.arguments.text("name"),
        parent_id=_parent_id(context, context.arguments.text("parent_id")),
        reference=context.arguments.optional_text("reference"),
    )
    return data(context.shapes.created_team(context.organisation.team(team_id)))


@_call("POST", "team.update", _WRITE)
def update_team(context: Context) -> Reply:
    """Rename or move a team, or change its reference."""
    parent_id = context.arguments.optional_text("parent_id")
    team = context.organisation.update_team(
        context.arguments.text("id"),
        name=context.arguments.optional_text("name"),
        parent_id=None if parent_id is None else _parent_id(context, parent_id),
        reference=context.arguments.optional_text("reference"),
    )
    return data(context.shapes.updated_team(team))


@_call("POST", "team.delete", _WRITE)
def delete_team(context: Context) -> Reply:
    """Delete a team."""
    team = context.organisation.delete_team(context.arguments.text("id"))
    return data(context.shapes.touched_team(team))


@_call("POST", "team.sort", _WRITE, bot=False)
def sort_teams(context: Context) -> Reply:
    """Order the teams directly under a parent."""
    parent_id, team_ids = context.arguments.text("parent_id"), context.arguments.texts("team_ids")
    context.organisation.sort_teams(_parent_id(context, parent_id), team_ids)
    return Reply(raw=b"") if context.shapes.edition == "old" else data(None)


@_call("POST", "team.user.add", _WRITE)
def add_team_users(context: Context) -> Reply:
    """Add users to a team."""
    team_id, user_ids = context.arguments.text("id"), context.arguments.texts("user_ids")
    context.organisation.add_members(team_id, user_ids)
    return data(context.shapes.touched_team(context.organisation.team(team_id)))


@_call("POST", "team.user.remove", _WRITE)
def remove_team_users(context: Context) -> Reply:
    """Remove users from a team."""
    team_id, user_ids = context.arguments.text("id"), context.arguments.texts("user_ids")
    context.organisation.remove_members(team_id, user_ids)
    return data(context.shapes.touched_team(context.organisation.team(team_id)))


@_call("POST", "team.user.primary.update", _WRITE)
def update_primary_team(context: Context) -> Reply:
    """Make a team the primary one of a user."""
    team_id, user_id = context.arguments.text("id"), context.arguments.text("user_id")
    context.organisation.make_primary(team_id, user_id)
    return Reply(raw=b"") if context.shapes.edition == "old" else _NO_CONTENT


def _parent_id(context: Context, parent_id: str) -> str:
    """The id of a parent. The old edition takes the organisation's id for the root team."""
    records = context.organisation.records
    is_organization = parent_id == records.organization_id
    return records.root_id if is_organization and context.shapes.edition == "old" else parent_id


_SCIM_USER = "urn:ietf:params:scim:schemas:core:2.0:User"
_SCIM_PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
_SCIM_LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
_SCIM_ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
_SCIM_FILTER = re.compile(r'\s*userName\s+eq\s+"([^"]*)"\s*', re.IGNORECASE)
_MOBILE = 'phonenumbers[type eq "mobile"].value'
_SCIM_PATHS = (
    "displayname",
    "preferredlanguage",
    _MOBILE,
    # Accepted but not stored: the API returns neither.
    'phonenumbers[type eq "work"].value',
    "externalid",
)


@_call("GET", "scim.user.list", _READ_OR_ADMIN, bot=False, path=f"{SCIM_PATH}/Users")
def list_scim_users(context: Context) -> Reply:
    """The user with an address."""
    _require_scim(context)
    match = _SCIM_FILTER.fullmatch(context.arguments.text("filter"))
    if match is None:
        raise RefusedError(400, 'The only filter is: userName eq "someone@example.com".')
    user = context.organisation.user_by_email(match[1])
    resources = [] if user is None else [_scim_user(user)]
    body = {
        "schemas": [_SCIM_LIST],
        "totalResults": len(resources),
        "startIndex": 1,
        "itemsPerPage": len(resources),
        "Resources": resources,
    }
    return Reply(body=body, media_type="application/scim+json")


@_call("PATCH", "scim.user.update", _WRITE, bot=False, path=f"{SCIM_PATH}/Users/{{user_id}}")
def update_scim_user(context: Context) -> Reply:
    """Change name, mobile number, language or state of a user."""
    _require_scim(context)
    organisation = context.organisation
    user = organisation.user(context.arguments.text("user_id"))
    changes = _scim_changes(context.arguments.values)
    organisation.update_user(
        user.id,
        name=changes.get("displayname"),
        phone_number=changes.get(_MOBILE),
        language=changes.get("preferredlanguage"),
    )
    if changes.get("active") == "true":
        organisation.activate_user(user.id)
    elif changes.get("active") == "false":
        organisation.deactivate_user(user.id)
    return Reply(body=_scim_user(user), media_type="application/scim+json")


def _require_scim(context: Context) -> None:
    if not context.organisation.behaviour.scim:
        raise RefusedError(403, "SCIM is not enabled for this organisation.")


def _scim_changes(body: Any) -> dict[str, str]:  # noqa: ANN401 - as JSON has it
    """New values by path in lower case."""
    schemas, operations = body.get("schemas"), body.get("Operations")
    if not isinstance(schemas, list) or not {_SCIM_USER, _SCIM_PATCH} & {*map(str, schemas)}:
        raise RefusedError(400, f"schemas must contain {_SCIM_USER}.")
    if not isinstance(operations, list) or not operations:
        raise RefusedError(400, "Operations must be a list with at least one operation.")
    changes = {}
    for operation in operations:
        if not isinstance(operation, dict) or str(operation.get("op")).lower() != "replace":
            raise RefusedError(400, 'Each operation must be an object with "op": "Replace".')
        path, value = str(operation.get("path")).lower(), operation.get("value")
        if path == "active":
            value = str(value).lower()
            if value not in ("true", "false"):
                raise RefusedError(400, "The value of active must be true or false.")
        elif path not in _SCIM_PATHS:
            raise RefusedError(400, f"The path {operation.get('path')} cannot be replaced.")
        elif not isinstance(value, str):
            raise RefusedError(400, f"The value of {operation.get('path')} must be a string.")
        changes[path] = value
    return changes


def _scim_user(user: UserRecord) -> dict[str, Any]:
    numbers = [{"type": "mobile", "value": user.phone_number}] if user.phone_number else []
    return {
        "schemas": [_SCIM_USER],
        "id": user.id,
        "userName": user.email,
        "displayName": user.name,
        "active": user.active,
        "phoneNumbers": numbers,
        "preferredLanguage": user.language,
        "meta": {"resourceType": "User", "created": user.created},
    }
