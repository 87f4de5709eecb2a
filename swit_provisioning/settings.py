"""Every environment variable, read in one place, and the values the rooms are built from.

Each field is one variable, in lower case; its description is what the documentation shows. A value
that cannot be used raises `SettingsError`, which names every problem at once and shows no secret.
"""

import os
import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dotenv import dotenv_values
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from swit_provisioning.planning.actions import TAKE_AWAY, actions_named
from swit_provisioning.planning.dn import dn_key
from swit_provisioning.planning.guards import Limit, Limits
from swit_provisioning.planning.model import Policy, ReferenceAttribute
from swit_provisioning.sources.config import (
    AttributeMapping,
    EntryFilter,
    FileScope,
    KindSetting,
    LdapConfig,
    parse_bases,
    parse_filter,
    parse_group_attributes,
    parse_servers,
    parse_user_attributes,
)
from swit_provisioning.state.tokens import FernetCipher
from swit_provisioning.swit.rate_limit import parse_pace

SECRETS = (
    "ldap_password",
    "swit_client_secret",
    "swit_access_token",
    "swit_refresh_token",
    "token_encryption_key",
    "state_database_url",
    "operation_auth_key",
    "swit_webhook_url",
    "alert_webhook_url",
)
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


class SettingsError(Exception):
    """Settings are missing or cannot be used; the message has one line for each."""

    def __init__(self, problems: list[str]) -> None:
        """Take one sentence a problem, each beginning with the variable's name."""
        self.problems = problems
        lines = "\n".join(f"- {problem}" for problem in problems)
        count = "1 setting" if len(problems) == 1 else f"{len(problems)} settings"
        super().__init__(f"{count} to mend:\n{lines}")


def _split(value: object) -> object:
    """`a,b` as a tuple; `;` separates where one of them holds a comma."""
    if not isinstance(value, str):
        return value
    separator = ";" if ";" in value else ","
    return tuple(part.strip() for part in value.split(separator) if part.strip())


def _limit(value: object) -> object:
    return Limit.parse(value) if isinstance(value, str) else value


def _blank_is_unset(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def _actions(value: tuple[str, ...]) -> tuple[str, ...]:
    actions_named(value)
    return value


def _clock(value: str | None) -> str | None:
    if value is not None and not _CLOCK.fullmatch(value):
        message = f"{value!r} is no time of day; write HH:MM, for example 02:30"
        raise ValueError(message)
    return value


def _timezone(value: str | None) -> str | None:
    if value is not None:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            message = f"{value!r} is no time zone; for example Asia/Seoul or UTC"
            raise ValueError(message) from error
    return value


def _pace(value: str) -> str:
    parse_pace(value)
    return value


def _filter(value: str | None) -> str | None:
    return None if value is None else parse_filter(value)


def _fernet_key(value: SecretStr | None) -> SecretStr | None:
    if value is not None:
        FernetCipher(value.get_secret_value())
    return value


def _address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        message = f"{value!r} is no address; for example https://openapi.swit.io"
        raise ValueError(message)
    return value.rstrip("/")


def _webhook(value: SecretStr | None) -> SecretStr | None:
    """Whoever knows the address may post there, so it is not repeated."""
    if value is not None:
        parts = urlsplit(value.get_secret_value())
        if parts.scheme not in {"http", "https"} or not parts.hostname or " " in parts.netloc:
            message = "it is no address; for example https://hook.swit.io/chat/CHANNEL/WEBHOOK"
            raise ValueError(message)
    return value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
LimitSetting = Annotated[Limit, NoDecode, BeforeValidator(_limit)]
Text = Annotated[str | None, BeforeValidator(_blank_is_unset)]
Secret = Annotated[SecretStr | None, BeforeValidator(_blank_is_unset)]
Webhook = Annotated[Secret, AfterValidator(_webhook)]
FernetKey = Annotated[Secret, AfterValidator(_fernet_key)]
Address = Annotated[str, AfterValidator(_address)]


_CONFIG = SettingsConfigDict(
    env_file=".env",
    env_file_encoding="utf-8",
    extra="ignore",
    frozen=True,
    hide_input_in_errors=True,
    env_ignore_empty=True,
    arbitrary_types_allowed=True,
)


class ScheduleSettings(BaseSettings):
    """When runs start by themselves: all that the code location needs to load."""

    model_config = _CONFIG

    schedule_time: Annotated[Text, AfterValidator(_clock)] = Field(
        default=None, description="`HH:MM`: the daily run; unset: none"
    )
    schedule_timezone: Annotated[str, AfterValidator(_timezone)] = Field(
        default="UTC", description="`Asia/Seoul`"
    )
    schedule_action: Literal["sync", "plan"] = Field(
        default="sync", description="`sync`, or `plan`: writes nothing, says what it would do"
    )
    alert_after_hours: float = Field(
        default=30,
        ge=0,
        description="with `SCHEDULE_TIME`: nothing has succeeded for so long, so somebody is "
        "told; 0: never",
    )

    @classmethod
    def load(cls) -> Self:
        """Read the environment, `.env`, and the files that `..._FILE` variables name.

        Raises:
            SettingsError: with every problem at once.

        """
        sources()  # raises if `.env` can't be read
        try:
            return cls()
        except ValidationError as error:
            raise SettingsError(
                [_sentence(item) for item in error.errors(include_input=False)]
            ) from None


class Settings(ScheduleSettings):
    """All settings. Make one with `Settings.load()`: it turns every problem into one message."""

    is_running_locally: bool = Field(
        default=False,
        description="`True`: test mode. The directory is `IDP_FILE` or the bundled sample, Swit is "
        "the bundled sandbox unless `SWIT_BASE_URL` names another; at an address that is not on "
        "this machine nothing is deactivated, removed or deleted",
    )
    swit: Literal["live", "sandbox"] = Field(
        default="live",
        description="`sandbox`: try your own directory. Swit is the bundled sandbox organisation, "
        "which keeps its state under `DAGSTER_HOME`; no other Swit is called, whatever the other "
        "`SWIT_*` settings say, and nothing is posted to `SWIT_WEBHOOK_URL`; `ALERT_WEBHOOK_URL` "
        "still gets messages",
    )
    idp_file: Path | None = Field(
        default=None,
        description="read the directory from a file: `.json` or `.ldif`; the `LDAP_*` settings for "
        "bases, OUs, filters and attributes apply to it, too",
    )
    ldap_server_domain: Text = Field(
        default=None,
        description="host names or `ldap://`, `ldaps://` addresses, separated by `,`, tried in "
        "order",
    )
    ldap_server_port: int = Field(default=636, ge=1, le=65535, description="the server's port")
    ldap_user: Text = Field(default=None, description="the account that reads (DN, or AD's UPN)")
    ldap_password: Secret = Field(default=None, description="its password")
    ldap_search_base: Text = Field(default=None, description="`DC=example,DC=com`")
    ldap_user_ous: str = Field(
        default="",
        description="OUs under the base that hold users: names, relative or full DNs, separated "
        "by `,` (by `;` where one holds a comma); empty: the base itself",
    )
    ldap_group_ous: str = Field(default="", description="the same for groups")
    ldap_tls: Literal["ldaps", "starttls", "none"] | None = Field(
        default=None,
        description="`ldaps`, `starttls` or `none`; unset: `ldaps` on the ports 636, 3269, 1636 and"
        " 10636, else `starttls`",
    )
    ldap_ca_file: Path | None = Field(
        default=None, description="PEM file of your own CA; unset: the system's"
    )
    ldap_kind: KindSetting = Field(
        default="auto",
        description="what kind of server it is: `active_directory`, `openldap`, `389ds`, `other`; "
        "`auto`: its root entry tells",
    )
    ldap_user_filter: Annotated[Text, AfterValidator(_filter)] = Field(
        default=None,
        description="LDAP filter for users; unset: people, as this kind of server keeps them",
    )
    ldap_group_filter: Annotated[Text, AfterValidator(_filter)] = Field(
        default=None,
        description="LDAP filter for groups; unset: groups, as this kind of server keeps them",
    )
    ldap_user_attributes: str = Field(
        default="",
        description="which attribute is what: `name=displayName,email=mail,phone_number=mobile,"
        "language=preferredLanguage,primary_group=...`; an attribute may carry a language tag: "
        "`name=displayName;lang-ja`",
    )
    ldap_group_attributes: str = Field(
        default="", description="the same for groups: `name=displayName,order=...`"
    )
    ldap_reference_attribute: ReferenceAttribute = Field(
        default="distinguishedName",
        description="the key that a Swit team's reference carries: `distinguishedName`, "
        "`entryUUID` or `objectGUID`",
    )
    ldap_page_size: int = Field(
        default=1000,
        ge=1,
        le=10000,
        description="entries a page; where the server limits the size of an answer, set it below"
        " that limit (389 Directory Server: `200`)",
    )
    directory_timeout_minutes: int = Field(
        default=60,
        ge=1,
        description="how long the whole read of a directory server may take, attempts included",
    )
    ldap_timeout_seconds: int = Field(
        default=60, ge=1, description="how long the server may be silent"
    )
    swit_client_id: Text = Field(default=None, description="the OAuth client")
    swit_client_secret: Secret = Field(default=None, description="its secret")
    swit_redirect_url: Address = Field(
        default="http://127.0.0.1:5000/oauth_callback",
        description="the redirect address registered with Swit",
    )
    swit_base_url: Annotated[Text, AfterValidator(lambda v: v and _address(v))] = Field(
        default=None, description="unset: `https://openapi.swit.io`"
    )
    swit_scim_base_url: Annotated[Text, AfterValidator(lambda v: v and _address(v))] = Field(
        default=None,
        description="unset: `https://saml.swit.io/scim/v2`, or `SWIT_BASE_URL` + `/scim/v2` where "
        "that is set",
    )
    swit_allow_http: bool = Field(
        default=False,
        description="`True`: send tokens and the client's secret unencrypted too, where "
        "`SWIT_BASE_URL` or `SWIT_SCIM_BASE_URL` is an `http://` address of another machine",
    )
    swit_organization: Text = Field(
        default=None,
        description="id or subdomain: a run that finds another organisation stops",
    )
    swit_access_token: Secret = Field(default=None, description="a first token")
    swit_refresh_token: Secret = Field(
        default=None, description="what renews it; once stored, the stored pair is newer and wins"
    )
    swit_requests_per_second: Annotated[str, AfterValidator(_pace)] = Field(
        default="auto",
        description="a number; `auto`: find the pace (5 to 20); `auto:N`: to N at most",
    )
    swit_max_concurrency: int = Field(default=8, ge=1, le=64, description="calls in flight")
    swit_timeout_seconds: float = Field(
        default=30,
        gt=0,
        description="how long Swit may take to answer one call; three times as long for an answer"
        " that arrives in pieces",
    )
    default_user_language: Literal["en", "ko"] = Field(
        default="en", description="for new users: `en` or `ko`"
    )
    default_user_timezone: Annotated[Text, AfterValidator(_timezone)] = Field(
        default=None, description="for new users: `Asia/Seoul`"
    )
    teams_to_exclude: Names = Field(
        default=(),
        description="group names out of scope: a group whose DN holds such a CN, or that is so "
        "called; a team it already has is left alone; a renamed group stays excluded",
    )
    swit_teams_to_keep: Names = Field(
        default=(),
        description="Swit teams never changed: names, `*` patterns or ids; a renamed team stays "
        "kept",
    )
    users_to_exclude: Names = Field(
        default=(), description="e-mail patterns never changed: `*@vendor.example`"
    )
    protected_roles: Names = Field(
        default=("master", "admin", "guest"), description="roles never deactivated"
    )
    unmanaged_users: Literal["deactivate", "keep"] = Field(
        default="deactivate",
        description="a Swit user whom no read has ever seen in the directory: `deactivate`, `keep`",
    )
    user_removal: Literal["deactivate", "remove", "keep"] = Field(
        default="deactivate",
        description="`deactivate`, `remove` (a hard delete: needs an approval each time), `keep`",
    )
    team_removal: Literal["delete", "mark", "keep"] = Field(
        default="delete",
        description="for teams whose group has left: `delete`, `mark` (rename to `(removed) ...`), "
        "`keep`",
    )
    unmanaged_teams: Literal["keep", "adopt", "delete"] = Field(
        default="keep",
        description="teams without a reference: `keep`, `adopt` (where the name is one group's), "
        "`delete` (as the reference program)",
    )
    clear_empty_phone: bool = Field(
        default=False, description="whether an empty phone number clears Swit's"
    )
    disabled_actions: Annotated[Names, AfterValidator(_actions)] = Field(
        default=(),
        description="actions planned and shown, but not sent: `user.create`..., `user.*`, `all`",
    )
    max_deactivations: LimitSetting = Field(
        default=Limit.parse("10%"),
        description="of the active users in scope. Each limit: a share, a number, both (`5%,50`: "
        "the lower wins) or `none`",
    )
    max_team_deletions: LimitSetting = Field(
        default=Limit.parse("10%"), description="of the managed teams"
    )
    max_membership_removals: LimitSetting = Field(
        default=Limit.parse("10%"), description="of all memberships"
    )
    max_membership_removals_per_team: LimitSetting = Field(
        default=Limit.parse("50%"), description="of one team's members (teams of 10 and more)"
    )
    max_user_creations: LimitSetting = Field(
        default=Limit.parse("none"), description="new users in one run"
    )
    max_team_creations: LimitSetting = Field(
        default=Limit.parse("none"), description="new teams in one run"
    )
    max_updates: LimitSetting = Field(
        default=Limit.parse("none"), description="users and teams changed in one run"
    )
    max_directory_shrink: LimitSetting = Field(
        default=Limit.parse("20%"),
        description="against the last accepted read: users and groups, each base",
    )
    plan_max_age_hours: float = Field(
        default=72, gt=0, description="an older plan, or its approval, is refused"
    )
    evidence_max_age_minutes: float = Field(
        default=10,
        ge=0,
        description="how old the reads of both sides may be when the first change is sent; older "
        "ones are read again, and changes that are no longer called for are not sent",
    )
    max_run_hours: float = Field(
        default=12,
        gt=0,
        le=8760,
        description="how long a run may take; a longer one is canceled, and the next `sync` goes "
        "on where it stopped",
    )
    state_database_url: Secret = Field(
        default=None,
        description="where the state rests: `postgresql://user:password@host/name` where several "
        "machines share it (needs the extra `postgresql`); unset: SQLite under `DAGSTER_HOME`",
    )
    token_encryption_key: FernetKey = Field(
        default=None, description="a Fernet key; encrypts stored tokens"
    )
    frames_base_path: Text = Field(
        default=None, description="where frames rest; unset: `frames` under `DAGSTER_HOME`"
    )
    hide_names: Literal["messages", "everywhere", "nowhere"] = Field(
        default="messages",
        description="where people's names, addresses and numbers are left out, codes in their "
        "place: `messages` to chats; `everywhere`: in metadata and logs of the UI too; `nowhere`",
    )
    operation_auth_key: Secret = Field(
        default=None,
        description="the key of the HTTP gateway (`serve`): 16 characters or more",
    )
    swit_webhook_url: Webhook = Field(
        default=None,
        description="where summaries and failures are posted as text: a Swit chat, "
        "`https://hook.swit.io/chat/...`",
    )
    alert_webhook_url: Webhook = Field(
        default=None,
        description="where the same is posted as JSON: anything else, since Swit's own hook is "
        "down when Swit is",
    )
    dagster_ui_url: Annotated[Text, AfterValidator(lambda v: v and _address(v))] = Field(
        default=None,
        description="where people see the Dagster UI, `https://sync.example.com`: messages link "
        "to their run",
    )
    host: str = Field(
        default="127.0.0.1", description="the address that the HTTP gateway listens on"
    )
    port: int = Field(default=5000, ge=1, le=65535, description="and its port")
    retention_days: int = Field(
        default=90,
        ge=1,
        description="how long frames, plans and Dagster's runs with their events are kept",
    )
    retention_days_journal: int = Field(
        default=730,
        ge=2,
        description="how long the journal is kept: what was done, when, and who approved it",
    )
    dagster_home: Path = Field(default=Path(".dagster_home"), description="Dagster's own folder")

    @classmethod
    def load(cls) -> Self:
        """Read the environment, `.env`, and the files that `..._FILE` variables name.

        Raises:
            SettingsError: with every problem at once.

        """
        from_files, problems = _secrets_from_files(sources())
        try:
            settings = cls.model_validate(from_files)
        except ValidationError as error:
            problems += [_sentence(item) for item in error.errors(include_input=False)]
            raise SettingsError(problems) from None
        if not problems:
            problems = settings.contradictions()
        if problems:
            raise SettingsError(problems)
        return settings

    @classmethod
    def what_can_be_used(cls) -> Self:
        """The same with the default in place of every value that can't be used: to tell of it."""
        readable: dict[str, Any] = {}
        try:
            given = sources()
        except SettingsError:
            readable, given = {"_env_file": None}, (_set_values(os.environ),)
        values: dict[str, Any] = readable | _secrets_from_files(given)[0]
        try:
            return cls(**values)
        except ValidationError as error:
            wrong = {str(item["loc"][0]) for item in error.errors(include_input=False)}
        defaults = {name.lower(): cls.model_fields[name.lower()].default for name in wrong}
        return cls(**(values | defaults))

    def contradictions(self) -> list[str]:
        """What only several variables together can get wrong."""
        problems = []
        for name, parse in (
            ("LDAP_SERVER_DOMAIN", lambda: self.ldap_server_domain and self._servers()),
            ("LDAP_SEARCH_BASE", lambda: self.ldap_search_base and dn_key(self.ldap_search_base)),
            ("LDAP_USER_OUS", lambda: self._bases(self.ldap_user_ous)),
            ("LDAP_GROUP_OUS", lambda: self._bases(self.ldap_group_ous)),
            ("LDAP_USER_ATTRIBUTES, LDAP_GROUP_ATTRIBUTES", self.attribute_mapping),
        ):
            try:
                parse()
            except ValueError as error:
                problems.append(f"{name}: {error}")
        if self.idp_file and self.idp_file.suffix.lower() not in {".json", ".ldif"}:
            problems.append(
                f"IDP_FILE: {self.idp_file} ends neither in .json nor in .ldif; name a file of one"
                " of these kinds, for example export.ldif"
            )
        if self.idp_file:
            problems += self._scope_problems()
        return problems

    def _scope_problems(self) -> list[str]:
        """What keeps the `LDAP_*` settings from being applied to a file."""
        problems = []
        for name, text in (
            ("LDAP_USER_FILTER", self.ldap_user_filter),
            ("LDAP_GROUP_FILTER", self.ldap_group_filter),
        ):
            try:
                EntryFilter(text or "(objectClass=*)")
            except ValueError as error:
                problems.append(f"{name}: {error}")
        ous = {"LDAP_USER_OUS": self.ldap_user_ous, "LDAP_GROUP_OUS": self.ldap_group_ous}
        given = [name for name, text in ous.items() if text.strip()]
        if given and not self.ldap_search_base:
            problems.append(
                f"{' and '.join(given)}: LDAP_SEARCH_BASE is not set, but OUs are looked for below"
                " it, in a file too; for example LDAP_SEARCH_BASE=DC=example,DC=com"
            )
        return problems

    def missing(
        self, *sides: Literal["directory", "swit"], token_stored: bool = False
    ) -> list[str]:
        """The variables without which a side cannot be read, a sentence each."""
        problems = self._tokens_in_clear() if "swit" in sides else []
        wanted: dict[str, object] = {}
        if "directory" in sides and self.idp_file is None and not self.is_running_locally:
            wanted |= {
                "LDAP_SERVER_DOMAIN": self.ldap_server_domain,
                "LDAP_USER": self.ldap_user,
                "LDAP_PASSWORD": self.ldap_password,
                "LDAP_SEARCH_BASE": self.ldap_search_base,
            }
        if "swit" in sides and not (self.is_running_locally or self.is_on_bundled_sandbox):
            wanted |= {
                "SWIT_CLIENT_ID": self.swit_client_id,
                "SWIT_CLIENT_SECRET": self.swit_client_secret,
            }
            if not token_stored:
                login = "SWIT_REFRESH_TOKEN (or a stored login: swit-provisioning login)"
                wanted[login] = self.swit_refresh_token or self.swit_access_token
        return problems + [f"{name} is not set" for name, value in wanted.items() if not value]

    def require(self, *sides: Literal["directory", "swit"], token_stored: bool = False) -> None:
        """Raise `SettingsError` with every variable that is missing for these sides."""
        problems = self.missing(*sides, token_stored=token_stored)
        if problems and problems[-1].endswith("is not set"):
            hint = (
                "or set SWIT=sandbox to try your own directory on the bundled sandbox, or"
                " IS_RUNNING_LOCALLY=True to try the sample directory there"
            )
            problems[-1] = f"{problems[-1]} ({hint})"
        if problems:
            raise SettingsError(problems)

    def require_encryption(self) -> None:
        """Raise `SettingsError` if a token or the client's secret would be sent unencrypted."""
        if problems := self._tokens_in_clear():
            raise SettingsError(problems)

    def _tokens_in_clear(self) -> list[str]:
        if self.swit_allow_http:
            return []
        return [
            f"{name}: a token would cross the network unencrypted. Use an https:// address, or set"
            " SWIT_ALLOW_HTTP=true to send it all the same. Nothing was sent"
            for name in self.unencrypted_addresses
        ]

    @property
    def unencrypted_addresses(self) -> list[str]:
        """The settings that name Swit by an `http://` address of another machine."""
        if self.swit == "sandbox":
            return []  # neither is called
        named = {
            "SWIT_BASE_URL": self.swit_base_url,
            "SWIT_SCIM_BASE_URL": self.swit_scim_base_url,
        }
        return [
            name
            for name, url in named.items()
            if url and urlsplit(url).scheme == "http" and not _is_loopback(url)
        ]

    @property
    def swit_is_on_this_machine(self) -> bool:
        """Whether Swit's address is a loopback address (the sandbox)."""
        if self.swit_base_url is None or self.is_on_bundled_sandbox:
            return self.is_on_bundled_sandbox
        return _is_loopback(self.swit_base_url)

    @property
    def base_url(self) -> str:
        """Swit's API, without a path. In test mode the caller sets the sandbox's instead."""
        return self.swit_base_url or "https://openapi.swit.io"

    @property
    def scim_base_url(self) -> str:
        """Swit's SCIM interface."""
        if self.swit_scim_base_url:
            return self.swit_scim_base_url
        return (
            f"{self.swit_base_url}/scim/v2"
            if self.swit_base_url
            else "https://saml.swit.io/scim/v2"
        )

    @property
    def mode(self) -> str:
        """`live` or `TEST MODE`: every output says it."""
        return "TEST MODE" if self.is_test_mode else "live"

    @property
    def is_test_mode(self) -> bool:
        """Whether this is no run on the real Swit: `IS_RUNNING_LOCALLY=True` or `SWIT=sandbox`."""
        return self.is_running_locally or self.swit == "sandbox"

    @property
    def names_are_hidden_everywhere(self) -> bool:
        """Whether metadata and logs hold no people either."""
        return self.hide_names == "everywhere"

    @property
    def directory_title(self) -> str:
        """Which directory is meant, for people."""
        if self.idp_file is not None:
            return str(self.idp_file)
        if self.is_running_locally:
            return "the bundled sample"
        return self.ldap_server_domain or "not set"

    @property
    def home(self) -> Path:
        """`DAGSTER_HOME`, absolute."""
        return self.dagster_home.expanduser().absolute()

    @property
    def is_on_bundled_sandbox(self) -> bool:
        """Whether Swit is the sandbox that comes along."""
        return self.swit == "sandbox" or (self.is_running_locally and self.swit_base_url is None)

    @property
    def expected_organization(self) -> str | None:
        """The organisation that a run must find; the sandbox's is always the one that is meant."""
        return None if self.is_on_bundled_sandbox else self.swit_organization

    @property
    def sandbox_file(self) -> Path:
        """Where the bundled sandbox keeps its organisation."""
        return self.home / "state" / "sandbox_organisation.json"

    @property
    def database_url(self) -> str:
        """Where the state rests (may hold a password: never show it)."""
        if self.state_database_url and self.swit != "sandbox":
            return self.state_database_url.get_secret_value()
        # Of its own, so that trying it out never binds the state to the sandbox's organisation.
        name = "sandbox.sqlite" if self.is_on_bundled_sandbox else "swit_provisioning.sqlite"
        return f"sqlite:///{self.home / 'state' / name}"

    @property
    def frames_path(self) -> str:
        """Where frames rest: a folder, or an object store's address."""
        own = self.frames_base_path if self.swit != "sandbox" else None
        return own or str(self.home / "frames")

    def policy(self) -> Policy:
        """The rules that shape a plan."""
        disabled = actions_named(self.disabled_actions)
        if self.is_running_locally and not self.swit_is_on_this_machine:
            disabled |= TAKE_AWAY
        return Policy(
            reference_attribute=self.ldap_reference_attribute,
            teams_to_exclude=self.teams_to_exclude,
            teams_to_keep=self.swit_teams_to_keep,
            users_to_exclude=self.users_to_exclude,
            protected_roles=self.protected_roles,
            unmanaged_users=self.unmanaged_users,
            user_removal=self.user_removal,
            team_removal=self.team_removal,
            unmanaged_teams=self.unmanaged_teams,
            clear_empty_phone=self.clear_empty_phone,
            disabled_actions=disabled,
            default_user_language=self.default_user_language,
            default_user_timezone=self.default_user_timezone,
        )

    def limits(self) -> Limits:
        """How much one plan may change without an approval."""
        return Limits(
            max_deactivations=self.max_deactivations,
            max_team_deletions=self.max_team_deletions,
            max_membership_removals=self.max_membership_removals,
            max_membership_removals_per_team=self.max_membership_removals_per_team,
            max_user_creations=self.max_user_creations,
            max_team_creations=self.max_team_creations,
            max_updates=self.max_updates,
            max_directory_shrink=self.max_directory_shrink,
        )

    def attribute_mapping(self) -> AttributeMapping:
        """Which directory attribute is what."""
        users = parse_user_attributes(self.ldap_user_attributes)
        return parse_group_attributes(self.ldap_group_attributes, users)

    def ldap(self) -> LdapConfig:
        """The LDAP server; call `require("directory")` before."""
        password = self.ldap_password.get_secret_value() if self.ldap_password else ""
        return LdapConfig(
            servers=self._servers(),
            user=self.ldap_user or "",
            password=password,
            ca_file=str(self.ldap_ca_file) if self.ldap_ca_file else None,
            search_base=self.ldap_search_base or "",
            user_bases=self._bases(self.ldap_user_ous),
            group_bases=self._bases(self.ldap_group_ous),
            kind=self.ldap_kind,
            user_filter=self.ldap_user_filter,
            group_filter=self.ldap_group_filter,
            reference_attribute=self.ldap_reference_attribute,
            page_size=self.ldap_page_size,
            timeout_seconds=self.ldap_timeout_seconds,
            read_minutes=self.directory_timeout_minutes,
        )

    def file_scope(self) -> FileScope:
        """Which entries of `IDP_FILE` are read."""
        return FileScope(
            search_base=self.ldap_search_base,
            user_bases=self._bases(self.ldap_user_ous),
            group_bases=self._bases(self.ldap_group_ous),
            user_filter=EntryFilter(self.ldap_user_filter) if self.ldap_user_filter else None,
            group_filter=EntryFilter(self.ldap_group_filter) if self.ldap_group_filter else None,
            reference_attribute=self.ldap_reference_attribute,
        )

    def _servers(self) -> Any:  # noqa: ANN401 - tuple[ServerAddress, ...], named in LdapConfig
        return parse_servers(
            self.ldap_server_domain or "", port=self.ldap_server_port, tls=self.ldap_tls
        )

    def _bases(self, text: str) -> tuple[str, ...]:
        return parse_bases(text, self.ldap_search_base) if self.ldap_search_base else ()


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def sources() -> tuple[dict[str, str], ...]:
    """The environment, then the lines of `.env`; names in upper case, empty values left out.

    Raises:
        SettingsError: `.env` can't be read.

    """
    path = Path(str(_CONFIG["env_file"]))
    try:
        lines = dotenv_values(path, encoding="utf-8") if path.is_file() else {}
    except OSError as error:
        problem = f"The file {path.absolute()} can't be read: {error.strerror}"
        raise SettingsError([f"{problem}. Let this account read it, or remove it"]) from error
    except UnicodeDecodeError as error:
        problem = f"The file {path.absolute()} is no UTF-8 text"
        raise SettingsError([f"{problem}. Save it as UTF-8"]) from error
    return _set_values(os.environ), _set_values(lines)


def _set_values(source: Mapping[str, str | None]) -> dict[str, str]:
    return {name.upper(): value for name, value in source.items() if value}


def _secrets_from_files(
    given: Iterable[Mapping[str, str]],
) -> tuple[dict[str, str], list[str]]:
    """The values of `..._FILE` variables, and what is wrong with them. The first source wins."""
    values: dict[str, str] = {}
    problems: list[str] = []
    given = tuple(given)
    for secret in SECRETS:
        name = secret.upper()
        named = (source for source in given if name in source or f"{name}_FILE" in source)
        source = next(named, {})
        path = source.get(f"{name}_FILE")
        if not path:
            continue
        if name in source:
            problems.append(f"{name} and {name}_FILE are both set; keep one")
            continue
        try:
            values[secret] = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"{name}_FILE: cannot read {path}: {error}")
    return values, problems


def _sentence(item: Mapping[str, Any]) -> str:
    name = ".".join(str(part) for part in item["loc"]).upper()
    return f"{name}: {str(item['msg']).removeprefix('Value error, ')}"
