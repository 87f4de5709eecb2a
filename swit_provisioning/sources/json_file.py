"""A directory in a JSON file, in the shape of the reference program's test data.

`{"users": [{"distinguishedName": ..., "mail": ..., ...}], "groups": [{..., "member": [...],
"memberOf": [...]}]}`: attributes by name, each with one value, a list of values, or `null`. Other
keys are ignored.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from swit_provisioning.planning.snapshots import DirectorySnapshot
from swit_provisioning.sources.base import DirectoryConfigError, listed
from swit_provisioning.sources.entries import Entry
from swit_provisioning.sources.file_entries import FileDirectory

_DN = "distinguishedname"
_SHAPE = '{"users": [{"distinguishedName": "CN=Ada,DC=example,DC=com", ...}], "groups": []}'


class JsonDirectory(FileDirectory):
    """Reads one JSON file. The order of its lists is the order of the directory."""

    def read(self) -> DirectorySnapshot:
        """Read the file.

        Raises:
            DirectoryConfigError: the file does not exist, is not JSON or has another shape. The
                message lists all bad entries.
            DirectoryIncompleteError: there is no usable person, or the number of entries differs
                from the count beside the file.

        """
        document = self._document()
        problems: list[str] = []
        people = list(_entries(document, "users", problems))
        groups = list(_entries(document, "groups", problems))
        if problems:
            message = f"{self._path}: {listed(problems, most=10)}. Expected: {_SHAPE}"
            raise DirectoryConfigError(message)
        entries = self._no_entries()
        for person in people:
            entries.add(person, person=True)
        for group in groups:
            entries.add(group, group=True)
        return entries.snapshot("json", hint=f"Check `users` in {self._path}.")

    def _document(self) -> Mapping[str, Any]:
        text = self._text()
        try:
            document = json.loads(text)
        except json.JSONDecodeError as error:
            place = f"line {error.lineno}, column {error.colno}"
            message = f"{self._path} is not JSON: {error.msg} in {place}"
            raise DirectoryConfigError(message) from error
        except (ValueError, RecursionError) as error:
            message = (
                f"{self._path} cannot be read: it is nested too deeply, or contains a number with"
                f" thousands of digits. Correct the file. Expected: {_SHAPE}"
            )
            raise DirectoryConfigError(message) from error
        if not isinstance(document, dict):
            message = f"{self._path} is not a JSON object. Expected: {_SHAPE}"
            raise DirectoryConfigError(message)
        return document


def _entries(document: Mapping[str, Any], part: str, problems: list[str]) -> Iterator[Entry]:
    rows = document.get(part)
    if not isinstance(rows, list):
        found = "is missing" if part not in document else "is not a list"
        problems.append(f"`{part}` {found} (write [] if there are none)")
        return
    for index, row in enumerate(rows):
        where = f"{part}[{index}]"
        if not isinstance(row, dict):
            problems.append(f"{where} is not an object")
            continue
        attributes: dict[str, tuple[str, ...]] = {}
        for name, value in row.items():
            values = [
                one for one in (value if isinstance(value, list) else [value]) if one is not None
            ]
            if not all(isinstance(one, str | int | float) for one in values):
                problems.append(f"{where}: `{name}` is neither text nor a list of texts")
            elif value is not None:
                attributes[name.lower()] = tuple(map(_text, values))
        dn = next(iter(attributes.get(_DN, ())), "")
        if not dn.strip():
            problems.append(f"{where} has no `distinguishedName`, which every entry needs")
            continue
        yield Entry(dn=dn, attributes=attributes, where=where)


def _text(value: str | float) -> str:
    return str(value).upper() if isinstance(value, bool) else str(value)
