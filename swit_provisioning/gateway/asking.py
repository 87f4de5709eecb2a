"""Who asks, and with which key."""

from typing import Final

from starlette.requests import Request

_BEARER: Final = "bearer "


def address_of(request: Request) -> str:
    """The client's address; behind a proxy, the one that the proxy names."""
    return request.client.host if request.client else ""


def header_key(request: Request) -> bytes | None:
    """The key in `x-secret-key`, as the reference program has it, or as a bearer token.

    Prometheus, for one, sends bearer tokens from a file of its own.
    """
    given = request.headers.get("x-secret-key")
    if given is None:
        bearer = request.headers.get("authorization", "")
        given = bearer[len(_BEARER) :].strip() if bearer.lower().startswith(_BEARER) else None
    # As it came over the wire: HTTP has no other encoding for it.
    return None if given is None else given.encode("latin-1")
