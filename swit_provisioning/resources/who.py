"""Who is at it: for the journal, for approvals, and for the next run that waits."""

import getpass
import socket


def who_am_i() -> str:
    """The account and the machine."""
    return f"{getpass.getuser()}@{socket.gethostname()}"
