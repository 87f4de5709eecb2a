"""A real Active Directory domain controller (Samba), its LDAP service only.

Samba's LDAP ports can't be chosen, so each process has a loopback address of its own. It listens
nowhere else, and nothing of the machine's own Samba is touched.
"""

import os
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Literal, Self

import ldap3

from swit_provisioning.planning.policy import ReferenceAttribute
from swit_provisioning.sources.config import LdapConfig, ServerAddress
from swit_provisioning_tests.integration.authority import Certificate, certificate
from swit_provisioning_tests.integration.changes import Changes

BASE = "DC=example,DC=test"
DOMAIN = "EXAMPLE"
REALM = "example.test"
ADMIN = f"administrator@{REALM}"
ADMIN_PASSWORD = "Made up, for the tests 1"
READER_LOGIN = f"reader@{REALM}"
"""An ordinary user of the domain, as `LDAP_USER` may well be; `domain.fill` adds it."""
READER_PASSWORD = "reads: äöü ✓ 1"

_PORTS = (389, 636, 3268, 3269)
_SECONDS = 120
_CONFIGURATION = """\
[global]
netbios name = DC1
realm = {realm}
workgroup = {domain}
server role = active directory domain controller
server services = ldap
interfaces = {address}/8
bind interfaces only = yes
private dir = {folder}/dc/private
lock directory = {folder}/dc
state directory = {folder}/dc/state
cache directory = {folder}/dc/cache
binddns dir = {folder}/dc/bind-dns
pid directory = {folder}/dc/run
ncalrpc dir = {folder}/dc/run/ncalrpc
winbindd socket directory = {folder}/dc/run/winbindd
ntp signd socket directory = {folder}/dc/run/ntp_signd
log file = {folder}/dc/log.samba
max log size = 0
load printers = no
disable spoolss = yes
ldb:nosync = true
tls enabled = yes
tls keyfile = {tls.key}
tls certfile = {tls.certificate}
tls cafile = {tls.authority}
"""


def samba_programs() -> tuple[str, str]:
    """The paths of `samba` and `samba-tool`; a failure, not a skipped test, without them."""
    path = os.environ.get("PATH", "") + ":/usr/sbin"
    found = [shutil.which(name, path=path) for name in ("samba", "samba-tool")]
    server, tool = found
    if server is None or tool is None or os.geteuid() != 0:
        message = (
            "These tests need root and a Samba domain controller (its ports are below 1024):"
            " run `sudo make system`, then the tests as root, as CI does."
        )
        raise RuntimeError(message)
    return server, tool


class SambaDomain:
    """One domain with one controller, in one folder; it runs while it is entered."""

    def __init__(self, folder: Path) -> None:
        """Make the domain; that takes five seconds."""
        self._server, tool = samba_programs()
        self.address = _free_address()
        self.folder = folder
        self.tls: Certificate = certificate(
            folder, names=(f"dc1.{REALM}",), addresses=(self.address,)
        )
        self.tls.key.chmod(0o600)  # Samba refuses one that others may read
        self._process: subprocess.Popen[bytes] | None = None
        self._configuration = folder / "smb.conf"
        self._configuration.write_text(
            _CONFIGURATION.format(
                folder=folder, realm=REALM, domain=DOMAIN, address=self.address, tls=self.tls
            )
        )
        options = {
            "realm": REALM.upper(),
            "domain": DOMAIN,
            "server-role": "dc",
            "dns-backend": "NONE",
            "adminpass": ADMIN_PASSWORD,
            "host-name": "dc1",
            "host-ip": self.address,
            "targetdir": str(folder / "dc"),
        }
        done = subprocess.run(  # noqa: S603 - nothing in it comes from outside
            [tool, "domain", "provision", "--use-rfc2307", "--option=interfaces=lo",
             "--option=ldb:nosync=true",
             # Else it writes attributes of files that a container's root may not.
             "--option=acl_xattr:security_acl_name=user.NTACL",
             "--option=bind interfaces only=yes",
             *(f"--{name}={value}" for name, value in options.items())],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        (folder / "dc" / "run").mkdir(exist_ok=True)

    def server(self, tls: Literal["ldaps", "starttls", "none"] = "ldaps") -> ServerAddress:
        return ServerAddress(host=self.address, port=636 if tls == "ldaps" else 389, tls=tls)

    def config(
        self,
        *servers: ServerAddress,
        user: str = READER_LOGIN,
        password: str = READER_PASSWORD,
        ca_file: Path | None = None,
        user_bases: tuple[str, ...] = (BASE,),
        group_bases: tuple[str, ...] = (BASE,),
        user_filter: str | None = None,
        reference_attribute: ReferenceAttribute = "distinguishedName",
    ) -> LdapConfig:
        """How to read the whole domain over ldaps, unless something else is said."""
        return LdapConfig(
            servers=servers or (self.server(),),
            user=user,
            password=password,
            ca_file=str(ca_file or self.tls.authority),
            search_base=BASE,
            user_bases=user_bases,
            group_bases=group_bases,
            user_filter=user_filter,
            reference_attribute=reference_attribute,
            timeout_seconds=30,
        )

    @contextmanager
    def changes(self) -> Iterator[Changes]:
        """Change the domain as its administrator."""
        server = ldap3.Server(self.address, port=636, use_ssl=True, get_info=ldap3.NONE)
        connection = ldap3.Connection(server, ADMIN, ADMIN_PASSWORD, auto_bind=True)
        try:
            yield Changes(connection)
        finally:
            connection.unbind()

    def __enter__(self) -> Self:
        """Start, and wait until it listens."""
        with (self.folder / "samba.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - nothing in it comes from outside
                [self._server, "-F", "-M", "single", "--no-process-group", "--debug-stdout",
                 "-s", self._configuration],
                # It ends when its input does: also where the tests are killed.
                stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        end = time.monotonic() + _SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            with closing(socket.socket()) as probe:
                if probe.connect_ex((self.address, 636)) == 0:
                    return self
            time.sleep(0.02)
        self.__exit__()
        message = f"samba did not start: {(self.folder / 'samba.log').read_text()}"
        raise RuntimeError(message)

    def __exit__(self, *_: object) -> None:
        """Stop, and wait until it has."""
        if self._process is not None:
            self._process.terminate()
            self._process.communicate(timeout=_SECONDS)


def _free_address() -> str:
    """A loopback address on which nobody listens at a directory's ports."""
    for _ in range(100):
        address = ".".join(str(number) for number in (127, *random.choices(range(1, 255), k=3)))  # noqa: S311 - no secret
        try:
            with ExitStack() as taken:
                for port in _PORTS:
                    taken.enter_context(closing(socket.socket())).bind((address, port))
        except OSError:
            continue
        return address
    message = "no loopback address is free for a domain controller"
    raise RuntimeError(message)
