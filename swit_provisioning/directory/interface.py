"""The one thing that everything else knows about a directory: it can be read."""

from datetime import UTC, datetime
from typing import Protocol

from swit_provisioning.reconcile.state import DirectoryState


class Directory(Protocol):
    """A source of people and groups: a server, a file, or a third kind that someone adds."""

    @property
    def description(self) -> str:
        """Which directory this is, for people; nothing secret in it."""
        ...

    def read(self) -> DirectoryState:
        """Read everything: that it returns is the proof that the answer is complete.

        Raises:
            DirectoryError: anything else. Its class says what to do, its message what happened.

        """
        ...


def utc_now() -> datetime:
    """The time, for telling which accounts have expired; tests pass another clock."""
    return datetime.now(UTC)
