"""The organisation in a file, shared by several processes.

Each call locks the file, reads it if another process has changed it, and writes it if the call
changed the organisation.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from swit_provisioning.sandbox.organisation import Organisation
from swit_provisioning.sandbox.records import Records


class SandboxStateError(Exception):
    """The file cannot be read or written."""


class StateFile:
    """One organisation and its file."""

    def __init__(self, path: Path, organisation: Organisation) -> None:
        """Read the organisation from the file, or write it if there is no file.

        Raises:
            SandboxStateError: the file cannot be read or written.

        """
        self._path, self._organisation = path, organisation
        self._stamp: tuple[int, ...] | None = None
        """Inode, time and size of the file when it was last read or written here."""
        self._text = ""
        with self.exclusive():
            organisation.mark()

    @contextmanager
    def exclusive(self, *, writes: bool = True) -> Iterator[None]:
        """Lock and read the file; with `writes`, write changes of the organisation at the end.

        Raises:
            SandboxStateError: the file cannot be read or written.

        """
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._path.with_suffix(".lock").open("w") as lock:
                # Closing the file releases the lock, also when the process dies.
                fcntl.flock(lock, fcntl.LOCK_EX)
                self._read()
                try:
                    yield
                finally:
                    if writes:
                        self._write()
        except OSError as error:
            message = (
                f"{self._path} cannot be used: {error.strerror or error}. Check its permissions."
            )
            raise SandboxStateError(message) from error

    def _read(self) -> None:
        stamp = self._current_stamp()
        if stamp is None or stamp == self._stamp:
            return
        try:
            text = self._path.read_text(encoding="utf-8")
            self._organisation.records = Records.from_document(json.loads(text))
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
            message = (
                f"{self._path} contains no sandbox organisation. Delete it, and the file"
                " sandbox.sqlite beside it, to start with an empty organisation"
            )
            raise SandboxStateError(message) from error
        self._stamp, self._text = stamp, text

    def _write(self) -> None:
        text = json.dumps(asdict(self._organisation.records), ensure_ascii=False)
        if text == self._text:
            return
        new = self._path.with_suffix(".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        new.replace(self._path)
        self._stamp, self._text = self._current_stamp(), text

    def _current_stamp(self) -> tuple[int, ...] | None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size
