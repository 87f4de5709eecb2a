"""What was read of each side."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

import pandas as pd

from swit_provisioning.reconcile.frames import (
    IDP_FINDINGS,
    SWIT_MEMBERSHIPS,
    SWIT_TEAMS,
    SWIT_USERS,
)


@dataclass(frozen=True, kw_only=True)
class BaseCount:
    """How many usable entries one search base (or file) gave."""

    base: str
    users: int
    groups: int


@dataclass(frozen=True, kw_only=True)
class DirectoryFacts:
    """How the directory was read. It exists only if the read was proved complete."""

    source: str
    """For people: `ldaps://dc1.example.com` or the file's name. No secret in it."""
    kind: Literal["json", "ldif", "ldap"]
    search_base: str | None
    """Normal-form DN; `None` for a file: there any DN counts as below it."""
    bases: tuple[BaseCount, ...]
    attributes: Mapping[str, str] = field(default_factory=dict)
    """What the directory calls `email`, `name`, `group_name`, `member`...: for findings."""
    warnings: tuple[str, ...] = ()
    server_kind: str | None = None
    """For people: `Active Directory`, `OpenLDAP`; nothing for a file."""
    left_out: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """`users`, `groups` or `other entries` of a file that are not read -> why -> how many."""

    @property
    def title(self) -> str:
        """Source and kind of server: `ldaps://dc1.example.com · Active Directory`."""
        return f"{self.source} · {self.server_kind}" if self.server_kind else self.source

    def document(self) -> dict[str, Any]:
        """As plain JSON values."""
        values = asdict(self)
        return {**values, "bases": list(values["bases"]), "warnings": list(values["warnings"])}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """The facts that `document` came from."""
        return cls(
            source=document["source"],
            kind=document["kind"],
            search_base=document["search_base"],
            bases=tuple(BaseCount(**base) for base in document["bases"]),
            attributes=document.get("attributes", {}),
            warnings=tuple(document["warnings"]),
            # Frames of earlier versions don't say it, and a run may be re-executed.
            server_kind=document.get("server_kind"),
            left_out=document.get("left_out", {}),
        )


@dataclass(frozen=True, kw_only=True)
class SwitFacts:
    """How Swit was read. It exists only if the read was proved complete."""

    organization_id: str
    organization_name: str
    authorised_user_id: str
    """The account whose token reads and writes; never touched."""
    total_rows: int
    """Accounts that Swit says it has; as many distinct ones were read."""
    warnings: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {**asdict(self), "warnings": list(self.warnings)}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """The facts that `document` came from."""
        return cls(**{**document, "warnings": tuple(document["warnings"])})


@dataclass(frozen=True, kw_only=True, eq=False)
class DirectoryState:
    """The directory as read: frames `idp_users`, `idp_groups`, `idp_memberships`, and what could
    not be read: `idp_findings`.
    """  # noqa: D205 - one sentence

    users: pd.DataFrame
    groups: pd.DataFrame
    memberships: pd.DataFrame
    facts: DirectoryFacts
    findings: pd.DataFrame = field(default_factory=IDP_FINDINGS.empty)


@dataclass(frozen=True, kw_only=True, eq=False)
class SwitState:
    """The organisation as read: frames `swit_users`, `swit_teams`, `swit_memberships`."""

    users: pd.DataFrame
    teams: pd.DataFrame
    memberships: pd.DataFrame
    facts: SwitFacts

    @classmethod
    def checked(cls, **parts: Any) -> Self:  # noqa: ANN401 - the fields above
        """Make one, after the frames were held against their schemas (`FrameError`)."""
        return cls(
            users=SWIT_USERS.conform(parts["users"]),
            teams=SWIT_TEAMS.conform(parts["teams"]),
            memberships=SWIT_MEMBERSHIPS.conform(parts["memberships"]),
            facts=parts["facts"],
        )
