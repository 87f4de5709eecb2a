"""Findings as a file for the people who run the directory: CSV that spreadsheets open right."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Self

from swit_provisioning.cli.errors import UnwritableFileError
from swit_provisioning.reconcile.findings import findings_frame
from swit_provisioning.reconcile.plan import Finding

# What a spreadsheet would compute instead of show, also behind spaces and in full width.
_FORMULA: Final = re.compile(r"[\t\r\n]|\s*[=+\-@＝＋－＠]")  # noqa: RUF001 - full width is meant
_EXAMPLE: Final = "swit-provisioning check --csv findings.csv"


class FindingsFile:
    """A CSV file that is proved writable before anything is read: `with FindingsFile(path) as it`.

    UTF-8 with a mark, by which Excel knows it; columns kind, dn, attribute, reason. Where nothing
    was written, what was there before is left, and no empty file where there was none.
    """

    def __init__(self, path: Path) -> None:
        """Open the file without changing what is in it.

        Raises:
            UnwritableFileError: it can't be written.

        """
        self._path = path
        self._is_empty_and_new = not path.exists()
        try:
            path.open("ab").close()
        except OSError as error:
            raise UnwritableFileError(path, error, example=_EXAMPLE) from error

    def __enter__(self) -> Self:
        """The file; nothing of it is open."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Take an empty file away that only proved that it can be written."""
        if self._is_empty_and_new:
            self._path.unlink(missing_ok=True)

    def write(self, findings: Iterable[Finding]) -> int:
        """Replace what is in it by those findings that are mended in the directory; how many.

        Raises:
            UnwritableFileError: the disk is full, or the like.

        """
        rows = findings_frame(findings).map(as_shown)
        self._is_empty_and_new = False
        try:
            rows.to_csv(self._path, index=False, encoding="utf-8-sig", lineterminator="\r\n")
        except OSError as error:
            raise UnwritableFileError(self._path, error, example=_EXAMPLE) from error
        return len(rows)


def as_shown(text: str) -> str:
    """The text as a spreadsheet shows it and never computes it: `'` before a formula's sign."""
    return f"'{text}" if _FORMULA.match(text) else text
