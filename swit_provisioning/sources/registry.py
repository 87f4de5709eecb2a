"""Known types of sources. A new one needs a module, an entry here, and its settings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from swit_provisioning.planning.snapshots import DirectoryFacts, DirectoryScope
from swit_provisioning.sources.attributes import AttributeMapping
from swit_provisioning.sources.base import Directory
from swit_provisioning.sources.config import FileScope, LdapConfig
from swit_provisioning.sources.file_entries import FileDirectory
from swit_provisioning.sources.json_file import JsonDirectory
from swit_provisioning.sources.ldap.dn import DnScope
from swit_provisioning.sources.ldap.source import LdapDirectory
from swit_provisioning.sources.ldif_file import LdifDirectory


class SourceSettings(Protocol):
    """The settings that choose and configure a source."""

    @property
    def idp_file(self) -> Path | None:
        """File to read instead of a server."""
        ...

    def attribute_mapping(self) -> AttributeMapping:
        """Names of the attributes."""
        ...

    def file_scope(self) -> FileScope:
        """Which entries of a file are read."""
        ...

    def ldap(self) -> LdapConfig:
        """Servers, account and search bases."""
        ...


@dataclass(frozen=True, kw_only=True)
class SourceType:
    """One type of source."""

    is_chosen: Callable[[SourceSettings], bool]
    """True if the settings choose this type."""
    open: Callable[[SourceSettings], Directory]
    """Returns the source. Nothing is read yet."""
    scope: Callable[[DirectoryFacts], DirectoryScope]
    """Returns the scope of a directory that was read before."""


def _dn_scope(facts: DirectoryFacts) -> DirectoryScope:
    return DnScope(facts.search_base)


def _file_type(suffix: str, source: type[FileDirectory]) -> SourceType:
    def is_chosen(settings: SourceSettings) -> bool:
        return settings.idp_file is not None and settings.idp_file.suffix.lower() == suffix

    def open_(settings: SourceSettings) -> Directory:
        path = settings.idp_file or Path()
        return source(path, settings.attribute_mapping(), scope=settings.file_scope())

    return SourceType(is_chosen=is_chosen, open=open_, scope=_dn_scope)


SOURCES: Final[Mapping[str, SourceType]] = {
    "ldif": _file_type(".ldif", LdifDirectory),
    "json": _file_type(".json", JsonDirectory),
    "ldap": SourceType(
        is_chosen=lambda settings: settings.idp_file is None,
        open=lambda settings: LdapDirectory(settings.ldap(), settings.attribute_mapping()),
        scope=_dn_scope,
    ),
}
"""By `DirectoryFacts.kind`. The first type that the settings choose is read."""


def open_source(settings: SourceSettings) -> Directory:
    """Source that the settings choose."""
    return next(source for source in SOURCES.values() if source.is_chosen(settings)).open(settings)


def scope_of(facts: DirectoryFacts) -> DirectoryScope:
    """Scope of a directory that was read before."""
    return SOURCES[facts.kind].scope(facts)
