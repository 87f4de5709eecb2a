"""A renamed or moved group or person in a real directory keeps its team or user in Swit."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning_tests.integration import samba, slapd
from swit_provisioning_tests.integration.authority import certificate
from swit_provisioning_tests.integration.changes import Changes
from swit_provisioning_tests.integration.domain import user
from swit_provisioning_tests.integration.samba import SambaDomain
from swit_provisioning_tests.integration.slapd import Slapd
from swit_provisioning_tests.integration.stage import Stage, stage


@dataclass(frozen=True, kw_only=True)
class Live:
    """A real directory with a small company in it, and how to change and to read it."""

    kind: str
    base: str
    stable: str
    """The attribute that stays the same."""
    settings: Mapping[str, str]
    changes: Callable[[], AbstractContextManager[Changes]]

    @property
    def people(self) -> str:
        return f"OU=People,{self.base}"

    @property
    def elsewhere(self) -> str:
        """Its name holds a comma, so `;` separates the OUs."""
        return rf"OU=Moved\, later,{self.base}"

    @property
    def groups(self) -> str:
        return f"OU=Groups,{self.base}"

    @property
    def projects(self) -> str:
        return f"OU=Projects,{self.base}"

    def fill(self, add_user: Callable[[Changes, str, str], None]) -> None:
        """Three people in three groups: the House, and the Lab and the Shop in it."""
        with self.changes() as changes:
            for dn in (self.base, self.people, self.elsewhere, self.groups, self.projects):
                changes.add(dn, ["organizationalUnit"])
            for name in ("Ada", "Ben", "Cid"):
                add_user(changes, f"CN={name},{self.people}", name)
            for name, members in {
                "Lab": [f"CN=Ada,{self.people}", f"CN=Ben,{self.people}"],
                "Shop": [f"CN=Cid,{self.people}"],
                "House": [f"CN=Lab,{self.groups}", f"CN=Shop,{self.groups}"],
            }.items():
                kind = "groupOfNames" if self.kind == "OpenLDAP" else "group"
                changes.add(f"CN={name},{self.groups}", [kind], {"member": members})


@pytest.fixture
def open_ldap(tmp_path: Path) -> Iterator[Live]:
    with Slapd(tmp_path, certificate(tmp_path)) as server:
        live = Live(
            kind="OpenLDAP",
            base=f"OU=Small,{slapd.SUFFIX}",
            stable="entryUUID",
            settings={
                "LDAP_SERVER_DOMAIN": f"ldaps://127.0.0.1:{server.tls_port}",
                "LDAP_USER": slapd.READER,
                "LDAP_PASSWORD": slapd.PASSWORD,
                "LDAP_CA_FILE": str(server.tls.authority),
            },
            changes=server.changes,
        )
        live.fill(_open_ldap_user)
        yield live


def _open_ldap_user(changes: Changes, dn: str, name: str) -> None:
    changes.add(dn, ["inetOrgPerson"], {"sn": "A person", "mail": f"{name}@example.test"})


@pytest.fixture
def domain(active_directory: SambaDomain) -> Live:
    live = Live(
        kind="Active Directory",
        base=f"OU=Small,{samba.BASE}",
        stable="objectGUID",
        settings={
            "LDAP_SERVER_DOMAIN": active_directory.address,
            "LDAP_USER": r"EXAMPLE\reader",
            "LDAP_PASSWORD": samba.READER_PASSWORD,
            "LDAP_CA_FILE": str(active_directory.tls.authority),
        },
        changes=active_directory.changes,
    )
    live.fill(_domain_user)
    return live


def _domain_user(changes: Changes, dn: str, name: str) -> None:
    user(changes, dn, f"small{name}", mail=f"{name}@example.test")


@pytest.mark.parametrize(
    "server",
    [
        pytest.param("open_ldap", marks=pytest.mark.needs("slapd")),
        pytest.param("domain", marks=pytest.mark.needs("samba")),
    ],
)
def test_a_renamed_and_moved_person_or_group_keeps_its_user_or_team(
    server: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Else a rename would delete a team with its history, and make an empty one."""
    live: Live = request.getfixturevalue(server)
    with stage(monkeypatch, tmp_path / "stage", SandboxServer()) as on_stage:
        _read_from(live, monkeypatch)
        assert f" · {live.kind} · live" in on_stage.run("check").stdout
        assert on_stage.json("sync")["counts"] == {
            "user.create": 3,
            "team.create": 3,
            "membership.add": 2,
        }
        assert _source_in_the_ui().endswith(f" · {live.kind}")
        teams, users = _ids(on_stage)
        assert on_stage.json("sync")["status"] == "nothing to do"

        with live.changes() as changes:
            changes.move(f"CN=Lab,{live.groups}", "CN=Laboratory", live.projects)
            changes.move(f"CN=Ada,{live.people}", "CN=Ada Lovelace", live.elsewhere)
        done = on_stage.json("sync")
        assert (done["status"], done["counts"]) == ("applied", {"user.update": 1, "team.update": 1})
        assert on_stage.teams()["Laboratory"]["id"] == teams["Lab"]
        assert on_stage.users()["Ada@example.test"]["name"] == "Ada Lovelace"

        # From now on by an id that no rename changes: every team is re-keyed where it is.
        monkeypatch.setenv("LDAP_REFERENCE_ATTRIBUTE", live.stable)
        assert on_stage.json("sync")["counts"] == {"team.update": 3}
        with live.changes() as changes:
            changes.move(f"CN=Laboratory,{live.projects}", "CN=Laboratory", live.groups)
            changes.set(f"CN=Ben,{live.people}", mail="another@example.test")
        done = on_stage.json("sync")
        # An account whose address changed is left alone, and nobody is made anew.
        assert done["status"] == "nothing to do"
        assert [finding["kind"] for finding in done["findings"]] == ["email changed"]
        assert (set(_ids(on_stage)[0].values()), _ids(on_stage)[1]) == (set(teams.values()), users)


def _read_from(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IDP_FILE")
    for name, value in {
        **live.settings,
        "LDAP_SEARCH_BASE": live.base,
        "LDAP_USER_OUS": rf"People;OU=Moved\, later,{live.base}",
        "LDAP_GROUP_OUS": "OU=Groups,Projects",
    }.items():
        monkeypatch.setenv(name, value)


def _source_in_the_ui() -> str:
    """What the metadata of the newest users' frame says about where it comes from."""
    with dg.DagsterInstance.get() as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey("idp_users"))
    assert event is not None
    assert event.asset_materialization is not None
    return str(event.asset_materialization.metadata["source"].value)


def _ids(on_stage: Stage) -> tuple[dict[str, str], dict[str, str]]:
    """Ids of teams by name, and of users by address."""
    teams = {name: team["id"] for name, team in on_stage.teams().items()}
    return teams, {address: one["id"] for address, one in on_stage.users().items()}
