"""A directory, as plainly as can be; a DN's key is the DN without case."""

from dataclasses import dataclass

from swit_provisioning.planning.policy import ReferenceAttribute


def key_of(dn: str) -> str:
    """All made-up DNs differ in case only."""
    return dn.casefold()


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A person."""

    dn: str
    emails: tuple[str, ...]
    other_emails: tuple[str, ...] = ()
    directory_id: str = ""
    names: tuple[str, ...] = ("Name",)
    phones: tuple[str, ...] = ()
    enabled: bool = True
    primary_group: str | None = None

    @property
    def key(self) -> str:
        return key_of(self.dn)

    @property
    def stable_id(self) -> str:
        return self.directory_id or self.key


@dataclass(frozen=True, kw_only=True)
class GroupEntry:
    """A group; `parents` is its `memberOf`, `None` where it has none at all."""

    dn: str
    names: tuple[str, ...]
    directory_id: str = ""
    members: tuple[str, ...] = ()
    parents: tuple[str, ...] | None = None

    @property
    def key(self) -> str:
        return key_of(self.dn)

    @property
    def stable_id(self) -> str:
        return self.directory_id or self.key


@dataclass(frozen=True, kw_only=True)
class Directory:
    """Entries in the order of the file."""

    users: tuple[Entry, ...]
    groups: tuple[GroupEntry, ...] = ()
    search_base: str | None = None
    reference_attribute: ReferenceAttribute = "distinguishedName"
