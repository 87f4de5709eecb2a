"""Finds a person in all that is kept, by any name, and everything they are known by."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from swit_provisioning.resources.frame_files import FrameFiles
from swit_provisioning.resources.frame_texts import naming_rows, traces_of_row
from swit_provisioning.store.store import Store
from swit_provisioning.store.traces import Trace
from swit_provisioning.upkeep.errors import NotOnePersonError
from swit_provisioning.upkeep.replacing import unbounded

_READ: dict[str, str] = {"idp_users": "the directory", "swit_users": "Swit"}


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody, and which of their words are another's, too."""

    trace: Trace
    shared: frozenset[str]
    still_in: tuple[str, ...]
    """Where the last read has found them."""


class People:
    """Searches the state and the frames."""

    def __init__(self, store: Store, files: FrameFiles) -> None:
        """Take both."""
        self._store = store
        self._files = files

    def named(self, asked: str) -> Person:
        """The one person of this address, id, DN, or name.

        Raises:
            NotOnePersonError: nobody is known by it, or several are by this name.

        """
        wanted = asked.strip().casefold()
        found = list(self._traces([asked.strip()])) if wanted else []
        first = [trace for trace in found if wanted in trace.keys]
        by_name = [t for t in found if wanted in {word.casefold() for word in t.words}]
        if not first and not by_name:
            message = f"Nobody is known here as {asked!r}. Name an address, an id, a DN or a name."
            raise NotOnePersonError(message)
        person = self._all_of((first or by_name)[0])
        if not first:
            others = [t for t in by_name if t.keys and not t.keys & person.trace.keys]
            if others:
                raise NotOnePersonError(_several(asked, [person.trace, *others]))
        return person

    def _all_of(self, known: Trace) -> Person:
        """Follow ids and addresses from record to record until nothing new comes up."""
        while True:
            found = list(self._traces(_names(known)))
            more = known
            for trace in found:
                if trace.keys & known.keys:
                    more = more.joined(trace)
            if more == known:
                others = [trace for trace in found if not trace.keys & known.keys]
                return Person(
                    trace=known, shared=_shared(known, others), still_in=self._still_in(known)
                )
            known = more

    def _traces(self, names: Iterable[str]) -> Iterator[Trace]:
        pattern = unbounded(names)
        yield from self._store.forgetting.traces(lambda text: pattern.search(text) is not None)
        for frame in self._files.files(".parquet"):
            for row in naming_rows(frame, pattern):
                yield from traces_of_row(row)

    def _still_in(self, known: Trace) -> tuple[str, ...]:
        pattern = unbounded(_names(known))
        places = []
        for asset, place in _READ.items():
            frame = self._files.latest(asset)
            rows = naming_rows(frame, pattern) if frame is not None else ()
            if any(trace.keys & known.keys for row in rows for trace in traces_of_row(row)):
                places.append(place)
        return tuple(places)


def _names(trace: Trace) -> set[str]:
    return {
        *trace.addresses,
        *trace.swit_ids,
        *trace.dns,
        *trace.entry_ids,
        *trace.words,
    }


def _shared(known: Trace, others: Iterable[Trace]) -> frozenset[str]:
    elsewhere = {word.casefold() for trace in others for word in (*trace.words, *trace.addresses)}
    return frozenset(word for word in known.words if word.casefold() in elsewhere)


def _several(asked: str, traces: Iterable[Trace]) -> str:
    names = sorted({min(trace.addresses or trace.swit_ids or trace.dns) for trace in traces})
    return (
        f"Several people are known as {asked!r}: {', '.join(names)}. Name one by an address or an"
        " id."
    )
