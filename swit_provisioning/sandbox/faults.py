"""Faults that tests add in advance: which calls fail, how, and with or without their effect."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Literal

from swit_provisioning.sandbox.records import RefusedError
from swit_provisioning.sandbox.replies import Reply, refusal

FaultKind = Literal[
    "status",
    "code",
    "html",
    "garbage",
    "truncated",
    "cut",
    "drop",
    "change",
    "slow",
    "held",
    "meanwhile",
]
_PAGE = b"<!doctype html><title>Sign in</title><h1>Please sign in to the company proxy</h1>"


class Gate:
    """Holds a call until a test opens it. Thread-safe."""

    def __init__(self) -> None:
        """Start closed."""
        self.reached = threading.Event()
        """Set when a call has arrived."""
        self.opened = threading.Event()
        """Set by the test to let the call continue."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A fault of the next calls that match.

    | kind | answer |
    |---|---|
    | `status` | `status` with a JSON error |
    | `code` | 200 with that JSON error |
    | `html` | a web page with `status` (200: a captive portal) |
    | `garbage` | bytes that are not text |
    | `truncated` | half of the JSON body |
    | `cut` | half of the body, with the `Content-Length` of all of it |
    | `drop` | none: the connection is closed |
    | `change` | the real answer, with its JSON body changed by `change` |
    | `slow` | the real answer after `seconds` |
    | `held` | the real answer after `gate` is opened |
    | `meanwhile` | the real answer after `act` was called |
    """

    kind: FaultKind
    call: str = "*"
    """The call's name, or a pattern: `team.create`, `team.*`, `scim.user.update`, `oauth.token`."""
    times: int | None = 1
    """Number of matching calls; `None`: until `Faults.clear`."""
    skip: int = 0
    """Number of matching calls that succeed before."""
    where: Callable[[Mapping[str, Any]], bool] | None = None
    """Returns True for the arguments (JSON body, form or query) of a call that matches."""
    after_work: bool = False
    """True if the call has its effect, and only its answer is lost."""
    status: int = 500
    message: str = "The sandbox fails this call on purpose."
    retry_after: str | None = None
    change: Callable[[Any], Any] | None = None
    act: Callable[[], None] | None = None
    seconds: float = 0.0
    gate: Gate | None = None

    def reply(self, work: Callable[[], Reply]) -> Reply:
        """The answer to a call; `work` carries it out."""
        if self.act is not None:
            self.act()
        is_carried_out = self.after_work or self.kind in ("change", "meanwhile")
        real = work() if is_carried_out else Reply(body={"data": {"message": self.message}})
        headers = {"Retry-After": self.retry_after} if self.retry_after else {}
        error = refusal(RefusedError(self.status, self.message, headers))
        content = real.content()
        replies: dict[FaultKind, Reply] = {
            "status": error,
            "code": replace(error, status=200),
            "html": Reply(status=self.status, raw=_PAGE, media_type="text/html"),
            "garbage": Reply(raw=b"\x00\xff\xfe\x80" * 16),
            "truncated": Reply(status=real.status, raw=content[: len(content) // 2]),
            "cut": replace(real, closes="midway"),
            "drop": replace(real, closes="instead"),
            "change": replace(real, body=self.change(real.body)) if self.change else real,
        }
        return replies.get(self.kind, real)


@dataclass
class _Pending:
    fault: Fault
    skip: int
    remaining: int | None


class Faults:
    """The pending faults in the order in which they were added. Thread-safe."""

    def __init__(self) -> None:
        """Start empty."""
        self._lock = threading.Lock()
        self._pending: list[_Pending] = []

    def add(self, *faults: Fault) -> None:
        """Add faults for the next calls that match."""
        with self._lock:
            self._pending += [_Pending(fault, fault.skip, fault.times) for fault in faults]

    def clear(self) -> None:
        """Remove all pending faults."""
        with self._lock:
            self._pending.clear()

    @property
    def waiting(self) -> int:
        """The number of pending faults; one with several calls counts once."""
        return len(self._pending)

    def take(self, call: str, arguments: Mapping[str, Any]) -> Fault | None:
        """The fault of this call: the first one that matches and has no calls to skip."""
        with self._lock:
            for pending in self._pending:
                fault = pending.fault
                if not fnmatchcase(call, fault.call):
                    continue
                if fault.where is not None and not fault.where(arguments):
                    continue
                if pending.skip > 0:
                    pending.skip -= 1
                    continue
                if pending.remaining is not None:
                    pending.remaining -= 1
                    if pending.remaining <= 0:
                        self._pending.remove(pending)
                return fault
        return None
