"""User and host that started a run."""

import getpass
import os
import socket


def who_am_i() -> str:
    """`user@host`, or `uid 1234@host` where the account has no name, as in some containers."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"
