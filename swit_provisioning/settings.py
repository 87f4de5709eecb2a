"""The settings: loaded, checked, and as the values that the program is built from."""

import os
from collections.abc import Callable
from dataclasses import fields
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import ValidationError

from swit_provisioning.planning.actions import TAKE_AWAY, actions_named
from swit_provisioning.planning.policy import Limits, Policy
from swit_provisioning.setting_fields import (
    DirectoryFields,
    GatewayFields,
    LimitFields,
    MessageFields,
    ModeFields,
    RuleFields,
    RunFields,
    ScheduleFields,
    StorageFields,
    SwitFields,
)
from swit_provisioning.setting_sources import (
    SettingsError,
    secrets_from_files,
    set_values,
    sources,
)
from swit_provisioning.sources.attributes import (
    AttributeMapping,
    parse_group_attributes,
    parse_user_attributes,
)
from swit_provisioning.sources.config import (
    FILE_SUFFIXES,
    FileScope,
    LdapConfig,
    ServerAddress,
    parse_bases,
    parse_servers,
)
from swit_provisioning.sources.filters import EntryFilter
from swit_provisioning.sources.ldap.dn import dn_key

__all__ = ["ScheduleSettings", "Settings", "SettingsError"]


class ScheduleSettings(ScheduleFields):
    """The settings that the code location needs to load."""

    @classmethod
    def load(cls) -> Self:
        """Read the environment and `.env`.

        Raises:
            SettingsError: names every problem.

        """
        sources()  # raises if `.env` cannot be read
        try:
            return cls()
        except ValidationError as error:
            raise SettingsError(_sentences(error)) from None


class Settings(
    ScheduleSettings,
    ModeFields,
    DirectoryFields,
    SwitFields,
    RuleFields,
    LimitFields,
    RunFields,
    StorageFields,
    MessageFields,
    GatewayFields,
):
    """All settings. `Settings.load()` reports every problem in one message."""

    @classmethod
    def load(cls, **given: object) -> Self:
        """Read the environment, the env file, and the files in `..._FILE` variables.

        Settings that are `given` by name have this value instead.

        Raises:
            SettingsError: names every problem.

        """
        from_files, problems = secrets_from_files(sources())
        try:
            settings = cls.model_validate(from_files | given)
        except ValidationError as error:
            raise SettingsError(problems + _sentences(error)) from None
        if not problems:
            problems = settings.contradictions()
        if problems:
            raise SettingsError(problems)
        return settings

    @classmethod
    def what_can_be_used(cls) -> Self:
        """Read the settings, with the default for each unusable value: to report problems."""
        readable: dict[str, Any] = {}
        try:
            given = sources()
        except SettingsError:
            readable, given = {"_env_file": None}, (set_values(os.environ),)
        values: dict[str, Any] = readable | secrets_from_files(given)[0]
        try:
            return cls(**values)
        except ValidationError as error:
            wrong = {str(item["loc"][0]) for item in error.errors(include_input=False)}
        defaults = {name.lower(): cls.model_fields[name.lower()].default for name in wrong}
        return cls(**(values | defaults))

    def contradictions(self) -> list[str]:
        """Problems that only several variables together can have."""
        checks: dict[str, Callable[[], object]] = {
            "LDAP_SERVER_DOMAIN": lambda: self.ldap_server_domain and self._servers(),
            "LDAP_SEARCH_BASE": lambda: self.ldap_search_base and dn_key(self.ldap_search_base),
            "LDAP_USER_OUS": lambda: self._bases(self.ldap_user_ous),
            "LDAP_GROUP_OUS": lambda: self._bases(self.ldap_group_ous),
            "LDAP_USER_ATTRIBUTES, LDAP_GROUP_ATTRIBUTES": self.attribute_mapping,
        }
        if self.idp_file:
            # Filters that only a server can apply cannot be used for a file.
            checks["LDAP_USER_FILTER"] = lambda: _entry_filter(self.ldap_user_filter)
            checks["LDAP_GROUP_FILTER"] = lambda: _entry_filter(self.ldap_group_filter)
        problems = []
        for name, check in checks.items():
            try:
                check()
            except ValueError as error:
                problems.append(f"{name}: {error}")
        if self.idp_file and self.idp_file.suffix.lower() not in FILE_SUFFIXES:
            problems.append(
                f"IDP_FILE: {self.idp_file} does not end in {' or '.join(FILE_SUFFIXES)}. Name a"
                " file of one of these types, for example export.ldif"
            )
        ous = {"LDAP_USER_OUS": self.ldap_user_ous, "LDAP_GROUP_OUS": self.ldap_group_ous}
        given = [name for name, text in ous.items() if text.strip()]
        if self.idp_file and given and not self.ldap_search_base:
            problems.append(
                f"{' and '.join(given)}: LDAP_SEARCH_BASE is not set, but OUs are looked for below"
                " it, in a file too; for example LDAP_SEARCH_BASE=DC=example,DC=com"
            )
        return problems

    def missing(
        self, *sides: Literal["directory", "swit"], token_stored: bool = False
    ) -> list[str]:
        """One sentence for each problem that keeps a side from being read."""
        problems = self._unencrypted_tokens() if "swit" in sides else []
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
        problems = self._unencrypted_tokens()
        if problems:
            raise SettingsError(problems)

    def _unencrypted_tokens(self) -> list[str]:
        if self.swit_allow_http:
            return []
        return [
            f"{name}: a token would cross the network unencrypted. Use an https:// address, or set"
            " SWIT_ALLOW_HTTP=true to send it nevertheless. Nothing was sent"
            for name in self.unencrypted_addresses
        ]

    @property
    def unencrypted_addresses(self) -> list[str]:
        """The settings that name Swit by an `http://` address of another machine."""
        if self.swit == "sandbox":
            return []  # neither address is used
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
        """True if Swit's address is a loopback address, as the sandbox's is."""
        if self.swit_base_url is None or self.is_on_bundled_sandbox:
            return self.is_on_bundled_sandbox
        return _is_loopback(self.swit_base_url)

    @property
    def base_url(self) -> str:
        """The address of Swit's API, without a path. In test mode the caller uses the sandbox's."""
        return self.swit_base_url or "https://openapi.swit.io"

    @property
    def scim_base_url(self) -> str:
        """The address of Swit's SCIM interface."""
        if self.swit_scim_base_url:
            return self.swit_scim_base_url
        return (
            f"{self.swit_base_url}/scim/v2"
            if self.swit_base_url
            else "https://saml.swit.io/scim/v2"
        )

    @property
    def mode(self) -> str:
        """`live` or `TEST MODE`, for the first line of every output."""
        return "TEST MODE" if self.is_test_mode else "live"

    @property
    def is_test_mode(self) -> bool:
        """True with `IS_RUNNING_LOCALLY=True` or `SWIT=sandbox`."""
        return self.is_running_locally or self.swit == "sandbox"

    @property
    def names_are_hidden_everywhere(self) -> bool:
        """True if metadata and logs contain no names of people either."""
        return self.hide_names == "everywhere"

    @property
    def directory_title(self) -> str:
        """A name of the directory, for people."""
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
        """True if Swit is the bundled sandbox."""
        return self.swit == "sandbox" or (self.is_running_locally and self.swit_base_url is None)

    @property
    def expected_organization(self) -> str | None:
        """The organisation that a run must find; `None` if any is accepted, as on the sandbox."""
        return None if self.is_on_bundled_sandbox else self.swit_organization

    @property
    def sandbox_file(self) -> Path:
        """The file in which the bundled sandbox keeps its organisation."""
        return self.home / "state" / "sandbox_organisation.json"

    @property
    def database_url(self) -> str:
        """The address of the state database. It may contain a password, so never show it."""
        if self.state_database_url and self.swit != "sandbox":
            return self.state_database_url.get_secret_value()
        # A database of its own, so that a trial never binds the state to the sandbox.
        name = "sandbox.sqlite" if self.is_on_bundled_sandbox else "swit_provisioning.sqlite"
        return f"sqlite:///{self.home / 'state' / name}"

    @property
    def frames_path(self) -> str:
        """The folder or object store of the frames."""
        own = self.frames_base_path if self.swit != "sandbox" else None
        return own or str(self.home / "frames")

    def policy(self) -> Policy:
        """The rules that shape a plan."""
        disabled = actions_named(self.disabled_actions)
        if self.is_running_locally and not self.swit_is_on_this_machine:
            disabled |= TAKE_AWAY
        return Policy(
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
        """The limits, each the setting of the same name."""
        return Limits(**{field.name: getattr(self, field.name) for field in fields(Limits)})

    def attribute_mapping(self) -> AttributeMapping:
        """The directory attributes of users and groups."""
        users = parse_user_attributes(self.ldap_user_attributes)
        return parse_group_attributes(self.ldap_group_attributes, users)

    def ldap(self) -> LdapConfig:
        """The LDAP server; call `require("directory")` first."""
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
        """The entries of `IDP_FILE` that are read."""
        return FileScope(
            search_base=self.ldap_search_base,
            user_bases=self._bases(self.ldap_user_ous),
            group_bases=self._bases(self.ldap_group_ous),
            user_filter=_entry_filter(self.ldap_user_filter),
            group_filter=_entry_filter(self.ldap_group_filter),
            reference_attribute=self.ldap_reference_attribute,
        )

    def _servers(self) -> tuple[ServerAddress, ...]:
        return parse_servers(
            self.ldap_server_domain or "", port=self.ldap_server_port, tls=self.ldap_tls
        )

    def _bases(self, text: str) -> tuple[str, ...]:
        return parse_bases(text, self.ldap_search_base) if self.ldap_search_base else ()


def _entry_filter(text: str | None) -> EntryFilter | None:
    return EntryFilter(text) if text else None


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _sentences(error: ValidationError) -> list[str]:
    """One sentence for each problem, without the value: it could be a secret."""
    return [
        f"{'.'.join(map(str, item['loc'])).upper()}: {item['msg'].removeprefix('Value error, ')}"
        for item in error.errors(include_input=False)
    ]
