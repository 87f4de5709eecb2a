"""Work done side by side: each item once those before it are through, the first ones first."""

import threading
import time
from collections.abc import Callable, Collection, Generator, Mapping
from graphlib import TopologicalSorter
from heapq import heappop, heappush
from queue import Empty, SimpleQueue
from typing import Final

GRACE_SECONDS: Final = 5.0
"""How long an interrupt waits for calls that are in flight."""


def side_by_side(
    before: Mapping[str, Collection[str]],
    work: Callable[[str], None],
    *,
    at_once: int,
    stop: Callable[[], None],
    grace_seconds: float = GRACE_SECONDS,
) -> Generator[str, None, None]:
    """Do the work of every item, in at most so many threads; each is told when it is through.

    `before` maps an item to those that must be through before it. Of those that may begin, the
    first in `before` does. The first error ends it: what has begun is let through, nothing else
    is begun, and the error is raised. An interrupt (`KeyboardInterrupt` and others that are no
    `Exception`), also while it waits after an error, and closing the generator early call `stop`
    first, which keeps the work from sending anything more, and wait `grace_seconds` at most. The
    threads are daemons, so none of them keeps the process alive.
    """
    items, place = list(before), {item: number for number, item in enumerate(before)}
    ready: list[int] = []
    begun: set[str] = set()
    ended: SimpleQueue[tuple[str, BaseException | None]] = SimpleQueue()
    order: TopologicalSorter[str] = TopologicalSorter(before)
    order.prepare()

    def carry_out(item: str) -> None:
        error: BaseException | None = None
        try:
            work(item)
        except BaseException as raised:  # noqa: BLE001 - it is raised where the items are given out
            error = raised
        ended.put((item, error))

    try:
        try:
            while order.is_active():
                for item in order.get_ready():
                    heappush(ready, place[item])
                while ready and len(begun) < at_once:
                    item = items[heappop(ready)]
                    begun.add(item)
                    threading.Thread(
                        target=carry_out, args=(item,), name="apply", daemon=True
                    ).start()
                item, error = ended.get()
                begun.remove(item)
                if error is not None:
                    raise error  # noqa: TRY301 - the one place that lets the others through
                order.done(item)
                yield item
        except Exception:
            _wait(begun, ended)  # an interrupt meanwhile goes on to the outer handlers
            raise
    except Exception:
        raise
    except BaseException:
        stop()
        _wait(begun, ended, until=time.monotonic() + grace_seconds)
        raise


def _wait(
    begun: set[str],
    ended: SimpleQueue[tuple[str, BaseException | None]],
    *,
    until: float | None = None,
) -> None:
    while begun:
        left = None if until is None else max(until - time.monotonic(), 0.001)
        try:
            begun.remove(ended.get(timeout=left)[0])
        except Empty:
            return
