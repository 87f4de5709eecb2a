"""Every command of docs/tutorial/first-week.md runs in order and prints what the page says."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from swit_provisioning.cli.main import main
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning_tests.integration.stage import settings

PAGE = Path(__file__).parents[2] / "docs" / "tutorial" / "first-week.md"
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PLACEHOLDERS = {
    "RUN_ID": "[0-9a-f-]{8,36}",
    "USER@HOST": r"\S+@\S+",
    "DATE": "[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2} UTC",
    "SECONDS": r"[0-9]+\.[0-9]",
    "N": "[0-9]+",
}
"""What the page writes in place of what differs from run to run."""
_PLAN = re.compile(r"\bPlan ([0-9a-f]{12})\b")


class Reader:
    """A person who types what the page says, and holds the answers against it."""

    def __init__(self) -> None:
        self.plan_id = "none yet"
        self.said, self.code = "", 0

    def types(self, line: str) -> None:
        """Run one command."""
        words = shlex.split(line.replace("PLAN_ID", self.plan_id))
        if words == ["echo", "$?"]:
            self.said = str(self.code)
        elif words[0] == "swit-provisioning":
            result = CliRunner().invoke(main, words[1:], catch_exceptions=False)
            self.said, self.code = " ".join(result.output.split()), result.exit_code
            self.plan_id = next(iter(_PLAN.findall(self.said)), self.plan_id)
        else:
            assert words[0] == "python3", line
            subprocess.run([sys.executable, *words[1:]], check=True)  # noqa: S603 - the page's own

    def reads(self, line: str) -> None:
        """Find what the page shows in what is left of the answer."""
        expected = " ".join(line.replace("PLAN_ID", self.plan_id).split())
        words = re.split(rf"\b({'|'.join(_PLACEHOLDERS)})\b", expected)
        pattern = "".join(_PLACEHOLDERS.get(word, re.escape(word)) for word in words)
        found = re.search(pattern, self.said)
        assert found, f"{expected!r} is not in: {self.said}"
        self.said = self.said[found.end() :]


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Reader]:
    """In test mode, on an empty organisation."""
    with SandboxServer() as server:
        variables = settings(tmp_path, server)
        del variables["TEAMS_TO_EXCLUDE"]
        mine = {"IS_RUNNING_LOCALLY": "True", "IDP_FILE": "people.json", "COLUMNS": "400"}
        for name, value in (variables | mine).items():
            monkeypatch.setenv(name, value)
        yield Reader()


def test_the_tutorial_can_be_walked_from_end_to_end(reader: Reader) -> None:
    blocks = _BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert len(blocks) > 9
    for line in "".join(blocks).splitlines():
        if line.startswith("$ "):
            reader.types(line.removeprefix("$ "))
        else:
            reader.reads(line)
