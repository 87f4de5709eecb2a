"""Two people and a group on a server that goes wrong, and reading it without waiting."""

from collections.abc import Iterable

import pytest

from swit_provisioning.planning.snapshots import DirectorySnapshot
from swit_provisioning.sources.base import DirectoryError
from swit_provisioning.sources.config import LdapConfig, ServerAddress
from swit_provisioning.sources.ldap.source import LdapDirectory
from swit_provisioning_tests.sources.scripted_server import (
    Asked,
    Reply,
    ScriptedServer,
    done,
    entry,
)

PEOPLE = "ou=people,dc=x"
GROUPS = "ou=groups,dc=x"
ADA = entry("cn=Ada,ou=people,dc=x", {"cn": ["Ada"], "mail": ["ada@example.test"]})
BEN = entry("cn=Ben,ou=people,dc=x", {"cn": ["Ben"], "mail": ["ben@example.test"]})
TEAM = entry("cn=Team,ou=groups,dc=x", {"cn": ["Team"], "member": ["cn=ADA,ou=People,dc=X"]})


def config(*servers: ServerAddress, timeout_seconds: int = 5) -> LdapConfig:
    return LdapConfig(
        servers=servers,
        user="cn=reader,dc=x",
        password="not for anyone",
        search_base="dc=x",
        user_bases=(PEOPLE,),
        group_bases=(GROUPS,),
        timeout_seconds=timeout_seconds,
    )


def read(*servers: ServerAddress, timeout_seconds: int = 5) -> DirectorySnapshot:
    """Read without waiting between attempts."""
    waits: list[float] = []
    settings = config(*servers, timeout_seconds=timeout_seconds)
    return LdapDirectory(settings, sleep=waits.append).read()


def two_pages(asked: Asked) -> Iterable[Reply]:
    """Ada, then Ben, then the one group: what a good server sends."""
    if asked.base == GROUPS:
        return [TEAM, done()]
    return [BEN, done()] if asked.cookie else [ADA, done(cookie=b"next")]


def failing_at(fault: Iterable[Reply], *, page: int = 2) -> list[ScriptedServer]:
    """A server that goes wrong at its n-th search of each connection's three."""

    def answer(asked: Asked) -> Iterable[Reply]:
        return fault if (asked.number - 1) % page + 1 == page else two_pages(asked)

    return [ScriptedServer(answer)]


def refused(fault: Iterable[Reply], kind: type[DirectoryError]) -> str:
    """Read from a server whose second page goes wrong; the message of the error."""
    (server,) = failing_at(fault)
    with server, pytest.raises(kind) as caught:
        read(server.address)
    assert type(caught.value) is kind
    assert "not for anyone" not in str(caught.value)
    return str(caught.value)
