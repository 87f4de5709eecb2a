"""A directory full of odd records, from its LDIF file and from a server: the same result."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from swit_provisioning.planning.findings import directory_findings
from swit_provisioning.planning.policy import Memory, Policy
from swit_provisioning.planning.snapshots import DirectorySnapshot, column
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning.sources.attributes import AttributeMapping, parse_user_attributes
from swit_provisioning.sources.config import FileScope
from swit_provisioning.sources.filters import EntryFilter
from swit_provisioning.sources.ldap.dn import dn_key
from swit_provisioning.sources.ldap.source import LdapDirectory
from swit_provisioning.sources.ldif_file import LdifDirectory
from swit_provisioning_tests.integration import odd_company
from swit_provisioning_tests.integration.authority import certificate
from swit_provisioning_tests.integration.odd_company import NAMES, person_dn
from swit_provisioning_tests.integration.slapd import PASSWORD, READER, SUFFIX, Slapd
from swit_provisioning_tests.integration.stage import stage

pytestmark = pytest.mark.needs("slapd")


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    folder = tmp_path_factory.mktemp("odd")
    tls = certificate(folder)
    with Slapd(
        folder, tls, ldif=odd_company.ldif(), schema=odd_company.SCHEMA, member_of=False
    ) as server:
        yield server


@pytest.fixture
def ldif_file(tmp_path: Path) -> Path:
    path = tmp_path / "odd.ldif"
    path.write_text(odd_company.ldif(), encoding="utf-8")
    return path


def live(
    server: Slapd, mapping: AttributeMapping | None = None, user_filter: str | None = None
) -> DirectorySnapshot:
    """Read as a server of no known kind: only so it is asked for Active Directory's attributes."""
    config = replace(server.config(page_size=3), kind="other", user_filter=user_filter)
    return LdapDirectory(config, mapping).read()


def comparable(frame: pd.DataFrame, *but: str) -> list[tuple[object, ...]]:
    """Rows sorted by key, lists sorted, without what only one source knows, or spells its way."""
    kept = frame.drop(columns=["base", "position", "dn", "member_dn", *but], errors="ignore")
    rows = zip(*(map(_plain, column(kept, name)) for name in kept.columns), strict=True)
    return sorted(rows, key=repr)


def _plain(value: object) -> object:
    return sorted(value) if isinstance(value, list) else value


def test_the_server_gives_what_the_file_gives(odd: Slapd, ldif_file: Path) -> None:
    from_server, from_file = live(odd), LdifDirectory(ldif_file).read()
    for name in ("users", "groups", "memberships"):
        ours = comparable(getattr(from_server, name))
        assert ours == comparable(getattr(from_file, name)), name
        assert ours


def test_a_language_tag_in_the_settings_chooses_among_names(odd: Slapd, ldif_file: Path) -> None:
    mapping = parse_user_attributes("name=displayName;lang-de,email=mail")
    for state in (live(odd, mapping), LdifDirectory(ldif_file, mapping).read()):
        names = dict(zip(state.users["key"], column(state.users, "names"), strict=True))
        assert names[dn_key(person_dn("tagged"))] == ["Stefan"]
        assert names[dn_key(person_dn("noa"))] == [NAMES["noa"]]  # the untagged value


def test_a_filter_finds_the_same_people_in_the_file_as_on_the_server(
    odd: Slapd, ldif_file: Path
) -> None:
    for text, some in {
        "(objectClass=organizationalPerson)": "noa",
        "(&(objectClass=inetOrgPerson)(!(uid=NOA)))": "hanako",
        "(displayName=m*jürgen)": "mueller",
        "(displayName=*)": "tagged",
        "(displayName;lang-de=STEFAN)": "tagged",
        "(mail=capital.login@example.TEST)": "Capital.Login",
        "(mail=zz@*)": "two.addresses",
        "(&(uid=*)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))": "noa",
        "(|(userAccountControl=514)(uid=photo))": "photo",
        r"(displayName=\d7\a0*)": "noa",
        "(&(ou:dn:=çelik & SÖHNE)(uid=amin))": "amin",
    }.items():
        from_server = live(odd, user_filter=text).users
        scope = FileScope(user_filter=EntryFilter(text))
        from_file = LdifDirectory(ldif_file, scope=scope).read().users
        assert dn_key(person_dn(some)) in set(from_file["key"]), text
        assert set(from_server["key"]) == set(from_file["key"]), text


def test_findings_are_the_same_and_name_every_oddity(odd: Slapd, ldif_file: Path) -> None:
    found = [
        [(f.kind, f.subject) for f in directory_findings(state, Policy(), Memory())]
        for state in (live(odd), LdifDirectory(ldif_file).read())
    ]
    assert found[0] == found[1]
    assert {kind for kind, _ in found[0]} == {
        "missing email",
        "circular membership",
        "duplicate group name",
        "unknown login",
        "unknown member",
    }


def test_names_of_all_scripts_arrive_in_swit_as_they_are(
    odd: Slapd, ldif_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And once the server was followed, the file has nothing to add."""
    with stage(monkeypatch, tmp_path / "stage", SandboxServer()) as on_stage:
        monkeypatch.delenv("IDP_FILE")
        for name, value in {
            "LDAP_SERVER_DOMAIN": "localhost",
            "LDAP_SERVER_PORT": str(odd.port),
            "LDAP_USER": READER,
            "LDAP_PASSWORD": PASSWORD,
            "LDAP_SEARCH_BASE": SUFFIX,
            "LDAP_CA_FILE": str(odd.tls.authority),
            "LDAP_KIND": "other",
        }.items():
            monkeypatch.setenv(name, value)
        assert on_stage.json("sync")["status"] == "applied"
        users = on_stage.users()
        arrived = {login: users[f"{login}@example.test"]["name"] for login in NAMES}
        assert arrived == NAMES
        monkeypatch.setenv("IDP_FILE", str(ldif_file))
        on_stage.server.log.clear()
        again = on_stage.json("sync")
        assert again["status"] == "nothing to do", again["counts"]
        assert on_stage.writes == []
