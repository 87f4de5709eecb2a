"""Where a secret shows: as it is, as an address, a form, JSON or base64 would hold it."""

import base64
import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, quote_plus

import dagster as dg
from sqlalchemy import MetaData, create_engine, make_url, select


def forms(secret: str) -> set[bytes]:
    """What to search for."""
    texts = {
        secret,
        quote(secret, safe=""),
        quote(secret),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        repr(secret)[1:-1],
    }
    return {text.encode() for text in texts} | set(_in_base64(secret.encode()))


def _in_base64(secret: bytes) -> Iterator[bytes]:
    """It may begin at any of three places of a longer text; its ends depend on what is beside."""
    for before in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            encoded = encode(b"." * before + secret)
            first = -(-before * 8 // 6)
            yield encoded[first : len(encoded.rstrip(b"=")) - 1]


def found(secrets: Mapping[str, str], content: bytes) -> set[str]:
    """The names of the secrets that show in it."""
    return {name for name, secret in secrets.items() if any(f in content for f in forms(secret))}


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below a folder."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path), path.read_bytes()


def events(dagster: dg.DagsterInstance) -> Iterator[tuple[str, bytes]]:
    """Every run and everything that Dagster noted of it, metadata and errors too."""
    for record in dagster.get_run_records():
        run = record.dagster_run
        yield f"run {run.run_id}", repr((run.run_config, run.tags)).encode()
        for entry in dagster.all_logs(run.run_id):
            event = entry.dagster_event.event_type_value if entry.dagster_event else "a log line"
            yield f"{event} of {run.job_name}", f"{entry!r}\n{entry.user_message}".encode()


def rows(url: str) -> Iterator[tuple[str, bytes]]:
    """Every row of a PostgreSQL database; what is compressed in it as it was before."""
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg2"))
    tables = MetaData()
    with engine.connect() as connection:
        tables.reflect(connection)
        for table in tables.sorted_tables:
            for row in connection.execute(select(table)):
                values = [_plain(value) for value in row]
                yield f"table {table.name}", "\n".join(values).encode()
    engine.dispose()


def _plain(value: object) -> str:
    if isinstance(value, bytes | memoryview):
        return zlib.decompress(bytes(value)).decode()
    return str(value)
