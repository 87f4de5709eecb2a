"""A private PostgreSQL server on a loopback port; no service of the machine is touched."""

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2
from psycopg2 import sql

from swit_provisioning_tests.ports import free_port

PASSWORD = "state, for the tests"
_OWNER = "swit"
_SECONDS = 180


class Postgresql:
    """A running server; every test gets a database of its own."""

    def __init__(self, port: int) -> None:
        self.port = port

    def new_database(self) -> str:
        """The address of a new, empty database."""
        name = f"state_{secrets.token_hex(6)}"
        with closing(psycopg2.connect(self.url("postgres"))) as connection:
            # A database can't be made in a transaction.
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.url(name)

    def put_copy(self, source: str, target: str) -> None:
        """Put a whole copy of one database in the place of another; nobody may be connected."""
        names = [sql.Identifier(url.rsplit("/", maxsplit=1)[1]) for url in (target, source)]
        with closing(psycopg2.connect(self.url("postgres"))) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(names[0]))
                cursor.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))

    def url(self, database: str) -> str:
        """The address of one of its databases."""
        password = PASSWORD.replace(",", "%2C").replace(" ", "%20")
        return f"postgresql://{_OWNER}:{password}@127.0.0.1:{self.port}/{database}"


@contextmanager
def postgresql() -> Iterator[Postgresql]:
    """Start a server with a folder of its own; it is gone afterwards, folder and all."""
    # Below pytest's own folder nobody but this account may look.
    folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
    try:
        _make(folder)
        port = free_port()
        options = f"-h 127.0.0.1 -p {port} -k {folder} -c fsync=off"
        log = str(folder / "log")
        data = str(folder / "data")
        _run("pg_ctl", "start", "-w", "-D", data, "-l", log, "-o", options)
        try:
            yield Postgresql(port)
        finally:
            _run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", data)
    finally:
        shutil.rmtree(folder)


def _make(folder: Path) -> None:
    password = folder / "password"
    password.write_text(PASSWORD, encoding="utf-8")
    account = _account()
    if account is not None:
        for path in (folder, password):
            shutil.chown(path, account)
    # Dagster connects anew for each event: the stronger "scram-sha-256" makes that twice as slow.
    access = ("-A", "md5", "-U", _OWNER, "--pwfile", str(password))
    _run("initdb", "-D", str(folder / "data"), "-E", "UTF8", "--no-sync", *access)


def _account() -> str | None:
    """The server refuses to run as root: then it runs as the account that its package made."""
    if os.geteuid() != 0:
        return None
    return pwd.getpwnam("postgres").pw_name


def _run(program: str, *words: str) -> None:
    """Run one of the server's own programs, which are not on the PATH."""
    done = subprocess.run(  # noqa: S603 - words of our own
        [_program(program), *words],
        user=_account(),
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode:
        message = f"{program} failed: {done.stderr}"
        raise AssertionError(message)


def _program(name: str) -> str:
    """Debian keeps several versions side by side: the newest."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=_version)
    if not found:
        message = f"{name} is missing: install PostgreSQL (Debian: apt-get install postgresql)"
        raise AssertionError(message)
    return str(found[-1])


def _version(program: Path) -> int:
    return int(program.parent.parent.name)
