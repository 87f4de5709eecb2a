"""The same company from a file and from a real slapd over StartTLS: Swit ends up the same."""

from pathlib import Path
from typing import Any

import pytest

from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning_tests.integration import company
from swit_provisioning_tests.integration.slapd import PASSWORD, SUFFIX, Slapd
from swit_provisioning_tests.integration.stage import Stage, stage


def picture(on_stage: Stage) -> dict[str, Any]:
    """Users with their primary teams, the tree in its order, members; all without ids."""
    state = on_stage.organisation.snapshot()
    team = {t["id"]: t["name"] for t in state["teams"]}
    email = {u["id"]: u["email"] for u in state["users"]}
    return {
        "users": {
            u["email"]: (u["name"], u["phone_number"], u["active"], team.get(u["primary_team"]))
            for u in state["users"]
        },
        "teams": [
            (t["name"], team.get(t["parent_id"]), sorted(email[u] for u in t["user_ids"]))
            for t in state["teams"]
        ],
    }


def test_a_server_over_starttls_gives_the_same_organisation_as_the_file(
    slapd: Slapd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with stage(monkeypatch, tmp_path / "file", SandboxServer()) as on_stage:
        on_stage.directory = company.directory_json()
        done = on_stage.json("sync")
        assert (done["counts"]["user.create"], done["counts"]["team.create"]) == (200, 30)
        from_file = picture(on_stage)
    with stage(monkeypatch, tmp_path / "server", SandboxServer()) as on_stage:
        monkeypatch.delenv("IDP_FILE")
        for name, value in {
            "LDAP_SERVER_DOMAIN": "localhost",
            "LDAP_SERVER_PORT": str(slapd.port),
            "LDAP_USER": slapd.config().user,
            "LDAP_PASSWORD": PASSWORD,
            "LDAP_SEARCH_BASE": SUFFIX,
            "LDAP_USER_OUS": "Employees,Partners",
            "LDAP_GROUP_OUS": "Groups",
            "LDAP_TLS": "starttls",
            "LDAP_CA_FILE": slapd.config().ca_file or "",
        }.items():
            monkeypatch.setenv(name, value)
        check = on_stage.run("check").stdout
        assert f"Directory: ldap://localhost:{slapd.port} (StartTLS) · OpenLDAP" in check
        assert on_stage.json("sync")["status"] == "applied"
        assert picture(on_stage) == from_file
        on_stage.server.log.clear()
        assert on_stage.json("sync")["status"] == "nothing to do"
        assert on_stage.writes == []
