"""A private 389 Directory Server on loopback ports, with a company in it.

`dscreate` writes below /etc, /var and /run, and wants systemd. The server itself needs only a
folder with its configuration: this starts it on a folder of its own, and nothing remains of it.
Only root may read the files that each instance starts from (/etc/dirsrv).
"""

import base64
import getpass
import hashlib
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Self

import ldap3
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from ldap3.utils.dn import escape_rdn

from swit_provisioning.sources.config import LdapConfig, ServerAddress
from swit_provisioning_tests.integration.authority import Certificate, certificate
from swit_provisioning_tests.integration.changes import Changes
from swit_provisioning_tests.ports import free_port

SUFFIX = "dc=example,dc=test"
PEOPLE = f"ou=People,{SUFFIX}"
GROUPS = f"ou=Groups,{SUFFIX}"
READER = f"uid=reader,ou=Services,{SUFFIX}"
"""May read everything, as the account in `LDAP_USER` should."""
LIMITED = f"uid=limited,ou=Services,{SUFFIX}"
"""May read everything too, but the server sends it three entries for each request."""
PASSWORD = "reads: äöü ✓"

_ADMIN = "cn=Directory Manager"
_ADMIN_PASSWORD = "admin, for the tests"
_SECONDS = 60
_SHARE = Path("/usr/share/dirsrv/data")
_CONFIG = Path("/etc/dirsrv")


def dn(login: str) -> str:
    """The DN of a person."""
    return f"uid={login},{PEOPLE}"


def group(name: str) -> str:
    """The DN of a group."""
    return f"cn={name},{GROUPS}"


def _program(name: str) -> str:
    """The path of a program; without it the tests fail, because a skipped test proves nothing."""
    program = shutil.which(name, path="/usr/sbin:/usr/bin")
    if program is None:
        message = f"These tests need {name}: `apt-get install 389-ds-base`, or run `make test`."
        raise RuntimeError(message)
    return program


class DirectoryServer389:
    """One server with one database, in one folder; it runs while it is entered."""

    def __init__(self, folder: Path) -> None:
        """Write the configuration; the server fills its database when it is entered."""
        self.folder = folder
        self.tls: Certificate = certificate(folder)
        self.port = self.tls_port = 0
        self._process: subprocess.Popen[bytes] | None = None
        for name in ("config/schema", "db", "lock", "log", "run", "tmp"):
            (folder / name).mkdir(parents=True)
        for name in ("config/certmap.conf", "config/slapd-collations.conf", "schema/99user.ldif"):
            target = folder / "config" / name.removeprefix("config/")
            shutil.copy(_CONFIG / name, target)
        self._import_certificate()

    @property
    def starttls(self) -> ServerAddress:
        return ServerAddress(host="127.0.0.1", port=self.port, tls="starttls")

    @property
    def ldaps(self) -> ServerAddress:
        return ServerAddress(host="127.0.0.1", port=self.tls_port, tls="ldaps")

    def config(
        self, *servers: ServerAddress, user: str = READER, page_size: int = 1000
    ) -> LdapConfig:
        """How to read this server: over StartTLS as `READER` unless something else is said."""
        return LdapConfig(
            servers=servers or (self.starttls,),
            user=user,
            password=PASSWORD,
            ca_file=str(self.tls.authority),
            search_base=SUFFIX,
            user_bases=(PEOPLE,),
            group_bases=(GROUPS,),
            page_size=page_size,
            timeout_seconds=10,
        )

    @contextmanager
    def changes(self) -> Iterator[Changes]:
        """Change the directory as its administrator."""
        server = ldap3.Server("127.0.0.1", port=self.port, get_info=ldap3.NONE)
        connection = ldap3.Connection(server, _ADMIN, _ADMIN_PASSWORD, auto_bind=True)
        try:
            yield Changes(connection)
        finally:
            connection.unbind()

    def __enter__(self) -> Self:
        """Start, wait until it listens, and add the company."""
        try:
            self._start()
            with self.changes() as changes:
                _fill(changes)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Kill it: an orderly end takes seconds, and nobody needs its database again."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(_SECONDS)

    def _start(self) -> None:
        for _ in range(3):  # another program may take a port that was free a moment ago
            if self._started():
                return
        message = f"ns-slapd did not start: {(self.folder / 'output').read_text()}"
        raise RuntimeError(message)

    def _started(self) -> bool:
        self.port, self.tls_port = free_port(), free_port()
        (self.folder / "config" / "dse.ldif").write_text(self._configuration())
        with (self.folder / "output").open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - nothing in it comes from outside
                # -d 0: stay in the foreground.
                [_program("ns-slapd"), "-D", self.folder / "config",
                 "-i", self.folder / "run" / "pid", "-d", "0"],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        end = time.monotonic() + _SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            with closing(socket.socket()) as probe:
                if probe.connect_ex(("127.0.0.1", self.tls_port)) == 0:
                    return True
            time.sleep(0.01)
        return False

    def _configuration(self) -> str:
        """The templates that `dscreate` uses, filled in; with TLS and the memberOf plugin on."""
        folder = self.folder
        values = {
            "schema_dir": folder / "config" / "schema",
            "config_dir": folder / "config",
            "cert_dir": folder / "config",
            "lock_dir": folder / "lock",
            "log_dir": folder / "log",
            "run_dir": folder / "run",
            "inst_dir": folder / "run",
            "ldif_dir": folder / "tmp",
            "bak_dir": folder / "tmp",
            "tmp_dir": folder / "tmp",
            "db_dir": folder / "db",
            "db_home_dir": folder / "db",
            "db_lib": "bdb",
            "fqdn": "localhost",
            "ds_port": self.port,
            "ds_user": getpass.getuser(),
            "rootdn": _ADMIN,
            "ds_passwd": _hashed(_ADMIN_PASSWORD),
            "ds_suffix": SUFFIX,
            "ds_bename": "userRoot",
            "ldapi": folder / "run" / "ldapi",
            "ldapi_enabled": "off",
            "ldapi_autobind": "off",
        }
        templates = [
            re.sub(r"(?m)^#.*\n", "", (_SHARE / name).read_text()).strip()
            for name in ("template-dse.ldif", "template-suffix-db.ldif")
        ]
        text = re.sub(r"%(\w+)%", lambda found: str(values[found[1]]), "\n\n".join(templates))
        member_of = (
            r"(dn: cn=MemberOf Plugin,(?:.+\n)+?nsslapd-pluginenabled: )off\n",
            r"\1on\nmemberOfGroupAttr: uniqueMember\n",
        )
        tls = (
            "dn: cn=config\n",
            f"\\g<0>nsslapd-security: on\nnsslapd-securePort: {self.tls_port}\n",
        )
        for pattern, with_ in (member_of, tls):
            text, times = re.subn(pattern, with_, text, count=1)
            assert times == 1, pattern
        return f"{text}\n"

    def _import_certificate(self) -> None:
        """Make the certificate database, with the certificate under the name that it looks for."""
        tls, store = self.tls, self.folder / "config"
        key = serialization.load_pem_private_key(tls.key.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        bundle = self.folder / "server.p12"
        bundle.write_bytes(
            pkcs12.serialize_key_and_certificates(
                b"Server-Cert",
                key,
                x509.load_pem_x509_certificate(tls.certificate.read_bytes()),
                None,
                serialization.BestAvailableEncryption(b"moved"),
            )
        )
        certutil, pk12util = _program("certutil"), _program("pk12util")
        for command in (
            [certutil, "-N", "--empty-password"],
            [certutil, "-A", "-n", "CA", "-t", "CT,,", "-a", "-i", str(tls.authority)],
            [pk12util, "-i", str(bundle), "-W", "moved", "-K", ""],
        ):
            subprocess.run([*command, "-d", store], check=True, capture_output=True)  # noqa: S603 - all our own


def _hashed(password: str) -> str:
    salt = b"of these tests"
    digest = hashlib.sha512(password.encode() + salt).digest()
    return "{SSHA512}" + base64.b64encode(digest + salt).decode()


def _fill(changes: Changes) -> None:
    """Add four people, groups of each kind and a tree of groups; two people are locked."""
    may_read = f'allow(read,search,compare) userdn="ldap:///uid=*,ou=Services,{SUFFIX}";'
    changes.add(
        SUFFIX,
        ["domain"],
        {"dc": "example", "aci": f'(targetattr="*")(version 3.0; acl "reader"; {may_read})'},
    )
    for name in ("Services", "People", "Groups"):
        changes.add(f"ou={name},{SUFFIX}", ["organizationalUnit"])
    for account, limits in ((READER, {}), (LIMITED, {"nsSizeLimit": "3"})):
        changes.add(
            account, ["account", "simpleSecurityObject"], {"userPassword": PASSWORD, **limits}
        )
    _add_disabled_role(changes)
    states = {
        "ann": {},
        "ben": {"nsAccountLock": "false"},
        "cid": {"nsAccountLock": "true"},
        "dee": {"nsRoleDN": f"cn=nsManagedDisabledRole,{SUFFIX}"},
    }
    for number, (login, state) in enumerate(states.items(), start=1000):
        unix = {"uidNumber": str(number), "gidNumber": "100", "homeDirectory": f"/home/{login}"}
        names = {"cn": login.title(), "sn": login, "mail": f"{login}@example.test"}
        changes.add(dn(login), ["inetOrgPerson", "posixAccount"], {**names, **unix, **state})
    for name, members in {
        "Z-Leaf": [dn("ann")],
        "M-Mid": [dn("ben"), group("Z-Leaf")],
        "A-All": [group("M-Mid")],
    }.items():
        changes.add(group(name), ["groupOfNames"], {"member": members})
    changes.add(group("Unique"), ["groupOfUniqueNames"], {"uniqueMember": f"{dn('ann')}#'0101'B"})
    posix = {"memberUid": ["ANN", "ben"], "gidNumber": "100"}
    changes.add(group("Posix"), ["groupOfNames", "posixGroup"], posix)


def _add_disabled_role(changes: Changes) -> None:
    """Add the role that locks accounts, as the server's own tools once set it up."""
    role = f"cn=nsDisabledRole,{SUFFIX}"
    templates = f"cn=nsAccountInactivationTmp,{SUFFIX}"
    changes.add(
        f"cn=nsManagedDisabledRole,{SUFFIX}",
        ["ldapSubEntry", "nsRoleDefinition", "nsSimpleRoleDefinition", "nsManagedRoleDefinition"],
    )
    changes.add(
        role,
        ["ldapSubEntry", "nsRoleDefinition", "nsComplexRoleDefinition", "nsNestedRoleDefinition"],
        {"nsRoleDN": f"cn=nsManagedDisabledRole,{SUFFIX}"},
    )
    changes.add(templates, ["nsContainer"])
    changes.add(
        f"cn={escape_rdn(role)},{templates}",
        ["extensibleObject", "cosTemplate", "ldapSubEntry"],
        {"nsAccountLock": "true", "cosPriority": "0"},
    )
    changes.add(
        f"cn=nsAccountInactivation_cos,{SUFFIX}",
        ["ldapSubEntry", "cosSuperDefinition", "cosClassicDefinition"],
        {
            "cosTemplateDn": templates,
            "cosSpecifier": "nsRole",
            "cosAttribute": "nsAccountLock operational",
        },
    )
