"""Test mode: one variable, and everything stays on this machine."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner

from swit_provisioning.cli.main import main
from swit_provisioning_tests.directories import twenty_people
from swit_provisioning_tests.receiver import Receiver


def test_test_mode_needs_only_one_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IS_RUNNING_LOCALLY", "True")
    monkeypatch.setenv("SWIT_REQUESTS_PER_SECOND", "1000")
    result = CliRunner().invoke(main, ["check"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[0].endswith("TEST MODE")
    assert "Users: 40 read: 40 usable" in result.stdout


def test_a_directory_is_tried_on_a_sandbox_that_keeps_its_state(tmp_path: Path) -> None:
    """Each command is a process of its own. No live setting matters, and no live Swit is called."""
    (tmp_path / "people.json").write_text(json.dumps(twenty_people()), encoding="utf-8")
    lines = (
        "SWIT=sandbox",
        "IDP_FILE=people.json",
        "SWIT_BASE_URL=http://127.0.0.1:9",
        "SWIT_ORGANIZATION=acme",
        "STATE_DATABASE_URL=postgresql://127.0.0.1:9/live",
        "SWIT_REQUESTS_PER_SECOND=1000",
    )
    (tmp_path / ".env").write_text("\n".join(lines), encoding="utf-8")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        program = [sys.executable, "-m", "swit_provisioning.cli", *words]
        return subprocess.run(  # noqa: S603 - our own words
            program, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False
        )

    made = run("plan", "--json")
    assert made.returncode == 0, made.stderr
    plan_id = json.loads(made.stdout)["plan_id"]
    applied = run("apply", plan_id)
    assert applied.returncode == 0, applied.stdout + applied.stderr
    assert applied.stdout.splitlines()[0].endswith("TEST MODE")
    again = run("plan")
    assert again.returncode == 0, again.stderr
    assert again.stdout.splitlines()[0].endswith("TEST MODE")
    assert "nothing to do" in again.stdout
    refused = run("login")
    assert refused.returncode == 2
    assert "SWIT=sandbox" in refused.stderr


def test_the_demo_ends_as_it_should(tmp_path: Path) -> None:
    """In a process of its own, as a stranger starts it: three days, the third one stopped."""
    program = [sys.executable, "-m", "swit_provisioning.cli", "demo"]
    done = subprocess.run(  # noqa: S603 - our own words
        program, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "TEST MODE" in done.stdout
    assert "16 of 40 users" in done.stdout
    assert "The mass departure was blocked. Nothing was written to Swit." in done.stdout
    assert "dagster -" not in done.stderr


def test_the_demo_posts_nothing_whatever_dotenv_says(tmp_path: Path) -> None:
    """Nothing leaves the machine."""
    with Receiver() as chat:
        lines = f"SWIT_WEBHOOK_URL={chat.url}\nSTATE_DATABASE_URL=postgresql://elsewhere/state\n"
        (tmp_path / ".env").write_text(lines, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "swit_provisioning.cli", "demo"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert chat.bodies == []


def test_the_sandbox_runs_alone(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "swit_provisioning.cli", "sandbox", "--port", "5699"]
    with subprocess.Popen(program, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as alone:  # noqa: S603 - our own words
        assert alone.stderr is not None
        line = alone.stderr.readline()
        try:
            assert "http://127.0.0.1:5699" in line
            with requests.Session() as session:
                retries = requests.adapters.HTTPAdapter(
                    max_retries=requests.adapters.Retry(total=20, backoff_factor=0.1)
                )
                session.mount("http://", retries)
                page = session.get("http://127.0.0.1:5699/", timeout=10)
            assert page.status_code == 200
            assert "nothing here is real" in page.text
        finally:
            alone.terminate()
            alone.wait(20)
