"""The gateway: its addresses, and the server on loopback or behind a reverse proxy with TLS."""

import contextlib
import errno
import ipaddress
import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

import uvicorn
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from swit_provisioning.gateway.access import (
    BodyLimit,
    ForwardedHeaders,
    KeyCheck,
    client_address,
    header_key,
    required_key,
)
from swit_provisioning.gateway.approval_pages import approval_pages
from swit_provisioning.gateway.login_pages import LoginPages
from swit_provisioning.gateway.metrics import CachedFacts, CountRefusals, GatewayCounters
from swit_provisioning.operations.services import open_store
from swit_provisioning.settings import Settings, SettingsError
from swit_provisioning.state.database import StoreError

SYNC_COMMAND: Final = (sys.executable, "-P", "-m", "swit_provisioning.cli", "sync", "--json")
_CALLBACK: Final = "/oauth_callback"
_NO_STORE: Final = {"Cache-Control": "no-store"}
_Handler = Callable[[Request], Awaitable[Response]]

_NOT_ON_THIS_MACHINE: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
_BACKLOG: Final = 512
_MAX_HEADER_BYTES: Final = 16 * 1024
_KEEP_ALIVE_SECONDS: Final = 5
_SHUTDOWN_SECONDS: Final = 10

log = logging.getLogger(__name__)


class BusyError(Exception):
    """Another run is writing, or a run that this gateway started has not ended."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"A run is in progress already: {run_id}. Try again when it has ended.")
        self.run_id = run_id


@dataclass(frozen=True, kw_only=True)
class StartedRun:
    """A run that this gateway started."""

    run_id: str
    at: datetime
    exit_code: int | None = None
    """The exit code of the command `sync`; `None` until it has ended."""


class SyncRuns:
    """Starts runs of `sync`, one at a time. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self.last: StartedRun | None = None
        """The run that was started last."""

    def start(self) -> StartedRun:
        """Start a run. Its id is the one in Dagster's UI.

        Raises:
            BusyError: another run has not ended.
            StoreError: the state database, which knows whether a run is writing, cannot be read.
            OSError: the machine cannot start a process now.

        """
        with self._lock:
            if self.last is not None and self.last.exit_code is None:
                raise BusyError(self.last.run_id)
            with open_store(self._settings) as store:
                lease = store.lease.held()
            if lease is not None:
                raise BusyError(lease.run_id)
            started = StartedRun(run_id=str(uuid4()), at=datetime.now(UTC))
            # In a session of its own, so that an interrupt of the gateway does not end the run.
            process = subprocess.Popen(  # noqa: S603 - no user input # nosec B603
                [*SYNC_COMMAND, "--run-id", started.run_id],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
            self.last = started
        threading.Thread(target=self._wait, args=(started, process), daemon=True).start()
        return started

    def _wait(self, started: StartedRun, process: subprocess.Popen[bytes]) -> None:
        code = process.wait()
        with self._lock:
            self.last = replace(started, exit_code=code)
        log.info("Run %s of sync has ended with exit code %d", started.run_id, code)


class Gateway:
    """The handlers of all addresses. All but `/healthz` and the pages for people need the key."""

    def __init__(self, settings: Settings, *, behind_proxy: bool = False) -> None:
        """Raise `SettingsError` if a key is missing, too short, or used for two purposes."""
        self._keys = KeyCheck(required_key(settings))
        self._runs = SyncRuns(settings)
        self._facts = CachedFacts(settings)
        self._counters = GatewayCounters()
        self._logins = LoginPages(settings, self._keys, secure=behind_proxy)
        trusted = os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1") if behind_proxy else None
        self._approvals = approval_pages(settings, trusted_proxies=trusted)
        self._middleware = [
            Middleware(CountRefusals, counters=self._counters),
            Middleware(BodyLimit),
        ]
        if trusted is not None:
            header = settings.approver_header
            proxied = Middleware(ForwardedHeaders, trusted=trusted, approver_header=header)
            self._middleware.insert(0, proxied)
        # A proxy may pass on another path than the reference program's.
        self._callbacks = {_CALLBACK, urlsplit(settings.swit_redirect_url).path or "/"}

    def app(self) -> Starlette:
        """The ASGI application."""
        pages, approvals = self._logins, self._approvals
        app = Starlette(
            routes=[
                Route("/healthz", _health, methods=["GET"]),
                Route("/user_update", self._with_key(self._start), methods=["POST"]),
                Route("/status", self._with_key(self._status), methods=["GET"]),
                Route("/metrics", self._with_key(self._metrics), methods=["GET"]),
                Route("/login", pages.ask, methods=["GET"]),
                Route("/login", pages.begin, methods=["POST"]),
                *(Route(path, pages.callback, methods=["GET"]) for path in sorted(self._callbacks)),
                *(approvals.routes() if approvals else ()),
            ],
            middleware=self._middleware,
            exception_handlers={HTTPException: _unknown_address, StoreError: _unreadable_state},
        )
        # A redirect of `/status/` would go to whatever host the client names.
        app.router.redirect_slashes = False
        return app

    def _with_key(self, handler: _Handler) -> _Handler:
        async def guarded(request: Request) -> Response:
            refused = self._keys.refusal(client_address(request), header_key(request))
            if refused is None:
                return await handler(request)
            answer = _json({"message": refused.message}, refused.status)
            answer.headers.update(refused.headers)
            return answer

        return guarded

    async def _start(self, request: Request) -> Response:
        try:
            started = await run_in_threadpool(self._runs.start)
        except BusyError as error:
            return _json({"message": str(error), "status": "busy", "run_id": error.run_id}, 409)
        except OSError as error:
            log.exception("No run could be started")
            message = f"No run could be started: {error.strerror or error}."
            return _json({"message": message, "status": "failed"}, 503)
        self._counters.starts.inc()
        log.info("Run %s of sync was started for %s", started.run_id, client_address(request))
        return _json(
            {"message": "Started provisioning.", "status": "started", "run_id": started.run_id}
        )

    async def _status(self, request: Request) -> Response:
        del request
        last = self._runs.last
        facts = await run_in_threadpool(self._facts.get, since=last)
        started = last and {
            "run_id": last.run_id,
            "at": last.at.isoformat(timespec="seconds"),
            "exit_code": last.exit_code,
        }
        return _json({**facts.document(), "last_started_here": started})

    async def _metrics(self, request: Request) -> Response:
        del request
        facts = await run_in_threadpool(self._facts.get, since=self._runs.last)
        return Response(
            self._counters.page(facts), media_type=CONTENT_TYPE_PLAIN_0_0_4, headers=_NO_STORE
        )


async def _health(request: Request) -> Response:
    """200 while the process answers. It needs no database, so anyone may ask."""
    del request
    return _json({"status": "ok"})


async def _unknown_address(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return _json({"message": f"{request.method} {request.url.path}: no such address."}, status)


async def _unreadable_state(request: Request, error: Exception) -> Response:
    del request
    return _json({"message": str(error)}, 503)


def _json(document: Mapping[str, object], status: int = 200) -> JSONResponse:
    return JSONResponse(dict(document), status_code=status, headers=_NO_STORE)


class ListenError(Exception):
    """The address cannot be listened on; the message says why."""


def run(settings: Settings, *, behind_proxy: bool) -> None:
    """Serve until SIGINT or SIGTERM. Runs that were started go on.

    Raises:
        SettingsError: the key is missing or too short, or would cross the network unencrypted.
        ListenError: nothing can listen on `HOST` and `PORT`.

    """
    if not behind_proxy and not is_loopback(settings.host):
        problem = (
            f"HOST: {settings.host} can be reached from outside, and the gateway speaks no TLS: the"
            " key would cross the network unencrypted. Put a reverse proxy with TLS in front and"
            " start it with serve --behind-proxy, or set HOST to 127.0.0.1"
        )
        raise SettingsError([problem])
    config = uvicorn.Config(
        Gateway(settings, behind_proxy=behind_proxy).app(),
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        # `ForwardedHeaders` reads them: it has to see the proxy's own address, too.
        proxy_headers=False,
        server_header=False,
        h11_max_incomplete_event_size=_MAX_HEADER_BYTES,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )
    # Uvicorn warns of each invalid request, so a client could fill the disk.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    try:
        sockets = listen(settings.host, settings.port)
    except ListenError as error:
        message = f"{error} Stop the program that uses it, or set HOST and PORT to another address."
        raise ListenError(message) from error
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets)


def is_loopback(host: str) -> bool:
    """True if only this machine can reach the host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def bracketed(host: str) -> str:
    """The host as it is written in a URL."""
    return f"[{host}]" if ":" in host else host


def listen(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen on all addresses of `host`; `localhost` usually has two.

    Raises:
        ListenError: the port is in use, or no address belongs to this machine.

    """
    opened: list[socket.socket] = []
    reason = "it is no address of this machine"
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        for family, address in dict.fromkeys((each[0], each[4]) for each in found):
            # With the protocol named, asyncio switches Nagle's algorithm off.
            made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            opened.append(made)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                made.bind(address)
            except OSError as error:
                if error.errno not in _NOT_ON_THIS_MACHINE:
                    raise
                opened.remove(made)
                made.close()
            else:
                made.listen(_BACKLOG)
    except OSError as error:
        for each in opened:
            each.close()
        opened, reason = [], error.strerror or str(error)
    if not opened:
        message = f"Nothing can listen on {bracketed(host)}:{port}: {reason}."
        raise ListenError(message)
    return opened
