"""The file for the people who run the directory: a spreadsheet opens it and runs nothing."""

import csv
from pathlib import Path

import pytest

from swit_provisioning.cli.check import FindingsFile, as_text_cell
from swit_provisioning.cli.framework import UnwritableFileError
from swit_provisioning.planning.model import Finding

FULL_WIDTH = [f"{sign}1" for sign in "\uff1d\uff0b\uff0d\uff20"]
"""Signs as Korean and Japanese keyboards write them; some spreadsheets take them for the others."""


def finding(message: str = "Why.", *, dn: str = "CN=Zoë,DC=x") -> Finding:
    return Finding(kind="missing email", subject=dn, attribute="mail", message=message)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "findings.csv"


def rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def test_excel_knows_the_encoding_and_every_reader_the_columns(path: Path) -> None:
    with FindingsFile(path) as file:
        assert file.write([finding()]) == 1
    assert path.read_bytes().startswith(b"\xef\xbb\xbfkind,dn,attribute,reason\r\n")
    assert rows(path)[1] == ["missing email", "CN=Zoë,DC=x", "mail", "Why."]


def test_what_is_mended_in_swit_is_not_for_the_people_who_run_the_directory(path: Path) -> None:
    theirs = Finding(kind="team not deleted", subject="Sales", message="Move it.", side="swit")
    with FindingsFile(path) as file:
        assert file.write([theirs]) == 0
    assert len(rows(path)) == 1


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", *FULL_WIDTH],
)
def test_no_value_becomes_a_formula(path: Path, text: str) -> None:
    assert as_text_cell(text) == f"'{text}"
    with FindingsFile(path) as file:
        file.write([finding(text)])
    assert rows(path)[1][3] == f"'{text}"


@pytest.mark.parametrize("text", ["", "CN=Ada,DC=x", "a=b", "x - y", "'=1", "The value '=1' is"])
def test_what_is_no_formula_stays_as_it_is(text: str) -> None:
    assert as_text_cell(text) == text


@pytest.mark.parametrize("text", ['He said "no", twice', "two\r\nlines", "a;b,c", "עברית 𠮷"])
def test_quotes_commas_and_lines_stay_in_their_cell(path: Path, text: str) -> None:
    with FindingsFile(path) as file:
        file.write([finding(text), finding()])
    assert [row[3] for row in rows(path)] == ["reason", text, "Why."]


@pytest.mark.parametrize("name", [".", "nowhere/findings.csv"])
def test_a_file_that_can_not_be_written_is_one_error_that_names_it(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(UnwritableFileError, match="cannot be written") as caught:
        FindingsFile(tmp_path / name)
    assert str(tmp_path) in str(caught.value)


def test_what_was_there_stays_until_there_is_something_to_write(path: Path) -> None:
    with FindingsFile(path):
        assert path.exists()
    assert not path.exists()
    path.write_text("yesterday's", encoding="utf-8")
    with FindingsFile(path):
        pass
    assert path.read_text(encoding="utf-8") == "yesterday's"
    with FindingsFile(path) as file:
        file.write([])
    assert len(rows(path)) == 1


def test_a_full_disk_is_an_error_too() -> None:
    full = Path("/dev/full")
    with FindingsFile(full) as file, pytest.raises(UnwritableFileError, match="No space left"):
        file.write([finding()])
