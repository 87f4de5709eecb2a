"""A private `slapd` filled with a made-up company, for measuring."""

import random
import socket
import struct
import subprocess
import sys
import time
import uuid
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))  # so that it runs from anywhere

from swit_provisioning.sources.ldap.dn import dn_key
from swit_provisioning_tests.integration.authority import certificate
from swit_provisioning_tests.integration.slapd import slapd_program

SUFFIX = "dc=example,dc=test"
ADMIN = f"cn=admin,{SUFFIX}"
PASSWORD = "measured"  # noqa: S105 - of a server that lives for two minutes
PEOPLE, LARGE, GROUPS, FEW, DOMAIN, DOMAIN_GROUPS = (
    f"ou={name},{SUFFIX}"
    for name in ("people", "large", "groups", "few", "domain", "domain groups")
)

_SCHEMA = "/etc/ldap/schema"
# What Active Directory has at people and groups, as far as a read asks for it.
_ACTIVE_DIRECTORY_SCHEMA = """\
attributetype ( 1.2.840.113556.1.4.2 NAME 'objectGUID'
  EQUALITY octetStringMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.146 NAME 'objectSid'
  EQUALITY octetStringMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.8 NAME 'userAccountControl'
  EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.159 NAME 'accountExpires'
  EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.98 NAME 'primaryGroupID'
  EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.302 NAME 'sAMAccountType'
  EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.782 NAME 'objectCategory'
  EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.2.210 NAME 'proxyAddresses'
  EQUALITY caseExactMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
objectclass ( 1.2.840.113556.1.5.9 NAME 'user' SUP inetOrgPerson STRUCTURAL
  MAY ( objectGUID $ objectSid $ userAccountControl $ accountExpires $ primaryGroupID $
  sAMAccountType $ objectCategory $ proxyAddresses ) )
objectclass ( 1.2.840.113556.1.5.8 NAME 'group' SUP top STRUCTURAL
  MUST cn MAY ( objectGUID $ objectSid $ member ) )
"""
_CONFIGURATION = f"""\
include {_SCHEMA}/core.schema
include {_SCHEMA}/cosine.schema
include {_SCHEMA}/nis.schema
include {_SCHEMA}/inetorgperson.schema
{_ACTIVE_DIRECTORY_SCHEMA}modulepath /usr/lib/ldap
moduleload back_mdb
sizelimit unlimited
timelimit unlimited
sockbuf_max_incoming 4194304
TLSCACertificateFile {{tls.authority}}
TLSCertificateFile {{tls.certificate}}
TLSCertificateKeyFile {{tls.key}}
database mdb
suffix "{SUFFIX}"
rootdn "{ADMIN}"
rootpw "{PASSWORD}"
directory {{folder}}/database
maxsize 8589934592
dbnosync
index {{indexed}} eq
"""
_GIVEN = ("Aiko", "Björn", "Chloé", "Dénes", "Elif", "Fatou", "Günther", "Håkon", "Olha", "Zoë")
_FAMILY = ("Ångström", "Smith", "García Márquez", "Hébert-Roy", "Ivanović", "Müller", "Lee")
_SECONDS = 30
_DOMAIN_USERS = 513


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much there is of everything."""

    users: int
    large: int
    groups: int
    members: int
    """Of each group."""
    domain: int
    """People as Active Directory has them."""


@dataclass(frozen=True, kw_only=True)
class Running:
    """A server that runs, and which authority vouches for it."""

    port: int
    tls_port: int
    authority: Path


@contextmanager
def serving(folder: Path, sizes: Sizes, *, indexed: str = "objectClass") -> Iterator[Running]:
    """Fill a server, start it, and stop it at the end; `indexed` has attributes, with commas."""
    tls = certificate(folder)
    configuration = folder / "slapd.conf"
    configuration.write_text(_CONFIGURATION.format(folder=folder, tls=tls, indexed=indexed))
    (folder / "database").mkdir()
    entries = folder / "entries.ldif"
    with entries.open("w", encoding="utf-8") as file:
        file.writelines(_entries(sizes))
    slapd, settings = slapd_program(), ["-f", str(configuration)]
    subprocess.run([slapd, "-Tadd", "-q", *settings, "-l", entries], check=True)  # noqa: S603 - ours
    entries.unlink()
    port, tls_port = _free_port(), _free_port()
    urls = f"ldap://127.0.0.1:{port} ldaps://127.0.0.1:{tls_port}"
    with subprocess.Popen([slapd, "-d", "0", *settings, "-h", urls]) as process:  # noqa: S603 - ours
        try:
            _wait_for(tls_port)
            yield Running(port=port, tls_port=tls_port, authority=tls.authority)
        finally:
            process.terminate()


def _entries(sizes: Sizes) -> Iterator[str]:
    chance = random.Random(3)  # noqa: S311 - the same company every time
    yield f"dn: {SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: x\n\n"
    for dn in (PEOPLE, LARGE, GROUPS, FEW, DOMAIN, DOMAIN_GROUPS):
        yield f"dn: {dn}\nobjectClass: organizationalUnit\n\n"
    people = [_dn(number) for number in range(sizes.users)]
    for number, dn in enumerate(people):
        yield _person(number, dn)
    yield _person(sizes.users, f"uid=one,{FEW}")
    yield _group(f"cn=everyone,{LARGE}", [_dn(n) for n in _shuffled(range(sizes.large), chance)])
    for number in range(sizes.groups):
        yield _group(f"cn=group {number},{GROUPS}", chance.sample(people, sizes.members))
    for number in range(sizes.domain):
        yield _domain_user(number)
    dn = f"CN=Domain Users,{DOMAIN_GROUPS}"
    ids = f"objectGUID:: {_guid(dn)}\nobjectSid:: {_sid(_DOMAIN_USERS)}"
    yield f"dn: {dn}\nobjectClass: group\n{ids}\n\n"


def _dn(number: int) -> str:
    if number % 10 == 0:
        return f"cn={_GIVEN[number // 10 % 10]} {_FAMILY[number % 7]} {number},{PEOPLE}"
    return f"uid=user{number:06d},{PEOPLE}"


def _person(number: int, dn: str) -> str:
    family = _FAMILY[number % len(_FAMILY)]
    name = f"{_GIVEN[number % len(_GIVEN)]} {family}"
    return (
        f"dn: {dn}\nobjectClass: inetOrgPerson\nuid: user{number:06d}\ncn: {name} {number}\n"
        f"sn: {family}\ndisplayName: {name}\nmail: user{number:06d}@example.test\n"
        f"mobile: +49 30 {number:06d}\npreferredLanguage: de\nentryUUID: {_uuid(dn)}\n\n"
    )


def _domain_user(number: int) -> str:
    family = _FAMILY[number % len(_FAMILY)]
    given = _GIVEN[number % len(_GIVEN)]
    dn = f"CN={given} {family} {number},{DOMAIN}"
    flags = 514 if number % 20 == 0 else 512
    return (
        f"dn: {dn}\nobjectClass: top\nobjectClass: person\nobjectClass: organizationalPerson\n"
        f"objectClass: user\nobjectCategory: person\nsAMAccountType: 805306368\nsn: {family}\n"
        f"displayName: {given} {family}\nmail: user{number:06d}@example.test\n"
        f"proxyAddresses: SMTP:user{number:06d}@example.test\n"
        f"proxyAddresses: smtp:{number}@old.example.test\nmobile: +49 30 {number:06d}\n"
        f"userAccountControl: {flags}\naccountExpires: 9223372036854775807\n"
        f"primaryGroupID: {_DOMAIN_USERS}\nobjectSid:: {_sid(1000 + number)}\n"
        f"objectGUID:: {_guid(dn)}\n\n"
    )


def _guid(dn: str) -> str:
    return b64encode(_uuid(dn).bytes_le).decode()


def _sid(number: int) -> str:
    parts = (21, 1004336348, 1177238915, 682003330, number)
    return b64encode(b"\x01\x05\0\0\0\0\0\x05" + struct.pack("<5I", *parts)).decode()


def _group(dn: str, members: list[str]) -> str:
    listed = "".join(f"member: {member}\n" for member in members)
    return f"dn: {dn}\nobjectClass: groupOfNames\n{listed}entryUUID: {_uuid(dn)}\n\n"


def _uuid(dn: str) -> uuid.UUID:
    return uuid.uuid5(uuid.NAMESPACE_X500, dn_key(dn))


def _shuffled(numbers: range, chance: random.Random) -> list[int]:
    return chance.sample(numbers, len(numbers))


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int) -> None:
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    message = "slapd did not start"
    raise RuntimeError(message)
