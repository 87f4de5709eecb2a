"""Faults that a test orders in advance: which calls go wrong, how, and before or after the work."""

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
    """Where a call is held until a test lets it go on. Thread-safe."""

    def __init__(self) -> None:
        """Begin closed, with nobody there."""
        self.reached = threading.Event()
        """Set once a call is there."""
        self.opened = threading.Event()
        """To be set by whoever lets it go on."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What happens to the next calls that match.

    Kinds: `status` answers `status` with a JSON error; `code` answers 200 with that JSON error;
    `html` answers a web page with `status` (give 200 for a captive portal); `garbage` answers
    bytes that are no text; `truncated` a JSON body that stops half way; `cut` promises the whole
    body and hangs up in the middle; `drop` hangs up without an answer; `change` passes the JSON
    body of the real answer through `change`; `slow` holds the answer back for `seconds`;
    `held` holds it back until `gate` is opened; `meanwhile` calls `act` first and then answers as
    ever.
    """

    kind: FaultKind
    call: str = "*"
    """The call's name, or a pattern: `team.create`, `team.*`, `scim.user.update`, `oauth.token`."""
    times: int | None = 1
    """For how many matching calls; `None`: until `Faults.clear`."""
    skip: int = 0
    """How many matching calls go well before."""
    where: Callable[[Arguments], bool] | None = None
    """Match only calls with such arguments (the JSON body, the form, or the query)."""
    after_work: bool = False
    """Whether the call is carried out all the same, so that only its answer is lost."""
    status: int = 500
    message: str = "The sandbox was told to fail here."
    retry_after: str | None = None
    change: Callable[[Any], Any] | None = None
    act: Callable[[], None] | None = None
    seconds: float = 0.0
    gate: Gate | None = None

    def needs_work(self) -> bool:
        """Whether the call is to be carried out."""
        return self.after_work or self.kind in ("change", "meanwhile")

    def spoil(self, reply: Reply | None) -> Reply:
        """The answer to send instead of the real one (`None`: nothing was carried out)."""
        real = reply or Reply(body={"data": {"message": self.message}})
        return _SPOILT[self.kind](self, real)

    def error(self) -> Reply:
        """The ordered refusal."""
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
    """The faults that are waiting for their calls, in the order they were added. Thread-safe."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lock = threading.Lock()
        self._armed: list[_Armed] = []

    def add(self, *faults: Fault) -> None:
        """Let these faults happen to the next calls that match."""
        with self._lock:
            self._armed += [_Armed(fault, fault.skip, fault.times) for fault in faults]

    def clear(self) -> None:
        """Forget all that have not happened."""
        with self._lock:
            self._armed.clear()

    @property
    def waiting(self) -> int:
        """How many are still to happen (one that happens three times counts once)."""
        with self._lock:
            return len(self._armed)

    def take(self, call: str, arguments: Arguments) -> Fault | None:
        """The fault that happens to this call: the first that matches and has nothing to skip."""
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
