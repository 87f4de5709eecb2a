"""Findings in the UI, in the terminal and in a file."""

import csv
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
from click.testing import CliRunner

from swit_provisioning.cli.main import main
from swit_provisioning.cli.sync import instance
from swit_provisioning.sandbox.faults import Fault
from swit_provisioning.settings import Settings
from swit_provisioning_tests.directories import group_dn, user_dn
from swit_provisioning_tests.integration.stage import Stage


def spoil(stage: Stage) -> None:
    """A user without an address, one whose number is none, a group with strangers."""
    stage.directory["users"][0]["mail"] = None
    stage.directory["users"][1]["mobile"] = "n/a"
    stage.directory["users"][2]["accountExpires"] = "soon"
    stage.directory["groups"][0]["member"] += [f"CN=Gone{n},DC=x" for n in range(60)]


def test_each_bad_record_is_a_row_of_directory_findings(on_stage: Stage) -> None:
    spoil(on_stage)
    document = on_stage.json("plan")
    folder = Path(Settings.load().frames_path)
    (path,) = (p for p in (folder / "directory_findings").iterdir() if p.suffix == ".parquet")
    frame = pd.read_parquet(path)
    assert list(frame.columns) == ["kind", "dn", "attribute", "reason"]
    assert frame["kind"].value_counts().to_dict() == {
        "unknown member": 60,
        "missing email": 1,
        "invalid phone number": 1,
        "invalid number": 1,
    }
    rows = {(row.kind, row.dn, row.attribute) for row in frame.itertuples()}
    assert ("missing email", user_dn("Amelie Roux"), "mail") in rows
    assert ("invalid number", user_dn("Chiara Conti"), "accountExpires") in rows
    assert ("unknown member", group_dn("Builders"), "member") in rows
    assert {"kind", "subject", "message"} <= document["findings"][0].keys()
    assert len(document["findings"]) == 63


def test_the_ui_shows_how_many_of_each_kind(on_stage: Stage) -> None:
    spoil(on_stage)
    assert on_stage.run("plan").exit_code == 0
    with instance() as dagster:
        event = dagster.get_latest_materialization_event(dg.AssetKey("directory_findings"))
    assert event is not None
    assert event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    assert metadata["summary"].value == (
        "1 invalid number, 1 invalid phone number, 1 missing email, 60 unknown member"
    )
    assert metadata["dagster/row_count"].value == 63
    preview = metadata["preview"]
    assert isinstance(preview, dg.TableMetadataValue)
    assert len(preview.records) == 50


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_check_groups_findings_by_kind_and_writes_all_to_a_file(
    on_stage: Stage, tmp_path: Path
) -> None:
    spoil(on_stage)
    on_stage.organisation.add_user("boss@example.org", "The Boss", role=20)
    result = on_stage.run("check", "--csv", str(tmp_path / "findings.csv"))
    assert result.exit_code == 0, result.output
    assert "1 admin not in directory, 1 invalid number, 1 invalid phone number, 1 missing" in (
        " ".join(result.output.split())
    )
    assert "60 unknown member" in result.output
    assert "unknown member (60), to correct in the directory:" in result.output
    assert "... and 40 more: check --csv FILE" in result.output
    assert "63 findings are in" in result.output
    written = rows(tmp_path / "findings.csv")
    assert len(written) == 63
    assert list(written[0]) == ["kind", "dn", "attribute", "reason"]
    assert "boss@example.org" not in {row["dn"] for row in written}
    assert on_stage.writes == []


def test_findings_of_the_directory_need_no_login(
    on_stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same ones as with it: they are what somebody wants to mend before the first plan."""
    spoil(on_stage)
    with_login, without = tmp_path / "with.csv", tmp_path / "without.csv"
    assert on_stage.run("check", "--csv", str(with_login)).exit_code == 0
    for name in ("SWIT_ACCESS_TOKEN", "SWIT_REFRESH_TOKEN"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "another home"))
    result = on_stage.run("check", "--csv", str(without))
    assert result.exit_code == 2
    assert "swit-provisioning login" in result.output
    assert "missing email (1), to correct in the directory:" in result.output
    assert without.read_bytes() == with_login.read_bytes()


def test_findings_of_the_directory_are_shown_even_if_swit_does_not_answer(
    on_stage: Stage, tmp_path: Path
) -> None:
    spoil(on_stage)
    on_stage.server.faults.add(Fault(kind="status", status=400, times=None, call="user.info"))
    result = on_stage.run("check", "--csv", str(tmp_path / "findings.csv"))
    assert result.exit_code == 1
    assert "missing email (1)" in result.output
    assert len(rows(tmp_path / "findings.csv")) == 63


LDIF = """\
dn: cn=ann,dc=x
objectClass: inetOrgPerson
cn: ann
mail: ann@x.example

dn: cn=bob,dc=x
objectClass: inetOrgPerson
cn: =bob*
mail: nonsense

dn: cn=staff,dc=x
objectClass: groupOfNames
cn: staff
member: cn=ann,dc=x
member: cn=gone,dc=x
"""


def test_an_export_is_checked_with_no_server_at_all(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    export, found = tmp_path / "export.ldif", tmp_path / "findings.csv"
    export.write_text(LDIF, encoding="utf-8")
    monkeypatch.setenv("IDP_FILE", str(export))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    result = CliRunner().invoke(main, ["check", "--csv", str(found)], catch_exceptions=False)
    assert result.exit_code == 2
    assert "SWIT_CLIENT_ID" in result.output
    assert (
        "Users: 2 read: 1 usable, 1 without an address\nGroups: 1 read: 1 usable" in result.output
    )
    assert [(row["kind"], row["dn"], row["attribute"]) for row in rows(found)] == [
        ("invalid characters in name", "cn=bob,dc=x", "displayName, cn"),
        ("invalid email", "cn=bob,dc=x", "mail"),
        ("unknown member", "cn=staff,dc=x", "member"),
    ]


def test_check_counts_all_entries_of_an_export_and_why_some_are_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The settings for a server choose the entries of a file, too."""
    export = tmp_path / "export.ldif"
    people = [
        f"dn: uid=p{n},ou={unit},dc=x\nobjectClass: inetOrgPerson\ncn: P{n}\n{more}"
        for n, (unit, more) in enumerate(
            [
                ("staff", "mail: a@x.example\n"),
                ("staff", "mail: b@x.example\nemployeeType: external\n"),
                ("staff", "mail: c@x.example\nnsAccountLock: true\n"),
                ("staff", "mail: d@vendor.example\n"),
                ("guests", "mail: e@x.example\n"),
                ("staff", ""),
            ]
        )
    ]
    groups = [
        "dn: cn=all,ou=teams,dc=x\nobjectClass: groupOfNames\nmember: uid=p0,ou=staff,dc=x\n",
        "dn: cn=out,ou=teams,dc=x\nobjectClass: groupOfNames\ncn: out\n",
        "dn: ou=staff,dc=x\nobjectClass: organizationalUnit\n",
    ]
    export.write_text("\n".join([*people, *groups]), encoding="utf-8")
    for name, value in {
        "IDP_FILE": str(export),
        "DAGSTER_HOME": str(tmp_path / "home"),
        "LDAP_SEARCH_BASE": "DC=x",
        "LDAP_USER_OUS": "staff",
        "LDAP_GROUP_OUS": "teams",
        "LDAP_USER_FILTER": "(!(employeeType=external))",
        "USERS_TO_EXCLUDE": "*@vendor.example",
        "TEAMS_TO_EXCLUDE": "out",
    }.items():
        monkeypatch.setenv(name, value)
    output = " ".join(CliRunner().invoke(main, ["check"], catch_exceptions=False).output.split())
    assert (
        "Users: 6 read: 1 usable, 1 disabled, 1 excluded, 1 without an address,"
        " 1 not matching LDAP_USER_FILTER, 1 outside LDAP_USER_OUS"
        " Groups: 2 read: 1 usable, 1 excluded"
        " ou=staff,dc=x: 4 users and 0 groups read ou=teams,dc=x: 0 users and 2 groups read"
        " Other entries: 1 not read (1 organizationalUnit)"
    ) in output


def test_a_file_that_cannot_be_written_is_reported_before_anything_is_read(
    on_stage: Stage, tmp_path: Path
) -> None:
    result = on_stage.run("check", "--csv", str(tmp_path / "nowhere" / "findings.csv"))
    assert result.exit_code == 2
    assert "cannot be written: No such file or directory" in " ".join(result.output.split())
    assert on_stage.server.log.of() == []


def test_a_directory_that_was_not_read_leaves_the_file_as_it_was(
    on_stage: Stage, tmp_path: Path
) -> None:
    path = tmp_path / "findings.csv"
    path.write_text("yesterday's", encoding="utf-8")
    on_stage.directory["users"] = []
    assert on_stage.run("check", "--csv", str(path)).exit_code == 1
    assert path.read_text(encoding="utf-8") == "yesterday's"
