"""Entries of a file: those in scope are read, the others are counted."""

import codecs
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Literal

from swit_provisioning.planning.snapshots import DirectorySnapshot
from swit_provisioning.sources.assembly import Batch, Source, assemble
from swit_provisioning.sources.attributes import AttributeMapping
from swit_provisioning.sources.base import (
    DirectoryConfigError,
    DirectoryIncompleteError,
)
from swit_provisioning.sources.config import FileScope
from swit_provisioning.sources.entries import (
    IDENTITY_ATTRIBUTES,
    Entry,
    EntryReader,
)
from swit_provisioning.sources.filters import EntryFilter
from swit_provisioning.sources.ldap.dn import InvalidDN, dn_key, is_below
from swit_provisioning.sources.server_types import hold_references

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class FileEntries:
    """Takes the entries of one file: those in scope, and a count of the others."""

    def __init__(
        self, path: Path, scope: FileScope, *, mapping: AttributeMapping, now: datetime
    ) -> None:
        """Start with none; `now` tells which accounts have expired."""
        self._path = path
        self._scope = scope
        self._people: list[tuple[str, Entry]] = []
        self._groups: list[tuple[str, Entry]] = []
        self._left_out: dict[str, Counter[str]] = {}
        self._missing = {
            setting: (rule, rule.attributes)
            for setting, rule in (
                ("LDAP_USER_FILTER", scope.user_filter),
                ("LDAP_GROUP_FILTER", scope.group_filter),
            )
            if rule is not None
        }
        """Each filter with its attributes that no entry has had so far."""
        self._read = 0
        self.reader = EntryReader(
            mapping=mapping,
            now=now,
            ordered=True,
            reference_attribute=scope.reference_attribute,
        )

    def add(self, entry: Entry, *, person: bool = False, group: bool = False) -> None:
        """Take an entry that is a person, a group or neither.

        It is left out where the OUs or the filter of the settings leave it out.
        """
        scope = self._scope
        self._read += 1
        for setting, (looking, missing) in self._missing.items():
            if missing:
                self._missing[setting] = looking, missing & looking.missing_in(entry)
        if person:
            where, rule = (scope.user_bases, "LDAP_USER_OUS"), scope.user_filter
            self._take(self._people, "users", entry, *where, rule, "LDAP_USER_FILTER")
        if group:
            where, rule = (scope.group_bases, "LDAP_GROUP_OUS"), scope.group_filter
            self._take(self._groups, "groups", entry, *where, rule, "LDAP_GROUP_FILTER")

    def leave_out(self, what: str, why: str) -> None:
        """Count one entry that is not read."""
        self._left_out.setdefault(what, Counter())[why] += 1

    def state(
        self, kind: Literal["json", "ldif"], *, hint: str, warnings: Iterable[str] = ()
    ) -> DirectorySnapshot:
        """The directory that these entries are.

        Args:
            kind: of the file.
            hint: what to look at if nobody was found.
            warnings: remarks about the file.

        Raises:
            DirectoryConfigError: entries without usable DNs, or no group has the key that teams
                should carry.
            DirectoryIncompleteError: there is no usable user, or the count beside the file says
                another number of entries.

        """
        self._compare_with_count()
        scope, name = self._scope, self._path.name
        bases = [dn_key(base) for base in (*scope.user_bases, *scope.group_bases)] or [name]
        state = assemble(
            _batches(self._people),
            _batches(self._groups),
            source=Source(
                name=name,
                kind=kind,
                search_base=dn_key(scope.search_base) if scope.search_base else None,
                bases=tuple(dict.fromkeys(bases)),
                hint=hint,
                warnings=(*warnings, *self._blind_filters()),
                left_out=self._left_out,
            ),
            reader=self.reader,
        )
        return hold_references(
            state,
            scope.reference_attribute,
            name,
            remedy="Export it with the other attributes (ldapsearch ... '*' '+')",
        )

    def _take(
        self,
        taken: list[tuple[str, Entry]],
        what: str,
        entry: Entry,
        bases: tuple[str, ...],
        ous: str,
        rule: EntryFilter | None,
        setting: str,
    ) -> None:
        base = self._base(entry, bases)
        if base is None:
            is_outside = bases == (self._scope.search_base,)
            self.leave_out(what, f"outside {'LDAP_SEARCH_BASE' if is_outside else ous}")
        elif rule is not None and not rule.matches(entry):
            self.leave_out(what, f"not matching {setting}")
        else:
            taken.append((base, self._with_one_id(entry)))

    def _base(self, entry: Entry, bases: tuple[str, ...]) -> str | None:
        """The base that the entry is at or below; nothing if there is none."""
        if not bases:
            return self._path.name
        try:
            key = dn_key(entry.dn)
        except InvalidDN:
            return dn_key(bases[0])  # it will be refused with all others whose DN is none
        keys = map(dn_key, bases)
        return next((base for base in keys if key == base or is_below(key, base)), None)

    def _with_one_id(self, entry: Entry) -> Entry:
        """The entry without ids that could stand in for the one that teams should carry."""
        wanted = self._scope.reference_attribute
        if wanted == "distinguishedName":
            return entry
        others = {name.lower() for name in IDENTITY_ATTRIBUTES if name != wanted}
        kept = {name: held for name, held in entry.attributes.items() if name not in others}
        return replace(entry, attributes=kept)

    def _blind_filters(self) -> Iterator[str]:
        """A warning for each filter that looks at attributes which no entry has."""
        for setting, (_, missing) in self._missing.items():
            if missing:
                yield (
                    f"{setting} looks at {', '.join(sorted(missing))}, but no entry of"
                    f" {self._path.name} has it; export it, too, or change the filter"
                )

    def _compare_with_count(self) -> None:
        beside = self._path.with_name(f"{self._path.name}.count")
        try:
            text = beside.read_text(encoding="utf-8-sig").strip()
        except FileNotFoundError:
            return
        except (OSError, UnicodeDecodeError) as error:
            message = f"{beside} can't be read: {error}. It should hold the number of entries"
            raise DirectoryConfigError(message) from error
        if not re.fullmatch(r"[0-9]{1,12}", text):
            message = (
                f"{beside} should hold the number of entries in {self._path.name}, and nothing"
                f" else; it holds {text[:40]!r}. Write the number, or remove the file"
            )
            raise DirectoryConfigError(message)
        if int(text) != self._read:
            message = (
                f"{self._path} has {self._read} entries, but {beside.name} says {int(text)}, so the"
                " file is not the whole export. Export it again, with its count"
            )
            raise DirectoryIncompleteError(message)


def read_file(path: Path) -> str:
    """Read a file as UTF-8, or as UTF-16 where its first bytes say so (`ldifde -u` on Windows).

    Raises:
        DirectoryConfigError: there is no such file, it may not be read, or it is no text.

    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        message = f"{path} can't be read: {error.strerror}; IDP_FILE names the directory's file"
        raise DirectoryConfigError(message) from error
    encoding = "utf-16" if raw.startswith(_UTF16) else "utf-8-sig"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        message = f"{path} is not UTF-8 text (byte {error.start + 1}); save or export it as UTF-8"
        raise DirectoryConfigError(message) from error


def _batches(entries: Iterable[tuple[str, Entry]]) -> Iterator[Batch]:
    """The entries in the file's order, those of one base that follow one another together."""
    for base, some in groupby(entries, key=itemgetter(0)):
        yield Batch(base=base, entries=[entry for _, entry in some])
