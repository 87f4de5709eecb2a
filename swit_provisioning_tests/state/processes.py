"""Other processes that share the store with a test, started together."""

import subprocess
import sys
from collections.abc import Sequence


def start(script: str, *arguments: str) -> subprocess.Popen[str]:
    """Run a script that prints `ready`, then waits for a line before it goes on."""
    return subprocess.Popen(  # noqa: S603 - this Python and a script of the tests
        [sys.executable, "-c", script, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def let_go(processes: Sequence[subprocess.Popen[str]]) -> list[str]:
    """Let all go on once each is ready; what each printed after that."""
    for process in processes:
        if process.stdout is None or process.stdout.readline() != "ready\n":
            message = "a process did not get ready"
            raise AssertionError(message)
    said = [process.communicate("go\n", timeout=60)[0].strip() for process in processes]
    if any(process.returncode for process in processes):
        message = f"a process failed after it printed: {said}"
        raise AssertionError(message)
    return said
