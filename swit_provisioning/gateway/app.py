"""The gateway as an ASGI application: which address answers what."""

import asyncio
import logging
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from swit_provisioning.gateway.auth import (
    Access,
    LoginPages,
    Refusal,
    address_of,
    header_key,
    required_key,
)
from swit_provisioning.gateway.metrics import CachedFacts, CountRefusals, GatewayCounters
from swit_provisioning.operations.services import open_store
from swit_provisioning.settings import Settings
from swit_provisioning.state.errors import StoreError

SYNC: Final = (sys.executable, "-P", "-m", "swit_provisioning.cli", "sync", "--json")

log = logging.getLogger(__name__)


class BusyError(Exception):
    """One run is writing, or was started here and has not ended."""

    def __init__(self, run_id: str) -> None:
        """Name it."""
        super().__init__(f"A run is in progress already: {run_id}. Try again when it has ended.")
        self.run_id = run_id


@dataclass(frozen=True, kw_only=True)
class Started:
    """A run that was started here; `exit_code` once it has ended, as the command `sync` has it."""

    run_id: str
    at: datetime
    exit_code: int | None = None


class SyncRuns:
    """The runs that this gateway starts. Safe for several threads."""

    def __init__(self, settings: Settings, *, command: Sequence[str] = SYNC) -> None:
        """Start nothing yet."""
        self._settings = settings
        self._command = tuple(command)
        self._lock = threading.Lock()
        self._last: Started | None = None
        self._count = 0

    @property
    def last(self) -> Started | None:
        """The run that was started last."""
        return self._last

    @property
    def count(self) -> int:
        """How many were started."""
        return self._count

    def start(self) -> Started:
        """Start one; its id is what Dagster's UI will call it.

        Raises:
            BusyError: another one has not ended.
            StoreError: nobody can tell whether another one is writing.
            OSError: the machine can't start a process now.

        """
        with self._lock:
            if self._last is not None and self._last.exit_code is None:
                raise BusyError(self._last.run_id)
            with open_store(self._settings) as store:
                writing = store.lease.held()
            if writing is not None:
                raise BusyError(writing.run_id)
            made = Started(run_id=str(uuid4()), at=datetime.now(UTC))
            # A session of its own: what interrupts the gateway does not interrupt the run.
            process = subprocess.Popen(  # noqa: S603 - our own words # nosec B603
                [*self._command, "--run-id", made.run_id],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
            self._last = made
            self._count += 1
        watch = threading.Thread(target=self._watch, args=(made, process), daemon=True)
        watch.start()
        return made

    def _watch(self, started: Started, process: subprocess.Popen[bytes]) -> None:
        code = process.wait()
        with self._lock:
            self._last = Started(run_id=started.run_id, at=started.at, exit_code=code)
        log.info("Run %s of sync has ended with exit code %d", started.run_id, code)


LONGEST_BODY: Final = 64 * 1024
"""Bytes: the longest form that is asked for has a few hundred."""
BODY_SECONDS: Final = 10.0
"""How long a body may take to arrive."""

_CLOSE: Final = (b"connection", b"close")


class _RefusedBodyError(Exception):
    """The body is too long, or too slow."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.response = JSONResponse({"message": message}, status_code=status)


class BodyLimits:
    """ASGI middleware: refuses long bodies (413) and slow ones (408).

    A connection on which a body was left unread is closed after the answer: whatever comes after
    it could not be told from the rest of the body without reading that.
    """

    def __init__(
        self, app: ASGIApp, *, longest: int = LONGEST_BODY, seconds: float = BODY_SECONDS
    ) -> None:
        """Take the application, and the most bytes and seconds of a body."""
        self._app = app
        self._longest = longest
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(scope, receive, longest=self._longest, seconds=self._seconds)
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                if not body.is_read:
                    message["headers"] = [*message.get("headers", []), _CLOSE]
            await send(message)

        try:
            body.refuse_announced()
            await self._app(scope, body.receive, sending)
        except _RefusedBodyError as refused:
            if not started:
                await refused.response(scope, receive, sending)
        except ClientDisconnect:
            # Nobody is left to answer.
            return


class _Body:
    """The body of one request, as far as it was read."""

    def __init__(self, scope: Scope, receive: Receive, *, longest: int, seconds: float) -> None:
        headers = Headers(scope=scope)
        self._announced = headers.get("content-length", "0")
        self.is_read = self._announced == "0" and "transfer-encoding" not in headers
        self._receive = receive
        self._longest = longest
        self._seconds = seconds
        self._length = 0
        self._until: float | None = None

    def refuse_announced(self) -> None:
        # h11 lets nothing but digits through.
        if int(self._announced) > self._longest:
            raise self._too_long()

    async def receive(self) -> Message:
        if self.is_read:
            return await self._receive()
        if self._until is None:
            self._until = asyncio.get_running_loop().time() + self._seconds
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            words = f"The body did not arrive within {self._seconds:g} seconds."
            raise _RefusedBodyError(408, words) from None
        self._length += len(message.get("body", b""))
        if self._length > self._longest:
            raise self._too_long()
        self.is_read = not message.get("more_body", False)
        return message

    def _too_long(self) -> _RefusedBodyError:
        return _RefusedBodyError(413, f"The body is longer than {self._longest} bytes.")


_CALLBACK: Final = "/oauth_callback"
_NO_STORE: Final = {"Cache-Control": "no-store"}
_Answer = Callable[[Request], Awaitable[Response]]


class Gateway:
    """What the addresses do. All but `/healthz` and the way of a login need the key."""

    def __init__(self, settings: Settings, *, behind_proxy: bool = False) -> None:
        """Raises `SettingsError` without a good key."""
        self._access = Access(required_key(settings))
        self._runs = SyncRuns(settings)
        self._facts = CachedFacts(settings)
        self._counters = GatewayCounters()
        self._logins = LoginPages(settings, self._access, secure=behind_proxy)
        # A proxy may have a longer address for it than it has here.
        self._callbacks = {_CALLBACK, urlsplit(settings.swit_redirect_url).path or "/"}

    def app(self) -> Starlette:
        """The application."""
        pages = self._logins
        app = Starlette(
            routes=[
                Route("/healthz", _health, methods=["GET"]),
                Route("/user_update", self._with_key(self._start), methods=["POST"]),
                Route("/status", self._with_key(self._status), methods=["GET"]),
                Route("/metrics", self._with_key(self._metrics), methods=["GET"]),
                Route("/login", pages.ask, methods=["GET"]),
                Route("/login", pages.begin, methods=["POST"]),
                *(Route(path, pages.callback, methods=["GET"]) for path in sorted(self._callbacks)),
            ],
            middleware=[
                Middleware(CountRefusals, counters=self._counters),
                Middleware(BodyLimits),
            ],
            exception_handlers={HTTPException: _no_such_address, StoreError: _no_state},
        )
        # Otherwise `/status/` is answered with a redirect to whatever host the client names.
        app.router.redirect_slashes = False
        return app

    def _with_key(self, answer: _Answer) -> _Answer:
        async def guarded(request: Request) -> Response:
            refused = self._access.refusal(address_of(request), header_key(request))
            return _refusal(refused) if refused else await answer(request)

        return guarded

    async def _start(self, request: Request) -> Response:
        try:
            started = await run_in_threadpool(self._runs.start)
        except BusyError as error:
            return _json({"message": str(error), "status": "busy", "run_id": error.run_id}, 409)
        except OSError as error:
            log.exception("No run could be started")
            reason = error.strerror or str(error)
            return _json(
                {"message": f"No run could be started: {reason}.", "status": "failed"}, 503
            )
        self._counters.starts.inc()
        log.info("Run %s of sync was started for %s", started.run_id, address_of(request))
        words = "Started provisioning."
        return _json({"message": words, "status": "started", "run_id": started.run_id})

    async def _status(self, request: Request) -> Response:
        del request
        last = self._runs.last
        facts = await run_in_threadpool(self._facts.get, since=last)
        asked = last and {
            "run_id": last.run_id,
            "at": last.at.isoformat(timespec="seconds"),
            "exit_code": last.exit_code,
        }
        return _json({**facts.document(), "last_started_here": asked})

    async def _metrics(self, request: Request) -> Response:
        del request
        facts = await run_in_threadpool(self._facts.get, since=self._runs.last)
        return Response(
            self._counters.page(facts), media_type=CONTENT_TYPE_PLAIN_0_0_4, headers=_NO_STORE
        )


async def _health(request: Request) -> Response:
    """Whether this process answers; it asks nobody else, so that it can be asked by anybody."""
    del request
    return _json({"status": "ok"})


async def _no_such_address(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return _json({"message": f"{request.method} {request.url.path}: no such address."}, status)


async def _no_state(request: Request, error: Exception) -> Response:
    del request
    return _json({"message": str(error)}, 503)


def _refusal(refused: Refusal) -> Response:
    answer = _json({"message": refused.message}, refused.status)
    if refused.retry_after is not None:
        answer.headers["Retry-After"] = str(refused.retry_after)
    return answer


def _json(document: Mapping[str, object], status: int = 200) -> JSONResponse:
    return JSONResponse(dict(document), status_code=status, headers=_NO_STORE)
