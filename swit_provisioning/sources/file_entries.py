"""Base of the file sources: read text, and select the entries that are in scope."""

import codecs
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from swit_provisioning.planning.snapshots import DirectorySnapshot
from swit_provisioning.sources.assembly import Batch, Source, assemble
from swit_provisioning.sources.attributes import AttributeMapping
from swit_provisioning.sources.base import (
    DirectoryConfigError,
    DirectoryIncompleteError,
    utc_now,
)
from swit_provisioning.sources.config import FileScope
from swit_provisioning.sources.entries import IDENTITY_ATTRIBUTES, Entry, EntryReader
from swit_provisioning.sources.filters import EntryFilter
from swit_provisioning.sources.ldap.dn import InvalidDN, dn_key, is_below
from swit_provisioning.sources.server_types import with_reference_warning

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class FileDirectory(ABC):
    """Base of the file sources."""

    def __init__(
        self,
        path: Path,
        mapping: AttributeMapping | None = None,
        *,
        scope: FileScope | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """Choose the file. Nothing is read yet.

        Args:
            path: the file, in UTF-8, or in UTF-16 with a byte order mark.
            mapping: attributes to read; by default those of the reference program.
            scope: entries to read; by default all.
            clock: current time, which decides whether accounts have expired.

        """
        self._path = Path(path)
        self._mapping = mapping or AttributeMapping()
        self._scope = scope or FileScope()
        self._clock = clock

    @property
    def description(self) -> str:
        """Name of the file."""
        return self._path.name

    @abstractmethod
    def read(self) -> DirectorySnapshot:
        """Read the file. Raises `DirectoryError` unless it is complete."""

    def find(self, people: AbstractSet[str], groups: AbstractSet[str]) -> None:
        """Return nothing: a file holds no more than was read."""
        del people, groups

    def _no_entries(self) -> "FileEntries":
        return FileEntries(self._path, self._scope, self._mapping, self._clock())

    def _text(self) -> str:
        """Text of the file: UTF-8, or UTF-16 with a byte order mark (`ldifde -u` on Windows).

        Raises:
            DirectoryConfigError: the file does not exist, is not readable, or is not text.

        """
        path = self._path
        try:
            raw = path.read_bytes()
        except OSError as error:
            message = f"{path} cannot be read: {error.strerror}. Check IDP_FILE"
            raise DirectoryConfigError(message) from error
        try:
            return raw.decode("utf-16" if raw.startswith(_UTF16) else "utf-8-sig")
        except UnicodeDecodeError as error:
            message = (
                f"{path} is not UTF-8 text (byte {error.start + 1}). Save or export it as UTF-8"
            )
            raise DirectoryConfigError(message) from error


@dataclass(kw_only=True)
class _Selection:
    """Selects people, or groups, by the settings `LDAP_USER_...` or `LDAP_GROUP_...`."""

    prefix: str
    bases: list[str]
    """Search bases in normal form. Empty: every entry is in scope."""
    rule: EntryFilter | None
    taken: list[tuple[str, Entry]] = field(default_factory=list)
    """Base and entry."""
    missing: frozenset[str] = frozenset()
    """Attributes in the filter that no entry has had so far."""


class FileEntries:
    """Collects the entries of one file that are in scope, and counts the others."""

    def __init__(
        self, path: Path, scope: FileScope, mapping: AttributeMapping, now: datetime
    ) -> None:
        """Start without entries. `now` decides which accounts have expired."""
        self._path = path
        self._scope = scope
        self._search_base = dn_key(scope.search_base) if scope.search_base else None
        self._selections = {
            what: _Selection(
                prefix=prefix,
                bases=[dn_key(base) for base in bases],
                rule=rule,
                missing=rule.attributes if rule else frozenset(),
            )
            for what, prefix, bases, rule in (
                ("users", "LDAP_USER", scope.user_bases, scope.user_filter),
                ("groups", "LDAP_GROUP", scope.group_bases, scope.group_filter),
            )
        }
        self._left_out: dict[str, Counter[str]] = {}
        self._read = 0
        self.reader = EntryReader(
            mapping=mapping,
            now=now,
            ordered=True,
            reference_attribute=scope.reference_attribute,
        )

    def add(self, entry: Entry, *, person: bool = False, group: bool = False) -> None:
        """Add an entry that is a person, a group, both or neither, unless it is out of scope."""
        self._read += 1
        for selection in self._selections.values():
            if selection.rule and selection.missing:
                selection.missing &= selection.rule.missing_in(entry)
        if person:
            self._select("users", entry)
        if group:
            self._select("groups", entry)

    def leave_out(self, what: str, why: str) -> None:
        """Count one entry that is not read."""
        self._left_out.setdefault(what, Counter())[why] += 1

    def snapshot(self, kind: str, *, hint: str, warnings: Iterable[str] = ()) -> DirectorySnapshot:
        """Assemble the snapshot from the entries.

        Args:
            kind: type of the source in `registry.SOURCES`.
            hint: what to check if no person was found.
            warnings: warnings about the file.

        Raises:
            DirectoryConfigError: entries have no usable DN, or no group has the attribute that
                teams should carry.
            DirectoryIncompleteError: there is no usable person, or the number of entries differs
                from the count beside the file.

        """
        self._compare_with_count()
        selections, name = self._selections.values(), self._path.name
        blind = [
            f"{one.prefix}_FILTER uses {', '.join(sorted(one.missing))}, but no entry of {name} has"
            " it. Export it too, or change the filter"
            for one in selections
            if one.missing
        ]
        bases = [base for one in selections for base in one.bases] or [name]
        snapshot = assemble(
            _batches(self._selections["users"].taken),
            _batches(self._selections["groups"].taken),
            source=Source(
                name=name,
                kind=kind,
                search_base=self._search_base,
                bases=tuple(dict.fromkeys(bases)),
                hint=hint,
                warnings=(*warnings, *blind),
                left_out=self._left_out,
            ),
            reader=self.reader,
        )
        return with_reference_warning(
            snapshot,
            self._scope.reference_attribute,
            name,
            remedy="Export it with the other attributes (ldapsearch ... '*' '+')",
        )

    def _select(self, what: str, entry: Entry) -> None:
        selection, wanted = self._selections[what], self._scope.reference_attribute
        base: str | None = self._path.name
        if selection.bases:
            try:
                key = dn_key(entry.dn)
            except InvalidDN:
                key = selection.bases[0]  # refused later, together with all other invalid DNs
            above = (one for one in selection.bases if key == one or is_below(key, one))
            base = next(above, None)
        if base is None:
            is_whole = selection.bases == [self._search_base]
            scope = "LDAP_SEARCH_BASE" if is_whole else f"{selection.prefix}_OUS"
            self.leave_out(what, f"outside {scope}")
        elif selection.rule is not None and not selection.rule.matches(entry):
            self.leave_out(what, f"not matching {selection.prefix}_FILTER")
        else:
            if wanted != "distinguishedName":
                # No other id may be used instead of the one that teams should carry.
                others = {name.lower() for name in IDENTITY_ATTRIBUTES if name != wanted}
                remaining = {n: v for n, v in entry.attributes.items() if n not in others}
                entry = replace(entry, attributes=remaining)
            selection.taken.append((base, entry))

    def _compare_with_count(self) -> None:
        count_file = self._path.with_name(f"{self._path.name}.count")
        try:
            text = count_file.read_text(encoding="utf-8-sig").strip()
        except FileNotFoundError:
            return
        except (OSError, UnicodeDecodeError) as error:
            message = f"{count_file} cannot be read: {error}. Write the number of entries into it"
            raise DirectoryConfigError(message) from error
        if not re.fullmatch(r"[0-9]{1,12}", text):
            message = (
                f"{count_file} contains {text[:40]!r} instead of the number of entries in"
                f" {self._path.name}. Write the number, or remove the file"
            )
            raise DirectoryConfigError(message)
        if int(text) != self._read:
            message = (
                f"{self._path} has {self._read} entries, but {count_file.name} says {int(text)}, so"
                " the export is not complete. Export it again, with its count"
            )
            raise DirectoryIncompleteError(message)


def _batches(entries: Iterable[tuple[str, Entry]]) -> Iterator[Batch]:
    """Entries in the order of the file. Consecutive entries of one base are one batch."""
    for base, some in groupby(entries, key=itemgetter(0)):
        yield Batch(base=base, entries=[entry for _, entry in some])
