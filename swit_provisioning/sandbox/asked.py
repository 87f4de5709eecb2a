"""What a call is given, what it needs, and the check that a token may make it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from swit_provisioning.sandbox.arguments import Arguments
from swit_provisioning.sandbox.organisation import Organisation
from swit_provisioning.sandbox.replies import Reply
from swit_provisioning.sandbox.rules import RefusedError
from swit_provisioning.sandbox.shapes import Shapes
from swit_provisioning.sandbox.tokens import Grant

READ = frozenset({"user:read"})
READ_OR_ADMIN = frozenset({"user:read", "admin:read"})
WRITE = frozenset({"admin:write"})


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One call on its way to be carried out. The organisation's lock is held."""

    organisation: Organisation
    shapes: Shapes
    arguments: Arguments
    grant: Grant


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of the API: how it is made, which scopes allow it (any of them), what it does."""

    method: Literal["GET", "POST", "PATCH"]
    scopes: frozenset[str]
    work: Callable[[Asked], Reply]
    bot: bool = True
    """Whether a token that belongs to the app, not to a person, may make it."""

    def check(self, grant: Grant) -> None:
        """Raise `RefusedError` (403) if this token may not make the call."""
        if not grant.scopes & self.scopes:
            needed = " or ".join(sorted(self.scopes))
            raise RefusedError(403, f"The access token lacks the scope {needed}.")
        if grant.bot and not self.bot:
            raise RefusedError(403, "This call can't be made with an app's token.")


def data(value: object) -> Reply:
    """A 200 with the value under `data`."""
    return Reply(body={"data": value})


NO_CONTENT = Reply(status=204)
