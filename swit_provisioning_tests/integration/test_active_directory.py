"""A real Active Directory domain controller (Samba), read as an ordinary account of the domain."""

import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from swit_provisioning.planning.findings import directory_findings
from swit_provisioning.planning.policy import Memory, Policy
from swit_provisioning.planning.snapshots import DirectorySnapshot, column
from swit_provisioning.planning.whereabouts import Presence
from swit_provisioning.sources.base import (
    DirectoryConfigError,
    DirectoryError,
    DirectoryIncompleteError,
    DirectoryUntrustedError,
)
from swit_provisioning.sources.config import LdapConfig
from swit_provisioning.sources.ldap.connection import Connection
from swit_provisioning.sources.ldap.dn import dn_key
from swit_provisioning.sources.ldap.search import Query, search
from swit_provisioning.sources.ldap.session import logged_in
from swit_provisioning.sources.ldap.source import LdapDirectory
from swit_provisioning.sources.ldif_file import LdifDirectory
from swit_provisioning_tests.integration import domain
from swit_provisioning_tests.integration.authority import certificate
from swit_provisioning_tests.integration.domain import PEOPLE, STAFF, group
from swit_provisioning_tests.integration.replicas import look_for_everybody
from swit_provisioning_tests.integration.samba import (
    BASE,
    READER_LOGIN,
    READER_PASSWORD,
    SambaDomain,
)

PEOPLE_KEYS = {dn_key(dn) for dn in PEOPLE.values()}


def read(config: LdapConfig) -> DirectorySnapshot:
    """Read, not waiting between attempts."""
    waits: list[float] = []
    return LdapDirectory(config, sleep=waits.append).read()


def refused(config: LdapConfig, kind: type[DirectoryError]) -> str:
    with pytest.raises(DirectoryError) as caught:
        read(config)
    assert type(caught.value) is kind, caught.value
    assert READER_PASSWORD not in str(caught.value)
    return str(caught.value)


def company(server: SambaDomain) -> LdapConfig:
    """The company's own OUs."""
    return server.config(user_bases=(domain.STAFF, domain.EMEA), group_bases=(domain.GROUPS,))


@pytest.fixture(scope="module")
def state(active_directory: SambaDomain) -> DirectorySnapshot:
    return read(company(active_directory))


def members(state: DirectorySnapshot, name: str) -> list[str]:
    frame = state.memberships
    return sorted(frame.loc[frame["group"] == dn_key(name), "member"])


def test_people_are_user_accounts_and_nothing_else(state: DirectorySnapshot) -> None:
    """No computer, contact or service account, though all of them have an address."""
    gone = {dn_key(dn) for dn in (domain.DISABLED, domain.EXPIRED)}
    assert set(state.users["key"]) == {*PEOPLE_KEYS, *gone, dn_key(domain.LATER)}
    enabled = dict(zip(state.users["key"], state.users["enabled"], strict=True))
    assert {key for key, able in enabled.items() if not able} == gone


def test_the_snapshot_states_the_server_and_its_kind(
    active_directory: SambaDomain, state: DirectorySnapshot
) -> None:
    assert state.facts.title == f"ldaps://{active_directory.address} · Active Directory"
    assert [(base.base, base.users, base.groups) for base in state.facts.bases] == [
        (dn_key(domain.STAFF), 5, 0),
        (dn_key(domain.EMEA), 2, 0),
        (dn_key(domain.GROUPS), 0, 4),
    ]
    assert state.facts.warnings == ()


def test_ids_are_the_domains_own(active_directory: SambaDomain, state: DirectorySnapshot) -> None:
    """The text is the one that Active Directory's tools show, and that `<GUID=...>` finds."""
    ids = dict(zip(state.users["key"], state.users["directory_id"], strict=True))
    with active_directory.changes() as changes:
        for dn in PEOPLE.values():
            known = ids[dn_key(dn)]
            assert changes.value(f"<GUID={known}>", "objectGUID") == uuid.UUID(known).bytes_le


def test_proxy_addresses_belong_to_the_person(state: DirectorySnapshot) -> None:
    others = dict(zip(state.users["dn"], column(state.users, "other_emails"), strict=True))
    assert others[PEOPLE["chloe"]] == ["chloe.before@example.test"]
    assert others[PEOPLE["ada"]] is None


def test_groups_are_nested_and_of_every_type(state: DirectorySnapshot) -> None:
    """A distribution group and one of the domain's local scope are groups like the others."""
    parents = {
        row["key"]: row["parents"] for row in state.groups[["key", "parents"]].to_dict("records")
    }
    assert parents[dn_key(group("Engineering"))] == [dn_key(group("Company"))]
    assert parents[dn_key(group("Mailing"))] == [dn_key(group("Company"))]
    assert parents[dn_key(group("Platform"))] == [dn_key(group("Engineering"))]
    assert members(state, group("Company")) == sorted(
        dn_key(dn) for dn in (group("Engineering"), group("Mailing"), PEOPLE["chloe"])
    )


def test_a_primary_group_has_its_members_though_it_does_not_list_them(
    active_directory: SambaDomain, state: DirectorySnapshot
) -> None:
    with active_directory.changes() as changes:
        assert changes.value(group("Platform"), "member").decode() == PEOPLE["ada"]
    assert members(state, group("Platform")) == [dn_key(PEOPLE["ada"]), dn_key(PEOPLE["ben"])]


def test_the_whole_domain_is_read_but_for_the_parts_without_people(
    active_directory: SambaDomain,
) -> None:
    """The answer ends with a reference to CN=Configuration, which holds nobody."""
    state = read(active_directory.config())
    assert set(state.users["key"]) > PEOPLE_KEYS
    assert not any("pc1" in key for key in state.users["key"])
    everybody = set(members(state, f"CN=Domain Users,CN=Users,{BASE}"))
    assert everybody >= PEOPLE_KEYS - {dn_key(PEOPLE["ben"])}
    assert dn_key(PEOPLE["ben"]) in everybody  # listed since another group is his primary one
    assert {dn_key(group("Platform")), dn_key(f"CN=Guests,CN=Builtin,{BASE}")} <= set(
        state.groups["key"]
    )


def test_a_part_that_another_server_keeps_makes_the_read_fail(
    active_directory: SambaDomain,
) -> None:
    elsewhere = active_directory.config(user_bases=(f"CN=Configuration,{BASE}",))
    message = refused(elsewhere, DirectoryIncompleteError)
    assert f"CN=Schema,CN=Configuration,{BASE}" in message
    assert "another server holds a part of it" in message


def test_overlapping_search_bases_give_each_entry_once(active_directory: SambaDomain) -> None:
    config = active_directory.config(
        user_bases=(domain.EMEA, domain.COMPANY), group_bases=(domain.COMPANY, domain.GROUPS)
    )
    state = read(config)
    assert [(base.base, base.users, base.groups) for base in state.facts.bases] == [
        (dn_key(domain.EMEA), 2, 0),
        (dn_key(domain.COMPANY), 5, 4),
        (dn_key(domain.GROUPS), 0, 0),
    ]
    assert dn_key(domain.EMEA) not in set(state.users["key"])


def test_an_ou_is_never_a_person(active_directory: SambaDomain) -> None:
    state = read(
        active_directory.config(
            user_bases=(domain.EMEA,), group_bases=(domain.GROUPS,), user_filter="(objectClass=*)"
        )
    )
    assert set(state.users["key"]) == {dn_key(PEOPLE["chloe"]), dn_key(PEOPLE["hanako"])}


@pytest.mark.parametrize("login", [READER_LOGIN, r"EXAMPLE\reader", domain.READER])
def test_the_account_may_be_written_in_three_ways(
    active_directory: SambaDomain, login: str
) -> None:
    config = active_directory.config(user=login, user_bases=(domain.EMEA,))
    assert len(read(config).users) == 2


def test_the_domain_is_read_over_starttls(active_directory: SambaDomain) -> None:
    config = active_directory.config(active_directory.server("starttls"), user_bases=(domain.EMEA,))
    assert read(config).facts.source == f"ldap://{active_directory.address} (StartTLS)"


def test_a_login_in_clear_text_is_refused_by_the_domain(active_directory: SambaDomain) -> None:
    message = refused(
        active_directory.config(active_directory.server("none")), DirectoryConfigError
    )
    assert "answered 8 strongerAuthRequired" in message
    assert "LDAP_TLS=ldaps or LDAP_TLS=starttls" in message


@pytest.mark.parametrize("tls", ["ldaps", "starttls"])
def test_an_unknown_certificate_authority_is_not_trusted(
    active_directory: SambaDomain, tmp_path: Path, tls: str
) -> None:
    server = active_directory.server("ldaps" if tls == "ldaps" else "starttls")
    config = active_directory.config(server, ca_file=certificate(tmp_path).authority)
    assert "LDAP_CA_FILE" in refused(config, DirectoryUntrustedError)


@pytest.mark.parametrize(
    ("login", "password"),
    [
        (READER_LOGIN, "a wrong one"),
        ("nobody@example.test", "a wrong one"),
        ("dora@example.test", domain.USER_PASSWORD),
    ],
)
def test_a_refused_login_names_the_account_and_not_the_password(
    active_directory: SambaDomain, login: str, password: str
) -> None:
    """Samba says the same of a wrong password, of nobody, and of a disabled account."""
    config = active_directory.config(user=login, password=password)
    message = refused(config, DirectoryConfigError)
    assert login in message
    assert "Check LDAP_USER and LDAP_PASSWORD" in message
    assert password not in message


def test_a_reference_attribute_that_the_domain_lacks_is_refused(
    active_directory: SambaDomain,
) -> None:
    message = refused(
        active_directory.config(reference_attribute="entryUUID"), DirectoryConfigError
    )
    assert "Set LDAP_REFERENCE_ATTRIBUTE=objectGUID" in message


def test_a_group_of_1200_is_read_in_ranges_to_its_last_member(
    active_directory: SambaDomain,
) -> None:
    """Samba sends ranges only where one asks for them; Windows always, beyond 1,500 values."""
    folder = f"OU=Large,{BASE}"
    listed = [f"CN=member {number:04d},{folder}" for number in range(1200)]
    with active_directory.changes() as changes:
        changes.add(folder, ["organizationalUnit"])
        for dn in listed:
            changes.add(dn, ["contact"])
        changes.add(f"CN=Large,{folder}", ["group"], {"member": listed})
    query = Query(
        base=folder,
        filter="(objectClass=group)",
        attributes=("member;range=0-499",),
        page_size=100,
    )
    with connection(active_directory) as opened:
        ((large,),) = search(opened, query, server=active_directory.server())
    with active_directory.changes() as changes:
        changes.delete(f"CN=Large,{folder}")
    assert sorted(large.values("member")) == sorted(dn.encode() for dn in listed)


def test_an_export_is_read_as_the_domain_itself_is(
    active_directory: SambaDomain, state: DirectorySnapshot, tmp_path: Path
) -> None:
    """Ids and security ids are bytes in both, and in a file some happen to be readable text."""
    path = tmp_path / "export.ldif"
    path.write_bytes(exported(active_directory, tmp_path))
    from_file = LdifDirectory(path).read()
    for frame, names in {
        "users": ["key", "directory_id", "enabled"],
        "groups": ["key", "directory_id"],
        "memberships": ["group", "member"],
    }.items():
        live, read_again = getattr(state, frame)[names], getattr(from_file, frame)[names]
        assert set(read_again.itertuples(index=False, name=None)) == set(
            live.itertuples(index=False, name=None)
        )


def exported(server: SambaDomain, folder: Path) -> bytes:
    """The company, as OpenLDAP's command writes it."""
    password = folder / "password"
    password.write_text(READER_PASSWORD, encoding="utf-8")
    done = subprocess.run(  # noqa: S603 - nothing in it comes from outside
        ["ldapsearch", "-x", "-LLL", "-H", f"ldaps://{server.address}", "-D", READER_LOGIN,  # noqa: S607 - as PATH has it
         "-y", str(password), "-b", domain.COMPANY, "-E", "pr=1000/noprompt", "(objectClass=*)"],
        env={**os.environ, "LDAPTLS_CACERT": str(server.tls.authority)},
        capture_output=True, check=True,
    )  # fmt: skip
    return done.stdout


@contextmanager
def connection(server: SambaDomain) -> Iterator[Connection]:
    with logged_in(server.config(), server.server()) as opened:
        yield opened


def test_members_that_are_not_people_are_reported_by_kind(active_directory: SambaDomain) -> None:
    name = f"CN=Things,{BASE}"
    things = {f"CN={thing},{STAFF}": thing for thing in ("PC1", "Contact", "Services")}
    elsewhere = f"CN=Administrator,CN=Users,{BASE}"
    with active_directory.changes() as changes:
        listed = [*things, elsewhere]
        changes.add(name, ["group"], {"sAMAccountName": "Things", "member": listed})
        try:
            state = LdapDirectory(replace(active_directory.config(), user_bases=(STAFF,))).read()
        finally:
            changes.delete(name)
    told = {
        finding.message
        for finding in directory_findings(state, Policy(), Memory())
        if finding.kind == "unknown member" and finding.subject == name
    }
    assert len(told) == 4
    for dn, kind in zip(things, ("a computer", "a contact", "a service account"), strict=True):
        (message,) = [said for said in told if dn in said]
        assert f"is {kind}, neither a person nor a group" in message
        assert "OU" not in message.replace(dn, "")
    (message,) = [said for said in told if elsewhere in said]
    assert "LDAP_USER_OUS" in message


def test_everybody_is_found_by_object_guid(active_directory: SambaDomain) -> None:
    presences, enabled = look_for_everybody(company(active_directory))
    assert presences[Presence.DISABLED] == enabled[False] > 0
    assert presences[Presence.PRESENT] + presences[Presence.NO_ADDRESS] == enabled[True] > 0
