"""Every command is declared with the parameters that its function takes."""

import inspect

import click
import pytest

from swit_provisioning.cli.main import COMMANDS, function_of, main


@pytest.mark.parametrize("name", COMMANDS)
def test_a_function_takes_the_settings_and_the_parameters_of_its_command(name: str) -> None:
    spec = COMMANDS[name]
    declared = {parameter.name for parameter in spec.parameters}
    settings = set() if spec.settings == "none" else {"settings"}
    assert set(inspect.signature(function_of(spec)).parameters) == declared | settings


def test_only_commands_that_write_refuse_a_misspelled_setting() -> None:
    assert {name for name, spec in COMMANDS.items() if spec.settings == "write"} == {
        "apply",
        "sync",
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_a_help_text(name: str) -> None:
    options = [p for p in main.commands[name].params if isinstance(p, click.Option)]
    assert all(option.help for option in options)
