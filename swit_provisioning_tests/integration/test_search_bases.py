"""OUs as people write them into the settings, read from two real servers."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from swit_provisioning.sources.config import LdapConfig, parse_bases
from swit_provisioning.sources.ldap.source import LdapDirectory
from swit_provisioning_tests.integration import domain
from swit_provisioning_tests.integration.authority import certificate
from swit_provisioning_tests.integration.samba import SambaDomain
from swit_provisioning_tests.integration.slapd import SUFFIX, Slapd

BASE = rf"OU=Sales\, EMEA,{SUFFIX}"
"""The search base itself holds a comma."""
ODD = r"R\=D \"new\"; North\, South"
Names = Callable[[str], list[str]]


@pytest.fixture(scope="module")
def open_ldap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Names]:
    """Ada in People, Ben in an OU of many signs, Cid in one below People."""
    folder: Path = tmp_path_factory.mktemp("bases")
    with Slapd(folder, certificate(folder)) as server:
        with server.changes() as changes:
            for dn in (BASE, f"OU=People,{BASE}", f"OU={ODD},{BASE}", f"OU=Late,OU=People,{BASE}"):
                changes.add(dn, ["organizationalUnit"])
            for name, ou in {"Ada": "People", "Ben": ODD, "Cid": "Late,OU=People"}.items():
                mail = {"sn": name, "mail": f"{name}@example.test"}
                changes.add(f"CN={name},OU={ou},{BASE}", ["inetOrgPerson"], mail)
        config = replace(server.config(), search_base=BASE, group_bases=(BASE,))
        yield lambda text: names(config, parse_bases(text, BASE))


def names(config: LdapConfig, bases: Sequence[str]) -> list[str]:
    """The common names of all users below these bases, each as often as it was found.

    The filter lets everything in, so that an OU's own entry is among what the server sends.
    """
    waits: list[float] = []
    filtered = replace(config, user_bases=tuple(bases), user_filter="(objectClass=*)")
    state = LdapDirectory(filtered, sleep=waits.append).read()
    return [found for listed in state.users["names"] for found in listed]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["Ada", "Ben", "Cid"]),
        (BASE, ["Ada", "Ben", "Cid"]),
        (BASE.replace(r"\,", r"\2C").lower(), ["Ada", "Ben", "Cid"]),
        ("People", ["Ada", "Cid"]),
        ("OU=Late,OU=People;", ["Cid"]),
        ("People, OU=People", ["Ada", "Cid"]),
        (rf"People;OU=Late,OU=People,{BASE}", ["Ada", "Cid"]),
        (rf"OU=Late,OU=People,{BASE};people", ["Ada", "Cid"]),
        (rf"OU=People,{BASE};OU=PEOPLE", ["Ada", "Cid"]),
        (f";{BASE};People;", ["Ada", "Ben", "Cid"]),
        (r"OU=R\=D \"new\"\; North\, South;", ["Ben"]),
        (r"OU=R\=D \"new\"\; North\2C South;People", ["Ada", "Ben", "Cid"]),
    ],
)
def test_ous_are_read_as_they_are_written_and_everybody_once(
    open_ldap: Names, text: str, expected: list[str]
) -> None:
    """Bases that overlap give one entry once, and an OU is nobody, whatever the filter lets in."""
    assert open_ldap(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        r"Sales\, EMEA",
        r"Sales\, EMEA;",
        "Sales, EMEA;",
        r"OU=Sales\2C EMEA;",
        r"OU=Sales\, EMEA",
        domain.EMEA,
        domain.EMEA.lower(),
        rf"{domain.EMEA};Sales\, EMEA",
    ],
)
def test_a_domain_is_asked_for_an_ou_with_a_comma_however_it_is_written(
    active_directory: SambaDomain, text: str
) -> None:
    bases = parse_bases(text, domain.COMPANY)
    assert names(active_directory.config(), bases) == ["Chloé", "𠮷田 花子"]
