"""Ports that are free on this machine now."""

import random
import socket

_BELOW_CONNECTIONS = range(15_000, 32_000)
"""Linux takes ports from 32768 on for connections: one of these stays free until it is used."""


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nothing listens on."""
    for port in random.sample(_BELOW_CONNECTIONS, len(_BELOW_CONNECTIONS)):
        with socket.socket() as listener:
            try:
                listener.bind((host, port))
            except OSError:
                continue
            return port
    message = f"nothing from {_BELOW_CONNECTIONS.start} to {_BELOW_CONNECTIONS.stop} is free"
    raise RuntimeError(message)
