"""What can go wrong with the state, named by what to do about it.

* AmbiguousPlanError        several plans begin with these digits
* StoreError
  - StoreUnavailableError   the database can't be opened, read or written: repair it, then retry
    + StoreBusyError        another process has held it for too long: retry
  - NewerSchemaError        a newer version of this program wrote it
  - TokensUnreadableError   the stored tokens were encrypted with another key
  - OtherOrganizationError  the state belongs to another Swit organisation
  - LeaseHeldError          another run is writing
  - LeaseLostError          this run may not write any longer
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

_PLANS_NAMED: Final = 5


class StoreError(Exception):
    """Base class: catch this one at the edge. No token or password is ever in it."""


class StoreUnavailableError(StoreError):
    """The state database can't be opened, read or written."""


class StoreBusyError(StoreUnavailableError):
    """Another process has held the database, or a lock in it, for too long."""


class NewerSchemaError(StoreError):
    """The state was written by a newer version of this program."""

    def __init__(self, *, found: str, known: str) -> None:
        """Say which version of the schema was found, and the newest that this program knows."""
        super().__init__(
            f"The state database has schema {found}; this version of swit-provisioning knows"
            f" {known} at most. Install the newer version that wrote it, or let"
            " STATE_DATABASE_URL name another database."
        )


class AmbiguousPlanError(Exception):
    """Several plans begin with the digits that were given."""

    def __init__(self, digits: str, plan_ids: Sequence[str]) -> None:
        """Take the digits, and the plans' ids as far as they differ."""
        few = ", ".join(plan_ids[:_PLANS_NAMED]) + (", ..." if plan_ids[_PLANS_NAMED:] else "")
        super().__init__(
            f"{len(plan_ids)} plans begin with {digits}: {few}. Look at each with"
            " `swit-provisioning show`, and give more digits."
        )


class TokensUnreadableError(StoreError):
    """The stored tokens can't be decrypted with the key that is set, or no key is set."""

    def __init__(self, *, key_given: bool) -> None:
        """Say whether a key is missing or wrong."""
        problem = (
            "TOKEN_ENCRYPTION_KEY is not the key they were encrypted with"
            if key_given
            else "they are encrypted, and TOKEN_ENCRYPTION_KEY is not set"
        )
        super().__init__(
            f"The stored tokens can't be read: {problem}. Set the key that was used; if it is lost,"
            " empty the table token and set SWIT_ACCESS_TOKEN and SWIT_REFRESH_TOKEN to a new pair."
        )


class OtherOrganizationError(StoreError):
    """The state belongs to another Swit organisation."""

    def __init__(self, *, bound_to: str, found: str) -> None:
        """Name both organisations by their ids."""
        super().__init__(
            f"The state database belongs to the Swit organisation {bound_to}, but the token to"
            f" {found}. Use a token of the organisation meant, or let STATE_DATABASE_URL name"
            " another database for this one."
        )


class LeaseHeldError(StoreError):
    """Another run is writing."""

    def __init__(self, *, holder: str, actor: str, since: datetime, until: datetime) -> None:
        """Name the run, who started it, since when it writes, and when its lease ends (UTC)."""
        super().__init__(
            f"Another run is writing: {holder}, started by {actor}, since {_clock(since)}. Wait"
            f" until it is through; if it is dead, its lease ends by itself at {_clock(until)}."
        )
        self.holder = holder
        self.actor = actor
        self.since = since
        self.until = until


class LeaseLostError(StoreError):
    """This run may not write any longer: its lease ran out, or another run has it."""


def _clock(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
