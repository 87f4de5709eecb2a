"""Every command is declared with the parameters that its function takes, and documented."""

import inspect
import os
import subprocess
from pathlib import Path

import click
import pytest

from swit_provisioning.apply.run_model import RunState
from swit_provisioning.cli.main import COMMANDS, function_of, main
from swit_provisioning_tests.cli.terminal import PROGRAM

PAGE = Path(__file__).parent.parent.parent / "docs" / "reference" / "commands.md"
HEAD = """# Commands

`swit-provisioning COMMAND --help` prints the same. The first line of every output names the
organisation, the directory and the mode. `--json` prints one document on standard output; warnings,
progress and errors go to standard error.

Two options go before the command: `--env-file FILE` reads the settings from that file instead of
`.env`, and `--traceback` shows where an unexpected error happened.

To complete commands and options with the Tab key, add one line to `~/.bashrc` (for zsh:
`zsh_source` in `~/.zshrc`):
```
eval "$(_SWIT_PROVISIONING_COMPLETE=bash_source swit-provisioning)"
```

## Exit codes
| code | means |
|---|---|
| 0 | Done, or nothing to do. |
| 1 | Failed. |
| 2 | Wrong use, or a setting that cannot be used. |
| 3 | A guard blocks the plan, or `plan` has made one that it would block. Nothing was written. |
| 4 | Applied, but Swit rejected some changes, they were skipped, or they wait for an approval. |
| 5 | The plan is stale. Nothing was written. |
| 6 | Another run is writing. |
"""


def commands_page() -> str:
    page = HEAD
    for name, command in main.commands.items():
        context = click.Context(command, info_name=f"swit-provisioning {name}")
        usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
        page += f"\n## {name}\n```\n{usage}\n```\n{inspect.cleandoc(command.help or '')}\n"
        options = [p for p in command.params if isinstance(p, click.Option) and not p.hidden]
        records = [record for p in options if (record := p.get_help_record(context))]
        if records:
            page += "\n| option | does |\n|---|---|\n"
            cells = ((option.replace("|", "\\|"), text) for option, text in records)
            page += "".join(f"| `{option}` | {text} |\n" for option, text in cells)
    return page


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


def test_the_page_of_commands_lists_every_option() -> None:
    """Run with UPDATE_DOCS=1 to write the page anew."""
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(commands_page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == commands_page()


def test_the_page_of_commands_has_every_exit_code() -> None:
    assert [f"| {code} |" in HEAD for code in sorted({s.exit_code for s in RunState})] == [True] * 7


def test_a_shell_completes_commands_and_options(tmp_path: Path) -> None:
    def completed(line: str) -> list[str]:
        words = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
        done = subprocess.run(  # noqa: S603 - our own command
            [PROGRAM],
            env={**words, "PATH": "", "_SWIT_PROVISIONING_COMPLETE": "bash_complete"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        return [line.partition(",")[2] for line in done.stdout.splitlines()]

    assert completed("swit-provisioning pl") == ["plan", "plans"]
    assert "--no-names" in completed("swit-provisioning plan --")
