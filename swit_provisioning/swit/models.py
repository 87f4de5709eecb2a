"""Swit's answers as frozen values.

Three editions of the API name and wrap the same fields differently, so each model accepts all of
them. It keeps only the fields that this project needs: no activity, status message or photo.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, model_validator


def _none_if(*texts: str) -> BeforeValidator:
    """Read these texts as `None`."""
    return BeforeValidator(
        lambda value: None if isinstance(value, str) and value.strip() in texts else value
    )


# A value with one of these keys is the object itself, not a wrapper around it.
_IDS = frozenset({"id", "user_id", "team_id"})

Id = Annotated[str, Field(min_length=1)]
OptionalId = Annotated[str | None, _none_if("", "0")]
OptionalText = Annotated[str | None, _none_if("")]


class _Answer(BaseModel):
    """A part of an answer. Null fields count as absent; an object in `wrapper` is unwrapped."""

    # Inputs are hidden in errors: they are people's names and addresses.
    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        validate_by_name=True,
        coerce_numbers_to_str=True,
        hide_input_in_errors=True,
    )
    wrapper: ClassVar[str | None] = None

    @model_validator(mode="before")
    @classmethod
    def _unwrapped(cls, value: object) -> object:
        return _flat(value, cls.wrapper)


def _flat(value: object, wrapper: str | None) -> object:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, Mapping):
        return value
    inner = value.get(wrapper) if wrapper and not _IDS & value.keys() else None
    if isinstance(inner, Mapping | list):
        return _flat(inner, wrapper)
    return {key: item for key, item in value.items() if item is not None}


class UserTeam(_Answer):
    """A team of a user in the user list."""

    team_id: Id = Field(validation_alias=AliasChoices("team_id", "id"))
    primary: Annotated[
        bool, BeforeValidator(lambda value: value is True or str(value).strip().upper() == "Y")
    ] = Field(default=False, validation_alias=AliasChoices("main_dept_yn", "primary"))


class User(_Answer):
    """A user of the organisation, active or not.

    `role`: 10 master, 20 admin, 30 member, 40 guest; 0 if Swit does not say. Unknown roles are
    protected. `teams` is `None` if the answer does not contain the field.
    """

    wrapper = "user"

    user_id: Id = Field(validation_alias=AliasChoices("user_id", "id"))
    email: str = Field(default="", validation_alias=AliasChoices("email", "user_email"))
    name: str = Field(default="", validation_alias=AliasChoices("user_name", "name"))
    phone_number: OptionalText = Field(
        default=None, validation_alias=AliasChoices("tel", "phone_number")
    )
    role: int = 0
    active: bool = Field(default=True, validation_alias=AliasChoices("is_active", "active"))
    language: OptionalText = None
    teams: tuple[UserTeam, ...] | None = Field(
        default=None, validation_alias=AliasChoices("team", "teams")
    )


class UserPage(_Answer):
    """One page of the user list, and the number of users on all pages."""

    total_rows: int = Field(ge=0)
    users: tuple[User, ...] = ()


class Team(_Answer):
    """A team. `depth` 0 is the root: the organisation itself.

    An answer to a create or update has no members: `member_count` and `user_ids` are `None`.
    """

    wrapper = "data"

    team_id: Id = Field(validation_alias=AliasChoices("team_id", "id"))
    name: str = Field(default="", validation_alias=AliasChoices("team_name", "name"))
    parent_id: OptionalId = None
    reference: OptionalText = None
    depth: int | None = None
    member_count: int | None = Field(
        default=None, validation_alias=AliasChoices("member_cnt", "member_count")
    )
    user_ids: tuple[str, ...] | None = Field(
        default=None, validation_alias=AliasChoices("users", "user_ids")
    )


class TeamList(_Answer):
    """Teams in the order shown."""

    teams: tuple[Team, ...] = Field(default=(), validation_alias=AliasChoices("team", "teams"))


class AuthorisedUser(_Answer):
    """The user that the token belongs to. Only the user list contains its role."""

    wrapper = "user"

    user_id: Id = Field(validation_alias=AliasChoices("id", "user_id"))
    email: str = Field(default="", validation_alias=AliasChoices("user_email", "email"))
    name: str = Field(default="", validation_alias=AliasChoices("name", "user_name"))
    organization_id: OptionalId = Field(
        default=None, validation_alias=AliasChoices("cmp_id", "organization_id")
    )


class Organization(_Answer):
    """The organisation that the token belongs to."""

    id: Id
    name: str = ""
    subdomain: OptionalText = None


class _ScimNumber(_Answer):
    type: str = ""
    value: OptionalText = None


class ScimUser(_Answer):
    """A user in a SCIM answer; missing values are `None`."""

    name: OptionalText = Field(default=None, validation_alias=AliasChoices("displayName", "name"))
    phone_numbers: tuple[_ScimNumber, ...] = Field(
        default=(), validation_alias=AliasChoices("phoneNumbers", "phone_numbers")
    )

    @property
    def phone_number(self) -> str | None:
        """The mobile number, the one that `update_user` sets."""
        mobile = (number.value for number in self.phone_numbers if number.type == "mobile")
        return next(mobile, None)
