"""The gateway as an ASGI application: which address answers what."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from swit_provisioning.gateway.access import Access, Refusal, required_key
from swit_provisioning.gateway.asking import address_of, header_key
from swit_provisioning.gateway.facts import CachedFacts
from swit_provisioning.gateway.limits import BodyLimits
from swit_provisioning.gateway.login_pages import LoginPages
from swit_provisioning.gateway.metrics import CountRefusals, GatewayCounters
from swit_provisioning.gateway.runs import BusyError, SyncRuns
from swit_provisioning.settings import Settings
from swit_provisioning.store.errors import StoreError

_CALLBACK: Final = "/oauth_callback"
_NO_STORE: Final = {"Cache-Control": "no-store"}
_Answer = Callable[[Request], Awaitable[Response]]

log = logging.getLogger(__name__)


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
