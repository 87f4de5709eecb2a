"""Every setting, declared once: its section, type, default and meaning.

A field is a variable in lower case. `docs/reference/settings.md` and `.env.example` list these
fields; a test writes both. To add a setting, add a field here and run `test_documentation.py` with
UPDATE_DOCS=1.
"""

import os
from pathlib import Path
from typing import Final, Literal, get_args

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from swit_provisioning import ENV_FILE_VARIABLE
from swit_provisioning.planning.policy import FirstSync, Limits, ReferenceAttribute
from swit_provisioning.setting_types import (
    Actions,
    Address,
    Clock,
    EncryptionKey,
    Filter,
    HeaderName,
    LimitSetting,
    Names,
    OptionalTimeZone,
    Pace,
    RedirectUrl,
    Secret,
    Text,
    TimeZone,
    Webhook,
)
from swit_provisioning.sources.config import KindSetting


class Section(BaseSettings):
    """Settings that belong together; the docstring is their heading in the documentation."""

    model_config = SettingsConfigDict(
        env_file=os.environ.get(ENV_FILE_VARIABLE) or ".env",
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        env_ignore_empty=True,
        arbitrary_types_allowed=True,
    )


class ScheduleFields(Section):
    """Schedule."""

    schedule_time: Clock = Field(
        default=None, description="`HH:MM`: time of the daily run; unset: no daily run"
    )
    schedule_timezone: TimeZone = Field(
        default="UTC",
        description="time zone of `SCHEDULE_TIME` and of `pause --until`, such as `Asia/Seoul`",
    )
    schedule_action: Literal["sync", "plan"] = Field(
        default="sync",
        description="what the daily run does: `sync`, or `plan` (writes nothing to Swit)",
    )
    alert_after_hours: float = Field(
        default=30,
        ge=0,
        description="with `SCHEDULE_TIME`: an alert is sent if no run has succeeded for so long; "
        "0: never",
    )


class ModeFields(Section):
    """Test mode."""

    is_running_locally: bool = Field(
        default=False,
        description="`True`: test mode. The directory is `IDP_FILE` or the bundled sample. Swit is "
        "the bundled sandbox unless `SWIT_BASE_URL` names another address. If that address is not "
        "on this machine, nothing is deactivated, removed or deleted",
    )
    swit: Literal["live", "sandbox"] = Field(
        default="live",
        description="`sandbox`: try your own directory. Swit is the bundled sandbox organisation, "
        "which keeps its state under `DAGSTER_HOME`. No other Swit is called, even if other "
        "`SWIT_*` settings name one. Nothing is posted to `SWIT_WEBHOOK_URL`, but "
        "`ALERT_WEBHOOK_URL` still gets messages",
    )


class DirectoryFields(Section):
    """Directory."""

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
    ldap_server_port: int = Field(
        default=636, ge=1, le=65535, description="port of the servers without one of their own"
    )
    ldap_user: Text = Field(
        default=None,
        description="the account that reads the directory (DN, or UPN in Active Directory)",
    )
    ldap_password: Secret = Field(default=None, description="password of `LDAP_USER`")
    ldap_search_base: Text = Field(
        default=None, description="the search base, such as `DC=example,DC=com`"
    )
    ldap_user_ous: str = Field(
        default="",
        description="OUs with users under the search base: names, relative or full DNs, separated "
        "by `,` (by `;` if one contains a comma); empty: the search base itself",
    )
    ldap_group_ous: str = Field(
        default="", description="OUs with groups, written like `LDAP_USER_OUS`"
    )
    ldap_tls: Literal["ldaps", "starttls", "none"] | None = Field(
        default=None,
        description="`ldaps`, `starttls` or `none`; unset: `ldaps` on the ports 636, 3269, 1636 and"
        " 10636, else `starttls`",
    )
    ldap_ca_file: Path | None = Field(
        default=None, description="PEM file of your own CA; unset: the system's CAs"
    )
    ldap_kind: KindSetting = Field(
        default="auto",
        description="the kind of server: `active_directory`, `openldap`, `389ds`, `other`; "
        "`auto`: detected from its root entry",
    )
    ldap_user_filter: Filter = Field(
        default=None,
        description="LDAP filter for users; unset: the usual filter for this kind of server",
    )
    ldap_group_filter: Filter = Field(
        default=None,
        description="LDAP filter for groups; unset: the usual filter for this kind of server",
    )
    ldap_user_attributes: str = Field(
        default="",
        description="the attributes of users: `name=displayName,email=mail,phone_number=mobile,"
        "language=preferredLanguage,primary_group=...`; with a language tag: "
        "`name=displayName;lang-ja`",
    )
    ldap_group_attributes: str = Field(
        default="", description="the attributes of groups: `name=displayName,order=...`"
    )
    ldap_reference_attribute: ReferenceAttribute = Field(
        default="distinguishedName",
        description="the attribute that identifies groups in the references of Swit teams: "
        "`distinguishedName`, `entryUUID` or `objectGUID`",
    )
    ldap_page_size: int = Field(
        default=1000,
        ge=1,
        le=10000,
        description="entries per page; if the server limits the size of an answer, set it below"
        " that limit (389 Directory Server: `200`)",
    )
    directory_timeout_minutes: int = Field(
        default=60,
        ge=1,
        description="maximum time for the whole read of a directory server, including retries",
    )
    ldap_timeout_seconds: int = Field(default=60, ge=1, description="maximum silence of the server")


class SwitFields(Section):
    """Swit."""

    swit_client_id: Text = Field(
        default=None, description="id of the OAuth client (your app at developers.swit.io/apps)"
    )
    swit_client_secret: Secret = Field(default=None, description="secret of the OAuth client")
    swit_redirect_url: RedirectUrl = Field(
        default="http://127.0.0.1:5000/oauth_callback",
        description="the redirect address registered with Swit",
    )
    swit_base_url: Address = Field(default=None, description="unset: `https://openapi.swit.io`")
    swit_scim_base_url: Address = Field(
        default=None,
        description="unset: `https://saml.swit.io/scim/v2`, or `SWIT_BASE_URL` + `/scim/v2` where "
        "that is set",
    )
    swit_allow_http: bool = Field(
        default=False,
        description="`True`: send tokens and the client's secret even if `SWIT_BASE_URL` or "
        "`SWIT_SCIM_BASE_URL` is an `http://` address of another machine",
    )
    swit_organization: Text = Field(
        default=None,
        description="id or subdomain; a run that finds another organisation stops",
    )
    swit_access_token: Secret = Field(
        default=None, description="a first access token, for a machine without a browser"
    )
    swit_refresh_token: Secret = Field(
        default=None,
        description="its refresh token; once a pair is stored, the stored pair is used",
    )
    swit_requests_per_second: Pace = Field(
        default="auto",
        description="a number; `auto`: finds the pace (5 to 20); `auto:N`: up to N",
    )
    swit_max_concurrency: int = Field(
        default=8, ge=1, le=64, description="maximum number of calls in flight"
    )
    swit_timeout_seconds: float = Field(
        default=30,
        gt=0,
        description="maximum silence of Swit in one call; the whole call may take three times as"
        " long",
    )


class RuleFields(Section):
    """What may change."""

    default_user_language: Literal["en", "ko"] = Field(
        default="en", description="language of new users: `en` or `ko`"
    )
    default_user_timezone: OptionalTimeZone = Field(
        default=None, description="time zone of new users, such as `Asia/Seoul`"
    )
    teams_to_exclude: Names = Field(
        default=(),
        description="names of groups that are out of scope, together with all groups whose DN "
        "contains such a CN. Teams that they already have are kept. A renamed group stays excluded",
    )
    swit_teams_to_keep: Names = Field(
        default=(),
        description="Swit teams that are never changed: names, `*` patterns or ids; a renamed team "
        "stays kept",
    )
    users_to_exclude: Names = Field(
        default=(),
        description="users that are never changed: e-mail patterns such as `*@vendor.example`",
    )
    protected_roles: Names = Field(
        default=("master", "admin", "guest"), description="roles that are never deactivated"
    )
    unmanaged_users: Literal["deactivate", "keep"] = Field(
        default="deactivate",
        description="a Swit user who was never found in the directory: `deactivate`, `keep`",
    )
    user_removal: Literal["deactivate", "remove", "keep"] = Field(
        default="deactivate",
        description="for users who left the directory: `deactivate`, `remove` (a hard delete: "
        "needs an approval each time), `keep`",
    )
    team_removal: Literal["delete", "mark", "keep"] = Field(
        default="delete",
        description="for teams whose group left the directory: `delete`, `mark` (rename to "
        "`(removed) ...`), `keep`",
    )
    unmanaged_teams: Literal["keep", "adopt", "delete"] = Field(
        default="keep",
        description="for teams without a reference: `keep`, `adopt` (if exactly one group has this "
        "name), `delete` (as the reference program)",
    )
    clear_empty_phone: bool = Field(
        default=False,
        description="`True`: an empty phone number in the directory clears the one in Swit",
    )
    disabled_actions: Actions = Field(
        default=(),
        description="actions that are planned and shown, but not sent: `user.create`..., "
        "`user.*`, `all`",
    )


class LimitFields(Section):
    """Limits."""

    first_sync: FirstSync = Field(
        default=Limits.first_sync,
        description="`additive`: until one plan was applied completely, or a complete read found "
        "nothing to do, departures, deletions, membership removals and activations need an "
        "approval; `full`: only the limits apply",
    )
    on_limit: Literal["stop", "hold_back"] = Field(
        default="stop",
        description="`stop`: a plan that exceeds a limit is not sent; `hold_back`: the changes "
        "that exceed it wait for an approval, and the others are sent",
    )
    max_deactivations: LimitSetting = Field(
        default=Limits.max_deactivations,
        description="of the active users in scope. Each limit is a share, a number, both (`5%,50`: "
        "the lower applies) or `none`",
    )
    max_team_deletions: LimitSetting = Field(
        default=Limits.max_team_deletions, description="of the managed teams"
    )
    max_membership_removals: LimitSetting = Field(
        default=Limits.max_membership_removals, description="of all memberships"
    )
    max_membership_removals_per_team: LimitSetting = Field(
        default=Limits.max_membership_removals_per_team,
        description="of the members of one team: teams of 10 and more, and teams of 5 and more "
        "that would lose all of them",
    )
    max_activations: LimitSetting = Field(
        default=Limits.max_activations,
        description="users activated again, compared with the active users; 5 always pass",
    )
    max_user_creations: LimitSetting = Field(
        default=Limits.max_user_creations,
        description="new users, compared with the present ones; 20 always pass, and a share does "
        "not limit a first sync",
    )
    max_team_creations: LimitSetting = Field(
        default=Limits.max_team_creations,
        description="new teams, compared with the present ones; as `MAX_USER_CREATIONS`",
    )
    max_updates: LimitSetting = Field(
        default=Limits.max_updates,
        description="names, moves, order and primary teams changed, of all users and teams; 20 "
        "always pass",
    )
    max_directory_shrink: LimitSetting = Field(
        default=Limits.max_directory_shrink,
        description="compared with the last accepted read: users and groups of each search base, "
        "and how many people and groups have each attribute",
    )


class RunFields(Section):
    """Plans and runs."""

    plan_max_age_hours: float = Field(
        default=72, gt=0, description="older plans and approvals are refused"
    )
    evidence_max_age_minutes: float = Field(
        default=10,
        ge=0,
        description="maximum age of both reads when the first change is sent; after that both "
        "sides are read again, and changes that are no longer needed are not sent",
    )
    approvals: Literal["one_person", "two_people"] = Field(
        default="one_person",
        description="`two_people`: a plan is approved by another person than who made it or applies"
        " it",
    )
    max_run_hours: float = Field(
        default=12,
        gt=0,
        le=8760,
        description="maximum time of a run; then it is canceled, and the next `sync` sends the "
        "remaining changes",
    )


class StorageFields(Section):
    """Storage."""

    dagster_home: Path = Field(default=Path(".dagster_home"), description="Dagster's own folder")
    state_database_url: Secret = Field(
        default=None,
        description="the state database: `postgresql://user:password@host/name` if several "
        "machines share it (needs the extra `postgresql`); unset: SQLite under `DAGSTER_HOME`",
    )
    token_encryption_key: EncryptionKey = Field(
        default=None, description="a Fernet key that encrypts stored tokens"
    )
    frames_base_path: Text = Field(
        default=None,
        description="folder or object store of the frames; unset: `frames` under `DAGSTER_HOME`",
    )
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


class MessageFields(Section):
    """Messages and names."""

    hide_names: Literal["messages", "everywhere", "nowhere"] = Field(
        default="messages",
        description="where codes replace people's names, addresses and numbers: in `messages` to "
        "chats; `everywhere`, in metadata and logs of the UI too; `nowhere`",
    )
    swit_webhook_url: Webhook = Field(
        default=None,
        description="where summaries and failures are posted as text: a Swit chat, such as "
        "`https://hook.swit.io/chat/...`",
    )
    alert_webhook_url: Webhook = Field(
        default=None,
        description="where they are posted as JSON: another service, because Swit's webhooks are "
        "down when Swit is",
    )
    dagster_ui_url: Address = Field(
        default=None,
        description="address of the Dagster UI, such as `https://sync.example.com`: messages link "
        "to their run",
    )


class GatewayFields(Section):
    """HTTP gateway."""

    operation_auth_key: Secret = Field(
        default=None,
        description="key of the HTTP gateway (`serve`), at least 16 characters",
    )
    host: str = Field(
        default="127.0.0.1", description="the address that the HTTP gateway listens on"
    )
    port: int = Field(default=5000, ge=1, le=65535, description="its port")
    gateway_url: Address = Field(
        default=None,
        description="address of the HTTP gateway for people, such as "
        "`https://sync.example.com:8443`: messages link to the page of their plan",
    )
    approval_key: Secret = Field(
        default=None,
        description="key for approvals in the browser, at least 16 characters; not the key of "
        "`OPERATION_AUTH_KEY`. Without it and `APPROVER_HEADER` the gateway shows no plan",
    )
    approver_header: HeaderName = Field(
        default=None,
        description="the header in which the proxy's sign-on names the approver, such as "
        "`X-Approver`; accepted with `serve --behind-proxy` from trusted proxies only",
    )


SECTIONS: Final[tuple[type[Section], ...]] = (
    ModeFields,
    ScheduleFields,
    DirectoryFields,
    SwitFields,
    RuleFields,
    LimitFields,
    RunFields,
    StorageFields,
    MessageFields,
    GatewayFields,
)
"""All sections, in the order of the documentation."""

SECRETS: Final[tuple[str, ...]] = tuple(
    name
    for section in SECTIONS
    for name, field in section.model_fields.items()
    if SecretStr in get_args(field.annotation)
)
"""Names of the settings that are never shown, and that a file can contain: `..._FILE`."""
