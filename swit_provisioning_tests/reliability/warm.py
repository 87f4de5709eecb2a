"""A process that has imported everything and makes copies of itself: a run without a cold start.

`python -m swit_provisioning_tests.reliability.warm`: each line on standard input is an order in
JSON. `{"work": "command", ...}` makes a copy that does this piece of `work`, and is answered with
its process id; `{"reap": id}` waits for that copy and is answered with its exit
code and the bytes of memory that it held at its most.
"""

import gc
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

from swit_provisioning.cli.sync import reconstructable_job
from swit_provisioning_tests.reliability import work


def main() -> None:
    """Obey until standard input ends."""
    reconstructable_job("sync").get_definition()
    gc.collect()
    gc.freeze()
    _say("ready")
    for line in sys.stdin:
        order = json.loads(line)
        if "reap" in order:
            _, status, used = os.wait4(order["reap"], 0)
            _say(f"{os.waitstatus_to_exitcode(status)} {used.ru_maxrss * 1024}")
            continue
        pid = os.fork()
        if pid == 0:
            _live(order)
        _say(pid)


def _say(word: object) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def _live(order: dict[str, Any]) -> NoReturn:
    """What a copy does, in surroundings of its own; it never comes back."""
    code = 70
    try:
        _settle(order)
        code = getattr(work, order["work"])(**order["with"])
    except BaseException:  # noqa: BLE001 - it is told, and the copy ends in any case
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _settle(order: dict[str, Any]) -> None:
    folder = Path(order["folder"])
    for name, number in (("stdout", 1), ("stderr", 2)):
        path = folder / f"{order['name']}.{name}"
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
        os.close(file)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(order["environment"])


if __name__ == "__main__":
    main()
