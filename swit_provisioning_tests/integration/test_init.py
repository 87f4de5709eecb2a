"""`init` against a real server: it tells a wrong password before anything is written."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from dotenv import dotenv_values

from swit_provisioning.cli.main import main
from swit_provisioning_tests.integration.slapd import PASSWORD, READER, SUFFIX, Slapd

pytestmark = pytest.mark.needs("slapd")


def test_a_wrong_password_is_told_and_the_right_one_is_written(
    slapd: Slapd, tmp_path: Path
) -> None:
    server = f"ldaps://127.0.0.1:{slapd.tls_port}"
    first = ["server", server, str(slapd.tls.authority), READER, "wrong", SUFFIX, "", ""]
    again = ["y", "", "", "", PASSWORD, "", "", ""]
    lines = [*first, *again, "sandbox", "", ""]
    result = CliRunner().invoke(main, ["init"], input="".join(f"{line}\n" for line in lines))
    assert result.exit_code == 0, result.output
    assert "password" in result.output.partition("Answer these questions again?")[0].casefold()
    assert "users and" in result.output
    assert PASSWORD not in result.output
    written = dotenv_values(tmp_path / ".env")
    assert written["LDAP_SERVER_DOMAIN"] == server
    assert written["LDAP_PASSWORD"] == PASSWORD
