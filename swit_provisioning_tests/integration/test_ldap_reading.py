"""A real OpenLDAP server, read over TLS; and everything that makes a read fail."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from swit_provisioning.planning.snapshots import DirectorySnapshot, column
from swit_provisioning.sources.base import (
    DirectoryConfigError,
    DirectoryError,
    DirectoryIncompleteError,
    DirectoryUnavailableError,
    DirectoryUntrustedError,
)
from swit_provisioning.sources.config import LdapConfig, ServerAddress
from swit_provisioning.sources.json_file import JsonDirectory
from swit_provisioning.sources.ldap.source import LdapDirectory
from swit_provisioning_tests.integration import company
from swit_provisioning_tests.integration.authority import certificate
from swit_provisioning_tests.integration.listener import listener
from swit_provisioning_tests.integration.slapd import LIMITED, PASSWORD, SUFFIX, Slapd


def read(config: LdapConfig) -> DirectorySnapshot:
    """Read, not waiting between attempts."""
    waits: list[float] = []
    return LdapDirectory(config, sleep=waits.append).read()


def refused(config: LdapConfig, kind: type[DirectoryError]) -> str:
    """Read what can't be read; the message, which must not hold the password."""
    with pytest.raises(DirectoryError) as caught:
        read(config)
    assert type(caught.value) is kind, caught.value
    assert PASSWORD not in f"{caught.value} {caught.value!r} {config!r}"
    return str(caught.value)


def columns(frame: pd.DataFrame, *names: str) -> list[tuple[object, ...]]:
    """Some columns of a frame, row by row, with `None` for what is missing."""
    return list(zip(*(column(frame, name) for name in names), strict=True))


@pytest.fixture
def as_file(tmp_path: Path) -> DirectorySnapshot:
    """The same company, read from the reference program's JSON shape."""
    path = tmp_path / "company.json"
    path.write_text(json.dumps(company.directory_json()), encoding="utf-8")
    return JsonDirectory(path).read()


@pytest.mark.parametrize("page_size", [7, 100, 1000])
def test_the_server_gives_what_the_file_gives(
    slapd: Slapd, as_file: DirectorySnapshot, page_size: int
) -> None:
    """People, groups, their tree and order, and every membership: the same plan comes of both."""
    live = read(slapd.config(page_size=page_size))
    people = ("key", "emails", "names", "phone_numbers", "language", "enabled", "position")
    assert columns(live.users, *people) == columns(as_file.users, *people)
    teams = ("key", "names", "parents", "position")
    assert columns(live.groups, *teams) == columns(as_file.groups, *teams)
    pairs = ("group", "member")
    assert set(columns(live.memberships, *pairs)) == set(columns(as_file.memberships, *pairs))
    assert len(live.memberships) == len(as_file.memberships)


def test_the_snapshot_states_what_was_read_and_where(slapd: Slapd) -> None:
    bases = (company.EMPLOYEES, company.PARTNERS)
    state = read(slapd.config(user_bases=bases, group_bases=(company.GROUPS,)))
    facts = state.facts
    assert facts.source == f"ldap://127.0.0.1:{slapd.port} (StartTLS)"
    assert (facts.kind, facts.server_kind) == ("ldap", "OpenLDAP")
    assert facts.title == f"{facts.source} · OpenLDAP"
    assert facts.search_base == SUFFIX
    assert [(b.base, b.users, b.groups) for b in facts.bases] == [
        ("ou=employees,dc=example,dc=test", 175, 0),
        ("ou=partners,dc=example,dc=test", 25, 0),
        ("ou=groups,dc=example,dc=test", 0, 30),
    ]
    assert facts.warnings == ()


def test_an_entry_in_two_bases_is_one_entry(slapd: Slapd) -> None:
    state = read(slapd.config(user_bases=(company.PARTNERS, SUFFIX)))
    assert len(state.users) == 200
    assert list(state.users["base"]).count("ou=partners,dc=example,dc=test") == 25


def test_ids_survive_a_rename_because_the_server_made_them(slapd: Slapd) -> None:
    state = read(slapd.config())
    ids = [*state.users["directory_id"], *state.groups["directory_id"]]
    assert len(set(ids)) == 230
    assert all(len(text) == 36 for text in ids)


def test_the_server_is_read_over_ldaps(slapd: Slapd) -> None:
    state = read(slapd.config(slapd.ldaps))
    assert len(state.users) == 200
    assert state.facts.source == f"ldaps://127.0.0.1:{slapd.tls_port}"


@pytest.mark.parametrize("tls", ["ldaps", "starttls"])
def test_a_name_works_as_well_as_an_address(slapd: Slapd, tls: str) -> None:
    known = slapd.ldaps if tls == "ldaps" else slapd.starttls
    by_name = ServerAddress(host="localhost", port=known.port, tls=known.tls)
    assert len(read(slapd.config(by_name)).users) == 200


def test_all_addresses_of_a_name_are_tried(slapd: Slapd, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name often has an IPv6 address, too, where nobody listens."""
    look_up = socket.getaddrinfo

    def two_addresses(host: str, *args: Any, **kwargs: Any) -> list[Any]:  # noqa: ANN401 - as it is
        hosts = ("127.0.0.2", "127.0.0.1") if host == "localhost" else (host,)
        return [found for one in hosts for found in look_up(one, *args, **kwargs)]

    monkeypatch.setattr(socket, "getaddrinfo", two_addresses)
    by_name = ServerAddress(host="localhost", port=slapd.tls_port, tls="ldaps")
    assert len(read(slapd.config(by_name)).users) == 200
    elsewhere = ServerAddress(host="localhost", port=slapd.port, tls="ldaps")
    assert "use 636" in refused(slapd.config(elsewhere), DirectoryUnavailableError)


@pytest.mark.parametrize("tls", ["ldaps", "starttls"])
def test_a_certificate_of_an_unknown_authority_is_refused(
    slapd: Slapd, tmp_path: Path, tls: str
) -> None:
    stranger = certificate(tmp_path).authority
    server = slapd.ldaps if tls == "ldaps" else slapd.starttls
    message = refused(slapd.config(server, ca_file=stranger), DirectoryUntrustedError)
    assert str(server) in message
    assert "LDAP_CA_FILE" in message


def test_a_server_without_an_authority_in_the_system_is_refused(slapd: Slapd) -> None:
    config = slapd.config()
    without = LdapConfig(**{**vars(config), "ca_file": None})
    assert "certificate" in refused(without, DirectoryUntrustedError)


@pytest.mark.parametrize("tls", ["ldaps", "starttls"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_certificate_for_another_name_is_refused(tmp_path: Path, tls: str, host: str) -> None:
    of_another = certificate(tmp_path, names=("dc7.example.test",), addresses=("192.0.2.7",))
    with Slapd(tmp_path, of_another) as server:
        known = server.ldaps if tls == "ldaps" else server.starttls
        address = ServerAddress(host=host, port=known.port, tls=known.tls)
        message = refused(server.config(address), DirectoryUntrustedError)
    assert f"not valid for '{host}'" in message
    assert "LDAP_SERVER_DOMAIN" in message


@pytest.mark.parametrize("tls", ["ldaps", "starttls"])
@pytest.mark.parametrize(
    ("wrong", "words"), [("expired", "expired"), ("self-signed", "self-signed certificate")]
)
def test_a_self_signed_certificate_is_refused(
    tmp_path: Path, tls: str, wrong: str, words: str
) -> None:
    made = certificate(tmp_path, expired=wrong == "expired", self_signed=wrong == "self-signed")
    with Slapd(tmp_path, made) as server:
        address = server.ldaps if tls == "ldaps" else server.starttls
        message = refused(server.config(address), DirectoryUntrustedError)
    assert words in message
    assert "Nothing was sent to it" in message


def test_tls_at_the_port_without_it_is_an_error_that_names_both(slapd: Slapd) -> None:
    wrong = ServerAddress(host="127.0.0.1", port=slapd.port, tls="ldaps")
    message = refused(slapd.config(wrong), DirectoryUnavailableError)
    assert "use 636 with LDAP_TLS=ldaps" in message


def test_starttls_at_a_port_that_expects_tls_is_an_error_that_says_what_to_set(
    slapd: Slapd,
) -> None:
    wrong = ServerAddress(host="127.0.0.1", port=slapd.tls_port, tls="starttls")
    message = refused(slapd.config(wrong), DirectoryUnavailableError)
    assert f"set LDAP_TLS=ldaps, or write ldaps://127.0.0.1:{slapd.tls_port}" in message


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "cannot be read"), (b"\x30\x82\x01", "no certificate in PEM form")],
)
def test_an_invalid_authority_file_is_an_error(
    slapd: Slapd, tmp_path: Path, content: bytes | None, problem: str
) -> None:
    path = tmp_path / "ca.cer"
    if content is not None:
        path.write_bytes(content)
    message = refused(slapd.config(ca_file=path), DirectoryConfigError)
    assert problem in message
    assert f"LDAP_CA_FILE={path}" in message


def test_a_wrong_password_is_an_error_that_does_not_show_it(slapd: Slapd) -> None:
    with pytest.raises(DirectoryConfigError, match="LDAP_PASSWORD") as caught:
        read(slapd.config(password="a wrong one"))
    assert "a wrong one" not in str(caught.value)
    assert "cn=reader" in str(caught.value)


@pytest.mark.parametrize("page_size", [10, 1000])
def test_an_account_with_a_size_limit_reads_nothing(slapd: Slapd, page_size: int) -> None:
    """ldap3's own paged search ends normally here, with 50 of 200 people."""
    message = refused(slapd.config(user=LIMITED, page_size=page_size), DirectoryIncompleteError)
    assert "answered 4 sizeLimitExceeded" in message
    assert "after 50 entries" in message


def test_a_base_that_does_not_exist_is_an_error_that_names_it(slapd: Slapd) -> None:
    message = refused(slapd.config(user_bases=(f"ou=Nobody,{SUFFIX}",)), DirectoryConfigError)
    assert f"ou=Nobody,{SUFFIX}" in message
    assert f"the nearest existing entry is '{SUFFIX}'" in message


def test_a_base_without_people_is_an_error(slapd: Slapd) -> None:
    message = refused(slapd.config(user_bases=(company.GROUPS,)), DirectoryIncompleteError)
    assert "there is no person" in message


def test_the_next_server_is_read_where_the_first_does_not_answer(slapd: Slapd) -> None:
    with closed_port() as nobody:
        state = read(slapd.config(nobody, slapd.ldaps))
    assert len(state.users) == 200
    assert state.facts.source == str(slapd.ldaps)
    (warning,) = state.facts.warnings
    assert str(nobody) in warning


def test_the_next_server_is_read_where_the_first_can_not_prove_its_name(
    slapd: Slapd, tmp_path: Path
) -> None:
    with Slapd(tmp_path, certificate(tmp_path)) as stranger:
        state = read(slapd.config(stranger.ldaps, slapd.ldaps))
    assert state.facts.source == str(slapd.ldaps)
    assert any("certificate" in warning for warning in state.facts.warnings)


def test_no_server_that_answers_is_an_error_that_names_all(slapd: Slapd) -> None:
    with closed_port() as one, closed_port() as other:
        message = refused(slapd.config(one, other), DirectoryUnavailableError)
    assert str(one) in message
    assert str(other) in message
    assert "tried 3 times" in message


def test_an_unknown_host_name_is_an_error_that_names_it(slapd: Slapd) -> None:
    nowhere = ServerAddress(host="no-such-host.invalid", port=636, tls="ldaps")
    assert "no-such-host.invalid" in refused(slapd.config(nowhere), DirectoryUnavailableError)


@pytest.mark.parametrize("below", [True, False])
def test_a_referral_is_refused_and_no_password_is_sent_after_it(
    slapd: Slapd, *, below: bool
) -> None:
    """ldap3 follows one unless it is told not to: with the password, and unencrypted."""
    with listener() as (port, visits):
        dn = f"ou=Elsewhere,{SUFFIX}"
        target = f"ldap://127.0.0.1:{port}/{dn}"
        slapd.add(dn, ["referral", "extensibleObject"], {"ref": target})
        try:
            bases = (dn,) if below else (SUFFIX,)
            message = refused(slapd.config(user_bases=bases), DirectoryIncompleteError)
        finally:
            slapd.delete(dn)
        assert visits == []
    assert "Referrals are not followed" in message if below else target in message


@contextmanager
def closed_port() -> Iterator[ServerAddress]:
    """An address where nobody listens, kept free meanwhile."""
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))
        yield ServerAddress(host="127.0.0.1", port=kept.getsockname()[1], tls="ldaps")
