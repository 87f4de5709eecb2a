"""A directory in a JSON file, in the shape of the reference program's test data.

`{"users": [{"distinguishedName": ..., "mail": ..., ...}], "groups": [{..., "member": [...],
"memberOf": [...]}]}`: attributes by name, each one value, a list of values, or `null`. Keys that
nothing here asks for are ignored.
"""

import codecs
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Literal, NoReturn

from ldif import LDIFParser

from swit_provisioning.planning.snapshots import DirectorySnapshot
from swit_provisioning.sources.assembly import Batch, Source, assemble
from swit_provisioning.sources.attributes import AttributeMapping
from swit_provisioning.sources.base import (
    DirectoryConfigError,
    DirectoryIncompleteError,
    listed,
    utc_now,
)
from swit_provisioning.sources.config import EntryFilter, FileScope, is_person, kind_of
from swit_provisioning.sources.entries import (
    IDENTITY_ATTRIBUTES,
    Entry,
    EntryReader,
    Value,
    as_text,
)
from swit_provisioning.sources.ldap.dn import InvalidDN, dn_key, is_below
from swit_provisioning.sources.memberships import lists_members
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


_DN = "distinguishedname"
_SHAPE = '{"users": [{"distinguishedName": "CN=Ada,DC=example,DC=com", ...}], "groups": []}'


class JsonDirectory:
    """Reads one JSON file; the order of its lists is the directory's order."""

    def __init__(
        self,
        path: Path,
        mapping: AttributeMapping | None = None,
        *,
        scope: FileScope | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """Say which file; nothing is read yet.

        Args:
            path: the file, UTF-8 (or UTF-16 with its mark).
            mapping: which attributes to take; the reference program's where nothing is said.
            scope: which of its entries to take; all where nothing is said.
            clock: tells which accounts have expired.

        """
        self._path = Path(path)
        self._mapping = mapping or AttributeMapping()
        self._scope = scope or FileScope()
        self._clock = clock

    @property
    def description(self) -> str:
        """The file's name."""
        return self._path.name

    def read(self) -> DirectorySnapshot:
        """Read the file.

        Raises:
            DirectoryConfigError: no such file, no JSON, or another shape; all bad entries at once.
            DirectoryIncompleteError: it holds no user, or not as many entries as its count says.

        """
        document = self._document()
        problems: list[str] = []
        people = list(_entries(document, "users", problems))
        groups = list(_entries(document, "groups", problems))
        if problems:
            message = f"{self._path}: {listed(problems, most=10)}. Expected: {_SHAPE}"
            raise DirectoryConfigError(message)
        entries = FileEntries(self._path, self._scope, mapping=self._mapping, now=self._clock())
        for person in people:
            entries.add(person, person=True)
        for group in groups:
            entries.add(group, group=True)
        return entries.state("json", hint=f"Look into `users` of {self._path}.")

    def _document(self) -> Mapping[str, Any]:
        text = read_file(self._path)
        try:
            document = json.loads(text)
        except json.JSONDecodeError as error:
            message = (
                f"{self._path} is no JSON: {error.msg} in line {error.lineno}, column {error.colno}"
            )
            raise DirectoryConfigError(message) from error
        except (ValueError, RecursionError) as error:
            message = (
                f"{self._path} can't be read: it is nested too deeply, or holds a number with"
                f" thousands of digits. Correct the file. Expected: {_SHAPE}"
            )
            raise DirectoryConfigError(message) from error
        if not isinstance(document, dict):
            message = f"{self._path} holds no JSON object. Expected: {_SHAPE}"
            raise DirectoryConfigError(message)
        return document


def _entries(document: Mapping[str, Any], part: str, problems: list[str]) -> Iterator[Entry]:
    rows = document.get(part)
    if not isinstance(rows, list):
        found = "is missing" if part not in document else "is no list"
        problems.append(f"`{part}` {found} (write [] where there are none)")
        return
    for index, row in enumerate(rows):
        where = f"{part}[{index}]"
        if not isinstance(row, dict):
            problems.append(f"{where} is no object")
            continue
        attributes = _attributes(row, where, problems)
        dn = next(iter(attributes.get(_DN, ())), "")
        if not dn.strip():
            problems.append(f"{where} has no `distinguishedName`, which every entry needs")
            continue
        yield Entry(dn=dn, attributes=attributes, where=where)


def _attributes(
    row: Mapping[str, Any], where: str, problems: list[str]
) -> dict[str, tuple[str, ...]]:
    attributes: dict[str, tuple[str, ...]] = {}
    for name, value in row.items():
        if value is None:
            continue
        values = value if isinstance(value, list) else [value]
        texts = [_text(v) for v in values if v is not None]
        usable = tuple(text for text in texts if text is not None)
        if len(usable) < len(texts):
            problems.append(f"{where}: `{name}` is neither text nor a list of texts")
        attributes[name.lower()] = usable
    return attributes


def _text(value: object) -> str | None:
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return str(value) if isinstance(value, str | int | float) else None


# What `ldapsearch` without -LLL writes behind the entries of each page: no entry, but it tells
# whether the server gave everything.
_SEARCH_RESULT = re.compile(
    r"^search: \d+\r?\nresult: (?P<code>\d+)(?P<text>[^\n]*)\n?(?:[^\r\n][^\n]*(?:\n|\Z))*",
    re.MULTILINE,
)
_LDAPSEARCH_BEGINS, _LDAPSEARCH_ENDS = "\n# LDAPv3", "\n# numResponses:"
_NUMBER_OF_ENTRIES = re.compile(r"^# numEntries: (\d+)\r?$", re.MULTILINE)
# Programs end each record with an empty line, the last one too.
_CLOSED = re.compile(r"\n\r?\n(?:#[^\n]*\n)*\Z")
_MANY_ALIKE = 20
_MEMBERS_IN_RANGES = ("member", "uniquemember", "memberof")


class LdifDirectory:
    """Reads one LDIF file: people and groups by their object classes, in the file's order."""

    def __init__(
        self,
        path: Path,
        mapping: AttributeMapping | None = None,
        *,
        scope: FileScope | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """Say which file; nothing is read yet.

        Args:
            path: the file, UTF-8 (or UTF-16 with its mark).
            mapping: which attributes to take; the reference program's where nothing is said.
            scope: which of its entries to take; all people and groups where nothing is said.
            clock: tells which accounts have expired.

        """
        self._path = Path(path)
        self._mapping = mapping or AttributeMapping()
        self._scope = scope or FileScope()
        self._clock = clock

    @property
    def description(self) -> str:
        """The file's name."""
        return self._path.name

    def read(self) -> DirectorySnapshot:
        """Read the file.

        Raises:
            DirectoryConfigError: no such file, or no LDIF of entries; the message has the record.
            DirectoryIncompleteError: it holds no user, or is only a part of an export.

        """
        entries = FileEntries(self._path, self._scope, mapping=self._mapping, now=self._clock())
        text = self._text()
        records = [*self._entries(text)]
        self._refuse_cut_short(text, records)
        if records and not any(entry.classes() for entry in records):
            message = f"{self._path}: no entry has `objectClass`. Export it with the others."
            raise DirectoryIncompleteError(message)
        unknown = self._unknown_people(records)
        spelled: dict[str, str] = {}
        for entry in records:
            person, group = self._is_person(entry, unknown), self._is_group(entry)
            entries.add(entry, person=person, group=group)
            if not (person or group):
                name = _classes_of(entry)
                entries.leave_out("other entries", spelled.setdefault(name.lower(), name))
                if self._is_unknown_group(entry):
                    entries.reader.report(
                        "class not known",
                        entry,
                        "objectClass",
                        f"The entry lists members, but {_classes_of(entry)} is no known class of"
                        " groups, so it is left out. If it is a group, set LDAP_GROUP_FILTER.",
                    )
        counts = Counter(_classes_of(entry) for entry in records if entry.classes() in unknown)
        classes = listed(f"{count} {name}" for name, count in counts.most_common())
        warning = (
            f"{counts.total()} entries count as people because entries of their class have an"
            f" address ({self._mapping.email}), though the class is not known: {classes}. Set"
            " LDAP_USER_FILTER to choose the people yourself"
        )
        return entries.state(
            "ldif",
            hint="People are known by their objectClass or their address: export both.",
            warnings=[warning] if counts and self._scope.user_filter is None else [],
        )

    def _unknown_people(self, records: Iterable[Entry]) -> set[frozenset[str]]:
        """Sets of classes that are not known, but whose entries have addresses."""
        return {
            classes
            for entry in records
            if kind_of(classes := entry.classes()) == "unknown"
            and entry.values(self._mapping.email)
            and not lists_members(entry)
        }

    def _is_person(self, entry: Entry, unknown: AbstractSet[frozenset[str]]) -> bool:
        """Whether it is a person, be it one that the filter leaves out."""
        classes, rule = entry.classes(), self._scope.user_filter
        if kind_of(classes) == "person":
            return True
        if self._is_group(entry):
            return False
        matches = rule is not None and is_person(classes, own_filter=True) and rule.matches(entry)
        return matches or classes in unknown

    def _is_group(self, entry: Entry) -> bool:
        """Whether it is a group, be it one that the filter leaves out."""
        rule = self._scope.group_filter
        return kind_of(entry.classes()) == "group" or (rule is not None and rule.matches(entry))

    def _is_unknown_group(self, entry: Entry) -> bool:
        """Whether it may be a group, but neither its class nor LDAP_GROUP_FILTER says so."""
        is_unknown = kind_of(entry.classes()) == "unknown"
        return is_unknown and self._scope.group_filter is None and lists_members(entry)

    def _entries(self, text: str) -> Iterator[Entry]:
        parser = LDIFParser(io.BytesIO(_SEARCH_RESULT.sub("", text).encode()))
        records = parser.parse()
        while True:
            number = parser.records_read + 1
            try:
                dn, attributes = next(records)
            except StopIteration:
                return
            except ValueError as error:
                raise self._broken(number, str(error)) from error
            if dn is not None:
                yield self._entry(number, dn, attributes)

    def _entry(self, number: int, dn: str, attributes: Mapping[str, list[Value]]) -> Entry:
        values: dict[str, tuple[Value, ...]] = {}
        for name, given in attributes.items():
            values[name.lower()] = (*values.get(name.lower(), ()), *given)
        (change,) = values.get("changetype", ("add",))
        if change != "add":
            problem = f"it is a change ({change!s}), but an export of entries is needed"
            raise self._broken(number, problem)
        return Entry(dn=dn, attributes=values, where=f"record {number}")

    def _text(self) -> str:
        """The file's text, if nothing in it says that it is only a part."""
        text = read_file(self._path)
        for result in _SEARCH_RESULT.finditer(text):
            if result["code"] != "0":
                message = (
                    f"{self._path} is only a part of a directory: the export ended with result"
                    f" {result['code']}{result['text'].rstrip()}. Export again, with paging"
                    " (ldapsearch -E pr=1000/noprompt) or an account without a size limit."
                )
                raise DirectoryIncompleteError(message)
        if text and not text.endswith(("\n", "\r")):
            self._cut(
                "the last line has no end. If you wrote the file by hand, end that line."
                " Otherwise export it again."
            )
        # `ldapsearch` begins each page with the one comment and ends the export with the other.
        if text.rfind(_LDAPSEARCH_BEGINS) > text.rfind(_LDAPSEARCH_ENDS):
            self._cut("the comment at the end of an ldapsearch export is missing. Export it again.")
        return text

    def _refuse_cut_short(self, text: str, records: Sequence[Entry]) -> None:
        """Fail if entries or attributes are missing that the rest of the file leads to expect."""
        numbers = [int(number) for number in _NUMBER_OF_ENTRIES.findall(text)]
        if len(records) < sum(numbers):
            self._cut(
                f"it has {len(records)} entries, and ldapsearch wrote {sum(numbers)}. If you"
                " removed some, remove the comment `# numEntries` too. Otherwise export it again."
            )
        for entry in records:
            self._refuse_partial_members(entry)
        if len(records) < 2 or _CLOSED.search(text):  # noqa: PLR2004 - the last one and others
            return
        *others, last = records
        # Every entry has classes; of attributes that is known where many entries are alike.
        alike = [one for one in others if one.classes() == last.classes()]
        if not last.classes():
            expected = {"objectclass"} if all(one.classes() for one in others) else set()
        elif len(alike) < _MANY_ALIKE:
            return
        else:
            expected = set.intersection(*(set(one.attributes) for one in alike))
        if missing := sorted(expected - set(last.attributes)):
            self._cut(
                f"the last entry, {last}, has no {', '.join(missing)}, but all entries like it have"
                " it, and no empty line follows. If the file is whole, end it with an empty line."
                " Otherwise export it again."
            )

    def _refuse_partial_members(self, entry: Entry) -> None:
        """Fail if Active Directory gave the exporting program only some members of a group."""
        for name in entry.attributes:
            kind, _, limits = name.partition(";range=")
            if kind in _MEMBERS_IN_RANGES and limits and limits != "0-*":
                self._cut(
                    f"{entry} has only a part of its members ({name}). Export it again with a"
                    " program that reads all ranges."
                )

    def _cut(self, problem: str) -> NoReturn:
        """Fail with what is missing, and what to do about it."""
        message = f"{self._path} is not a whole export: {problem}"
        raise DirectoryIncompleteError(message)

    def _broken(self, number: int, problem: str) -> DirectoryConfigError:
        return DirectoryConfigError(
            f"{self._path}: record {number} is no LDIF entry: {problem}. Each record begins with"
            " `dn:` and is separated from the next by an empty line."
        )


def _classes_of(entry: Entry) -> str:
    """The object classes of an entry as messages have them: `account+posixAccount`."""
    classes = [as_text(value) for value in entry.values("objectClass")]
    return "+".join(name for name in classes if name.lower() != "top") or "without objectClass"
