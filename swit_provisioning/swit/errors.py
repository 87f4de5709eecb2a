"""What can go wrong when talking to Swit, named by what to do about it.

* SwitError
  - SwitRejectedError             the request is refused; sending it again changes nothing
    + SwitNotFoundError           what it is about is not there
    + SwitOtherOrganizationError  the token belongs to another organisation than the one meant
  - SwitUnavailableError          Swit or the network failed; a later attempt may work
    + SwitThrottledError          too many requests, for longer than we wait
    + SwitEndlessAnswerError      an answer that is too large, or comes too slowly in all
  - SwitUnauthorizedError         no valid token, also after a refresh: log in again
  - SwitIncompleteReadError       a read that is not proved complete: nothing may be planned on it
"""

from typing import ClassVar


class SwitError(Exception):
    """Base class: catch this one at the edge. No token is ever in it."""

    remedy: ClassVar[str] = ""

    def __init__(self, *, call: str, message: str, status: int | None = None) -> None:
        """Name the call, what Swit (or the network) said, and the HTTP status if there was one."""
        self.call = call
        """Swit's name of the call: `team.create`; `SCIM Users` and `oauth/token` for the others."""
        self.message = message
        """Swit's words, shortened; ours where Swit said nothing."""
        self.status = status
        """The HTTP status as received; `None` where no answer came."""
        where = call if status is None else f"{call}: HTTP {status}"
        super().__init__(" ".join(filter(None, [f"{where}: {_sentence(message)}", self.remedy])))


class SwitRejectedError(SwitError):
    """Swit understood the request and refused it; sending it again changes nothing."""

    remedy = "Mend what Swit names, in Swit or in the settings; sending it again changes nothing."


class SwitNotFoundError(SwitRejectedError):
    """What the call is about is not in Swit (404)."""


class SwitOtherOrganizationError(SwitRejectedError):
    """The token belongs to another organisation than the one that is meant."""

    remedy = "Use a token of the organisation meant, or correct SWIT_ORGANIZATION."


class SwitUnavailableError(SwitError):
    """Swit, a proxy or the network failed: 5xx, no answer, or one that nobody can read."""

    remedy = "Try again later."

    def __init__(
        self,
        *,
        call: str,
        message: str,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        """As `SwitError`; `retry_after` is the wait in seconds that Swit asks for, if it does."""
        super().__init__(call=call, message=message, status=status)
        self.retry_after = retry_after


class SwitThrottledError(SwitUnavailableError):
    """Swit takes no more requests for now (429), for longer than the client waits."""

    remedy = "Try again later, or lower SWIT_REQUESTS_PER_SECOND."


class SwitEndlessAnswerError(SwitUnavailableError):
    """The answer is larger, or takes longer in all, than any answer of Swit's should."""

    remedy = (
        "Make sure that SWIT_BASE_URL and the proxy are right. If they are, raise"
        " SWIT_TIMEOUT_SECONDS."
    )


class SwitUnauthorizedError(SwitError):
    """There is no token that Swit takes, also after a refresh."""

    remedy = "Log in again: swit-provisioning login."


class SwitIncompleteReadError(SwitError):
    """What was read of Swit is not proved to be everything."""

    remedy = "Nothing is planned on it. Run it again; if it stays so, ask help@swit.io."


def _sentence(words: str) -> str:
    return words if words.endswith((".", "!", "?")) else f"{words}."
