"""A sandbox in a process of its own, and the directory file and settings that go with it.

Run as a program it is that process: it serves until its standard input is closed.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))  # so that it runs from anywhere

from swit_provisioning.sandbox.server import SandboxServer

_BASE = "DC=example,DC=com"
_WITHIN = 10
"""Groups below each group."""


@contextmanager
def company(folder: Path, *, users: int, groups: int) -> Iterator[dict[str, str]]:
    """Write the directory, start an empty organisation; the variables of a process that syncs."""
    directory = folder / "directory.json"
    directory.write_text(json.dumps(made_up(users=users, groups=groups)), encoding="utf-8")
    serve = subprocess.Popen(  # noqa: S603 - ourselves
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with serve:
        told: dict[str, str] = json.loads(serve.stdout.readline() if serve.stdout else "{}")
        yield {
            **{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
            **told,
            "DAGSTER_HOME": str(folder / "home"),
            "IDP_FILE": str(directory),
        }
        if serve.stdin:
            serve.stdin.close()


def made_up(*, users: int, groups: int) -> dict[str, list[dict[str, Any]]]:
    """A company in the shape of the bundled sample: each user in one group, groups in groups."""
    people = [
        {
            "distinguishedName": f"CN=Person {n:05d},OU=People,{_BASE}",
            "mail": f"person{n:05d}@example.com",
            "displayName": f"Person {n:05d}",
            "mobile": f"+82 10 {n:08d}",
        }
        for n in range(users)
    ]
    names = [f"CN=Group {n:03d},OU=Groups,{_BASE}" for n in range(groups)]
    teams = [
        {
            "distinguishedName": name,
            "displayName": f"Group {n:03d}",
            "member": [person["distinguishedName"] for person in people[n::groups]],
            "memberOf": [names[n // _WITHIN]] if n >= _WITHIN else [],
        }
        for n, name in enumerate(names)
    ]
    return {"users": people, "groups": teams}


def serve_until_told() -> None:
    """Serve an empty organisation, print how to reach it, end with the standard input."""
    with SandboxServer() as server:
        tokens = server.issue_tokens()
        told = {
            "SWIT_BASE_URL": server.url,
            "SWIT_SCIM_BASE_URL": server.scim_url,
            "SWIT_CLIENT_ID": server.client_id,
            "SWIT_CLIENT_SECRET": server.client_secret,
            "SWIT_ACCESS_TOKEN": tokens["access_token"],
            "SWIT_REFRESH_TOKEN": tokens["refresh_token"],
        }
        print(json.dumps(told), flush=True)  # noqa: T201 - for the process that waits for it
        sys.stdin.read()


if __name__ == "__main__":
    serve_until_told()
