"""Runs the sandbox on a port: in a thread for tests and the demo, or alone."""

import contextlib
import socket
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.types import Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

from swit_provisioning.sandbox import SANDBOX_PORT
from swit_provisioning.sandbox.app import SCIM_PATH, Sandbox, build_app
from swit_provisioning.sandbox.editions import Edition
from swit_provisioning.sandbox.faults import Faults
from swit_provisioning.sandbox.http import CallLog, RateLimit
from swit_provisioning.sandbox.organisation import Organisation
from swit_provisioning.sandbox.tokens import DEFAULT_SCOPE

_START_SECONDS = 30.0
_KEEP_ALIVE_SECONDS = 120


class SandboxStartError(Exception):
    """The sandbox cannot listen on its address."""


class _Server(uvicorn.Server):
    """A server that reports when it is ready, and can close one client's connection."""

    def __init__(self, sandbox: Sandbox) -> None:
        app = build_app(sandbox, hang_up=self.hang_up)
        super().__init__(
            uvicorn.Config(
                app,
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
        )
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.ready.set()

    def hang_up(self, scope: Scope) -> None:
        for connection in list(self.server_state.connections):
            if isinstance(connection, H11Protocol) and connection.client == tuple(scope["client"]):
                connection.transport.close()


class SandboxServer:
    """The sandbox on a port during a `with` block; each object can be used once.

    `port=0` takes a free port. `POST /reset` returns to the organisation of the start. Starting
    and stopping take about 0.2 seconds.
    """

    def __init__(
        self,
        organisation: Organisation | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        edition: Edition = "new",
        rate_limit: RateLimit | None = None,
        latency_seconds: float = 0.0,
        state_file: Path | None = None,
    ) -> None:
        """Prepare the sandbox; `__enter__` starts it. `state_file` keeps the organisation."""
        self.sandbox = Sandbox(
            organisation,
            edition=edition,
            rate_limit=rate_limit,
            latency_seconds=latency_seconds,
            state_file=state_file,
        )
        self._host = host
        self._port = port
        self._server = _Server(self.sandbox)
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The address for `SWIT_BASE_URL`, without a slash at the end."""
        return f"http://{_bracketed(self._host)}:{self._port}"

    @property
    def scim_url(self) -> str:
        """The address for `SWIT_SCIM_BASE_URL`."""
        return f"{self.url}{SCIM_PATH}"

    @property
    def organisation(self) -> Organisation:
        """The organisation; it can be read and changed while the sandbox runs."""
        return self.sandbox.organisation

    @property
    def faults(self) -> Faults:
        """The faults; tests add some."""
        return self.sandbox.faults

    @property
    def log(self) -> CallLog:
        """The log of all calls."""
        return self.sandbox.log

    @property
    def client_id(self) -> str:
        """The id of the OAuth client."""
        return self.sandbox.tokens.client_id

    @property
    def client_secret(self) -> str:
        """The secret of the OAuth client."""
        return self.sandbox.tokens.client_secret

    @property
    def redirect_url(self) -> str:
        """The first registered redirect address."""
        return self.sandbox.tokens.redirect_urls[0]

    def issue_tokens(self, scope: str = DEFAULT_SCOPE) -> dict[str, Any]:
        """A pair without a login: `access_token`, `refresh_token`, `expires_in`, `scope`, ..."""
        return self.sandbox.tokens.issue(scope)

    def __enter__(self) -> Self:
        """Start listening and wait until it is ready. Raises `SandboxStartError`."""
        listener = _listen(self._host, self._port)
        self._port = listener.getsockname()[1]
        self._thread = threading.Thread(
            target=self._server.run, args=([listener],), name="swit-sandbox", daemon=True
        )
        self._thread.start()
        if not self._server.ready.wait(_START_SECONDS):
            listener.close()
            message = f"The sandbox did not start on {self.url} within {_START_SECONDS:.0f} s."
            raise SandboxStartError(message)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop and wait for the thread; calls in flight get a second."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join()


def run(
    host: str = "127.0.0.1",
    port: int = SANDBOX_PORT,
    edition: Edition = "new",
    *,
    organisation: Organisation | None = None,
    state_file: Path | None = None,
) -> None:
    """Run the sandbox until it is interrupted (Ctrl-C). Raises `SandboxStartError`."""
    listener = _listen(host, port)
    with contextlib.suppress(KeyboardInterrupt):
        sandbox = Sandbox(organisation, edition=edition, state_file=state_file)
        _Server(sandbox).run([listener])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio switches Nagle's algorithm off, which costs 40 ms an answer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()
    except OSError as error:
        listener.close()
        message = (
            f"The sandbox cannot listen on {_bracketed(host)}:{port}: {error.strerror or error}."
            f" Stop the program that uses this port, or choose another port, such as {port + 1}."
        )
        raise SandboxStartError(message) from error
    return listener


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
