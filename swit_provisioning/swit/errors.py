"""Errors of calls to Swit, one class for each remedy.

* SwitError
  - SwitRejectedError             Swit refuses the request; a repetition fails too
    + SwitNotFoundError           its object does not exist
    + SwitOtherOrganizationError  the token belongs to another organisation
  - SwitUnavailableError          Swit or the network failed; a later attempt may work
    + SwitThrottledError          too many requests, for longer than the client waits
    + SwitEndlessAnswerError      the answer is too large, or the whole exchange too slow
  - SwitUnauthorizedError         no valid token, even after a refresh: log in again
  - SwitIncompleteReadError       a read is not complete, so no plan may use it
"""

from typing import ClassVar


class SwitError(Exception):
    """Base class. The message contains no token."""

    remedy: ClassVar[str] = ""

    def __init__(
        self,
        *,
        call: str,
        message: str,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        """Make the message of the error."""
        self.call = call
        """Swit's name of the call, such as `team.create`; also `SCIM Users` and `oauth/token`."""
        self.message = message
        """Swit's message, shortened, or ours if there is none."""
        self.status = status
        """HTTP status; `None` if no answer came."""
        self.retry_after = retry_after
        """The wait in seconds that Swit asks for."""
        where = call if status is None else f"{call}: HTTP {status}"
        end = "" if message.endswith((".", "!", "?")) else "."
        super().__init__(f"{where}: {message}{end} {self.remedy}".rstrip())


class SwitRejectedError(SwitError):
    """Swit understood the request and refused it."""

    remedy = "Correct the cause in Swit or in the settings. Sending the call again changes nothing."


class SwitNotFoundError(SwitRejectedError):
    """The object of the call does not exist in Swit (404)."""


class SwitOtherOrganizationError(SwitRejectedError):
    """The token belongs to another organisation than the expected one."""

    remedy = "Use a token of the expected organisation, or correct SWIT_ORGANIZATION."


class SwitUnavailableError(SwitError):
    """Swit, a proxy or the network failed: 5xx, no answer, or an unreadable one."""

    remedy = "Try again later."


class SwitThrottledError(SwitUnavailableError):
    """Swit accepts no more requests for now (429), for longer than the client waits."""

    remedy = "Try again later, or lower SWIT_REQUESTS_PER_SECOND."


class SwitEndlessAnswerError(SwitUnavailableError):
    """The answer is too large, or takes too long."""

    remedy = "Check SWIT_BASE_URL and the proxy. If they are right, raise SWIT_TIMEOUT_SECONDS."


class SwitUnauthorizedError(SwitError):
    """Swit accepts no token, even after a refresh."""

    remedy = "Log in again: swit-provisioning login."


class SwitIncompleteReadError(SwitError):
    """The read of Swit is not complete."""

    remedy = "No plan is made from this read. Run it again. If it fails again, ask help@swit.io."
