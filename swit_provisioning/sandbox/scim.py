"""The SCIM side: finding a user by address, and changing name, phone number, language, state."""

import re
from typing import Any

from swit_provisioning.sandbox.asked import READ_OR_ADMIN, WRITE, Asked, Call
from swit_provisioning.sandbox.records import UserRecord
from swit_provisioning.sandbox.replies import Reply
from swit_provisioning.sandbox.rules import RefusedError

USER_SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:User"
_PATCH_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
_LIST_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
_ERROR_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:Error"
_FILTER = re.compile(r'\s*userName\s+eq\s+"([^"]*)"\s*', re.IGNORECASE)
_MOBILE = 'phonenumbers[type eq "mobile"].value'
# Taken, and kept nowhere: the API shows neither.
_IGNORED = ('phonenumbers[type eq "work"].value', "externalid")


def scim_error(reply: Reply) -> Reply:
    """The same refusal in SCIM's form, with Swit's `message` beside it."""
    if not isinstance(reply.body, dict) or "message" not in reply.body:
        return reply
    extra = {
        "schemas": [_ERROR_SCHEMA],
        "detail": reply.body["message"],
        "status": str(reply.status),
    }
    return Reply(status=reply.status, body={**reply.body, **extra}, headers=reply.headers)


def _found(asked: Asked) -> Reply:
    _check_switched_on(asked)
    match = _FILTER.fullmatch(asked.arguments.text("filter"))
    if match is None:
        raise RefusedError(400, 'The only filter is: userName eq "somebody@example.com".')
    user = asked.organisation.users.by_email(match[1])
    resources = [] if user is None else [_written(user)]
    body = {
        "schemas": [_LIST_SCHEMA],
        "totalResults": len(resources),
        "startIndex": 1,
        "itemsPerPage": len(resources),
        "Resources": resources,
    }
    return Reply(body=body, media_type="application/scim+json")


def _patched(asked: Asked) -> Reply:
    _check_switched_on(asked)
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
    return Reply(body=_written(user), media_type="application/scim+json")


def _check_switched_on(asked: Asked) -> None:
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


def _written(user: UserRecord) -> dict[str, Any]:
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
    "scim.user.list": Call(method="GET", scopes=READ_OR_ADMIN, work=_found, bot=False),
    "scim.user.update": Call(method="PATCH", scopes=WRITE, work=_patched, bot=False),
}
