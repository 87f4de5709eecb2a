"""`forget`: one person out of everything that is kept, a code in their place."""

import io
import json
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from upath import UPath

from swit_provisioning.apply.lease import HeldLease
from swit_provisioning.operations.names import FEW_REJECTED, NO_CHANGE_REJECTED, WRITERS
from swit_provisioning.operations.pseudonyms import Replacing, code_for, unbounded
from swit_provisioning.operations.retention import FrameFiles, Runs
from swit_provisioning.operations.runs import bury_the_dead
from swit_provisioning.operations.services import who_am_i
from swit_provisioning.planning.guards import GUARDS
from swit_provisioning.planning.schemas import SCHEMAS
from swit_provisioning.settings import Settings
from swit_provisioning.state.erasure import Trace, texts, traces_of_change
from swit_provisioning.state.store import Store

Names = Callable[[str], bool]
"""Whether a text names the person."""

_MOST_CHECKS: Final = 100_000
_CHECKS: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(SCHEMAS, ()),
    **dict.fromkeys(("change_plan", "accepted_plan"), GUARDS),
    **dict.fromkeys(WRITERS, (NO_CHANGE_REJECTED,)),
    "change_log": (FEW_REJECTED,),
}
"""Our assets, and the checks of each."""


class DagsterEvents:
    """Everything that Dagster's storage holds of our runs."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        """Take Dagster's storage."""
        self._instance = instance

    def runs_naming(self, runs: Iterator[dg.DagsterRun], names: Names) -> list[str]:
        """Runs whose configuration, tags or events name the person."""
        return [run.run_id for run in runs if self._is_named(run, names)]

    def assets_naming(self, names: Names) -> list[dg.AssetKey]:
        """Assets whose newest materialization or results of checks do: these outlive their runs."""
        return [key for key in map(dg.AssetKey, _CHECKS) if self._keeps(key, names)]

    def wipe(self, assets: list[dg.AssetKey]) -> None:
        """Forget what was materialized and checked; the next run begins anew."""
        self._instance.wipe_assets(assets)

    def tidy(self, home: Path) -> None:
        """Leave nothing of deleted rows behind in files of SQLite; a server does so in its time."""
        for folder in ("history", "storage", "schedules"):
            for path in sorted((home / folder).rglob("*.db")):
                with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as database:
                    database.execute("VACUUM")
                    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _is_named(self, run: dg.DagsterRun, names: Names) -> bool:
        if names(json.dumps([run.run_config, dict(run.tags)], ensure_ascii=False, default=str)):
            return True
        return any(names(_text(entry)) for entry in self._instance.all_logs(run.run_id))

    def _keeps(self, key: dg.AssetKey, names: Names) -> bool:
        newest = self._instance.get_latest_materialization_event(key)
        if newest is not None and names(_text(newest)):
            return True
        return any(names(text) for text in self._checks_of(key))

    def _checks_of(self, key: dg.AssetKey) -> Iterator[str]:
        storage = self._instance.event_log_storage
        for check in _CHECKS[key.to_user_string()]:
            found = storage.get_asset_check_execution_history(
                dg.AssetCheckKey(key, check), limit=_MOST_CHECKS
            )
            yield from (_text(record.event) for record in found if record.event)


def _text(entry: dg.EventLogEntry) -> str:
    """All texts of an event as one; JSON would write names otherwise."""
    return json.dumps(json.loads(dg.serialize_value(entry)), ensure_ascii=False)


class UpkeepError(Exception):
    """Base class: catch this one at the edge."""


class NotOnePersonError(UpkeepError):
    """What was asked for stands for nobody who is known, or for several."""


class StillThereError(UpkeepError):
    """Whoever is to be forgotten would be read again by the next run."""

    def __init__(self, places: Iterable[str]) -> None:
        """Say where, and what to do."""
        super().__init__(
            f"Nothing was changed. The last read found this person in {' and in '.join(places)},"
            " so the next run would read and write them again. Remove them there first and run"
            " `swit-provisioning plan`, which reads both sides anew; or forget what is kept up to"
            " now with --anyway."
        )


class RunsUnderWayError(UpkeepError):
    """A run may be writing down just now who is to be forgotten."""

    def __init__(self, runs: Iterable[str]) -> None:
        """Say which."""
        super().__init__(f"Nothing was changed. Wait until these runs are over: {', '.join(runs)}.")


Row = Mapping[str, Any]

_CHANGES: Final = {"action", "target", "object_id", "before", "after"}


def naming_rows(path: UPath, pattern: re.Pattern[str]) -> Iterator[Row]:
    """The rows of a frame in which the pattern, one that Arrow's engine knows, finds something."""
    table = _read(path)
    yield from table.filter(_matches(table, pattern)).to_pylist()


def traces_of_row(row: Row) -> Iterator[Trace]:
    """The people that a row of any of our frames is about."""
    if "directory_id" in row and "emails" in row:
        words = (*row["names"], *row["phone_numbers"], *(row.get("other_emails") or ()))
        yield Trace(
            addresses=texts(*row["emails"]),
            dns=texts(row["key"], row["dn"]),
            entry_ids=texts(row["directory_id"]) - texts(row["key"]),
            words=texts(*words),
        )
    elif "user_id" in row and "email" in row:
        yield Trace(
            addresses=texts(row["email"]),
            swit_ids=texts(row["user_id"]),
            words=texts(row["name"], row["phone_number"]),
        )
    elif row.keys() >= {"member", "member_dn"}:
        yield Trace(dns=texts(row["member"], row["member_dn"]))
    elif row.keys() >= _CHANGES:
        sides = {side: json.loads(row[side]) for side in ("before", "after")}
        yield from traces_of_change({**row, **sides})


def rewritten(
    path: UPath, pattern: re.Pattern[str], replace: Callable[[Any], Any]
) -> tuple[bytes, int] | None:
    """The frame with some rows replaced, and how many; nothing where it names nobody.

    The facts that rest in the file beside its rows are replaced, too.
    """
    table = _read(path)
    names = [f.name for f in table.schema if _is_text(f.type) or _is_texts(f.type)]
    columns = {name: table.column(name).to_pylist() for name in names}
    changed = 0
    for number in pc.indices_nonzero(_matches(table, pattern)).to_pylist():
        before = {name: columns[name][number] for name in names}
        after = replace(before)
        if after != before:
            changed += 1
            for name in names:
                columns[name][number] = after[name]
    facts = _facts_replaced(table.schema.metadata or {}, replace)
    if not changed and facts == (table.schema.metadata or {}):
        return None
    for name in names if changed else ():
        place = table.schema.get_field_index(name)
        field = table.schema.field(place)
        table = table.set_column(place, field, pa.array(columns[name], field.type))
    written = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(facts), written)
    return written.getvalue(), changed


def _read(path: UPath) -> pa.Table:
    return pq.read_table(io.BytesIO(path.read_bytes()))


def _matches(table: pa.Table, pattern: re.Pattern[str]) -> pa.Array:
    """For each row whether one of its texts matches."""
    found = pa.array([False] * table.num_rows, pa.bool_())
    for field in table.schema:
        column = table.column(field.name).combine_chunks()
        if _is_text(field.type):
            hits = pc.match_substring_regex(column, pattern.pattern, ignore_case=True)
            found = pc.or_(found, pc.fill_null(hits, fill_value=False))
        elif _is_texts(field.type):
            hits = pc.match_substring_regex(
                pc.list_flatten(column), pattern.pattern, ignore_case=True
            )
            rows = pc.filter(pc.list_parent_indices(column), pc.fill_null(hits, fill_value=False))
            numbers = pa.array(range(table.num_rows), rows.type)
            found = pc.or_(found, pc.is_in(numbers, value_set=rows))
    return found


def _facts_replaced(
    metadata: Mapping[bytes, bytes], replace: Callable[[Any], Any]
) -> dict[bytes, bytes]:
    after = {}
    for name, value in metadata.items():
        try:
            facts = json.loads(value)
        except ValueError:
            after[name] = value
            continue
        replaced = replace(facts)
        same = replaced == facts
        after[name] = value if same else json.dumps(replaced, ensure_ascii=False).encode()
    return after


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_texts(kind: pa.DataType) -> bool:
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    return bool(is_list and _is_text(kind.value_type))


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


_HOLDER = "forget"


@dataclass(frozen=True, kw_only=True)
class Forgotten:
    """Where somebody was, and the code that stands there now."""

    code: str
    rows: dict[str, int]
    """Table of the state -> rows changed."""
    frames: int
    pages: int
    runs: int
    """Deleted with their events."""
    histories: tuple[str, ...]
    """Assets whose past in the UI is gone."""

    def document(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {**vars(self), "histories": list(self.histories)}


class Forgetting:
    """Works while no run does; one that broke off is done again from the start."""

    def __init__(self, settings: Settings, instance: dg.DagsterInstance, store: Store) -> None:
        """Take the three places where things are kept."""
        self._settings = settings
        self._instance = instance
        self._store = store
        self._files = FrameFiles(UPath(settings.frames_path))

    def who(self, asked: str) -> Person:
        """The person who is meant; raises `NotOnePersonError`."""
        return People(self._store, self._files).named(asked)

    def forget(self, person: Person) -> Forgotten:
        """Put a code in the person's place everywhere.

        The state comes last: it knows most about who the person is, should this break off.

        Raises:
            RunsUnderWayError, LeaseHeldError: a run is under way.

        """
        code = code_for(person.trace, self._store.forgetting.secret())
        replacing = Replacing(person.trace, code, shared=person.shared)
        bury_the_dead(self._instance, self._store, self._settings.home)
        with HeldLease.acquire(self._store, holder=_HOLDER, who=who_am_i()):
            runs, histories = self._from_dagster(replacing)
            pages = self._from_pages(replacing)
            frames = self._from_frames(replacing)
            rows = self._store.forgetting.replace(replacing.record, person.trace)
        return Forgotten(
            code=code, rows=rows, frames=frames, pages=pages, runs=runs, histories=histories
        )

    def _from_dagster(self, replacing: Replacing) -> tuple[int, tuple[str, ...]]:
        ours, events = Runs(self._instance), DagsterEvents(self._instance)
        under_way = ours.under_way()
        if under_way:
            raise RunsUnderWayError(run.run_id for run in under_way)
        naming = events.runs_naming(ours.all(), replacing.mentions)
        for run_id in naming:
            ours.delete(run_id)
        wiped = events.assets_naming(replacing.mentions)
        events.wipe(wiped)
        events.tidy(self._settings.home)
        return len(naming), tuple(key.to_user_string() for key in wiped)

    def _from_pages(self, replacing: Replacing) -> int:
        changed = 0
        for page in list(self._files.files(".html")):
            before = page.read_text(encoding="utf-8")
            after = replacing.page(before)
            if after != before:
                self._files.rewrite(page, after.encode())
                changed += 1
        return changed

    def _from_frames(self, replacing: Replacing) -> int:
        """Frames of people come last, for the same reason as the state."""
        changed = 0
        for frame in sorted(self._files.files(".parquet"), key=_says_who):
            after = rewritten(frame, replacing.pattern, replacing.record)
            if after is not None:
                self._files.rewrite(frame, after[0])
                changed += 1
        return changed


def _says_who(frame: UPath) -> bool:
    return frame.parent.name in {"idp_users", "swit_users"}
