"""`login` where no browser of this machine comes back: pasted, given as JSON, taken over."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner, Result

from swit_provisioning.cli.main import main
from swit_provisioning.sandbox.records import Behaviour
from swit_provisioning_tests.cli.conftest import Desk

_SECONDS = 120
_TABLE = """CREATE TABLE service_accounts (username VARCHAR(30) PRIMARY KEY,
    access_token TEXT NOT NULL, refresh_token TEXT NOT NULL,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP)
"""
_ROW = "INSERT INTO service_accounts (username, access_token, refresh_token) VALUES (?, ?, ?)"


def run(*words: str, given: str = "") -> Result:
    return CliRunner().invoke(main, ["login", *words], input=given, catch_exceptions=False)


def ended_on(address: str) -> str:
    """The address that a browser elsewhere ends on."""
    answer = requests.get(address, allow_redirects=False, timeout=_SECONDS)
    return answer.headers["Location"]


def database(path: Path, *rows: tuple[str, str, str]) -> Path:
    """What the reference program leaves behind."""
    with closing(sqlite3.connect(path)) as made, made:
        made.execute(_TABLE)
        made.executemany(_ROW, rows)
    return path


def test_the_address_a_browser_elsewhere_ended_on_is_pasted(desk: Desk) -> None:
    with desk.open("login", "--paste") as terminal:
        terminal.type(f"  {ended_on(terminal.address())}  ")
        assert terminal.code() == 0, terminal.errors
    assert desk.stored is not None
    assert "Authorised: Sandbox Administrator <admin@sandbox.example>" in terminal.output
    assert f"It ends on {desk.redirect_url}?code=..." in terminal.errors


def test_pasting_needs_no_proof_key_where_swit_takes_none(desk: Desk) -> None:
    desk.server.organisation.behaviour = Behaviour(pkce="refused at authorize")
    with desk.open("login", "--paste") as terminal:
        terminal.type(ended_on(terminal.address()))
        terminal.type(ended_on(terminal.address(2)))
        assert terminal.code() == 0, terminal.errors
    assert "Swit refuses PKCE. Log in once more, without it." in terminal.errors
    assert desk.stored is not None


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (
            lambda address: address.replace("state=", "state=x"),
            "its state is not the one that was sent",
        ),
        (lambda address: address.partition("?")[0], "its state is not the one that was sent"),
        (lambda address: address.replace("code=", "kode="), "there is no code in the address"),
        (lambda address: address.replace("code=", "error=access_denied&x="), "access_denied"),
        (lambda address: address.replace("code=", "code=x"), "oauth/token: HTTP 400"),
    ],
)
def test_a_wrong_address_stores_nothing(desk: Desk, spoil: Callable[[str], str], said: str) -> None:
    with desk.open("login", "--paste") as terminal:
        terminal.type(spoil(ended_on(terminal.address())))
        assert terminal.code() == 1
    assert said in terminal.errors
    assert desk.stored is None


def test_a_pair_is_taken_as_json(desk: Desk) -> None:
    pair = desk.server.issue_tokens("user:read admin:read admin:write")
    before = datetime.now(UTC)
    result = run("--from-stdin", given=json.dumps(pair))
    assert result.exit_code == 0, result.output
    stored = desk.stored
    assert stored is not None
    assert (stored.access_token, stored.refresh_token) == (
        pair["access_token"],
        pair["refresh_token"],
    )
    assert stored.scope == pair["scope"]
    assert stored.expires_at is not None
    assert timedelta(days=7) <= stored.expires_at - before < timedelta(days=7, minutes=5)
    assert "Role: admin" in result.stdout
    assert pair["access_token"] not in result.output


def test_a_pair_whose_access_token_ran_out_is_renewed_first(desk: Desk) -> None:
    pair = desk.server.issue_tokens()
    desk.server.tokens.expire_access_tokens()
    given = {name: pair[name] for name in ("access_token", "refresh_token")}
    result = run("--from-stdin", given=json.dumps(given))
    assert result.exit_code == 0, result.output
    stored = desk.stored
    assert stored is not None
    assert stored.access_token != pair["access_token"]
    assert stored.refresh_token != pair["refresh_token"]


def test_a_pair_that_cannot_be_renewed_or_write_is_warned_of(desk: Desk) -> None:
    pair = desk.server.issue_tokens("user:read admin:read")
    given = {"access_token": pair["access_token"], "scope": pair["scope"]}
    result = run("--from-stdin", given=json.dumps(given))
    assert result.exit_code == 0, result.output
    assert "Without the scope admin:write it can make plans, but send no changes." in result.stderr
    assert "There is no refresh token with it" in result.stderr
    assert "Expires: Swit did not say" in result.stdout


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "it is no JSON object"),
        ("s3cret", "it is no JSON object"),
        ('["s3cret"]', "it is no JSON object"),
        ('{"refresh_token": "s3cret"}', "access_token: Field required"),
        ('{"access_token": ""}', "access_token: "),
        ('{"access_token": {"s3cret": 1}}', "access_token: "),
        ('{"access_token": "s3cret", "expires_in": -1}', "expires_in: "),
        ('{"access_token": "s3cret", "expires_at": "2026-01-01"}', "expires_at: "),
        ("x" * 70_000, "it is longer than any pair"),
    ],
)
def test_what_is_no_pair_is_refused_and_not_repeated(desk: Desk, given: str, said: str) -> None:
    result = run("--from-stdin", given=given)
    assert result.exit_code == 2
    assert said in result.stderr
    assert '{"access_token": "...", "refresh_token": "..."}' in result.stderr
    assert "s3cret" not in result.output
    assert desk.stored is None


def test_a_pair_that_swit_does_not_take_is_not_stored(desk: Desk) -> None:
    result = run("--from-stdin", given='{"access_token": "made-up", "refresh_token": "made-up-2"}')
    assert result.exit_code == 1
    assert "made-up" not in result.output
    assert desk.stored is None


def test_the_reference_programs_login_is_taken_over(desk: Desk, tmp_path: Path) -> None:
    pair = desk.server.issue_tokens()
    row = ("service_account", pair["access_token"], pair["refresh_token"])
    file = database(tmp_path / "service_accounts.db", row, ("other", "x", "y"))
    before = file.read_bytes()
    result = run("--import", str(file))
    assert result.exit_code == 0, result.output
    stored = desk.stored
    assert stored is not None
    assert (stored.access_token, stored.refresh_token) == row[1:]
    assert stored.expires_at is not None
    assert abs(stored.expires_at - datetime.now(UTC) - timedelta(days=7)) < timedelta(minutes=5)
    assert "Authorised: Sandbox Administrator <admin@sandbox.example>" in result.stdout
    assert "Scopes: unknown" in result.stdout
    assert "Stop the reference program" in result.stdout
    assert file.read_bytes() == before


def _empty(path: Path) -> None:
    database(path)


def _others(path: Path) -> None:
    database(path, ("a", "s3cret", "s3cret"), ("b", "s3cret", "s3cret"))


def _blank(path: Path) -> None:
    database(path, ("service_account", "", "s3cret"))


def _no_database(path: Path) -> None:
    path.write_text("s3cret")


def _other_tables(path: Path) -> None:
    with closing(sqlite3.connect(path)) as made, made:
        made.execute("CREATE TABLE service_accounts (name TEXT)")


def _nothing(path: Path) -> None:
    del path


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_empty, "has no row service_account"),
        (_others, "has no row service_account"),
        (_blank, "its access_token is empty"),
        (_no_database, "file is not a database"),
        (_other_tables, "no such column"),
        (_nothing, "is not a file"),
    ],
)
def test_a_file_without_the_reference_programs_login_is_refused(
    desk: Desk, tmp_path: Path, make: Callable[[Path], Any], said: str
) -> None:
    file = tmp_path / "service_accounts.db"
    make(file)
    result = run("--import", str(file))
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())
    assert str(file) in result.stderr
    assert "s3cret" not in result.output
    assert desk.stored is None


@pytest.mark.parametrize(
    "words",
    [
        ["--paste", "--from-stdin"],
        ["--from-stdin", "--import", "x.db"],
        ["--from-stdin", "--read-only"],
    ],
)
def test_ways_that_do_not_go_together_are_refused(words: list[str]) -> None:
    assert run(*words).exit_code == 2
