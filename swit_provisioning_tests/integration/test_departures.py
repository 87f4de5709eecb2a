"""Nobody leaves because a read lacks them: the directory is asked for each who is missing."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning_tests.directories import twenty_people
from swit_provisioning_tests.integration import replicas, small_company
from swit_provisioning_tests.integration.authority import certificate
from swit_provisioning_tests.integration.replicas import ALUMNI, GROUPS, STAFF, group, person, units
from swit_provisioning_tests.integration.slapd import Slapd
from swit_provisioning_tests.integration.small_server import SmallServer
from swit_provisioning_tests.integration.stage import Stage, stage
from swit_provisioning_tests.sources.scripted_server import Asked, Reply

FEW = f"cn=few,{GROUPS}"
NAMES = ("ada", "ben", "cid", "dee", "eve", "fay", "gus", "hal")


@dataclass(frozen=True, kw_only=True)
class Site:
    """An organisation that follows two replicas; everybody was created by a first sync."""

    stage: Stage
    first: Slapd
    second: Slapd

    @property
    def servers(self) -> tuple[Slapd, Slapd]:
        return self.first, self.second

    def active(self) -> set[str]:
        """Names of the active users."""
        users = self.stage.users().items()
        return {address.partition("@")[0] for address, user in users if user["active"]}

    def delete(self, *dns: str, servers: Iterable[Slapd]) -> None:
        """Delete entries on some of the servers."""
        for server in servers:
            with server.changes() as changes:
                for dn in dns:
                    changes.delete(dn)


def _dn(name: str) -> str:
    return f"uid={name},{STAFF}"


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Site]:
    entries = units() + "".join(map(person, NAMES)) + group("all", *NAMES) + group("few", "ada")
    folders = tmp_path / "first", tmp_path / "second"
    for folder in folders:
        folder.mkdir()
    tls = certificate(tmp_path)
    with (
        Slapd(folders[0], tls, ldif=entries) as first,
        Slapd(folders[1], tls, ldif=entries) as second,
        stage(monkeypatch, tmp_path, SandboxServer()) as on_stage,
    ):
        monkeypatch.delenv("IDP_FILE")
        monkeypatch.setenv("MAX_TEAM_DELETIONS", "100%")
        for name, value in replicas.settings(first, second).items():
            monkeypatch.setenv(name, value)
        on_stage.json("sync")
        made = Site(stage=on_stage, first=first, second=second)
        assert made.active() == set(NAMES)
        yield made


def _reasons(document: dict[str, Any]) -> dict[str, str]:
    return {
        change["target"].partition("@")[0]: change["reason"]
        for change in document["changes"]
        if change["action"] in {"user.deactivate", "team.delete"}
    }


def test_who_is_on_no_server_departs_and_the_reason_says_so(site: Site) -> None:
    site.delete(_dn("ada"), FEW, servers=site.servers)
    plan = site.stage.json("plan")
    assert _reasons(plan) == {
        "ada": "left the directory: not found on 2 servers",
        "few": "its group has left the directory: not found on 2 servers",
    }
    site.stage.json("sync")
    assert site.active() == set(NAMES) - {"ada"}
    assert "few" not in site.stage.teams()
    assert site.stage.json("sync")["status"] == "nothing to do"


def test_who_moved_out_of_scope_departs_with_the_new_place(site: Site) -> None:
    for server in site.servers:
        with server.changes() as changes:
            changes.move(_dn("ben"), "uid=ben", ALUMNI)
    assert _reasons(site.stage.json("plan")) == {
        "ben": f"left the directory: moved to uid=ben,{ALUMNI}, outside LDAP_USER_OUS"
    }


def test_who_is_locked_departs(site: Site) -> None:
    for server in site.servers:
        with server.changes() as changes:
            changes.set(_dn("cid"), pwdAccountLockedTime=replicas.LOCKED)
    assert _reasons(site.stage.json("plan")) == {
        "cid": f"left the directory: disabled: {_dn('cid')}"
    }


@pytest.mark.incident(29)
def test_a_lagging_server_deactivates_nobody(site: Site) -> None:
    """The server that is read lacks somebody whom the other one has."""
    site.delete(_dn("dee"), servers=(site.first,))
    failed = site.stage.run("sync")
    assert failed.exit_code == 1
    assert "two reads did not return people or groups that are present" in failed.output
    assert _dn("dee") in failed.output.replace("\n", "")
    assert site.active() == set(NAMES)
    site.delete(_dn("dee"), servers=(site.second,))
    site.stage.json("sync")
    assert site.active() == set(NAMES) - {"dee"}


@pytest.mark.incident(29)
def test_nobody_departs_while_a_server_cannot_be_asked(site: Site) -> None:
    site.delete(_dn("eve"), FEW, servers=site.servers)
    site.second.__exit__()
    document = site.stage.json("sync")
    assert document["status"] == "nothing to do"
    found = {finding["subject"]: finding["kind"] for finding in document["findings"]}
    assert found["eve@example.test"] == "uncertain departure"
    assert found["few"] == "uncertain group deletion"
    assert site.active() == set(NAMES)
    assert "few" in site.stage.teams()
    explained = site.stage.json("explain", "eve@example.test")["explained"][0]
    assert "not certain that the person has left" in explained["rule"]


@pytest.mark.incident(29)
def test_a_person_who_moves_between_two_bases_during_the_read_stays(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """She is moved from the second base to the first, right after that has been read."""
    entries = dict(small_company.entries_of(twenty_people()))
    late = f"OU=Late,{small_company.SUFFIX}"
    entries[late] = entries[small_company.PEOPLE]
    name, other = [dn for dn in entries if dn.endswith(f",{small_company.PEOPLE}")][:2]
    for dn in (name, other):
        entries[dn.replace(small_company.PEOPLE, late)] = entries.pop(dn)
    moved = dict(entries)
    moved[name] = moved.pop(name.replace(small_company.PEOPLE, late))

    def move(asked: Asked, answer: list[Reply]) -> Iterable[Reply]:
        if asked.base.casefold() == small_company.PEOPLE.casefold():
            server.hold(moved)
        return answer

    with (
        SmallServer(entries) as server,
        stage(monkeypatch, tmp_path, SandboxServer()) as on_stage,
    ):
        monkeypatch.delenv("IDP_FILE")
        for variable, value in small_company.settings(server.address).items():
            monkeypatch.setenv(variable, value)
        monkeypatch.setenv("LDAP_USER_OUS", "Staff,Late")
        on_stage.json("sync")
        server.fault = move
        document = on_stage.json("sync")
        assert document["counts"].get("user.deactivate", 0) == 0
        assert all(user["active"] for user in on_stage.users().values())


def test_another_id_attribute_makes_nobody_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """All ids change with the setting; the objects are found by their earlier ids."""
    entries = {
        dn: {**held, "entryUUID": [replicas.id_of(dn)]}
        for dn, held in small_company.entries_of(twenty_people()).items()
    }
    with (
        SmallServer(entries) as server,
        stage(monkeypatch, tmp_path, SandboxServer()) as on_stage,
    ):
        monkeypatch.delenv("IDP_FILE")
        for variable, value in small_company.settings(server.address).items():
            monkeypatch.setenv(variable, value)
        monkeypatch.setenv("LDAP_KIND", "other")
        monkeypatch.setenv("LDAP_REFERENCE_ATTRIBUTE", "entryUUID")
        on_stage.json("sync")
        monkeypatch.setenv("LDAP_REFERENCE_ATTRIBUTE", "objectGUID")
        monkeypatch.setenv("MAX_UPDATES", "none")
        counts = on_stage.json("sync")["counts"]
        assert set(counts) <= {"team.update"}
        assert all(user["active"] for user in on_stage.users().values())
