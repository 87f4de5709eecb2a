"""Verify a read: look for the people and groups that it should have returned, but did not."""

import logging
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace

from swit_provisioning.planning.snapshots import DirectorySnapshot
from swit_provisioning.planning.whereabouts import Expected, Presence, Whereabouts
from swit_provisioning.sources.base import Directory, DirectoryIncompleteError, listed

_log = logging.getLogger(__name__)


class VerifiedDirectory:
    """Reads a directory, and looks by id for the people and groups that are missing.

    If one of them is present, the read is wrong: an entry was moved while it was read, or a server
    lags behind the others. The directory is then read once more.
    """

    def __init__(self, directory: Directory, expected: Callable[[], Expected]) -> None:
        """Read nothing yet.

        Args:
            directory: the directory itself.
            expected: returns the ids that the read should return.

        """
        self._directory = directory
        self._expected = expected

    @property
    def description(self) -> str:
        """Name of the directory in messages."""
        return self._directory.description

    def find(
        self, people: AbstractSet[str], groups: AbstractSet[str]
    ) -> dict[str, Whereabouts] | None:
        """Whereabouts of people and groups, as the directory returns them."""
        return self._directory.find(people, groups)

    def read(self) -> DirectorySnapshot:
        """Read everything. The facts contain the whereabouts of missing people and groups.

        Raises:
            DirectoryIncompleteError: two reads in a row missed people or groups that are present.
            DirectoryError: a read failed.

        """
        snapshot = self._directory.read()
        whereabouts, present = self._look_for_missing(snapshot)
        if present:
            _log.warning("The directory is read again, because the first read missed: %s", present)
            snapshot = self._directory.read()
            whereabouts, present = self._look_for_missing(snapshot)
        if present:
            message = (
                f"{snapshot.facts.source}: two reads did not return people or groups that are"
                f" present: {present}. Nothing that was read is used. If a server lags behind, wait"
                " until it has caught up, or remove it from LDAP_SERVER_DOMAIN"
            )
            raise DirectoryIncompleteError(message)
        return replace(snapshot, facts=replace(snapshot.facts, whereabouts=whereabouts))

    def _look_for_missing(
        self, snapshot: DirectorySnapshot
    ) -> tuple[Mapping[str, Whereabouts] | None, str]:
        """Whereabouts by id (`None` if the source cannot be asked), and a list of those present."""
        expected = self._expected()
        enabled = snapshot.users[snapshot.users["enabled"]]
        people = expected.people.difference(enabled["directory_id"])
        groups = expected.groups.difference(snapshot.groups["directory_id"])
        found = self._directory.find(people, groups)
        # An object can have another id than it had when it was matched.
        read = {*enabled["key"], *snapshot.groups["key"]} if found else set()
        present = [
            each.detail
            for each in (found or {}).values()
            if each.presence is Presence.PRESENT and each.key not in read
        ]
        return found, listed(present)
