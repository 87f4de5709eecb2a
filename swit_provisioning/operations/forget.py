"""`forget`: erase one person from everything that is stored.

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
from swit_provisioning.state.personal_data import Trace, texts
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
        super().__init__(
            f"Nothing was changed. The last read found this person in {' and in '.join(places)},"
            " so the next run would read and write them again. Remove them there first and run"
            " `swit-provisioning plan`, which reads both sides again; or forget what is kept up to"
            " now with --anyway."
        )


class RunsUnderWayError(ErasureError):
    """A run that may write the person's data has not ended."""

    def __init__(self, runs: Iterable[str]) -> None:
        super().__init__(f"Nothing was changed. Wait until these runs are over: {', '.join(runs)}.")


@dataclass(frozen=True, kw_only=True)
class Person:
    """The person to forget."""

    trace: Trace
    still_in: tuple[str, ...]
    """Where the last read has found them."""


@dataclass(frozen=True, kw_only=True)
class Forgotten:
    """The deleted data, and the code that replaces the person."""

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
        self._settings = settings
        self._instance = instance
        self._store = store
        self._files = FrameFiles(UPath(settings.frames_path))

    def find(self, asked: str) -> Person:
        """The one person of this address, id, DN, or name.

        Raises:
            NotOnePersonError: no person has this name, or several do.

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
        """Erase the person from Dagster's storage, the frames and the state.

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
            naming = {
                run_id for run_id, paths in files.items() if self._files_name(paths, pseudonym)
            }
            deleted = [
                run.run_id
                for run in runs.all()
                if run.run_id in naming or self._events_name(run, pseudonym)
            ]
            for run_id in deleted:
                runs.delete(run_id)
            # What Dagster keeps of an asset outlives its runs.
            histories = [asset for asset in _CHECKS if self._asset_names(asset, pseudonym)]
            self._instance.wipe_assets([dg.AssetKey(asset) for asset in histories])
            self._tidy_files_of_dagster()
            erased = {*naming, *deleted}
            gone = [path for run_id in erased for path in files.get(run_id, ())]
            frames, pages = (
                sum(1 for path in gone for _ in _within(path, suffix))
                for suffix in (".parquet", ".html")
            )
            self._files.delete_runs(erased)
            rows = self._store.erasure.erase(person.trace, pseudonym.names, pseudonym.replace)
        return Forgotten(
            code=code,
            rows=rows,
            frames=frames,
            pages=pages,
            runs=len(deleted),
            histories=tuple(histories),
        )

    @staticmethod
    def _files_name(paths: Iterable[UPath], pseudonym: "Pseudonym") -> bool:
        """Whether one of a run's frames or pages names the person."""
        pattern = search_pattern({*pseudonym.person.keys, *pseudonym.person.words})
        for path in paths:
            for page in _within(path, ".html"):
                if pseudonym.names(page.read_text(encoding="utf-8")):
                    return True
            for frame in _within(path, ".parquet"):
                rows, facts = _rows_matching(frame, pattern)
                if any(pseudonym.names(text) for text in (*map(_text, rows), *facts)):
                    return True
        return False

    def _events_name(self, run: dg.DagsterRun, pseudonym: "Pseudonym") -> bool:
        """Whether the configuration, tags or events of a run name the person."""
        if pseudonym.names(_text([run.run_config, dict(run.tags)])):
            return True
        events = self._instance.all_logs(run.run_id)
        return any(pseudonym.names(_event_text(entry)) for entry in events)

    def _asset_names(self, asset: str, pseudonym: "Pseudonym") -> bool:
        """Whether the newest entry of an asset, or a result of its checks, names the person."""
        key, storage = dg.AssetKey(asset), self._instance.event_log_storage
        newest = self._instance.get_latest_materialization_event(key)
        results = (
            record.event
            for check in _CHECKS[asset]
            for record in storage.get_asset_check_execution_history(
                dg.AssetCheckKey(key, check), limit=_MOST_CHECKS
            )
        )
        return any(event and pseudonym.names(_event_text(event)) for event in (newest, *results))

    def _tidy_files_of_dagster(self) -> None:
        """Leave nothing of deleted rows in SQLite files; a server reuses their space in time."""
        for folder in ("history", "storage", "schedules"):
            for path in sorted((self._settings.home / folder).rglob("*.db")):
                with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as database:
                    database.execute("VACUUM")
                    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _traces(self, names: Iterable[str]) -> Iterator[Trace]:
        pattern = search_pattern(names)
        yield from self._store.erasure.traces(lambda text: pattern.search(text) is not None)
        for paths in self._files.runs().values():
            for path in paths:
                if path.parent.name in _READS:
                    yield from _people(path, pattern)

    def _still_in(self, known: Trace) -> tuple[str, ...]:
        pattern = search_pattern(known.keys)
        newest = {place: self._files.latest(asset) for asset, place in _READS.items()}
        return tuple(
            place
            for place, frame in newest.items()
            if frame is not None
            and any(t.compared_keys & known.compared_keys for t in _people(frame, pattern))
        )


_READS: Final = {"idp_users": "the directory", "swit_users": "Swit"}
"""The assets that hold people -> where these were read."""


def _people(frame: UPath, pattern: re.Pattern[str]) -> Iterator[Trace]:
    """The people in the rows of a frame of `idp_users` or `swit_users` that match the pattern."""
    if frame.suffix != ".parquet":
        return
    rows, _ = _rows_matching(frame, pattern)
    for row in rows:
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


def _rows_matching(
    frame: UPath, pattern: re.Pattern[str]
) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows of a frame in which a text matches, also one in a list; the frame's metadata."""
    table = pq.read_table(io.BytesIO(frame.read_bytes()))
    matches = pa.array([False] * table.num_rows, pa.bool_())
    for column in table.itercolumns():
        values = column.combine_chunks()
        is_list = pa.types.is_list(values.type) or pa.types.is_large_list(values.type)
        words = pc.list_flatten(values) if is_list else values
        if not (pa.types.is_string(words.type) or pa.types.is_large_string(words.type)):
            continue
        found = pc.match_substring_regex(words, pattern.pattern, ignore_case=True)
        found = pc.fill_null(found, fill_value=False)
        if is_list:
            rows = pc.filter(pc.list_parent_indices(values), found)
            found = pc.is_in(pa.array(range(table.num_rows), rows.type), value_set=rows)
        matches = pc.or_(matches, found)
    facts = (table.schema.metadata or {}).values()
    return table.filter(matches).to_pylist(), [fact.decode(errors="replace") for fact in facts]


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _event_text(entry: dg.EventLogEntry) -> str:
    """All texts of an event as one; JSON would write names otherwise."""
    return _text(json.loads(dg.serialize_value(entry)))


_MOST_CHECKS: Final = 100_000
_CHECKS: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(SCHEMAS, ()),
    **dict.fromkeys(("change_plan", "accepted_plan"), GUARDS),
    **dict.fromkeys(WRITERS, (NO_CHANGE_REJECTED,)),
    "change_log": (FEW_REJECTED,),
}
"""Our assets, and the checks of each."""


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
