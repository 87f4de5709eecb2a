"""Runs the gateway until it is ended, where nobody outside can listen to the key on its way."""

import contextlib
import logging
from typing import Final

import uvicorn

from swit_provisioning.gateway.app import Gateway
from swit_provisioning.gateway.connections import GuardedProtocol
from swit_provisioning.gateway.listening import ListenError, is_loopback, listen
from swit_provisioning.settings import Settings, SettingsError

_LONGEST_HEADERS: Final = 16 * 1024
_KEEP_ALIVE_SECONDS: Final = 5
_SHUTDOWN_SECONDS: Final = 10


def run(settings: Settings, *, behind_proxy: bool) -> None:
    """Answer until it is ended (Ctrl+C, SIGTERM); a run that was started goes on.

    Raises:
        SettingsError: there is no good key, or others could listen to it on its way.
        ListenError: nothing can listen on `HOST` and `PORT`.

    """
    _require_tls(settings, behind_proxy=behind_proxy)
    app = Gateway(settings, behind_proxy=behind_proxy).app()
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http=_ProxiedProtocol if behind_proxy else GuardedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        # Believes X-Forwarded-For of 127.0.0.1, or of those that FORWARDED_ALLOW_IPS names.
        proxy_headers=behind_proxy,
        server_header=False,
        h11_max_incomplete_event_size=_LONGEST_HEADERS,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )
    # A line for each broken request would let anybody fill the disk.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    try:
        sockets = listen(settings.host, settings.port)
    except ListenError as error:
        message = f"{error} End the program that uses it, or set HOST and PORT to another one."
        raise ListenError(message) from error
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets)


class _ProxiedProtocol(GuardedProtocol):
    """Behind a proxy all connections are the proxy's, and it guards against slow clients."""

    most_of_a_client = GuardedProtocol.most_of_all


def _require_tls(settings: Settings, *, behind_proxy: bool) -> None:
    if behind_proxy or is_loopback(settings.host):
        return
    problem = (
        f"HOST: {settings.host} can be reached from outside, and the gateway speaks no TLS: the key"
        " would cross the network in clear. Put a reverse proxy with TLS in front and start it with"
        " serve --behind-proxy, or let HOST be 127.0.0.1"
    )
    raise SettingsError([problem])
