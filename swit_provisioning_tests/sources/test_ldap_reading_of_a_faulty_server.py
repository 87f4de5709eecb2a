"""Everything that a server can do to an answer: what is whole is read, all else is an error.

Each of these faults has emptied somebody's organisation once: a short answer was taken for
"everyone left".
"""

import ssl
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from swit_provisioning.sources.base import (
    DirectoryConfigError,
    DirectoryIncompleteError,
    DirectoryUnavailableError,
)
from swit_provisioning.sources.config import LdapConfig, ServerAddress
from swit_provisioning.sources.ldap.source import LdapDirectory
from swit_provisioning_tests.integration.authority import certificate
from swit_provisioning_tests.sources.faulty_server import (
    ADA,
    BEN,
    GROUPS,
    PEOPLE,
    config,
    read,
    refused,
    two_pages,
)
from swit_provisioning_tests.sources.scripted_server import (
    Asked,
    Close,
    Reply,
    ScriptedServer,
    Sent,
    Silence,
    done,
    entry,
    garbage,
    reference,
)
from swit_provisioning_tests.sources.wire import tlv


def test_a_good_answer_is_read_to_its_last_page() -> None:
    with ScriptedServer(two_pages) as server:
        state = read(server.address)
    assert list(state.users["names"]) == [["Ada"], ["Ben"]]
    assert list(state.memberships["member"]) == ["cn=ada,ou=people,dc=x"]
    assert [search.cookie for search in server.searches] == [b"", b"next", b""]


def test_attributes_are_asked_for_by_name_and_never_all_of_them() -> None:
    with ScriptedServer(two_pages) as server:
        read(server.address)
    assert all("*" not in asked.attributes for asked in server.searches)
    assert {"mail", "displayName", "objectGUID"} <= set(server.searches[0].attributes)


@pytest.mark.parametrize("fault", [[done(51)], [Close()], [BEN, Close()]])
def test_a_read_that_broke_off_starts_again_from_the_beginning(fault: list[Reply]) -> None:
    def answer(asked: Asked) -> Iterable[Reply]:
        return fault if asked.number == 2 else two_pages(asked)

    with ScriptedServer(answer) as server:
        state = read(server.address)
    assert len(state.users) == 2
    assert [search.cookie for search in server.searches] == [b"", b"next", b"", b"next", b""]
    assert any("Passed over" in warning for warning in state.facts.warnings)


def test_a_read_never_goes_on_at_another_server() -> None:
    """Two servers can be at different states: half of each is no directory."""
    with (
        ScriptedServer(lambda asked: [Close()] if asked.number == 2 else two_pages(asked)) as one,
        ScriptedServer(two_pages) as other,
    ):
        state = read(one.address, other.address)
    assert [search.cookie for search in other.searches] == [b"", b"next", b""]
    assert state.facts.source == str(other.address)


def test_a_silent_server_is_passed_over_after_the_timeout() -> None:
    with (
        ScriptedServer(lambda _: [ADA, Silence()]) as silent,
        ScriptedServer(two_pages) as other,
    ):
        state = read(silent.address, other.address, timeout_seconds=1)
    assert len(state.users) == 2
    assert any("timed out" in warning for warning in state.facts.warnings)


@pytest.mark.parametrize("begun", [b"\x30", b"\x30\x82", b"\x30\x82\x10\x00\x02\x01"])
def test_a_server_that_falls_silent_within_a_message_is_passed_over(
    begun: bytes, tmp_path: Path
) -> None:
    """Over TLS, where a timeout that is set on the socket beneath goes unheard."""
    made = certificate(tmp_path)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(made.certificate, made.key)
    with (
        ScriptedServer(lambda _: [ADA, Sent(begun), Silence()], tls=tls, mode="ldaps") as silent,
        ScriptedServer(two_pages) as other,
    ):
        settings = config(silent.address, other.address, timeout_seconds=1)
        settings = LdapConfig(**{**vars(settings), "ca_file": str(made.authority)})
        state = LdapDirectory(settings).read()
    assert len(state.users) == 2
    assert (
        "after 1 entries (timed out: the server sent nothing for 1 seconds)"
        in state.facts.warnings[0]
    )


def test_an_entry_that_is_cut_off_is_a_lost_connection() -> None:
    message = refused([Sent(b"\x30\x84\x00\x00\x10\x00\x02"), Close()], DirectoryUnavailableError)
    assert "the connection was lost after 1 entries" in message


@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 400 Bad Request",
        b"\x30\x80\x02\x01\x05",
        b"\x30\x84\xff\xff\xff\xff",
        b"\x30\x05\x02\x03\x7f\xff\xff",
        b"\x30\x07\x02\x02\x7f\xff\x65\x01\x00",
        b"\x30\x05\x02\x01\x00\x64\x00",
    ],
)
def test_garbage_between_entries_is_an_error(sent: bytes) -> None:
    """The client says so at once: it doesn't wait for the end of what makes no sense."""
    message = refused([BEN, Sent(sent), Silence()], DirectoryIncompleteError)
    assert "after 2 entries" in message
    assert "not LDAP" in message


def test_a_notice_of_disconnection_is_a_lost_connection_that_says_why() -> None:
    text = b"\x0a\x01\x34\x04\x00\x04\x0agoing down"
    notice = tlv(0x30, b"\x02\x01\x00", tlv(0x78, text))
    message = refused([BEN, Sent(notice), Close()], DirectoryUnavailableError)
    assert "lost after 2 entries (the server ends the connection: 52 going down)" in message


def test_a_server_that_ignores_paging_is_not_believed() -> None:
    message = refused([BEN, done(cookie=None)], DirectoryIncompleteError)
    assert "more pages" in message


def test_paging_that_never_ends_is_an_error() -> None:
    with ScriptedServer(lambda _: [done(cookie=b"again")]) as server:
        with pytest.raises(DirectoryIncompleteError, match="endless series"):
            read(server.address)
        assert len(server.searches) == 2


def test_an_answer_that_is_no_ldap_is_an_error() -> None:
    message = refused([garbage(), done()], DirectoryIncompleteError)
    assert "not LDAP" in message
    assert "after 1 entries" in message


def test_an_answer_that_is_no_ldap_is_no_lost_connection() -> None:
    assert "not LDAP" in refused([garbage(), Close()], DirectoryIncompleteError)


def test_a_part_that_another_server_keeps_makes_the_read_fail() -> None:
    elsewhere = reference("ldap://other.example.test/ou=more,ou=people,dc=x")
    message = refused([elsewhere, done()], DirectoryIncompleteError)
    assert "ldap://other.example.test/ou=more" in message


def test_the_parts_of_active_directory_without_people_may_be_elsewhere() -> None:
    """A search from the root of every domain ends with these three."""
    elsewhere = [
        reference("ldap://ForestDnsZones.example.test/DC=ForestDnsZones,DC=example,DC=test"),
        reference("ldap://DomainDnsZones.example.test/DC=DomainDnsZones,DC=example,DC=test"),
        reference("ldaps://example.test/CN=Configuration,DC=example,DC=test"),
    ]

    def answer(asked: Asked) -> Iterator[Reply]:
        yield from elsewhere
        yield from two_pages(asked)

    with ScriptedServer(answer) as server:
        assert len(read(server.address).users) == 2


def test_nobody_at_all_is_an_error_and_not_a_company_that_everyone_left() -> None:
    with (
        ScriptedServer(lambda _: [done()]) as server,
        pytest.raises(DirectoryIncompleteError, match="there is no person"),
    ):
        read(server.address)


def test_people_without_any_address_are_an_error_that_names_the_attribute() -> None:
    nameless = entry("cn=Ada,ou=people,dc=x", {"cn": ["Ada"]})
    with (
        ScriptedServer(lambda asked: [nameless] * (asked.base == PEOPLE) + [done()]) as server,
        pytest.raises(DirectoryIncompleteError, match=r"none of 1 people has an address \(mail\)"),
    ):
        read(server.address)


def test_computers_contacts_and_the_ou_itself_are_not_people() -> None:
    def answer(asked: Asked) -> Iterator[Reply]:
        if asked.base == PEOPLE and not asked.cookie:
            for name in ("computer", "contact", "organizationalUnit", "group"):
                yield entry(f"cn={name},{PEOPLE}", {"objectClass": ["top", "person", name]})
        yield from two_pages(asked)

    with ScriptedServer(answer) as server:
        assert list(read(server.address).users["names"]) == [["Ada"], ["Ben"]]


def test_a_member_that_another_server_keeps_is_no_reason_to_refuse_the_read() -> None:
    """A group of Active Directory may hold people of other domains; their DNs are asked for."""
    away, device = "cn=Cid,dc=away", "cn=Printer,dc=x"
    listed = ["cn=Ada,ou=people,dc=x", away, device, "cn=Gone,dc=x"]
    team = entry("cn=Team,ou=groups,dc=x", {"cn": ["Team"], "member": listed})

    def answer(asked: Asked) -> Iterable[Reply]:
        if asked.base == GROUPS:
            return [team, done()]
        if asked.base in listed:
            return {
                away: [done(10, referrals=["ldap://away.example.test/cn=Cid,dc=away"])],
                device: [entry(device, {"objectClass": ["top", "device"]}), done()],
            }.get(asked.base, [done(32)])
        return two_pages(asked)

    with ScriptedServer(answer) as server:
        state = read(server.address)
    assert list(state.memberships["member_dn"]) == [listed[0], away, listed[3]]
    (told,) = state.findings.to_dict("records")
    assert (told["kind"], told["dn"]) == ("unknown member", "cn=Team,ou=groups,dc=x")
    assert f"{device} is an entry of the object classes device, neither" in told["reason"]


def test_a_wrong_password_is_tried_once_and_at_no_other_server() -> None:
    """Three servers and three attempts would lock the account."""
    refusal = (49, "80090308: LdapErr: DSID-0C090453, AcceptSecurityContext error, data 52e, v4563")
    with (
        ScriptedServer(two_pages, bind=refusal) as one,
        ScriptedServer(two_pages, bind=refusal) as other,
        pytest.raises(DirectoryConfigError, match="the password is wrong") as caught,
    ):
        read(one.address, other.address)
    assert len(one.logins) == 1
    assert not other.logins
    assert "LDAP_PASSWORD" in str(caught.value)
    assert "not for anyone" not in str(caught.value)


def test_no_password_is_sent_to_a_server_that_offers_no_encryption() -> None:
    with ScriptedServer(two_pages) as server:
        address = ServerAddress(host="127.0.0.1", port=server.address.port, tls="starttls")
        with pytest.raises(DirectoryConfigError, match="could not be encrypted"):
            read(address)
        assert server.started_tls == 1
        assert not server.logins


def test_a_connection_without_encryption_is_a_warning_in_each_read() -> None:
    with ScriptedServer(two_pages) as server:
        state = read(server.address)
    assert any("clear text" in warning for warning in state.facts.warnings)


def test_a_password_goes_out_as_it_was_typed() -> None:
    """SASLprep would make another one of it, or refuse it."""
    password = "½ \u00a0 אa"
    settings = config(ServerAddress(host="127.0.0.1", port=1, tls="none"))
    with ScriptedServer(two_pages) as server:
        LdapDirectory(
            LdapConfig(**{**vars(settings), "password": password, "servers": (server.address,)})
        ).read()
    assert server.logins == [("cn=reader,dc=x", password)]


def test_the_waits_between_attempts_grow() -> None:
    waits: list[float] = []
    with (
        ScriptedServer(lambda _: [done(51)]) as server,
        pytest.raises(DirectoryUnavailableError),
    ):
        LdapDirectory(config(server.address), sleep=waits.append).read()
    assert len(waits) == 2
    assert 0 < waits[0] < waits[1]
