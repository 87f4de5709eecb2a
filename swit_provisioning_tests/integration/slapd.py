"""A private OpenLDAP server on loopback ports: no root, no service of the machine is touched."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self

import ldap3

from swit_provisioning.sources.config import LdapConfig, ServerAddress
from swit_provisioning_tests.integration.authority import Certificate
from swit_provisioning_tests.integration.changes import Changes
from swit_provisioning_tests.ports import free_port

SUFFIX = "dc=example,dc=test"
ADMIN = f"cn=admin,{SUFFIX}"
ADMIN_PASSWORD = "admin, for the tests"
READER = f"cn=reader,ou=Services,{SUFFIX}"
"""May read everything, as the account in `LDAP_USER` should."""
LIMITED = f"cn=limited,ou=Services,{SUFFIX}"
"""An ordinary account: the server sends it 50 entries and no more."""
UNPAGED = f"cn=unpaged,ou=Services,{SUFFIX}"
"""An ordinary account that may not ask for pages."""
PASSWORD = "reads: äöü ✓"

_SECONDS = 60
_MODULES = "/usr/lib/ldap"
_SCHEMA = "/etc/ldap/schema"

_USUAL_ACCESS = (
    "to attrs=userPassword by anonymous auth by * none",
    "to * by users read by * none",
)
_RULES = "\n".join(f"access {rule}" for rule in _USUAL_ACCESS)

# The order matters: what stands below `database` is the database's own.
_CONFIGURATION = f"""\
include {_SCHEMA}/core.schema
include {_SCHEMA}/cosine.schema
include {_SCHEMA}/nis.schema
include {_SCHEMA}/inetorgperson.schema
include {_SCHEMA}/dyngroup.schema
{{schema}}
modulepath {_MODULES}
moduleload back_mdb
moduleload memberof
moduleload dynlist
moduleload ppolicy
pidfile {{folder}}/slapd.pid
argsfile {{folder}}/slapd.args
loglevel 0
{{sizelimit}}
timelimit unlimited
TLSCACertificateFile {{tls.authority}}
TLSCertificateFile {{tls.certificate}}
TLSCertificateKeyFile {{tls.key}}

database config
rootpw "{ADMIN_PASSWORD}"

database mdb
suffix "{SUFFIX}"
rootdn "{ADMIN}"
rootpw "{ADMIN_PASSWORD}"
directory {{folder}}/database
maxsize 268435456
dbnosync
index objectClass,entryUUID,uid,mail,cn,member eq
limits dn.exact="{LIMITED}" size=50 size.prtotal=50
limits dn.exact="{UNPAGED}" size=unlimited size.prtotal=disabled
{_RULES}
{{overlay}}
"""
_MEMBER_OF = """\
overlay memberof
memberof-group-oc groupOfNames
memberof-member-ad member
memberof-memberof-ad memberOf
memberof-refint true
overlay ppolicy
"""
_DYNAMIC_LISTS = """\
overlay dynlist
dynlist-attrset groupOfURLs memberURL member+memberOf@groupOfNames*
"""

_ACCOUNTS = f"""\
dn: {SUFFIX}
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: ou=Services,{SUFFIX}
objectClass: organizationalUnit
ou: Services

dn: {READER}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: reader
userPassword: {PASSWORD}

dn: {LIMITED}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: limited
userPassword: {PASSWORD}

dn: {UNPAGED}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: unpaged
userPassword: {PASSWORD}

"""


def slapd_program() -> str:
    """The path of `slapd`; where there is none a failure, for a skipped test proves nothing."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/libexec"
    program = shutil.which("slapd", path=path)
    if program is None:
        message = "These tests need slapd (OpenLDAP): `apt-get install slapd`, or run `make test`."
        raise RuntimeError(message)
    return program


class Slapd:
    """One server with one database, in one folder; it runs while it is entered."""

    def __init__(
        self,
        folder: Path,
        tls: Certificate,
        *,
        ldif: str = "",
        schema: str = "",
        member_of: bool = True,
        dynamic_lists: bool = False,
        default_limits: bool = False,
    ) -> None:
        """Make the database and fill it with three accounts and what `ldif` holds.

        Args:
            folder: for the database and its configuration.
            tls: the server's certificate.
            ldif: entries. `slapadd` leaves `memberOf` alone: groups that need it are added once
                the server runs.
            schema: attribute types beside the usual ones.
            member_of: whether the server keeps `memberOf` up to date.
            dynamic_lists: whether the server computes `memberOf`, with every group above, instead.
            default_limits: whether 500 entries are the most that anyone gets, as where nobody has
                thought of it; else there is no limit.

        """
        self.folder = folder
        self.tls = tls
        self.port = self.tls_port = 0
        self._process: subprocess.Popen[bytes] | None = None
        overlay = _MEMBER_OF if member_of else ""
        (folder / "database").mkdir()
        self._configuration = folder / "slapd.conf"
        self._configuration.write_text(
            _CONFIGURATION.format(
                folder=folder,
                tls=tls,
                schema=schema,
                sizelimit="" if default_limits else "sizelimit unlimited",
                overlay=_DYNAMIC_LISTS if dynamic_lists else overlay,
            )
        )
        entries = folder / "entries.ldif"
        entries.write_text(_ACCOUNTS + ldif, encoding="utf-8")
        subprocess.run(  # noqa: S603 - nothing in it comes from outside
            [slapd_program(), "-Tadd", "-q", "-f", self._configuration, "-l", entries],
            check=True,
            capture_output=True,
        )

    @property
    def starttls(self) -> ServerAddress:
        return ServerAddress(host="127.0.0.1", port=self.port, tls="starttls")

    @property
    def ldaps(self) -> ServerAddress:
        return ServerAddress(host="127.0.0.1", port=self.tls_port, tls="ldaps")

    def config(
        self,
        *servers: ServerAddress,
        user: str = READER,
        password: str = PASSWORD,
        ca_file: Path | None = None,
        user_bases: tuple[str, ...] = (SUFFIX,),
        group_bases: tuple[str, ...] = (SUFFIX,),
        page_size: int = 1000,
    ) -> LdapConfig:
        """How to read this server: over StartTLS as `READER` unless something else is said."""
        return LdapConfig(
            servers=servers or (self.starttls,),
            user=user,
            password=password,
            ca_file=str(ca_file or self.tls.authority),
            search_base=SUFFIX,
            user_bases=user_bases,
            group_bases=group_bases,
            page_size=page_size,
            timeout_seconds=10,
        )

    @contextmanager
    def changes(self) -> Iterator[Changes]:
        """Change the directory as its administrator; groups follow who is renamed."""
        with self._administrator() as connection:
            yield Changes(connection)

    def hide(self, *attributes: str) -> None:
        """From now on nobody but the administrator reads these attributes; none: all are shown."""
        self.hide_from_all(*(f"attrs={name}" for name in attributes))

    def hide_from_all(self, *targets: str) -> None:
        """From now on nobody but the administrator reads what these targets of rules name.

        Args:
            targets: the part after `to` (slapd.access(5)): `dn.subtree="ou=Staff,..."`.

        """
        hidden = [f"to {target} by * none" for target in targets]
        rules = [f"{{{n}}}{rule}" for n, rule in enumerate([*hidden, *_USUAL_ACCESS])]
        with self._administrator("cn=config") as connection:
            Changes(connection).set("olcDatabase={1}mdb,cn=config", olcAccess=rules)

    def add(self, dn: str, classes: Sequence[str], attributes: Mapping[str, object]) -> None:
        """Add an entry as the administrator, so that overlays see it."""
        with self._administrator() as connection:
            connection.add(dn, list(classes), dict(attributes))
            self._succeeded(connection, dn)

    def add_groups(self, members: Mapping[str, Sequence[str]]) -> None:
        """Add groups with their member DNs; name groups that are members before their parents."""
        with self._administrator() as connection:
            for dn, listed in members.items():
                connection.add(dn, ["groupOfNames"], {"member": list(listed)})
                self._succeeded(connection, dn)

    def delete(self, dn: str) -> None:
        """Delete one entry, one that points to another server too."""
        with self._administrator() as connection:
            as_it_is = [("2.16.840.1.113730.3.4.2", True, None)]  # ManageDsaIT, RFC 3296
            connection.delete(dn, controls=as_it_is)
            self._succeeded(connection, dn)

    def __enter__(self) -> Self:
        """Start, and wait until it listens."""
        for _ in range(3):  # another program may take a port that was free a moment ago
            if self._started():
                return self
        message = f"slapd did not start: {(self.folder / 'slapd.log').read_text()}"
        raise RuntimeError(message)

    def __exit__(self, *_: object) -> None:
        """Stop, and wait until it has."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(_SECONDS)

    def _started(self) -> bool:
        self.port, self.tls_port = free_port(), free_port()
        urls = f"ldap://127.0.0.1:{self.port} ldaps://127.0.0.1:{self.tls_port}"
        with (self.folder / "slapd.log").open("ab") as log:
            # -d 0: stay in the foreground, so that it ends with us.
            self._process = subprocess.Popen(  # noqa: S603 - nothing in it comes from outside
                [slapd_program(), "-d", "0", "-f", self._configuration, "-h", urls],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        end = time.monotonic() + _SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            with closing(socket.socket()) as probe:
                if probe.connect_ex(("127.0.0.1", self.tls_port)) == 0:
                    return True
            time.sleep(0.005)
        return False

    @contextmanager
    def _administrator(self, name: str = ADMIN) -> Iterator[Any]:
        server = ldap3.Server("127.0.0.1", port=self.port, get_info=ldap3.NONE)
        connection = ldap3.Connection(server, name, ADMIN_PASSWORD, auto_bind=True)
        try:
            yield connection
        finally:
            connection.unbind()

    def _succeeded(self, connection: ldap3.Connection, dn: str) -> None:
        assert connection.result["result"] == 0, f"{dn}: {connection.result}"
