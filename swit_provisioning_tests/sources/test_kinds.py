"""How the kind of a server is recognised, and what is asked of each kind."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

import pytest

from swit_provisioning.planning.policy import ReferenceAttribute
from swit_provisioning.planning.snapshots import DirectoryFacts, DirectorySnapshot
from swit_provisioning.sources.base import (
    DirectoryConfigError,
    DirectoryError,
    DirectoryIncompleteError,
    DirectoryUnavailableError,
)
from swit_provisioning.sources.config import KindSetting, LdapConfig
from swit_provisioning.sources.entries import Entry
from swit_provisioning.sources.ldap.source import LdapDirectory
from swit_provisioning.sources.server_types import recognised
from swit_provisioning_tests.sources.scripted_server import (
    Asked,
    Reply,
    ScriptedServer,
    done,
    entry,
)

Root = Mapping[str, Sequence[str]]
ACTIVE_DIRECTORY: Root = {"supportedCapabilities": ["1.2.840.113556.1.4.800"]}
OPENLDAP: Root = {"structuralObjectClass": ["OpenLDAProotDSE"]}
DS389: Root = {"vendorName": ["389 Project"]}


@pytest.mark.parametrize(
    ("root", "kind"),
    [
        (ACTIVE_DIRECTORY, "active_directory"),
        ({"rootDomainNamingContext": ["DC=example,DC=test"]}, "active_directory"),
        (OPENLDAP, "openldap"),
        ({"objectClass": ["top", "OpenLDAProotDSE"]}, "openldap"),
        (DS389, "389ds"),
        ({"vendorName": ["Fedora Project"]}, "389ds"),
        ({"vendorName": ["Red Hat, Inc."]}, "389ds"),
        ({"vendorVersion": ["389-Directory/2.3.1 B2023.018.0000"]}, "389ds"),
        ({"vendorName": ["Another"], "objectClass": ["top"]}, "other"),
        # Active Directory Lightweight Directory Services: no domain, no primary groups.
        ({"supportedCapabilities": ["1.2.840.113556.1.4.1851"]}, "other"),
        ({}, "other"),
    ],
)
def test_a_server_is_recognised_by_its_root_entry(root: Root, kind: str) -> None:
    values = {name.lower(): tuple(v.encode() for v in given) for name, given in root.items()}
    assert recognised(Entry(dn="", attributes=values)).name == kind


def answer(asked: Asked) -> Iterable[Reply]:
    """One person, below the base for people; whoever asks."""
    ada = entry("cn=Ada,ou=people,dc=x", {"cn": ["Ada"], "mail": ["ada@example.test"]})
    return [ada, done()] if asked.base.startswith("ou=people") else [done()]


def says(root: Root) -> list[Reply]:
    return [entry("", root), done(cookie=None)]


def read(
    server: ScriptedServer,
    *,
    kind: KindSetting = "auto",
    reference: ReferenceAttribute = "distinguishedName",
    user_filter: str | None = None,
) -> DirectorySnapshot:
    waits: list[float] = []
    config = LdapConfig(
        servers=(server.address,),
        user="cn=reader,dc=x",
        password="not for anyone",
        search_base="dc=x",
        user_bases=("ou=people,dc=x",),
        group_bases=("ou=groups,dc=x",),
        kind=kind,
        user_filter=user_filter,
        reference_attribute=reference,
        timeout_seconds=5,
    )
    return LdapDirectory(config, sleep=waits.append).read()


IDS = {"objectGUID", "entryUUID", "nsUniqueId"}
LOCKS = {"userAccountControl", "accountExpires", "pwdAccountLockedTime", "nsAccountLock"}


@pytest.mark.parametrize(
    ("root", "title", "ids", "locks"),
    [
        (
            ACTIVE_DIRECTORY,
            "Active Directory",
            {"objectGUID"},
            {"userAccountControl", "accountExpires"},
        ),
        (OPENLDAP, "OpenLDAP", {"entryUUID"}, {"pwdAccountLockedTime"}),
        (DS389, "389 Directory Server", {"entryUUID", "nsUniqueId"}, {"nsAccountLock"}),
        ({}, "kind not known", IDS, LOCKS),
    ],
)
def test_each_kind_is_asked_for_its_own_ids_and_locks(
    root: Root, title: str, ids: set[str], locks: set[str]
) -> None:
    """Another kind's attribute could be anybody's there: schemas can be extended at will."""
    with ScriptedServer(answer, root=says(root)) as server:
        state = read(server)
    people, groups = server.searches
    assert (IDS & {*people.attributes}, LOCKS & {*people.attributes}) == (ids, locks)
    assert IDS & {*groups.attributes} == ids
    assert state.facts.title == f"{server.address} · {title}"
    assert DirectoryFacts.of(state.facts.document()) == state.facts


@pytest.mark.parametrize(
    ("root", "typed"), [(ACTIVE_DIRECTORY, True), (OPENLDAP, False), (DS389, False), ({}, False)]
)
def test_only_active_directory_is_asked_by_its_own_attributes(root: Root, *, typed: bool) -> None:
    """OpenLDAP takes an attribute that it doesn't know for one that matches nobody."""
    with ScriptedServer(answer, root=says(root)) as server:
        read(server)
    people, groups = server.searches
    assert (b"sAMAccountType" in people.filter) is typed
    assert (b"posixGroup" in groups.filter) is not typed


@pytest.mark.parametrize("kind", ["active_directory", "openldap", "389ds", "other"])
def test_a_kind_that_the_settings_name_is_taken_as_said(kind: KindSetting) -> None:
    with ScriptedServer(answer, root=[done(80)]) as server:
        read(server, kind=kind)
    assert (b"sAMAccountType" in server.searches[0].filter) is (kind == "active_directory")


def test_a_filter_in_the_settings_goes_before_the_kinds_own() -> None:
    with ScriptedServer(answer, root=says(ACTIVE_DIRECTORY)) as server:
        read(server, user_filter="(mail=*)")
    assert server.searches[0].filter == b"mail"


@pytest.mark.parametrize("root", [[done()], [done(32)], [done(50)]])
def test_a_server_that_hides_its_root_entry_is_of_no_known_kind(root: list[Reply]) -> None:
    with ScriptedServer(answer, root=root) as server:
        assert read(server).facts.server_kind == "kind not known"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (51, DirectoryUnavailableError),
        (1, DirectoryIncompleteError),
        (53, DirectoryIncompleteError),
    ],
)
def test_a_server_that_fails_at_its_root_entry_is_not_read(
    code: int, kind: type[DirectoryError]
) -> None:
    with ScriptedServer(answer, root=[done(code)]) as server, pytest.raises(kind) as caught:
        read(server)
    assert f"answered {code} " in str(caught.value)
    assert "LDAP_KIND" in str(caught.value)
    assert server.searches == []


@pytest.mark.parametrize(
    ("root", "reference", "instead"),
    [
        (OPENLDAP, "objectGUID", "entryUUID"),
        (DS389, "objectGUID", "entryUUID"),
        (ACTIVE_DIRECTORY, "entryUUID", "objectGUID"),
    ],
)
def test_a_reference_that_the_kind_does_not_have_is_refused(
    root: Root, reference: ReferenceAttribute, instead: str
) -> None:
    """Falling back to the DN would look right until the first group is renamed."""
    with (
        ScriptedServer(answer, root=says(root)) as server,
        pytest.raises(DirectoryConfigError, match=f"LDAP_REFERENCE_ATTRIBUTE={reference}") as wrong,
    ):
        read(server, reference=reference)
    assert f"Set LDAP_REFERENCE_ATTRIBUTE={instead}" in str(wrong.value)
    assert server.searches == []


def grouped(*groups: Mapping[str, Sequence[str]]) -> Callable[[Asked], Iterable[Reply]]:
    """One person, and groups with these attributes."""

    def answer_with_groups(asked: Asked) -> Iterable[Reply]:
        if asked.base.startswith("ou=people"):
            return answer(asked)
        made = [
            entry(f"cn={number},ou=groups,dc=x", {"cn": ["Team"], **attributes})
            for number, attributes in enumerate(groups)
        ]
        return [*made, done()]

    return answer_with_groups


def test_a_name_that_only_the_dn_has_is_used() -> None:
    """An account that may not read `cn` sees the DN all the same."""

    def nameless(asked: Asked) -> Iterable[Reply]:
        if asked.base.startswith("ou=people"):
            people = (("cn=Ada", "ada"), ("uid=ben", "ben"))
            made = [
                entry(f"{own},ou=people,dc=x", {"mail": [f"{name}@example.test"]})
                for own, name in people
            ]
        else:
            made = [entry(rf"{own},ou=groups,dc=x", {}) for own in (r"cn=R\=D", "ou=Board")]
        return [*made, done()]

    with ScriptedServer(nameless, root=says(OPENLDAP)) as server:
        state = read(server)
    assert sorted(map(list, state.users["names"])) == [[], ["Ada"]]
    assert sorted(map(list, state.groups["names"])) == [["Board"], ["R=D"]]


UUIDS = [str(UUID(int=number)) for number in range(2)]


@pytest.mark.parametrize("root", [OPENLDAP, {}])
def test_an_id_that_no_group_has_can_be_nobodys_reference(root: Root) -> None:
    """It may be that the account may not read it."""
    with (
        ScriptedServer(grouped({}, {}), root=says(root)) as server,
        pytest.raises(
            DirectoryConfigError, match="LDAP_REFERENCE_ATTRIBUTE=entryUUID, but no group"
        ),
    ):
        read(server, reference="entryUUID")


@pytest.mark.parametrize("root", [DS389, {}])
def test_no_other_id_is_taken_for_the_one_that_is_meant(root: Root) -> None:
    """An entry of 389 Directory Server can get its entryUUID later, and would change its key."""
    groups = grouped({"entryUUID": [UUIDS[0]]})
    with ScriptedServer(groups, root=says(root)) as server:
        read(server, reference="entryUUID")
    assert all(IDS & {*asked.attributes} == {"entryUUID"} for asked in server.searches)


def test_an_id_that_some_groups_lack_is_a_warning_that_names_them() -> None:
    groups = grouped({"entryUUID": [UUIDS[0]]}, {})
    with ScriptedServer(groups, root=says(OPENLDAP)) as server:
        usual = read(server).facts.warnings
        state = read(server, reference="entryUUID")
    assert list(state.groups["directory_id"]) == [UUIDS[0], "cn=1,ou=groups,dc=x"]
    (warning,) = set(state.facts.warnings) - set(usual)
    assert "1 of 2 groups have no entryUUID" in warning
    assert warning.endswith("cn=1,ou=groups,dc=x")


def test_facts_of_an_earlier_version_say_nothing_about_the_kind() -> None:
    facts = DirectoryFacts(source="x", kind="ldap", search_base="dc=x", bases=())
    document = facts.document()
    del document["server_kind"]
    assert DirectoryFacts.of(document) == facts
    assert replace(facts, server_kind="OpenLDAP").title == "x · OpenLDAP"


@pytest.mark.parametrize(("root", "told"), [(ACTIVE_DIRECTORY, True), (OPENLDAP, False)])
def test_a_domain_that_hides_who_is_disabled_is_a_warning(root: Root, *, told: bool) -> None:
    """An ordinary account of a domain often may not read userAccountControl."""
    with ScriptedServer(answer, root=says(root)) as server:
        warnings = read(server).facts.warnings
    assert any("userAccountControl cannot be read" in warning for warning in warnings) is told
