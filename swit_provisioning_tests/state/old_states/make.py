"""Make a state database with the program of this checkout: `python make.py FILE.zip`.

Run it with the version whose state is to be kept, before a change of the tables, from an empty
folder: `PYTHONPATH=CHECKOUT CHECKOUT/.venv/bin/python make.py 0005.zip`. The sandbox stands in
for Swit, and the twenty people of `swit_provisioning_tests.directories` are made up.

The file holds `state.sqlite` without the tokens of the sandbox, all times moved to March 2026;
`organization.json`, what the sandbox held at the end; and `plans.json`, for each plan by its
label its id and the directory it was made from.
"""

import getpass
import json
import os
import socket
import sqlite3
import sys
import zipfile
from copy import deepcopy
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Any

from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning_tests.directories import PEOPLE, user_dn
from swit_provisioning_tests.integration.stage import Stage, settings

_FIRST_DAY = date(2026, 3, 1)
_FOLDER = Path("swit")


class _Maker:
    """Makes plans under labels; each begins with the directory as the last applied one left it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.plans: dict[str, dict[str, Any]] = {}

    def plan(self, label: str, *, code: int = 0) -> str:
        plan_id = str(self.stage.json("plan", code=code)["plan_id"])
        self.plans[label] = {"plan_id": plan_id, "directory": deepcopy(self.stage.directory)}
        return plan_id

    def run(self, *words: str) -> None:
        result = self.stage.run(*words)
        print(*words, "->", result.exit_code)  # noqa: T201 - for whoever makes it
        if result.exit_code:
            raise SystemExit(result.output)

    def leave(self, *people: str) -> None:
        gone = {user_dn(person) for person in people}
        users = self.stage.directory["users"]
        users[:] = [user for user in users if user["distinguishedName"] not in gone]

    def make(self) -> None:
        self.run("apply", self.plan("applied"))
        self.leave(*PEOPLE[:3])
        self.run("apply", self.plan("approved and applied", code=3), "--approve", "a site closed")
        settled = deepcopy(self.stage.directory)
        self.leave(*PEOPLE[3:12])
        self.run("reject", self.plan("rejected", code=3), "--reason", "the export was cut short")
        self.stage.directory = deepcopy(settled)
        for user in self.stage.directory["users"][:4]:
            user["displayName"] += " Jr"
        self.run("apply", self.plan("half applied"), "--limit", "2")
        settled = deepcopy(self.stage.directory)
        self.leave(*PEOPLE[3:8])
        self.run("approve", self.plan("approved", code=3), "--reason", "they moved to a partner")
        self.stage.directory = deepcopy(settled)
        self.leave(*PEOPLE[15:])
        self.plan("blocked", code=3)
        self.stage.directory = deepcopy(settled)
        self.stage.directory["users"][-1]["mobile"] = "+491760000099"
        self.plan("ready")


def _move_times(state: sqlite3.Connection) -> None:
    """Move every time by the same number of days: the first plan is of `_FIRST_DAY`."""
    (first,) = state.execute("SELECT min(made_at) FROM plan_made").fetchone()
    days = f"{(_FIRST_DAY - datetime.fromisoformat(first).date()).days} days"
    tables = state.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for (table,) in tables:
        for column in state.execute(f"PRAGMA table_info({table})").fetchall():
            if column[2] == "DATETIME":
                name = column[1]
                moved = f"strftime('%Y-%m-%d %H:%M:%f', {name}, '{days}') || '000'"
                state.execute(f"UPDATE {table} SET {name} = {moved} WHERE {name} IS NOT NULL")  # noqa: S608


def main(target: Path) -> None:
    getpass.getuser = lambda: "ann"
    socket.gethostname = lambda: "admin.example"
    _FOLDER.mkdir()
    with SandboxServer() as server:
        variables = settings(_FOLDER, server)
        # One call after the other: a second making gives the same ids.
        os.environ.update(variables, SWIT_MAX_CONCURRENCY="1", IDP_FILE="swit/directory.json")
        maker = _Maker(Stage(server, _FOLDER / "directory.json", variables))
        maker.make()
        organization = json.dumps(asdict(server.organisation.records))
    file = _FOLDER / "home" / "state" / "swit_provisioning.sqlite"
    with sqlite3.connect(file) as state:
        state.execute("DELETE FROM token")
        _move_times(state)
    state.execute("VACUUM")
    state.execute("PRAGMA journal_mode = DELETE")
    state.close()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as made:
        made.write(file, "state.sqlite")
        made.writestr("organization.json", organization)
        made.writestr("plans.json", json.dumps(maker.plans))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
