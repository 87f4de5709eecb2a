"""Runs from the command line: what they say when they cannot even start."""

from swit_provisioning.cli.framework import prepare_home
from swit_provisioning.cli.sync import run_job
from swit_provisioning.settings import Settings


def test_a_run_without_settings_fails_with_one_message_that_names_every_missing_variable() -> None:
    """As one that is launched in the UI does: the code location has loaded without them."""
    prepare_home(Settings.load())
    run = run_job("plan")
    assert not run.state.is_success
    for name in (
        "LDAP_SERVER_DOMAIN",
        "LDAP_USER",
        "LDAP_PASSWORD",
        "LDAP_SEARCH_BASE",
        "SWIT_CLIENT_ID",
        "SWIT_CLIENT_SECRET",
        "SWIT_REFRESH_TOKEN",
    ):
        assert name in run.message
    assert run.message.count("LDAP_SERVER_DOMAIN") == 1


def test_the_home_is_for_this_account_alone_and_keeps_a_dagster_yaml_of_its_own() -> None:
    settings = Settings.load()
    home = prepare_home(settings)
    assert home.stat().st_mode & 0o077 == 0
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    prepare_home(settings)
    assert (home / "dagster.yaml").read_text(encoding="utf-8").startswith("telemetry: {")
