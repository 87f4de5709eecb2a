"""Every place where something is kept, read to the bottom: packed files, tables, packed columns."""

import json
import os
import zlib
from collections.abc import Iterator

import pyarrow.parquet as pq
from sqlalchemy import MetaData, create_engine, select

from swit_provisioning.settings import Settings

DAGSTERS_URL = "DAGSTER_STORAGE_URL"
"""Variable: where Dagster keeps its runs, if on a server."""


def places_with(*words: str) -> dict[str, set[str]]:
    """Word -> the files and tables in which it is, whatever its case."""
    found: dict[str, set[str]] = {}
    for place, text in all_that_is_kept():
        for word in words:
            if word.casefold() in text:
                found.setdefault(word, set()).add(place)
    return found


def all_that_is_kept() -> Iterator[tuple[str, str]]:
    """Place and text, in lower case; bytes that are no text are read as well as they can be."""
    settings = Settings.load()
    for path in settings.home.rglob("*"):
        if path.is_file():
            place = str(path.relative_to(settings.home))
            content = path.read_bytes()
            for coding in ("utf-8", "utf-16-le", "utf-16-be"):
                yield place, content.decode(coding, errors="ignore").casefold()
            # As JSON writes what is not ASCII.
            plain = content.decode("utf-8", errors="ignore")
            yield place, plain.encode().decode("raw_unicode_escape", errors="ignore").casefold()
            if path.suffix == ".parquet":
                table = pq.read_table(path)
                told = json.dumps(table.to_pylist(), ensure_ascii=False, default=str)
                yield place, f"{told} {table.schema.metadata}".casefold()
    yield from _tables(settings.database_url)
    if DAGSTERS_URL in os.environ:
        yield from _tables(os.environ[DAGSTERS_URL])


def with_driver(url: str) -> str:
    """SQLAlchemy alone would take another driver than the one that is there."""
    return url.replace("postgresql://", "postgresql+psycopg2://")


def _unpacked(value: bytes) -> str:
    try:
        return zlib.decompress(value).decode()
    except zlib.error:
        return value.decode(errors="ignore")


def _tables(url: str) -> Iterator[tuple[str, str]]:
    engine = create_engine(with_driver(url))
    tables = MetaData()
    tables.reflect(engine)
    with engine.connect() as connection:
        for table in tables.sorted_tables:
            for row in connection.execute(select(table)):
                values = [_unpacked(v) if isinstance(v, bytes) else v for v in row]
                yield f"table {table.name}", " ".join(map(str, values)).casefold()
    engine.dispose()
