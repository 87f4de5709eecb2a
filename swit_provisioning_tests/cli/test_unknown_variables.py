"""Every command warns of variables that look like settings but that nothing reads."""

import pytest
from click.testing import CliRunner

from swit_provisioning.cli.main import main


@pytest.mark.parametrize("words", [("plans",), ("plans", "--json"), ("settings", "--json")])
def test_every_command_warns_of_a_variable_that_nothing_reads(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"SWIT_SANDBOX": "True", "MAX_LEAVERS": "5", "SWTI": "sandbox"}.items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(main, words, catch_exceptions=False)
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        "Warning: nothing reads MAX_LEAVERS.",
        "Warning: nothing reads SWIT_SANDBOX.",
        "Warning: nothing reads SWTI: SWIT may be meant.",
    ]
    assert "Warning" not in result.stdout
