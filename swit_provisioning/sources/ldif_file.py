"""A directory in an LDIF file: a complete export of entries."""

import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import NoReturn

from ldif import LDIFParser

from swit_provisioning.planning.snapshots import DirectorySnapshot
from swit_provisioning.sources.base import (
    DirectoryConfigError,
    DirectoryIncompleteError,
    listed,
)
from swit_provisioning.sources.entries import Entry, Value, as_text
from swit_provisioning.sources.file_entries import FileDirectory
from swit_provisioning.sources.memberships import lists_members
from swit_provisioning.sources.server_types import is_person, kind_of

# `ldapsearch` without -LLL writes this after the entries of each page. It is not an entry, but says
# whether the result is complete.
_SEARCH_RESULT = re.compile(
    r"^search: \d+\r?\nresult: (?P<code>\d+)(?P<text>[^\n]*)\n?(?:[^\r\n][^\n]*(?:\n|\Z))*",
    re.MULTILINE,
)
_LDAPSEARCH_BEGINS, _LDAPSEARCH_ENDS = "\n# LDAPv3", "\n# numResponses:"
_NUMBER_OF_ENTRIES = re.compile(r"^# numEntries: (\d+)\r?$", re.MULTILINE)
# Programs end each record with an empty line, including the last one.
_CLOSED = re.compile(r"\n\r?\n(?:#[^\n]*\n)*\Z")
_MANY_ALIKE = 20
_MEMBERS_IN_RANGES = ("member", "uniquemember", "memberof")


class LdifDirectory(FileDirectory):
    """Reads one LDIF file: people and groups by their object classes, in the order of the file."""

    def read(self) -> DirectorySnapshot:
        """Read the file.

        Raises:
            DirectoryConfigError: the file does not exist, or is not LDIF of entries. The message
                names the record.
            DirectoryIncompleteError: there is no usable person, or the export is not complete.

        """
        text = self._text()
        self._refuse_failed_export(text)
        records = [*self._records(text)]
        self._refuse_cut_short(text, records)
        if records and not any(entry.classes() for entry in records):
            message = f"{self._path}: no entry has `objectClass`. Export it with the others."
            raise DirectoryIncompleteError(message)
        # Classes that are not known, but whose entries have addresses.
        unknown = {
            entry.classes()
            for entry in records
            if kind_of(entry.classes()) == "unknown"
            and entry.values(self._mapping.email)
            and not lists_members(entry)
        }
        entries = self._no_entries()
        spelled: dict[str, str] = {}
        for entry in records:
            person, group = self._is_person(entry, unknown), self._is_group(entry)
            entries.add(entry, person=person, group=group)
            if not (person or group):
                name = _classes_of(entry)
                entries.leave_out("other entries", spelled.setdefault(name.lower(), name))
                is_unknown = kind_of(entry.classes()) == "unknown"
                if is_unknown and self._scope.group_filter is None and lists_members(entry):
                    entries.reader.report(
                        "unknown object class",
                        entry,
                        "objectClass",
                        f"The entry lists members, but {name} is not a known class of"
                        " groups, so it is ignored. If it is a group, set LDAP_GROUP_FILTER.",
                    )
        counts = Counter(_classes_of(entry) for entry in records if entry.classes() in unknown)
        classes = listed(f"{count} {name}" for name, count in counts.most_common())
        warning = (
            f"{counts.total()} entries of unknown classes count as people, because entries of these"
            f" classes have an address ({self._mapping.email}): {classes}. Set LDAP_USER_FILTER to"
            " choose the people"
        )
        return entries.snapshot(
            "ldif",
            hint="Export objectClass and the addresses: they identify people.",
            warnings=[warning] if counts and self._scope.user_filter is None else [],
        )

    def _is_person(self, entry: Entry, unknown: AbstractSet[frozenset[str]]) -> bool:
        """True if the entry is a person, even if the filter leaves it out."""
        classes, rule = entry.classes(), self._scope.user_filter
        if kind_of(classes) == "person":
            return True
        if self._is_group(entry):
            return False
        matches = rule is not None and is_person(classes, own_filter=True) and rule.matches(entry)
        return matches or classes in unknown

    def _is_group(self, entry: Entry) -> bool:
        """True if the entry is a group, even if the filter leaves it out."""
        rule = self._scope.group_filter
        return kind_of(entry.classes()) == "group" or (rule is not None and rule.matches(entry))

    def _records(self, text: str) -> Iterator[Entry]:
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
            if dn is None:
                continue
            values: dict[str, tuple[Value, ...]] = {}
            for name, given in attributes.items():
                values[name.lower()] = (*values.get(name.lower(), ()), *given)
            (change,) = values.get("changetype", ("add",))
            if change != "add":
                problem = f"it is a change ({change!s}), but an export of entries is needed"
                raise self._broken(number, problem)
            yield Entry(dn=dn, attributes=values, where=f"record {number}")

    def _refuse_failed_export(self, text: str) -> None:
        """Fail if the text itself says that the export is not complete."""
        for result in _SEARCH_RESULT.finditer(text):
            if result["code"] != "0":
                message = (
                    f"{self._path} is not a complete export: it ended with result"
                    f" {result['code']}{result['text'].rstrip()}. Export again, with paging"
                    " (ldapsearch -E pr=1000/noprompt) or an account without a size limit."
                )
                raise DirectoryIncompleteError(message)
        if text and not text.endswith(("\n", "\r")):
            self._cut(
                "the last line has no line break. If you wrote the file by hand, add one. Otherwise"
                " export it again."
            )
        # `ldapsearch` begins each page with the one comment and ends the export with the other.
        if text.rfind(_LDAPSEARCH_BEGINS) > text.rfind(_LDAPSEARCH_ENDS):
            self._cut("the comment at the end of an ldapsearch export is missing. Export it again.")

    def _refuse_cut_short(self, text: str, records: Sequence[Entry]) -> None:
        """Fail if the file shows that entries or attributes are missing at its end."""
        numbers = [int(number) for number in _NUMBER_OF_ENTRIES.findall(text)]
        if len(records) < sum(numbers):
            self._cut(
                f"it has {len(records)} entries, and ldapsearch wrote {sum(numbers)}. If you"
                " removed some, remove the comment `# numEntries` too. Otherwise export it again."
            )
        for entry in records:
            for name in entry.attributes:
                kind, _, limits = name.partition(";range=")
                if kind in _MEMBERS_IN_RANGES and limits and limits != "0-*":
                    self._cut(  # Active Directory sent only some members to the exporting program
                        f"{entry} has only some of its members ({name}). Export it again with a"
                        " program that reads all ranges."
                    )
        if len(records) < 2 or _CLOSED.search(text):  # noqa: PLR2004 - the last one and others
            return
        *others, last = records
        # Every entry has classes. Other attributes are expected only if many similar entries have
        # them.
        alike = [one for one in others if one.classes() == last.classes()]
        if not last.classes():
            expected = {"objectclass"} if all(one.classes() for one in others) else set()
        elif len(alike) < _MANY_ALIKE:
            return
        else:
            expected = set.intersection(*(set(one.attributes) for one in alike))
        if missing := sorted(expected - set(last.attributes)):
            self._cut(
                f"the last entry, {last}, has no {', '.join(missing)}, but all similar entries"
                " have, and no empty line follows. If the file is complete, add an empty line."
                " Otherwise export it again."
            )

    def _cut(self, problem: str) -> NoReturn:
        message = f"{self._path} is not a complete export: {problem}"
        raise DirectoryIncompleteError(message)

    def _broken(self, number: int, problem: str) -> DirectoryConfigError:
        return DirectoryConfigError(
            f"{self._path}: record {number} is not an LDIF entry: {problem}. Begin each record with"
            " `dn:`, and separate records by an empty line."
        )


def _classes_of(entry: Entry) -> str:
    """Object classes of an entry in messages: `account+posixAccount`."""
    classes = [as_text(value) for value in entry.values("objectClass")]
    return "+".join(name for name in classes if name.lower() != "top") or "without objectClass"
