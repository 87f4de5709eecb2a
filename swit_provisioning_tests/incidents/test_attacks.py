"""Held-out attacks on this project that need a directory of their own (incident 29).

Others are beside what they attack: attributes that are hidden, a count that is inflated, replicas
that lag, plans that are old.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning_tests.integration import replicas
from swit_provisioning_tests.integration.authority import certificate
from swit_provisioning_tests.integration.replicas import GROUPS, group, person, units
from swit_provisioning_tests.integration.slapd import Slapd
from swit_provisioning_tests.integration.stage import Stage, stage

PEOPLE = [f"p{number:02}" for number in range(12)]
NIGHT_SHIFT = f"cn=Night Shift,{GROUPS}"


@pytest.fixture
def on_stage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Stage]:
    with stage(monkeypatch, tmp_path, SandboxServer()) as made:
        yield made


@pytest.mark.incident(29)
@pytest.mark.needs("slapd")
def test_29_a_renamed_group_that_is_excluded_keeps_its_team(
    on_stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """TEAMS_TO_EXCLUDE names it; the team was made and filled by hand."""
    folder = tmp_path / "slapd"
    folder.mkdir()
    entries = [units(), *map(person, PEOPLE), group("all", *PEOPLE), group("Night Shift", "p00")]
    with Slapd(folder, certificate(tmp_path), ldif="".join(entries)) as ldap:
        monkeypatch.delenv("IDP_FILE")
        for name, value in replicas.settings(ldap).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("TEAMS_TO_EXCLUDE", "Night Shift")
        on_stage.json("sync")
        members = [on_stage.users()[f"{name}@example.test"]["id"] for name in PEOPLE[:8]]
        on_stage.organisation.add_team("Night Shift", reference=NIGHT_SHIFT, user_ids=members)
        assert on_stage.json("sync")["status"] == "nothing to do"
        before = on_stage.organisation.snapshot()
        with ldap.changes() as changes:
            changes.move(NIGHT_SHIFT, "cn=Late Shift", GROUPS)
        document = on_stage.json("sync")
        assert (document["status"], document["counts"]) == ("nothing to do", {})
        assert on_stage.organisation.snapshot() == before
        kinds = [finding["kind"] for finding in document["findings"]]
        assert "excluded by former name" in kinds


@pytest.mark.incident(29)
@pytest.mark.parametrize("cut", ["in a line", "between two lines"])
def test_29_a_file_that_is_cut_deactivates_nobody(
    on_stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cut: str
) -> None:
    """One of twelve people is missing from it: a departure within the limits."""
    export = tmp_path / "export.ldif"
    monkeypatch.setenv("IDP_FILE", str(export))
    text = "version: 1\n\n" + units() + "".join(map(person, PEOPLE))
    export.write_text(text, encoding="utf-8")
    assert on_stage.json("sync")["counts"] == {"user.create": 12}
    before = on_stage.organisation.snapshot()
    begin = text.index(f"dn: uid={PEOPLE[-1]}")
    end = begin + len("dn: uid=") if cut == "in a line" else text.index("\n", begin) + 1
    export.write_text(text[:end], encoding="utf-8")
    failed = on_stage.run("sync")
    assert failed.exit_code == 1, failed.output
    assert on_stage.organisation.snapshot() == before
    export.write_text(text[:begin], encoding="utf-8")
    assert on_stage.json("sync")["counts"] == {"user.deactivate": 1}
