"""Faults that tests add in advance: which calls fail, how, and before or after the work."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Literal

from swit_provisioning.sandbox.http import Reply, refusal

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
Arguments = Mapping[str, Any]
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

    Kinds: `status` answers `status` with a JSON error; `code` answers 200 with that JSON error;
    `html` answers a web page with `status` (give 200 for a captive portal); `garbage` answers
    bytes that are no text; `truncated` a JSON body that stops half way; `cut` promises the whole
    body and hangs up in the middle; `drop` hangs up without an answer; `change` passes the JSON
    body of the real answer through `change`; `slow` holds the answer back for `seconds`;
    `held` holds it back until `gate` is opened; `meanwhile` calls `act` first and then answers
    normally.
    """

    kind: FaultKind
    call: str = "*"
    """The call's name, or a pattern: `team.create`, `team.*`, `scim.user.update`, `oauth.token`."""
    times: int | None = 1
    """Number of matching calls; `None`: until `Faults.clear`."""
    skip: int = 0
    """Number of matching calls that succeed before."""
    where: Callable[[Arguments], bool] | None = None
    """Match only calls with such arguments (the JSON body, the form, or the query)."""
    after_work: bool = False
    """Whether the call is carried out, so that only its answer is lost."""
    status: int = 500
    message: str = "The sandbox was told to fail here."
    retry_after: str | None = None
    change: Callable[[Any], Any] | None = None
    act: Callable[[], None] | None = None
    seconds: float = 0.0
    gate: Gate | None = None

    def needs_work(self) -> bool:
        """True if the call is carried out."""
        return self.after_work or self.kind in ("change", "meanwhile")

    def spoil(self, reply: Reply | None) -> Reply:
        """The answer to send instead of the real one (`None`: nothing was carried out)."""
        real = reply or Reply(body={"data": {"message": self.message}})
        return _SPOILT[self.kind](self, real)

    def error(self) -> Reply:
        """The error with status, message and `Retry-After`."""
        headers = {"Retry_After": self.retry_after} if self.retry_after else {}
        return refusal(self.status, self.message, **headers)


def _truncated(_: Fault, real: Reply) -> Reply:
    content = real.content()
    return Reply(status=real.status, raw=content[: len(content) // 2])


def _changed(fault: Fault, real: Reply) -> Reply:
    return replace(real, body=fault.change(real.body)) if fault.change else real


_SPOILT: Mapping[FaultKind, Callable[[Fault, Reply], Reply]] = {
    "status": lambda fault, _: fault.error(),
    "code": lambda fault, _: replace(fault.error(), status=200),
    "html": lambda fault, _: Reply(status=fault.status, raw=_PAGE, media_type="text/html"),
    "garbage": lambda _, __: Reply(raw=b"\x00\xff\xfe\x80" * 16),
    "truncated": _truncated,
    "cut": lambda _, real: replace(real, closes="midway"),
    "drop": lambda _, real: replace(real, closes="instead"),
    "change": _changed,
    "slow": lambda _, real: real,
    "held": lambda _, real: real,
    "meanwhile": lambda _, real: real,
}


@dataclass
class _Armed:
    fault: Fault
    skip: int
    left: int | None

    def matches(self, call: str, arguments: Arguments) -> bool:
        if not fnmatchcase(call, self.fault.call):
            return False
        return self.fault.where is None or self.fault.where(arguments)


class Faults:
    """The pending faults in the order in which they were added. Thread-safe."""

    def __init__(self) -> None:
        """Start empty."""
        self._lock = threading.Lock()
        self._armed: list[_Armed] = []

    def add(self, *faults: Fault) -> None:
        """Add faults for the next calls that match."""
        with self._lock:
            self._armed += [_Armed(fault, fault.skip, fault.times) for fault in faults]

    def clear(self) -> None:
        """Remove all pending faults."""
        with self._lock:
            self._armed.clear()

    @property
    def waiting(self) -> int:
        """The number of pending faults; one with several calls counts once."""
        with self._lock:
            return len(self._armed)

    def take(self, call: str, arguments: Arguments) -> Fault | None:
        """The fault of this call: the first one that matches and has no calls to skip."""
        with self._lock:
            for armed in self._armed:
                if not armed.matches(call, arguments):
                    continue
                if armed.skip > 0:
                    armed.skip -= 1
                    continue
                self._spend(armed)
                return armed.fault
        return None

    def _spend(self, armed: _Armed) -> None:
        if armed.left is not None:
            armed.left -= 1
            if armed.left <= 0:
                self._armed.remove(armed)
