"""`forget`: one person out of everything that is kept.

Frames, pages, plans and Dagster runs that name the person are deleted: the next plan makes new
ones. The journal and the reasons of decisions stay, with a code in the person's place.
"""

import hmac
import html
import io
import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from markupsafe import escape
from upath import UPath

from swit_provisioning.apply.lease import HeldLease
from swit_provisioning.operations.dagster_runs import (
    FEW_REJECTED,
    NO_CHANGE_REJECTED,
    WRITERS,
    Runs,
    mark_dead_runs_failed,
)
from swit_provisioning.operations.prune import FrameFiles
from swit_provisioning.operations.services import current_actor
from swit_provisioning.planning.guards import GUARDS
from swit_provisioning.planning.schemas import SCHEMAS
from swit_provisioning.report.redaction import code_of
from swit_provisioning.settings import Settings
from swit_provisioning.state.personal_data import Names, Trace, texts
from swit_provisioning.state.store import Store

PREFIX: Final = "forgotten-"
_CODE_DIGITS: Final = 12
# A name within a longer one, an address within a longer one, are another person's.
_BEFORE: Final = r"(?<![\w.+@-])"
_AFTER: Final = r"(?![\w@-]|[.+]\w)"
_SEPARATORS: Final = re.compile(r"\s*([,=+;])\s*")
_NEVER: Final = r"[^\s\S]"


class ErasureError(Exception):
    """Base class: catch this one at the edge."""


class NotOnePersonError(ErasureError):
    """The name or key matches no known person, or several."""


class StillPresentError(ErasureError):
    """The next run would read the person again."""

    def __init__(self, places: Iterable[str]) -> None:
        """Say where, and what to do."""
        super().__init__(
            f"Nothing was changed. The last read found this person in {' and in '.join(places)},"
            " so the next run would read and write them again. Remove them there first and run"
            " `swit-provisioning plan`, which reads both sides anew; or forget what is kept up to"
            " now with --anyway."
        )


class RunsUnderWayError(ErasureError):
    """A run may be writing the person's data at this moment."""

    def __init__(self, runs: Iterable[str]) -> None:
        """Say which."""
        super().__init__(f"Nothing was changed. Wait until these runs are over: {', '.join(runs)}.")


@dataclass(frozen=True, kw_only=True)
class Person:
    """The person to forget."""

    trace: Trace
    still_in: tuple[str, ...]
    """Where the last read has found them."""


@dataclass(frozen=True, kw_only=True)
class Forgotten:
    """What was deleted, and the code that stands in the person's place."""

    code: str
    rows: dict[str, int]
    """Table of the state -> rows deleted or changed."""
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
    """Works while no run does; one that was interrupted is done again from the start."""

    def __init__(self, settings: Settings, instance: dg.DagsterInstance, store: Store) -> None:
        """Take the three places where data is kept."""
        self._settings = settings
        self._instance = instance
        self._store = store
        self._files = FrameFiles(UPath(settings.frames_path))

    def find(self, asked: str) -> Person:
        """The one person of this address, id, DN, or name.

        Raises:
            NotOnePersonError: nobody is known by it, or several people have this name.

        """
        wanted = asked.strip().casefold()
        found = list(self._traces([asked.strip()])) if wanted else []
        first = [trace for trace in found if wanted in trace.compared_keys]
        by_name = [t for t in found if wanted in {word.casefold() for word in t.words}]
        if not first and not by_name:
            message = f"Nobody is known here as {asked!r}. Name an address, an id, a DN or a name."
            raise NotOnePersonError(message)
        known = (first or by_name)[0]
        while True:
            # Ids and addresses lead from record to record, until no new one is found.
            joined = known
            for trace in self._traces(known.keys | known.words):
                if trace.compared_keys & known.compared_keys:
                    joined = joined.joined(trace)
            if joined == known:
                break
            known = joined
        others = [t for t in by_name if t.keys and not t.compared_keys & known.compared_keys]
        if not first and others:
            names = ", ".join(sorted({_main_key(trace.keys) for trace in (known, *others)}))
            message = (
                f"Several people are known as {asked!r}: {names}. Name one by an address or an id."
            )
            raise NotOnePersonError(message)
        return Person(trace=known, still_in=self._still_in(known))

    def forget(self, person: Person) -> Forgotten:
        """Take the person out of Dagster's storage, the frames and the state.

        The state comes last: it knows most about who the person is, should this be interrupted.

        Raises:
            RunsUnderWayError, LeaseHeldError: a run is under way.

        """
        code = code_for(person.trace, self._store.erasure.secret())
        pseudonym = Pseudonym(person.trace, code)
        mark_dead_runs_failed(self._instance, self._store, self._settings.home)
        with HeldLease.acquire(self._store, holder="forget", actor=current_actor()):
            runs = Runs(self._instance)
            under_way = runs.under_way()
            if under_way:
                raise RunsUnderWayError(run.run_id for run in under_way)
            files = self._files.runs()
            naming = {run_id for run_id, paths in files.items() if self._name(paths, pseudonym)}
            events = _DagsterEvents(self._instance)
            deleted = [
                run.run_id
                for run in runs.all()
                if run.run_id in naming or events.name(run, pseudonym.names)
            ]
            for run_id in deleted:
                runs.delete(run_id)
            wiped = events.wipe_assets_naming(pseudonym.names)
            events.tidy(self._settings.home)
            gone = [path for run_id in {*naming, *deleted} for path in files.get(run_id, ())]
            frames = sum(len(list(_within(path, ".parquet"))) for path in gone)
            pages = sum(len(list(_within(path, ".html"))) for path in gone)
            self._files.delete_runs({*naming, *deleted})
            rows = self._store.erasure.erase(person.trace, pseudonym.names, pseudonym.replace)
        return Forgotten(
            code=code, rows=rows, frames=frames, pages=pages, runs=len(deleted), histories=wiped
        )

    def _name(self, paths: Iterable[UPath], pseudonym: "Pseudonym") -> bool:
        """Whether one of a run's frames or pages names the person."""
        pattern = search_pattern({*pseudonym.person.keys, *pseudonym.person.words})
        for path in paths:
            for page in _within(path, ".html"):
                if pseudonym.names(page.read_text(encoding="utf-8")):
                    return True
            for frame in _within(path, ".parquet"):
                table = _read(frame)
                rows = table.filter(_matches(table, pattern)).to_pylist()
                facts = (table.schema.metadata or {}).values()
                if any(pseudonym.names(_text(row)) for row in rows) or any(
                    pseudonym.names(fact.decode(errors="replace")) for fact in facts
                ):
                    return True
        return False

    def _traces(self, names: Iterable[str]) -> Iterator[Trace]:
        pattern = search_pattern(names)
        yield from self._store.erasure.traces(lambda text: pattern.search(text) is not None)
        for paths in self._files.runs().values():
            for path in paths:
                if path.parent.name in _READS:
                    yield from _people(path, pattern)

    def _still_in(self, known: Trace) -> tuple[str, ...]:
        pattern = search_pattern(known.keys)
        places = []
        for asset, place in _READS.items():
            frame = self._files.latest(asset)
            people = _people(frame, pattern) if frame is not None else ()
            if any(trace.compared_keys & known.compared_keys for trace in people):
                places.append(place)
        return tuple(places)


_READS: Final = {"idp_users": "the directory", "swit_users": "Swit"}
"""The assets that hold people -> where these were read."""


def _people(frame: UPath, pattern: re.Pattern[str]) -> Iterator[Trace]:
    """The people in the rows of a frame of `idp_users` or `swit_users` that match the pattern."""
    if frame.suffix != ".parquet":
        return
    table = _read(frame)
    for row in table.filter(_matches(table, pattern)).to_pylist():
        if "directory_id" in row:
            words = (*row["names"], *row["phone_numbers"], *(row.get("other_emails") or ()))
            keys = texts(*row["emails"], row["key"], row["dn"], row["directory_id"])
            yield Trace(keys=keys, words=texts(*words))
        else:
            yield Trace(
                keys=texts(row["email"], row["user_id"]),
                words=texts(row["name"], row["phone_number"]),
            )


def _within(path: UPath, suffix: str) -> Iterator[UPath]:
    """The files that end so: the path itself, or those in the folder that it is."""
    if path.is_dir():
        yield from (found for found in path.rglob(f"*{suffix}") if found.is_file())
    elif path.suffix == suffix:
        yield path


def _read(path: UPath) -> pa.Table:
    return pq.read_table(io.BytesIO(path.read_bytes()))


def _matches(table: pa.Table, pattern: re.Pattern[str]) -> pa.Array:
    """For each row whether one of its texts matches."""
    found = pa.array([False] * table.num_rows, pa.bool_())
    for field in table.schema:
        column, kind = table.column(field.name).combine_chunks(), field.type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            hits = pc.match_substring_regex(column, pattern.pattern, ignore_case=True)
            found = pc.or_(found, pc.fill_null(hits, fill_value=False))
        elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
            values = pc.list_flatten(column)
            if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
                hits = pc.match_substring_regex(values, pattern.pattern, ignore_case=True)
                hits = pc.fill_null(hits, fill_value=False)
                rows = pc.filter(pc.list_parent_indices(column), hits)
                numbers = pa.array(range(table.num_rows), rows.type)
                found = pc.or_(found, pc.is_in(numbers, value_set=rows))
    return found


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


_MOST_CHECKS: Final = 100_000
_CHECKS: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(SCHEMAS, ()),
    **dict.fromkeys(("change_plan", "accepted_plan"), GUARDS),
    **dict.fromkeys(WRITERS, (NO_CHANGE_REJECTED,)),
    "change_log": (FEW_REJECTED,),
}
"""Our assets, and the checks of each."""


class _DagsterEvents:
    """The events of our runs and assets in Dagster's storage, which can only be deleted."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance

    def name(self, run: dg.DagsterRun, names: Names) -> bool:
        """Whether the configuration, tags or events of a run name the person."""
        if names(_text([run.run_config, dict(run.tags)])):
            return True
        return any(names(_event_text(entry)) for entry in self._instance.all_logs(run.run_id))

    def wipe_assets_naming(self, names: Names) -> tuple[str, ...]:
        """Delete the history of assets whose newest entry, or a check, names the person.

        These outlive their runs.
        """
        keys = [dg.AssetKey(asset) for asset in _CHECKS if self._keeps(dg.AssetKey(asset), names)]
        self._instance.wipe_assets(keys)
        return tuple(key.to_user_string() for key in keys)

    def tidy(self, home: Path) -> None:
        """Leave nothing of deleted rows in SQLite files; a server reuses their space in time."""
        for folder in ("history", "storage", "schedules"):
            for path in sorted((home / folder).rglob("*.db")):
                with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as database:
                    database.execute("VACUUM")
                    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _keeps(self, key: dg.AssetKey, names: Names) -> bool:
        newest = self._instance.get_latest_materialization_event(key)
        if newest is not None and names(_event_text(newest)):
            return True
        storage = self._instance.event_log_storage
        for check in _CHECKS[key.to_user_string()]:
            found = storage.get_asset_check_execution_history(
                dg.AssetCheckKey(key, check), limit=_MOST_CHECKS
            )
            if any(record.event and names(_event_text(record.event)) for record in found):
                return True
        return False


def _event_text(entry: dg.EventLogEntry) -> str:
    """All texts of an event as one; JSON would write names otherwise."""
    return _text(json.loads(dg.serialize_value(entry)))


def code_for(person: Trace, secret: str) -> str:
    """The code of a person, by the first address, else the first id or name.

    It can't be decoded; with the secret a guess can be tested.
    """
    name = _main_key(map(_compared, person.keys or person.words))
    digest = hmac.new(secret.encode(), name.encode(), "sha256").hexdigest()
    return PREFIX + digest[:_CODE_DIGITS]


def _main_key(keys: Iterable[str]) -> str:
    """The first address in alphabetical order, else the first key."""
    return min(keys, key=lambda key: ("@" not in key, key))


class Pseudonym:
    """The code of one person, and the texts in whose place it stands."""

    def __init__(self, person: Trace, code: str) -> None:
        """Take the person, as all traces together describe them."""
        self.person = person
        self._code = code
        keys = person.keys | {code_of(key) for key in person.keys}
        self._keys = _bounded(keys)
        self._all = _bounded(keys | person.words)

    def names(self, text: str) -> bool:
        """Whether a text, also one of escaped JSON or HTML, has a key or a word of the person."""
        plain = text.replace('\\"', '"').replace("\\n", "\n").replace("\\\\", "\\")
        return any(self._all.search(way) for way in (text, html.unescape(plain)))

    def replace(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """A row (JSON values, and JSON texts in them) with the code in the person's place.

        Words stay in a row about another user, who may have the same name or number.
        """
        is_about_another = str(row.get("action", "")).startswith("user.") and not any(
            self._keys.search(text) for text in row.values() if isinstance(text, str)
        )
        pattern = self._keys if is_about_another else self._all
        return {name: self._replaced(value, pattern) for name, value in row.items()}

    def _replaced(self, value: Any, pattern: re.Pattern[str]) -> Any:  # noqa: ANN401 - JSON
        match value:
            case str() if value.startswith(("{", "[")):
                try:
                    parsed = json.loads(value)
                except ValueError:
                    return pattern.sub(self._code, value)
                replaced = self._replaced(parsed, pattern)
                return value if replaced == parsed else json.dumps(replaced, ensure_ascii=False)
            case str():
                return pattern.sub(self._code, value)
            case list():
                return [self._replaced(item, pattern) for item in value]
            case dict():
                return {
                    self._replaced(name, pattern): self._replaced(item, pattern)
                    for name, item in value.items()
                }
        return value


def search_pattern(names: Iterable[str]) -> re.Pattern[str]:
    """Finds any of the names, as they are and as JSON or HTML writes them, within others too.

    Its syntax is one that Arrow's engine knows as well.
    """
    ways = {
        way
        for name in names
        for way in (name, json.dumps(name)[1:-1], html.escape(name), str(escape(name)))
    }
    return re.compile("|".join(_alternatives(ways)) or _NEVER, re.IGNORECASE)


def _bounded(names: Iterable[str]) -> re.Pattern[str]:
    """Finds any of the names where it is not part of a longer one."""
    either = "|".join(_alternatives(names)) or _NEVER
    return re.compile(f"{_BEFORE}(?:{either}){_AFTER}", re.IGNORECASE)


def _alternatives(names: Iterable[str]) -> list[str]:
    """The names as patterns, the longest first; a DN may have spaces around its separators."""
    return [
        r"\s*".join(re.escape(part) for part in _SEPARATORS.split(name) if part)
        for name in sorted(names, key=len, reverse=True)
        if name
    ]


def _compared(text: str) -> str:
    """The text as different spellings of one name are compared."""
    return _SEPARATORS.sub(r"\1", text.strip()).lower()
