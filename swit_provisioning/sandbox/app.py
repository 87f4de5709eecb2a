"""The sandbox as an ASGI application: addresses, state, page."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Scope

from swit_provisioning.sandbox.calls import (
    SCIM_CALLS,
    TEAM_CALLS,
    USER_CALLS,
    authorize,
    scim_error,
    token,
)
from swit_provisioning.sandbox.editions import Asked, Call, Edition, Shapes
from swit_provisioning.sandbox.faults import Fault, Faults, Gate
from swit_provisioning.sandbox.http import (
    Arguments,
    CallLog,
    HangUp,
    RateLimit,
    Reply,
    refusal,
    response_to,
)
from swit_provisioning.sandbox.model import RefusedError
from swit_provisioning.sandbox.organisation import Organisation
from swit_provisioning.sandbox.state_file import StateFile
from swit_provisioning.sandbox.tokens import Tokens

_CALLS_SHOWN = 50


class Sandbox:
    """One stand-in Swit. Edition, rate limit and latency can be changed at any time."""

    def __init__(
        self,
        organisation: Organisation | None = None,
        *,
        edition: Edition = "new",
        tokens: Tokens | None = None,
        rate_limit: RateLimit | None = None,
        latency_seconds: float = 0.0,
        state_file: Path | None = None,
    ) -> None:
        """Start with a new organisation unless one is given; `reset` returns to it.

        `state_file` keeps the organisation; its content takes precedence over `organisation`.
        """
        self.organisation = organisation or Organisation()
        self._file = StateFile(state_file, self.organisation) if state_file else None
        self.tokens = tokens or Tokens(self.organisation)
        self.edition: Edition = edition
        self.rate_limit = rate_limit
        self.latency_seconds = latency_seconds
        self.faults = Faults()
        self.log = CallLog()
        self.organisation.mark()

    @property
    def shapes(self) -> Shapes:
        """The answers of the current edition."""
        return Shapes(self.organisation, self.edition)

    @contextmanager
    def exclusive(self, *, writes: bool = True) -> Iterator[None]:
        """Lock the organisation among all threads and processes."""
        held = self._file.exclusive(writes=writes) if self._file else nullcontext()
        with self.organisation.lock, held:
            yield

    def reset(self) -> None:
        """Restore the organisation of the start, and forget calls and faults. Tokens stay valid."""
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


_ROWS_SHOWN = 500
_ROLES = {10: "master", 20: "admin", 30: "member", 40: "guest"}
_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; }
body { font: 16px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 70rem;
  padding: 0 1rem 3rem; }
.banner { background: #b54708; color: #fff; font-weight: 600; margin: 0 -1rem;
  padding: .6rem 1rem; }
h1 { font-size: 1.4rem; margin-bottom: .2rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.tree { list-style: none; padding: 0; } .tree li { border-left: 2px solid var(--line);
  margin: .35rem 0; padding: .1rem .6rem; margin-left: calc(var(--depth) * 1.2rem); }
.people, .note, code { color: color-mix(in srgb, currentColor 70%, transparent); font-size: .9rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid var(--line);
  vertical-align: top; } th { background: var(--soft); white-space: nowrap; }
code { overflow-wrap: anywhere; } .inactive td { text-decoration: line-through; }
.inactive td.state { text-decoration: none; font-weight: 600; }
button { font: inherit; padding: .3rem .9rem; }
"""
_Json = Mapping[str, Any]


def page(sandbox: Sandbox) -> str:
    """The HTML page; all foreign text is escaped."""
    state = sandbox.state()
    people = {user["id"]: user for user in state["users"]}
    teams = {team["id"]: team for team in state["teams"]}
    active = sum(user["active"] for user in state["users"])
    title = escape(state["organization"]["name"])
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title} (sandbox)</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{_STYLE}</style></head><body>
<p class="banner">Sandbox: nothing here is real</p>
<h1>{title}</h1>
<p class="note">{active} active users of {len(people)}, {len(teams)} teams, answers in the edition
&ldquo;{escape(state["edition"])}&rdquo;. The same as JSON: <a href="state">state</a>.</p>
<form method="post" action="reset"><button>Reset</button></form>
<h2>Teams</h2><ul class="tree">{"".join(_team(team, people) for team in state["teams"])}</ul>
<h2>Users</h2>{_users(state["users"], teams)}
<h2>Last calls</h2>{_calls(state["calls"])}
</body></html>"""


def _team(team: _Json, people: Mapping[str, _Json]) -> str:
    names = [escape(people[each]["name"]) for each in team["user_ids"][:_ROWS_SHOWN]]
    more = len(team["user_ids"]) - len(names)
    members = ", ".join(names) + (f" and {more} more" if more > 0 else "")
    reference = f" <code>{escape(team['reference'])}</code>" if team["reference"] else ""
    shown = f'<div class="people">{members}</div>' if members else ""
    depth = int(team["depth"])
    return f'<li style="--depth:{depth}"><b>{escape(team["name"])}</b>{reference}{shown}</li>'


def _users(users: list[_Json], teams: Mapping[str, _Json]) -> str:
    rows = "".join(_user(user, teams) for user in users[:_ROWS_SHOWN])
    more = len(users) - _ROWS_SHOWN
    note = f'<p class="note">and {more} more</p>' if more > 0 else ""
    heads = ("Name", "E-mail", "Phone", "Role", "State", "Primary team", "Other teams")
    return _table(heads, rows) + note


def _user(user: _Json, teams: Mapping[str, _Json]) -> str:
    primary = user["primary_team"]
    others = ", ".join(teams[each]["name"] for each in user["teams"] if each != primary)
    row = "" if user["active"] else ' class="inactive"'
    return (
        f"<tr{row}><td>{escape(user['name'])}</td><td>{escape(user['email'])}</td>"
        f"<td>{escape(user['phone_number'] or '')}</td>"
        f"<td>{escape(_ROLES.get(user['role'], str(user['role'])))}</td>"
        f'<td class="state">{"active" if user["active"] else "inactive"}</td>'
        f"<td>{escape(teams[primary]['name']) if primary else ''}</td>"
        f"<td>{escape(others)}</td></tr>"
    )


def _calls(calls: list[_Json]) -> str:
    rows = "".join(
        f"<tr><td>{call['number']}</td><td>{escape(call['method'])} {escape(call['call'])}</td>"
        f"<td><code>{escape(call['summary'])}</code></td>"
        f"<td>{call['status'] or 'no answer'}</td></tr>"
        for call in reversed(calls)
    )
    return _table(("No.", "Call", "With", "Status"), rows)


def _table(heads: tuple[str, ...], rows: str) -> str:
    head = "".join(f"<th>{name}</th>" for name in heads)
    return f'<div class="scroll"><table><tr>{head}</tr>{rows}</table></div>'


_LOOK_SECONDS = 0.01
Work = Callable[[Arguments], Reply]


def sandbox_of(request: Request) -> Sandbox:
    """The sandbox of a request."""
    found: Sandbox = request.app.state.sandbox
    return found


async def handle(request: Request, name: str, work: Work, **given: str) -> Response:
    """Answer one request and log it; `work` may raise `RefusedError`.

    `given` are arguments in the address itself.
    """
    sandbox, ready = sandbox_of(request), work
    try:
        values = await _values(request)
    except ClientDisconnect:
        # Half of a request is no call.
        return response_to(request, Reply(closes="instead"))
    except RefusedError as refused:
        values, ready = {}, _refusing(refused)
    values = {**values, **given}
    entry = sandbox.log.arrived(request.method, name, values)
    status: int | None = None
    try:
        reply = await _reply(request, name, Arguments(values), ready)
        status = None if reply.closes == "instead" else reply.status
    finally:
        sandbox.log.answered(entry, status)
    return response_to(request, reply)


def carried_out(request: Request, call: Call) -> Work:
    """The work of one API call: rate limit, token and scope, then the call under the lock."""
    sandbox = sandbox_of(request)

    def work(arguments: Arguments) -> Reply:
        slow_down = sandbox.rate_limit.refused() if sandbox.rate_limit else None
        if slow_down is not None:
            return slow_down
        grant = sandbox.tokens.grant_of(request.headers.get("authorization"))
        with sandbox.exclusive(writes=call.method != "GET"):
            if grant.user_id not in sandbox.organisation.records.users:
                raise RefusedError(401, "The account behind the access token is gone.")
            call.check(grant)
            return call.work(
                Asked(
                    organisation=sandbox.organisation,
                    shapes=sandbox.shapes,
                    arguments=arguments,
                    grant=grant,
                )
            )

    return work


def _refusing(refused: RefusedError) -> Work:
    def work(_: Arguments) -> Reply:
        raise refused

    return work


async def _values(request: Request) -> Mapping[str, Any]:
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


async def _reply(request: Request, name: str, arguments: Arguments, work: Work) -> Reply:
    sandbox = sandbox_of(request)
    if sandbox.latency_seconds > 0:
        await asyncio.sleep(sandbox.latency_seconds)
    fault = sandbox.faults.take(name, arguments.values)
    if fault is None:
        return _attempt(work, arguments)
    if fault.kind in ("slow", "held"):
        return await _late(request, fault, arguments, work)
    if fault.act is not None:
        fault.act()
    return fault.spoil(_attempt(work, arguments) if fault.needs_work() else None)


def _attempt(work: Work, arguments: Arguments) -> Reply:
    try:
        return work(arguments)
    except RefusedError as refused:
        return refusal(refused.status, refused.message)


async def _late(request: Request, fault: Fault, arguments: Arguments, work: Work) -> Reply:
    done = _attempt(work, arguments) if fault.after_work else None
    gone = await (_held(request, fault.gate) if fault.gate else _left(request, fault.seconds))
    if gone:
        return Reply(closes="instead")
    return done or _attempt(work, arguments)


async def _held(request: Request, gate: Gate) -> bool:
    """Wait until the gate is open; True if the client has hung up before that."""
    gate.reached.set()
    while not gate.opened.is_set():
        if await _left(request, _LOOK_SECONDS):
            return True
    return False


async def _left(request: Request, seconds: float) -> bool:
    """Wait; True if the client has hung up meanwhile."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            return bool((await request.receive())["type"] == "http.disconnect")
    return False


SCIM_PATH = "/scim/v2"
API_CALLS: Mapping[str, Call] = {**USER_CALLS, **TEAM_CALLS}
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
    "Cache-Control": "no-store",
}


def build_app(sandbox: Sandbox, *, hang_up: HangUp | None = None) -> Starlette:
    """The application; `hang_up` closes the connection of a request, for some faults."""
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
        return authorize(sandbox.tokens, behaviour, given)

    return await handle(request, "oauth.authorize", work)


async def _token(request: Request) -> Response:
    sandbox = sandbox_of(request)
    behaviour = sandbox.organisation.behaviour

    def work(given: Arguments) -> Reply:
        return token(sandbox.tokens, behaviour, given)

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
