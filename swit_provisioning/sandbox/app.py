"""The sandbox as an ASGI application: which address answers what."""

from collections.abc import Mapping

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Scope

from swit_provisioning.sandbox import oauth
from swit_provisioning.sandbox.arguments import Arguments
from swit_provisioning.sandbox.asked import Call
from swit_provisioning.sandbox.dispatch import Work, carried_out, handle, sandbox_of
from swit_provisioning.sandbox.page import page
from swit_provisioning.sandbox.replies import HangUp, Reply, refusal, response_to
from swit_provisioning.sandbox.rules import RefusedError
from swit_provisioning.sandbox.sandbox import Sandbox
from swit_provisioning.sandbox.scim import SCIM_CALLS, scim_error
from swit_provisioning.sandbox.team_calls import TEAM_CALLS
from swit_provisioning.sandbox.user_calls import USER_CALLS

SCIM_PATH = "/scim/v2"
API_CALLS: Mapping[str, Call] = {**USER_CALLS, **TEAM_CALLS}
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
    "Cache-Control": "no-store",
}


def build_app(sandbox: Sandbox, *, hang_up: HangUp | None = None) -> Starlette:
    """The application; `hang_up` closes a request's connection (for the faults that do)."""
    app = Starlette(
        routes=[
            Route("/", _page, methods=["GET"]),
            Route("/state", _state, methods=["GET"]),
            Route("/reset", _reset, methods=["POST"]),
            Route("/oauth/authorize", _authorize, methods=["GET"]),
            Route("/oauth/token", _token, methods=["POST"]),
            Route("/v1/api/{call}", _api, methods=["GET", "POST"]),
            Route(f"{SCIM_PATH}/Users", _scim_list, methods=["GET"]),
            Route(f"{SCIM_PATH}/Users/{{user_id}}", _scim_update, methods=["PATCH"]),
        ],
        exception_handlers={HTTPException: _no_such_address},
    )
    app.state.sandbox = sandbox
    app.state.hang_up = hang_up or _cannot_hang_up
    return app


def _cannot_hang_up(_: Scope) -> None:
    message = "This server can't close a connection without an answer; use SandboxServer."
    raise RuntimeError(message)


async def _page(request: Request) -> Response:
    return HTMLResponse(page(sandbox_of(request)), headers=_PAGE_HEADERS)


async def _state(request: Request) -> Response:
    return JSONResponse(sandbox_of(request).state())


async def _reset(request: Request) -> Response:
    sandbox_of(request).reset()
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse("/", status_code=303)
    return JSONResponse(sandbox_of(request).state())


async def _authorize(request: Request) -> Response:
    sandbox = sandbox_of(request)
    behaviour = sandbox.organisation.behaviour

    def work(given: Arguments) -> Reply:
        return oauth.authorize(sandbox.tokens, behaviour, given)

    return await handle(request, "oauth.authorize", work)


async def _token(request: Request) -> Response:
    sandbox = sandbox_of(request)
    behaviour = sandbox.organisation.behaviour

    def work(given: Arguments) -> Reply:
        return oauth.token(sandbox.tokens, behaviour, given)

    return await handle(request, "oauth.token", work)


async def _api(request: Request) -> Response:
    name = request.path_params["call"]
    return await handle(request, name, _api_work(request, name))


def _api_work(request: Request, name: str) -> Work:
    call = API_CALLS.get(name)
    if call is None:
        return lambda _: refusal(404, f"There is no call {name}.")
    if call.method != request.method:
        return lambda _: refusal(405, f"{name} must be called with {call.method}.")
    return carried_out(request, call)


async def _scim_list(request: Request) -> Response:
    return await handle(request, "scim.user.list", _scim_work(request, "scim.user.list"))


async def _scim_update(request: Request) -> Response:
    work = _scim_work(request, "scim.user.update")
    user_id = request.path_params["user_id"]
    return await handle(request, "scim.user.update", work, user_id=user_id)


def _scim_work(request: Request, name: str) -> Work:
    work = carried_out(request, SCIM_CALLS[name])

    def in_scim_form(arguments: Arguments) -> Reply:
        try:
            return scim_error(work(arguments))
        except RefusedError as refused:
            return scim_error(refusal(refused.status, refused.message))

    return in_scim_form


async def _no_such_address(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return response_to(
        request, refusal(status, f"{request.method} {request.url.path}: no such call.")
    )
