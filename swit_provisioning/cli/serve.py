"""`serve`: the HTTP gateway, until it is ended."""

import logging

from swit_provisioning.cli.console import errors
from swit_provisioning.cli.home import prepare_home
from swit_provisioning.gateway.listening import bracketed
from swit_provisioning.gateway.server import run
from swit_provisioning.settings import Settings


def serve_gateway(settings: Settings, *, behind_proxy: bool) -> int:
    """Say where it answers, and answer."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    prepare_home(settings)
    url = f"http://{bracketed(settings.host)}:{settings.port}"
    errors().print(f"Gateway: {url} · {settings.mode}", highlight=False, soft_wrap=True)
    run(settings, behind_proxy=behind_proxy)
    return 0
