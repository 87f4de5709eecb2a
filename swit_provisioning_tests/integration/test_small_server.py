"""The small LDAP server of the tests behaves like a real one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import ldap3
import pytest

from swit_provisioning.sources.config import Tls
from swit_provisioning.sources.ldap.source import LdapDirectory
from swit_provisioning_tests.integration import company, small_company
from swit_provisioning_tests.integration.authority import certificate
from swit_provisioning_tests.integration.slapd import PASSWORD, READER, Slapd
from swit_provisioning_tests.integration.small_company import GROUPS, PEOPLE, company_of
from swit_provisioning_tests.integration.small_server import SmallServer

EVERYTHING = "(objectClass=*)"


@pytest.fixture
def big() -> Iterator[SmallServer]:
    with SmallServer(company_of(people=2500, members=2500)) as server:
        yield server


@contextmanager
def connected(port: int, user: str = "cn=reader", password: str = PASSWORD) -> Iterator[Any]:
    """ldap3, which shares no code with the server, with nothing on that hides something."""
    target = ldap3.Server("127.0.0.1", port, get_info=ldap3.NONE)
    connection = ldap3.Connection(
        target, user, password, auto_bind=True, auto_range=False, return_empty_attributes=False
    )
    try:
        yield connection
    finally:
        connection.unbind()


def test_without_paging_there_is_one_page_and_an_error(big: SmallServer) -> None:
    with connected(big.address.port) as connection:
        connection.search(PEOPLE, EVERYTHING, attributes=["cn"])
        assert len(connection.response) == 1000
        assert connection.result["description"] == "sizeLimitExceeded"


def test_pages_are_of_a_thousand_however_many_are_asked_for(big: SmallServer) -> None:
    with connected(big.address.port) as connection:
        sizes: list[int] = []
        cookie = b""
        while cookie or not sizes:
            connection.search(PEOPLE, EVERYTHING, paged_size=5000, paged_cookie=cookie)
            sizes.append(len(connection.response))
            cookie = connection.result["controls"]["1.2.840.113556.1.4.319"]["value"]["cookie"]
    assert sizes == [1000, 1000, 501]  # the OU itself, too


def test_a_cookie_is_good_on_its_own_connection_only(big: SmallServer) -> None:
    with connected(big.address.port) as one, connected(big.address.port) as other:
        one.search(PEOPLE, EVERYTHING, paged_size=10)
        cookie = one.result["controls"]["1.2.840.113556.1.4.319"]["value"]["cookie"]
        other.search(PEOPLE, EVERYTHING, paged_size=10, paged_cookie=cookie)
        assert other.result["description"] == "unwillingToPerform"


def test_values_come_fifteen_hundred_at_a_time_beside_an_empty_attribute(big: SmallServer) -> None:
    with connected(big.address.port) as connection:
        connection.search(GROUPS, "(cn=Big)", attributes=["member"])
        (first,) = connection.response
        sizes = {name: len(held) for name, held in first["attributes"].items()}
        assert sizes == {"member": 0, "member;range=0-1499": 1500}
        connection.search(first["dn"], EVERYTHING, attributes=["member;range=1500-*"])
        (second,) = connection.response
        sizes = {name: len(held) for name, held in second["attributes"].items()}
        assert sizes == {"member;range=1500-*": 1000}


def test_the_existing_part_of_a_missing_base_is_returned(big: SmallServer) -> None:
    with connected(big.address.port) as connection:
        connection.search(f"OU=None,{PEOPLE}", EVERYTHING)
        assert connection.result["description"] == "noSuchObject"
        assert connection.result["dn"] == PEOPLE


@pytest.mark.parametrize(
    "condition",
    [
        "(cn=BJÖRN  ångström)",
        "(cn=*a*o*)",
        "(uid=p01*)",
        "(preferredLanguage=*)",
        "(!(preferredLanguage=*))",
        "(!(preferredLanguage=de))",
        "(&(uid=p1*)(|(preferredLanguage=en)(!(mobile=*))))",
        # Undefined where the server doesn't know the attribute, also with a NOT before it.
        "(noSuchAttribute=x)",
        "(!(noSuchAttribute=x))",
        "(!(&(uid=*)(noSuchAttribute=x)))",
        "(|(uid=p001)(noSuchAttribute=x))",
        "(&(uid=p001)(!(noSuchAttribute=x)))",
        "(!(&(uid=p001)(noSuchAttribute=x)))",
    ],
)
def test_filters_find_what_they_find_on_slapd(slapd: Slapd, condition: str) -> None:
    with connected(slapd.port, READER, PASSWORD) as real:
        real.search(company.EMPLOYEES, EVERYTHING, attributes=["*"])
        entries = {one["dn"]: one["raw_attributes"] for one in real.response}
        real.search(company.EMPLOYEES, condition)
        expected = {one["dn"] for one in real.response}
    with SmallServer(entries) as server, connected(server.address.port) as small:
        small.search(company.EMPLOYEES, condition)
        assert {one["dn"] for one in small.response} == expected


@pytest.mark.parametrize("mode", ["ldaps", "starttls"])
def test_connections_can_be_encrypted(tmp_path: Path, mode: Tls) -> None:
    tls = certificate(tmp_path)
    accounts = {small_company.READER: small_company.PASSWORD}
    entries = company_of(people=1001, members=1501)
    with SmallServer(entries, certificate=tls, mode=mode, accounts=accounts) as server:
        config = replace(small_company.config(server.address), ca_file=str(tls.authority))
        state = LdapDirectory(config).read()
    assert (len(state.users), len(state.memberships)) == (1001, 1501)
    assert server.started_tls == (mode == "starttls")
    assert server.logins == list(accounts.items())
