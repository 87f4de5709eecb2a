"""The directory of these tests: a copy of the sample directory, in which people can be hired."""

import json
from pathlib import Path
from typing import Any

from swit_provisioning.sandbox import sample_directory_path

_PEOPLE = "OU=People,OU=Larkfield,DC=example,DC=com"
_GROUPS = "OU=Groups,OU=Larkfield,DC=example,DC=com"


class PeopleFile:
    """A JSON file for `IDP_FILE`; what is written counts from the next run on."""

    def __init__(self, path: Path) -> None:
        """Begin as the sample directory."""
        self.path = path
        self._content: dict[str, list[dict[str, Any]]] = json.loads(
            sample_directory_path().read_text(encoding="utf-8")
        )
        self._write()

    @property
    def everybody(self) -> list[dict[str, Any]]:
        """The entries of all people, in the file's order."""
        return list(self._content["users"])

    def hire(self, name: str, *, into: str, entry: str | None = None) -> str:
        """Add a person in a new group of their own; the address, which nobody had before.

        `entry` is what the person's and the group's entries are called where a name won't do.
        """
        address = f"{(entry or name).lower().replace(' ', '.')}@example.com"
        person, group = f"CN={entry or name},{_PEOPLE}", f"CN={entry or into},{_GROUPS}"
        self._content["users"].append(
            {"distinguishedName": person, "mail": address, "displayName": name, "mobile": None}
        )
        self._content["groups"].append(
            {"distinguishedName": group, "displayName": into, "member": [person], "memberOf": []}
        )
        self._write()
        return address

    def rename(self, address: str, name: str) -> None:
        """Give the person of this address another name."""
        for user in self._content["users"]:
            if user["mail"] == address:
                user["displayName"] = name
        self._write()

    def let_go(self, number: int) -> list[str]:
        """Take the first so many people out; their addresses."""
        gone = self._content["users"][:number]
        entries = {user["distinguishedName"] for user in gone}
        self._content["users"] = self._content["users"][number:]
        for group in self._content["groups"]:
            group["member"] = [member for member in group["member"] if member not in entries]
        self._write()
        return [user["mail"] for user in gone]

    def _write(self) -> None:
        self.path.write_text(json.dumps(self._content, ensure_ascii=False), encoding="utf-8")
