"""Work done side by side: each item once those before it are through, the first ones first."""

from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from graphlib import TopologicalSorter
from heapq import heappop, heappush
from queue import SimpleQueue


def side_by_side(
    before: Mapping[str, Collection[str]], work: Callable[[str], None], *, at_once: int
) -> Iterator[str]:
    """Do the work of every item, in at most so many threads; each is told when it is through.

    `before` maps an item to those that must be through before it. Of those that may begin, the
    first in `before` does. The first error ends it: what has begun is let through, nothing else
    is begun, and the error is raised.
    """
    items, place = list(before), {item: number for number, item in enumerate(before)}
    ready: list[int] = []
    begun: dict[Future[None], str] = {}
    ended: SimpleQueue[Future[None]] = SimpleQueue()
    order: TopologicalSorter[str] = TopologicalSorter(before)
    order.prepare()
    with ThreadPoolExecutor(at_once, "apply") as pool:
        while order.is_active():
            for item in order.get_ready():
                heappush(ready, place[item])
            while ready and len(begun) < at_once:
                item = items[heappop(ready)]
                future = pool.submit(work, item)
                begun[future] = item
                future.add_done_callback(ended.put)
            future = ended.get()
            item = begun.pop(future)
            future.result()
            order.done(item)
            yield item
