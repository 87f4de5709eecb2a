"""Which errors end a command with which code, and what a person sees of an unexpected one."""

import pkgutil
from importlib import import_module

import pytest
from click.testing import CliRunner

import swit_provisioning
from swit_provisioning.cli import framework, status
from swit_provisioning.cli.main import main
from swit_provisioning.swit.errors import SwitThrottledError


def test_every_error_with_a_code_exists() -> None:
    modules = pkgutil.walk_packages(swit_provisioning.__path__, "swit_provisioning.")
    known = {
        name
        for module in modules
        if "migrations" not in module.name and not module.name.endswith("__main__")
        for name in vars(import_module(module.name))
    }
    assert framework._CODES.keys() - known == set()


def test_an_error_has_the_code_of_its_nearest_base() -> None:
    assert framework.exit_code_of(SwitThrottledError(call="user.info", message="too many")) == 1
    assert framework.exit_code_of(ValueError("unexpected")) is None


def test_an_unexpected_error_is_one_line_without_its_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_args: object, **_options: object) -> int:
        message = "s3cret"
        raise KeyError(message)

    monkeypatch.setattr(status, "show_status", broken)
    result = CliRunner().invoke(main, ["status"])
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("Unexpected error: KeyError at test_exit_codes.py:")
    assert "swit-provisioning --traceback" in line
    assert "s3cret" not in result.output
    with pytest.raises(KeyError):
        CliRunner().invoke(main, ["--traceback", "status"], catch_exceptions=False)
