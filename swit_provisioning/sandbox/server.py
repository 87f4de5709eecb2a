"""Serves the sandbox over HTTP: the calls of the table, its page, its state as JSON."""

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl

import uvicorn
from jinja2 import Environment, PackageLoader
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from swit_provisioning.sandbox import SANDBOX_PORT
from swit_provisioning.sandbox.calls import CALLS, SCIM_PATH, Call, Context
from swit_provisioning.sandbox.editions import Edition, Shapes
from swit_provisioning.sandbox.faults import Fault, Faults
from swit_provisioning.sandbox.oauth import DEFAULT_SCOPE, Tokens
from swit_provisioning.sandbox.organisation import Organisation
from swit_provisioning.sandbox.records import ADMIN, GUEST, MASTER, MEMBER, RefusedError
from swit_provisioning.sandbox.replies import Arguments, Reply, refusal
from swit_provisioning.sandbox.state_file import StateFile
from swit_provisioning.sandbox.traffic import CallLog, RateLimit

_HOST = "127.0.0.1"
_KEEP_ALIVE_SECONDS = 120
_POLL_SECONDS = 0.01
_CALLS_SHOWN = 50
_ROWS_SHOWN = 500
_ROLES = {MASTER: "master", ADMIN: "admin", MEMBER: "member", GUEST: "guest"}
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
    "Cache-Control": "no-store",
}


class SandboxStartError(Exception):
    """The sandbox cannot listen on its address."""


class SandboxServer:
    """A stand-in for Swit, on a port of this machine during a `with` block.

    Edition, rate limit and latency can be changed at any time; the organisation can be read and
    changed while the sandbox runs. A stopped sandbox can be started again, on the same port.
    Starting and stopping take about 0.2 seconds.
    """

    def __init__(
        self,
        organisation: Organisation | None = None,
        *,
        port: int = 0,
        edition: Edition = "new",
        rate_limit: RateLimit | None = None,
        latency_seconds: float = 0.0,
        state_file: Path | None = None,
    ) -> None:
        """Prepare the server. By default, its organisation is a new one.

        Args:
            organisation: the state at the start, to which `reset` returns.
            port: 0 chooses a free port.
            edition: format of the answers.
            rate_limit: limit of all calls.
            latency_seconds: delay of each answer.
            state_file: stores the organisation. If it exists, its content replaces
                `organisation`.

        """
        self.organisation = organisation or Organisation()
        self._file = StateFile(state_file, self.organisation) if state_file else None
        self.organisation.mark()
        self.tokens = Tokens(self.organisation)
        self.edition: Edition = edition
        self.rate_limit = rate_limit
        self.latency_seconds = latency_seconds
        self.faults = Faults()
        self.log = CallLog()
        self._port = port
        self._config = uvicorn.Config(
            self._app(),
            loop="asyncio",
            http=H11Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=1,
        )

    @property
    def url(self) -> str:
        """Address for `SWIT_BASE_URL`, without a slash at the end."""
        return f"http://{_HOST}:{self._port}"

    @property
    def scim_url(self) -> str:
        """The address for `SWIT_SCIM_BASE_URL`."""
        return f"{self.url}{SCIM_PATH}"

    @property
    def client_id(self) -> str:
        """The id of the OAuth client."""
        return self.tokens.client_id

    @property
    def client_secret(self) -> str:
        """The secret of the OAuth client."""
        return self.tokens.client_secret

    @property
    def redirect_url(self) -> str:
        """The first registered redirect address."""
        return self.tokens.redirect_urls[0]

    def issue_tokens(self, scope: str = DEFAULT_SCOPE) -> dict[str, Any]:
        """New tokens without a login: `access_token`, `refresh_token`, `expires_in`, `scope`."""
        return self.tokens.issue(scope)

    @contextlib.contextmanager
    def exclusive(self, *, writes: bool = True) -> Iterator[None]:
        """Lock the organisation among all threads and processes."""
        file = self._file.exclusive(writes=writes) if self._file else contextlib.nullcontext()
        with self.organisation.lock, file:
            yield

    def reset(self) -> None:
        """Restore the organisation of the start. Deletes log and faults; tokens stay valid."""
        with self.exclusive():
            self.organisation.reset()
        self.faults.clear()
        self.log.clear()

    def state(self) -> dict[str, Any]:
        """State, last 50 calls and call counts as JSON values."""
        calls = self.log.of()[-_CALLS_SHOWN:]
        with self.exclusive(writes=False):
            snapshot = self.organisation.snapshot()
        return {
            "edition": self.edition,
            **snapshot,
            "calls": [entry.document() for entry in calls],
            "counts": dict(sorted(self.log.counts.items())),
        }

    def listen(self) -> None:
        """Open the port. Raises `SandboxStartError`."""
        # If the protocol is given, asyncio disables Nagle's algorithm, which delays each answer by
        # 40 ms.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((_HOST, self._port))
            self._socket.listen()
        except OSError as error:
            self._socket.close()
            message = (
                f"The sandbox cannot listen on {_HOST}:{self._port}: {error.strerror or error}."
                f" Stop the program that uses this port, or choose another port, such as"
                f" {self._port + 1}."
            )
            raise SandboxStartError(message) from error
        self._port = self._socket.getsockname()[1]
        self._server = uvicorn.Server(self._config)

    def serve(self) -> None:
        """Serve until `__exit__` or an interrupt."""
        self._server.run([self._socket])

    def __enter__(self) -> Self:
        """Start to serve in a thread. Raises `SandboxStartError`."""
        self.listen()
        self._thread = threading.Thread(target=self.serve, name="swit-sandbox", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and wait until the server has ended. Calls in flight get a second."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def _app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/", self._page, methods=["GET"]),
                Route("/state", self._state, methods=["GET"]),
                Route("/reset", self._reset, methods=["POST"]),
                *(
                    Route(call.path, partial(self._answer, call=call), methods=[call.method])
                    for call in CALLS.values()
                ),
            ],
            exception_handlers={HTTPException: _no_such_call},
        )

    async def _page(self, _: Request) -> Response:
        state = self.state()
        templates = Environment(
            loader=PackageLoader("swit_provisioning.sandbox", "data"), autoescape=True
        )
        html = templates.get_template("page.html").render(
            **state,
            rows=_ROWS_SHOWN,
            roles=_ROLES,
            user_names={user["id"]: user["name"] for user in state["users"]},
            team_names={team["id"]: team["name"] for team in state["teams"]},
        )
        return HTMLResponse(html, headers=_PAGE_HEADERS)

    async def _state(self, _: Request) -> Response:
        return JSONResponse(self.state())

    async def _reset(self, request: Request) -> Response:
        self.reset()
        if "text/html" in request.headers.get("accept", ""):
            return RedirectResponse("/", status_code=303)
        return JSONResponse(self.state())

    async def _answer(self, request: Request, *, call: Call) -> ASGIApp:
        try:
            values = {**await _arguments(request), **request.path_params}
        except ClientDisconnect:
            # An incomplete request is not a call.
            return partial(self._hang_up, Reply(closes="instead"))
        except RefusedError as error:
            values, work = {}, partial(call.refusal, error)
        else:
            work = partial(self._carry_out, request, call, Arguments(values))
        entry = self.log.arrived(request.method, call.name, values)
        status: int | None = None
        try:
            # Faults can be added during the latency.
            await asyncio.sleep(self.latency_seconds)
            fault = self.faults.take(call.name, values)
            reply = await _faulty(request, fault, work) if fault else work()
            status = None if reply.closes == "instead" else reply.status
        finally:
            self.log.answered(entry, status)
        return _response(reply) if reply.closes == "no" else partial(self._hang_up, reply)

    def _carry_out(self, request: Request, call: Call, arguments: Arguments) -> Reply:
        """Make the call under the lock, if it is allowed."""
        context = Context(
            organisation=self.organisation,
            tokens=self.tokens,
            shapes=Shapes(self.organisation, self.edition),
            arguments=arguments,
        )
        try:
            with self.exclusive(writes=call.method != "GET"):
                if call.scopes is not None:
                    self._check_access(call, request.headers.get("authorization"))
                return call.work(context)
        except RefusedError as error:
            return call.refusal(error)

    def _check_access(self, call: Call, authorization: str | None) -> None:
        """Check rate limit, token and scopes. Raises `RefusedError` (429, 401, 403)."""
        too_many = self.rate_limit.refused() if self.rate_limit else None
        if too_many is not None:
            raise too_many
        grant = self.tokens.grant_of(authorization)
        if self.organisation.authorised_user_id not in self.organisation.records.users:
            raise RefusedError(401, "The user of the access token does not exist any more.")
        call.check(grant)

    async def _hang_up(self, reply: Reply, scope: Scope, receive: Receive, send: Send) -> None:
        """Send half of the reply, or nothing. Then close the connection and wait for its end."""
        if reply.closes == "midway":
            content = reply.content()
            headers = [(b"content-length", str(len(content)).encode())]
            start = {"type": "http.response.start", "status": reply.status, "headers": headers}
            await send(start)
            half = content[: len(content) // 2]
            await send({"type": "http.response.body", "body": half, "more_body": True})
        for connection in list(self._server.server_state.connections):
            if isinstance(connection, H11Protocol) and connection.client == tuple(scope["client"]):
                connection.transport.close()
        while (await receive())["type"] != "http.disconnect":
            pass


async def _arguments(request: Request) -> dict[str, Any]:
    """The query of a GET; else the form or the JSON object. Raises `RefusedError` (400)."""
    if request.method == "GET":
        return dict(request.query_params)
    content = await request.body()
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(content.decode(errors="replace"), keep_blank_values=True))
    try:
        found = json.loads(content or b"{}")
    except ValueError as error:
        raise RefusedError(400, "The body is not JSON.") from error
    if not isinstance(found, dict):
        raise RefusedError(400, "The body must be a JSON object.")
    return found


async def _faulty(request: Request, fault: Fault, work: Callable[[], Reply]) -> Reply:
    """The reply to a call with a fault; `work` carries it out."""
    if fault.kind not in ("slow", "held"):
        return fault.reply(work)
    done = work() if fault.after_work else None
    ends = time.monotonic() + fault.seconds
    if fault.gate:
        fault.gate.reached.set()
    while not (fault.gate.opened.is_set() if fault.gate else time.monotonic() >= ends):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_POLL_SECONDS):
                if (await request.receive())["type"] == "http.disconnect":
                    return Reply(closes="instead")
    return done or work()


async def _no_such_call(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    message = f"{request.method} {request.url.path}: no such call."
    return _response(refusal(RefusedError(status, message)))


def _response(reply: Reply) -> Response:
    return Response(
        reply.content(),
        status_code=reply.status,
        headers=dict(reply.headers),
        media_type=reply.media_type,
    )


def run(
    port: int = SANDBOX_PORT, edition: Edition = "new", *, state_file: Path | None = None
) -> None:
    """Run the sandbox until it is interrupted (Ctrl-C). Raises `SandboxStartError`."""
    server = SandboxServer(port=port, edition=edition, state_file=state_file)
    server.listen()
    with contextlib.suppress(KeyboardInterrupt):
        server.serve()
