"""nginx with the sites that are shipped, on other ports and before other servers."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import requests

from swit_provisioning_tests.browser.waiting import until
from swit_provisioning_tests.integration.authority import Certificate
from swit_provisioning_tests.integration.deployment import DEPLOY
from swit_provisioning_tests.ports import free_port
from swit_provisioning_tests.processes import Program

PASSWORDS: Final = {"ann": "launches: 1", "rob": "looks: 2"}
"""An operator's and a reviewer's."""


@contextmanager
def nginx(
    folder: Path, tls: Certificate, servers: Mapping[str, int], *, more: str = ""
) -> Iterator[Mapping[str, int]]:
    """Both shipped sites, while a `with` block lasts: the port written there -> the one here.

    `servers` are the ports of `web`, `review` and `gateway`; `more` is another `server` block.
    """
    ports = {"443": free_port(), "8443": free_port()}
    etc = folder / "nginx"
    etc.mkdir()
    lines = [f"{name}:{_hashed(password)}" for name, password in PASSWORDS.items()]
    (etc / "passwords").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (etc / "operators.map").write_text(f"ann http://127.0.0.1:{servers['web']};\n", "utf-8")
    shutil.copyfile(tls.certificate, etc / "tls.pem")
    shutil.copyfile(tls.key, etc / "tls.key")
    here = {
        "/etc/swit-provisioning/": f"{etc}/",
        **{f"listen {there} ssl": f"listen 127.0.0.1:{port} ssl" for there, port in ports.items()},
        "127.0.0.1:3001": f"127.0.0.1:{servers['review']}",
        "127.0.0.1:5000": f"127.0.0.1:{servers['gateway']}",
    }
    sites = [path.read_text("utf-8") for path in sorted((DEPLOY / "nginx").glob("*.conf"))]
    shipped = "\n".join(sites)
    for there, local in here.items():
        assert there in shipped
        shipped = shipped.replace(there, local)
    (etc / "sites.conf").write_text(f"{shipped}\n{more}", encoding="utf-8")
    main = (
        f"daemon off; error_log stderr; pid {etc}/pid;"
        " worker_rlimit_nofile 16384; events { worker_connections 8192; }"
        f" http {{ access_log off; client_body_temp_path {etc}/body; proxy_temp_path {etc}/proxy;"
        f" fastcgi_temp_path {etc}/f; uwsgi_temp_path {etc}/u; scgi_temp_path {etc}/s;"
        f" include {etc}/sites.conf; }}"
    )
    if os.geteuid() == 0:
        main = f"user root; {main}"
    (etc / "nginx.conf").write_text(main, encoding="utf-8")
    command = ["/usr/sbin/nginx", "-c", str(etc / "nginx.conf"), "-p", str(etc)]
    with Program("nginx", command, environment=dict(os.environ), folder=folder) as program:

        def answers() -> bool | None:
            program.must_run()
            try:
                for port in ports.values():
                    url = f"https://127.0.0.1:{port}"
                    requests.get(url, verify=str(tls.authority), timeout=10)
            except requests.ConnectionError:
                return None
            return True

        until(answers, seconds=30, what=program.last_words)
        yield ports


def _hashed(password: str) -> str:
    """As `openssl passwd -6` writes it into nginx's password file."""
    made = subprocess.run(
        ["/usr/bin/openssl", "passwd", "-6", "-stdin"],
        input=password,
        capture_output=True,
        text=True,
        check=True,
    )
    return made.stdout.strip()
