"""Interface of every source: a directory that can be read completely, or not at all.

Commands import it at every start, so it imports nothing heavy.
"""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from swit_provisioning.planning.snapshots import DirectorySnapshot
    from swit_provisioning.planning.whereabouts import Whereabouts


class Directory(Protocol):
    """A source of people and groups: a server, a file, or another kind."""

    @property
    def description(self) -> str:
        """Name of the directory in messages. It contains no secrets."""
        ...

    def read(self) -> "DirectorySnapshot":
        """Read everything. Returning proves that the snapshot is complete.

        Raises:
            DirectoryError: the read failed. The class says what to do, the message what happened.

        """
        ...

    def find(
        self, people: AbstractSet[str], groups: AbstractSet[str]
    ) -> "dict[str, Whereabouts] | None":
        """Look for people and groups by id, also outside the scope of a read.

        Returns:
            The whereabouts of each; `None` if this source cannot be asked.

        """
        ...


def utc_now() -> datetime:
    """Current time, which decides whether accounts have expired. Tests pass another clock."""
    return datetime.now(UTC)


class DirectoryError(Exception):
    """The directory was not read. The message says where, what happened and what to do."""


class DirectoryConfigError(DirectoryError):
    """A setting or the file is wrong. Trying again changes nothing."""


class DirectoryUntrustedError(DirectoryConfigError):
    """The certificate of the server is not trusted, or is for another host."""


class DirectoryIncompleteError(DirectoryError):
    """The read is not complete, so nothing that was read may be used."""


class DirectoryUnavailableError(DirectoryError):
    """No server answered completely. A later attempt may work."""


def listed(examples: Iterable[str], *, most: int = 5) -> str:
    """Join examples with `; `, at most so many, and say how many more there are.

    `listed(["a", "b", "c"], most=2)` is `a; b; and 1 more`.
    """
    known = list(examples)
    more = len(known) - most
    return "; ".join([*known[:most], f"and {more} more"] if more > 0 else known)
