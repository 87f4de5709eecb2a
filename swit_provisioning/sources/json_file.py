"""A directory in a JSON file, in the shape of the reference program's test data.

`{"users": [{"distinguishedName": ..., "mail": ..., ...}], "groups": [{..., "member": [...],
"memberOf": [...]}]}`: attributes by name, each one value, a list of values, or `null`. Keys that
nothing here asks for are ignored.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from swit_provisioning.planning.snapshots import DirectorySnapshot
from swit_provisioning.sources.attributes import AttributeMapping
from swit_provisioning.sources.base import (
    DirectoryConfigError,
    listed,
    utc_now,
)
from swit_provisioning.sources.config import FileScope
from swit_provisioning.sources.entries import (
    Entry,
)
from swit_provisioning.sources.file_entries import FileEntries, read_file

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
