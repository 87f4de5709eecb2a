"""A directory in an LDIF file (RFC 2849), as `ldapsearch`, `slapcat` or `ldifde` export one."""

import io
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

from ldif import LDIFParser

from swit_provisioning.directory.assembly import Batch, Source, assemble
from swit_provisioning.directory.attributes import AttributeMapping
from swit_provisioning.directory.entries import Entry, Terms, Value
from swit_provisioning.directory.errors import DirectoryConfigError, DirectoryIncompleteError
from swit_provisioning.directory.file_text import read_file
from swit_provisioning.directory.filters import GROUP_CLASSES, PERSON_CLASSES, is_person
from swit_provisioning.directory.interface import utc_now
from swit_provisioning.reconcile.state import DirectoryState

# What `ldapsearch` without -LLL writes behind the entries of each page: no entry, but it tells
# whether the server gave everything.
_SEARCH_RESULT = re.compile(
    r"^search: \d+\r?\nresult: (?P<code>\d+)(?P<text>[^\n]*)\n?(?:[^\r\n][^\n]*(?:\n|\Z))*",
    re.MULTILINE,
)


class LdifDirectory:
    """Reads one LDIF file: people and groups by their object classes, in the file's order."""

    def __init__(
        self,
        path: Path,
        mapping: AttributeMapping | None = None,
        *,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """Say which file; nothing is read yet.

        Args:
            path: the file, UTF-8 (or UTF-16 with its mark).
            mapping: which attributes to take; the reference program's where nothing is said.
            clock: tells which accounts have expired.

        """
        self._path = Path(path)
        self._mapping = mapping or AttributeMapping()
        self._clock = clock

    @property
    def description(self) -> str:
        """The file's name."""
        return self._path.name

    def read(self) -> DirectoryState:
        """Read the file.

        Raises:
            DirectoryConfigError: no such file, or no LDIF of entries; the message has the record.
            DirectoryIncompleteError: it holds no user, or the export says it was cut short.

        """
        people: list[Entry] = []
        groups: list[Entry] = []
        name = self.description
        for entry in self._entries():
            classes = entry.classes()
            if classes & GROUP_CLASSES:
                groups.append(entry)
            elif classes & PERSON_CLASSES and is_person(classes):
                people.append(entry)
        return assemble(
            [Batch(base=name, entries=people)],
            [Batch(base=name, entries=groups)],
            source=Source(
                name=name,
                kind="ldif",
                search_base=None,
                bases=(name,),
                hint="People are known by their objectClass: export it, and `mail`, with them.",
            ),
            terms=Terms(mapping=self._mapping, now=self._clock(), listed=True),
        )

    def _entries(self) -> Iterator[Entry]:
        parser = LDIFParser(io.BytesIO(self._text().encode()))
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
        """The file's text without what `ldapsearch` says about its searches, if that is good."""
        text = read_file(self._path)
        for result in _SEARCH_RESULT.finditer(text):
            if result["code"] != "0":
                message = (
                    f"{self._path} is only a part of a directory: the export ended with result"
                    f" {result['code']}{result['text'].rstrip()}. Export again, with paging"
                    " (ldapsearch -E pr=1000/noprompt) or an account without a size limit."
                )
                raise DirectoryIncompleteError(message)
        return _SEARCH_RESULT.sub("", text)

    def _broken(self, number: int, problem: str) -> DirectoryConfigError:
        return DirectoryConfigError(
            f"{self._path}: record {number} is no LDIF entry: {problem}. Each record begins with"
            " `dn:` and is separated from the next by an empty line."
        )
