"""The calls of the API and of SCIM, and the two OAuth addresses."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from swit_provisioning.sandbox.editions import (
    NO_CONTENT,
    READ,
    READ_OR_ADMIN,
    WRITE,
    Asked,
    Call,
    data,
)
from swit_provisioning.sandbox.http import Arguments, Reply
from swit_provisioning.sandbox.model import Behaviour, RefusedError, UserRecord
from swit_provisioning.sandbox.tokens import DEFAULT_SCOPE, Tokens

_MOST_ROWS = 1000
_MOST_PAGES = 1_000_000


def _user_info(asked: Asked) -> Reply:
    return data(asked.shapes.authorised_user(asked.organisation.users.find(asked.grant.user_id)))


def _organization_info(asked: Asked) -> Reply:
    if asked.shapes.edition == "old":
        raise RefusedError(404, "There is no call organization.info.")
    return data(asked.shapes.organization())


def _organization_user_info(asked: Asked) -> Reply:
    user = asked.organisation.users.find(asked.arguments.text("user_id"))
    return data(asked.shapes.single_user(user))


def _organization_user_list(asked: Asked) -> Reply:
    arguments = asked.arguments
    count = arguments.number("cnt", least=1, most=_MOST_ROWS)
    page = arguments.number("page", least=1, most=_MOST_PAGES, default=1)
    found = asked.organisation.users.listed(
        keyword=arguments.optional_text("keyword"),
        team_id=arguments.optional_text("team_id"),
        active=_membership_status(asked),
    )
    shown = found[(page - 1) * count : page * count]
    users = [asked.shapes.listed_user(user) for user in shown]
    return data({"total_rows": len(found), "users": users})


def _membership_status(asked: Asked) -> bool | None:
    status = asked.arguments.optional_text("filters.membership_status")
    if status not in (None, "active", "inactive"):
        raise RefusedError(400, "filters.membership_status must be active or inactive.")
    return None if status is None else status == "active"


def _create_user(asked: Asked) -> Reply:
    arguments = asked.arguments
    user = asked.organisation.users.create(
        email=arguments.text("user_email"),
        name=arguments.text("user_name"),
        phone_number=arguments.optional_text("tel"),
        language=arguments.optional_text("language"),
        timezone=arguments.optional_text("timezone"),
    )
    return data({"user": asked.shapes.user(user)})


def _deactivate_user(asked: Asked) -> Reply:
    asked.organisation.users.deactivate(asked.arguments.text("user_id"))
    return NO_CONTENT


def _activate_user(asked: Asked) -> Reply:
    asked.organisation.users.activate(asked.arguments.text("user_id"))
    return NO_CONTENT


def _remove_user(asked: Asked) -> Reply:
    asked.organisation.users.remove(asked.arguments.text("user_id"))
    return data({})


USER_CALLS: Mapping[str, Call] = {
    "user.info": Call(method="GET", scopes=READ, work=_user_info, bot=False),
    "organization.info": Call(method="GET", scopes=READ_OR_ADMIN, work=_organization_info),
    "organization.user.info": Call(method="GET", scopes=READ, work=_organization_user_info),
    "organization.user.list": Call(method="GET", scopes=READ, work=_organization_user_list),
    "organization.user.create": Call(method="POST", scopes=WRITE, work=_create_user, bot=False),
    "organization.user.deactivate": Call(method="POST", scopes=WRITE, work=_deactivate_user),
    "organization.user.activate": Call(method="POST", scopes=WRITE, work=_activate_user),
    "organization.user.remove": Call(method="POST", scopes=WRITE, work=_remove_user),
}


def _list_teams(asked: Asked) -> Reply:
    teams = asked.organisation.teams
    found = teams.listed(
        parent_id=asked.arguments.optional_text("parent_id"),
        direct_children_only=asked.arguments.flag("direct_children_only"),
    )
    reference = asked.arguments.optional_text("reference")
    # Newer editions have no such filter: they ignore the argument and return every team.
    if reference is not None and asked.shapes.edition == "old":
        found = [team for team in found if team.reference == reference]
    return data({"team": [asked.shapes.listed_team(team, teams.depth(team)) for team in found]})


def _create_team(asked: Asked) -> Reply:
    team = asked.organisation.teams.create(
        name=asked.arguments.text("name"),
        parent_id=_parent(asked, asked.arguments.text("parent_id")),
        reference=asked.arguments.optional_text("reference"),
    )
    return data(asked.shapes.created_team(team))


def _update_team(asked: Asked) -> Reply:
    parent_id = asked.arguments.optional_text("parent_id")
    team = asked.organisation.teams.update(
        asked.arguments.text("id"),
        name=asked.arguments.optional_text("name"),
        parent_id=None if parent_id is None else _parent(asked, parent_id),
        reference=asked.arguments.optional_text("reference"),
    )
    return data(asked.shapes.updated_team(team))


def _parent(asked: Asked, parent_id: str) -> str:
    records = asked.organisation.records
    is_organization = parent_id == records.organization_id
    return records.root_id if is_organization and asked.shapes.edition == "old" else parent_id


def _delete_team(asked: Asked) -> Reply:
    team = asked.organisation.teams.delete(asked.arguments.text("id"))
    return data(asked.shapes.touched_team(team))


def _sort_teams(asked: Asked) -> Reply:
    parent_id, team_ids = asked.arguments.text("parent_id"), asked.arguments.texts("team_ids")
    asked.organisation.teams.sort(_parent(asked, parent_id), team_ids)
    return Reply(raw=b"") if asked.shapes.edition == "old" else data(None)


def _add_users(asked: Asked) -> Reply:
    team_id, user_ids = asked.arguments.text("id"), asked.arguments.texts("user_ids")
    asked.organisation.memberships.add(team_id, user_ids)
    return data(asked.shapes.touched_team(asked.organisation.teams.find(team_id)))


def _remove_users(asked: Asked) -> Reply:
    team_id, user_ids = asked.arguments.text("id"), asked.arguments.texts("user_ids")
    asked.organisation.memberships.remove(team_id, user_ids)
    return data(asked.shapes.touched_team(asked.organisation.teams.find(team_id)))


def _make_primary(asked: Asked) -> Reply:
    team_id, user_id = asked.arguments.text("id"), asked.arguments.text("user_id")
    asked.organisation.memberships.make_primary(team_id, user_id)
    return Reply(raw=b"") if asked.shapes.edition == "old" else NO_CONTENT


TEAM_CALLS: Mapping[str, Call] = {
    "user.team.list": Call(method="GET", scopes=READ, work=_list_teams),
    "team.create": Call(method="POST", scopes=WRITE, work=_create_team),
    "team.update": Call(method="POST", scopes=WRITE, work=_update_team),
    "team.delete": Call(method="POST", scopes=WRITE, work=_delete_team),
    "team.sort": Call(method="POST", scopes=WRITE, work=_sort_teams, bot=False),
    "team.user.add": Call(method="POST", scopes=WRITE, work=_add_users),
    "team.user.remove": Call(method="POST", scopes=WRITE, work=_remove_users),
    "team.user.primary.update": Call(method="POST", scopes=WRITE, work=_make_primary),
}


USER_SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:User"
_PATCH_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
_LIST_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
_ERROR_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:Error"
_FILTER = re.compile(r'\s*userName\s+eq\s+"([^"]*)"\s*', re.IGNORECASE)
_MOBILE = 'phonenumbers[type eq "mobile"].value'
# Accepted and not stored: the API shows neither.
_IGNORED = ('phonenumbers[type eq "work"].value', "externalid")


def scim_error(reply: Reply) -> Reply:
    """The error in SCIM's form, with Swit's `message` added."""
    if not isinstance(reply.body, dict) or "message" not in reply.body:
        return reply
    extra = {
        "schemas": [_ERROR_SCHEMA],
        "detail": reply.body["message"],
        "status": str(reply.status),
    }
    return Reply(status=reply.status, body={**reply.body, **extra}, headers=reply.headers)


def _list_scim_users(asked: Asked) -> Reply:
    _check_scim_is_on(asked)
    match = _FILTER.fullmatch(asked.arguments.text("filter"))
    if match is None:
        raise RefusedError(400, 'The only filter is: userName eq "somebody@example.com".')
    user = asked.organisation.users.by_email(match[1])
    resources = [] if user is None else [_scim_user(user)]
    body = {
        "schemas": [_LIST_SCHEMA],
        "totalResults": len(resources),
        "startIndex": 1,
        "itemsPerPage": len(resources),
        "Resources": resources,
    }
    return Reply(body=body, media_type="application/scim+json")


def _patch_scim_user(asked: Asked) -> Reply:
    _check_scim_is_on(asked)
    users = asked.organisation.users
    user = users.find(asked.arguments.text("user_id"))
    changes = _changes(asked.arguments.values)
    users.update(
        user.id,
        name=changes.get("displayname"),
        phone_number=changes.get(_MOBILE),
        language=changes.get("preferredlanguage"),
    )
    if "active" in changes:
        switch = users.activate if changes["active"] == "true" else users.deactivate
        switch(user.id)
    return Reply(body=_scim_user(user), media_type="application/scim+json")


def _check_scim_is_on(asked: Asked) -> None:
    if not asked.organisation.behaviour.scim:
        raise RefusedError(403, "SCIM is not switched on for this organisation.")


def _changes(body: Any) -> dict[str, str]:  # noqa: ANN401 - as JSON has it
    schemas, operations = body.get("schemas"), body.get("Operations")
    if not isinstance(schemas, list) or not {USER_SCHEMA, _PATCH_SCHEMA} & {*map(str, schemas)}:
        raise RefusedError(400, f"schemas must hold {USER_SCHEMA}.")
    if not isinstance(operations, list) or not operations:
        raise RefusedError(400, "Operations must be a list with at least one operation.")
    return dict(_change(operation) for operation in operations)


def _change(operation: Any) -> tuple[str, str]:  # noqa: ANN401 - as JSON has it
    if not isinstance(operation, dict) or str(operation.get("op")).lower() != "replace":
        raise RefusedError(400, 'Each operation must be an object with "op": "Replace".')
    path, value = str(operation.get("path")).lower(), operation.get("value")
    if path == "active":
        return path, _switch(value)
    if path not in ("displayname", _MOBILE, "preferredlanguage", *_IGNORED):
        raise RefusedError(400, f"The path {operation.get('path')} can't be replaced.")
    if not isinstance(value, str):
        raise RefusedError(400, f"The value of {operation.get('path')} must be a string.")
    return path, value


def _switch(value: object) -> str:
    text = str(value).lower()
    if text not in ("true", "false"):
        raise RefusedError(400, "The value of active must be true or false.")
    return text


def _scim_user(user: UserRecord) -> dict[str, Any]:
    numbers = [{"type": "mobile", "value": user.phone_number}] if user.phone_number else []
    return {
        "schemas": [USER_SCHEMA],
        "id": user.id,
        "userName": user.email,
        "displayName": user.name,
        "active": user.active,
        "phoneNumbers": numbers,
        "preferredLanguage": user.language,
        "meta": {"resourceType": "User", "created": user.created},
    }


SCIM_CALLS = {
    "scim.user.list": Call(method="GET", scopes=READ_OR_ADMIN, work=_list_scim_users, bot=False),
    "scim.user.update": Call(method="PATCH", scopes=WRITE, work=_patch_scim_user, bot=False),
}


def authorize(tokens: Tokens, behaviour: Behaviour, arguments: Arguments) -> Reply:
    """Agree at once, as a person who presses "Allow": send the browser back with code and state.

    Raises:
        RefusedError: 400, the client is unknown or the address not registered. Other errors are
            sent to the address, as OAuth requires.

    """
    redirect_url = arguments.text("redirect_uri")
    if arguments.text("client_id") != tokens.client_id:
        raise RefusedError(400, "The client_id is unknown.")
    if redirect_url not in tokens.redirect_urls:
        raise RefusedError(400, f"The redirect_uri {redirect_url} is not registered.")
    state = arguments.optional_text("state")
    answer = {} if state is None else {"state": state}
    if arguments.optional_text("response_type") != "code":
        return _redirect(redirect_url, {"error": "unsupported_response_type", **answer})
    pkce_error = _pkce_error(behaviour, arguments)
    if pkce_error is not None:
        error = {"error": "invalid_request", "error_description": pkce_error}
        return _redirect(redirect_url, {**error, **answer})
    challenge = None
    if behaviour.pkce == "checked":
        challenge = arguments.optional_text("code_challenge")
    try:
        scope = arguments.optional_text("scope") or DEFAULT_SCOPE
        code = tokens.code_for(redirect_url=redirect_url, scope=scope, challenge=challenge)
    except RefusedError as refused:
        error = {"error": "invalid_scope", "error_description": refused.message}
        return _redirect(redirect_url, {**error, **answer})
    return _redirect(redirect_url, {"code": code, **answer})


def token(tokens: Tokens, behaviour: Behaviour, arguments: Arguments) -> Reply:
    """A pair of tokens for a code or for a refresh token.

    Raises:
        RefusedError: 401 for the client, 400 for the code, the refresh token or the grant type.

    """
    client = (arguments.optional_text("client_id"), arguments.optional_text("client_secret"))
    if client != (tokens.client_id, tokens.client_secret):
        raise RefusedError(401, "The client_id or the client_secret is wrong.")
    match arguments.text("grant_type"):
        case "authorization_code":
            verifier = arguments.optional_text("code_verifier")
            if verifier is not None and behaviour.pkce == "refused at token":
                raise RefusedError(400, "The parameter code_verifier is not known.")
            body = tokens.exchange(
                code=arguments.text("code"),
                redirect_url=arguments.text("redirect_uri"),
                verifier=verifier,
            )
        case "refresh_token":
            body = tokens.refresh(arguments.text("refresh_token"))
        case other:
            raise RefusedError(400, f"The grant_type {other} is not supported.")
    return Reply(body=body, headers={"Cache-Control": "no-store"})


def _pkce_error(behaviour: Behaviour, arguments: Arguments) -> str | None:
    """The error in the PKCE parameters of a login (RFC 7636)."""
    challenge = arguments.optional_text("code_challenge")
    if challenge is None or behaviour.pkce == "ignored":
        return None
    if behaviour.pkce == "refused at authorize":
        return "The parameter code_challenge is not known."
    method = arguments.optional_text("code_challenge_method")
    return None if method == "S256" else "The code_challenge_method must be S256."


def _redirect(url: str, answer: dict[str, str]) -> Reply:
    joint = "&" if "?" in url else "?"
    return Reply(status=302, raw=b"", headers={"Location": f"{url}{joint}{urlencode(answer)}"})
