"""The API's calls about the organisation and its users."""

from collections.abc import Mapping

from swit_provisioning.sandbox.asked import (
    NO_CONTENT,
    READ,
    READ_OR_ADMIN,
    WRITE,
    Asked,
    Call,
    data,
)
from swit_provisioning.sandbox.replies import Reply
from swit_provisioning.sandbox.rules import RefusedError

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


def _create(asked: Asked) -> Reply:
    arguments = asked.arguments
    user = asked.organisation.users.create(
        email=arguments.text("user_email"),
        name=arguments.text("user_name"),
        phone_number=arguments.optional_text("tel"),
        language=arguments.optional_text("language"),
        timezone=arguments.optional_text("timezone"),
    )
    return data({"user": asked.shapes.user(user)})


def _deactivate(asked: Asked) -> Reply:
    asked.organisation.users.deactivate(asked.arguments.text("user_id"))
    return NO_CONTENT


def _activate(asked: Asked) -> Reply:
    asked.organisation.users.activate(asked.arguments.text("user_id"))
    return NO_CONTENT


def _remove(asked: Asked) -> Reply:
    asked.organisation.users.remove(asked.arguments.text("user_id"))
    return data({})


USER_CALLS: Mapping[str, Call] = {
    "user.info": Call(method="GET", scopes=READ, work=_user_info, bot=False),
    "organization.info": Call(method="GET", scopes=READ_OR_ADMIN, work=_organization_info),
    "organization.user.info": Call(method="GET", scopes=READ, work=_organization_user_info),
    "organization.user.list": Call(method="GET", scopes=READ, work=_organization_user_list),
    "organization.user.create": Call(method="POST", scopes=WRITE, work=_create, bot=False),
    "organization.user.deactivate": Call(method="POST", scopes=WRITE, work=_deactivate),
    "organization.user.activate": Call(method="POST", scopes=WRITE, work=_activate),
    "organization.user.remove": Call(method="POST", scopes=WRITE, work=_remove),
}
