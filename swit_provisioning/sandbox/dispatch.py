"""The way of every request: read it, log it, wait, fault, pace, check the token, carry it out."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from swit_provisioning.sandbox.arguments import Arguments
from swit_provisioning.sandbox.asked import Asked, Call
from swit_provisioning.sandbox.faults import Fault, Gate
from swit_provisioning.sandbox.replies import Reply, refusal, response_to
from swit_provisioning.sandbox.rules import RefusedError
from swit_provisioning.sandbox.sandbox import Sandbox

_LOOK_SECONDS = 0.01
Work = Callable[[Arguments], Reply]


def sandbox_of(request: Request) -> Sandbox:
    """The sandbox that this request is for."""
    found: Sandbox = request.app.state.sandbox
    return found


async def handle(request: Request, name: str, work: Work, **given: str) -> Response:
    """Answer one request; `work` may raise `RefusedError`. The log gets it in any case.

    `given` are arguments that the address itself holds.
    """
    sandbox, ready = sandbox_of(request), work
    try:
        values = await _values(request)
    except ClientDisconnect:
        # Whoever sent half of a request is gone: it was never asked.
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
    """The work of one API call: within the pace, with a token that may, under the lock."""
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
    """Wait until the gate is open; whether the client has hung up before."""
    gate.reached.set()
    while not gate.opened.is_set():
        if await _left(request, _LOOK_SECONDS):
            return True
    return False


async def _left(request: Request, seconds: float) -> bool:
    """Wait so long; whether the client has hung up meanwhile."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            return bool((await request.receive())["type"] == "http.disconnect")
    return False
