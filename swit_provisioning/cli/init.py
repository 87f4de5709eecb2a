"""`init`: ask for the settings of a first plan, test the connections, and write the `.env` file."""

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import click
from dotenv import dotenv_values, set_key, unset_key
from pydantic import SecretStr

from swit_provisioning.cli.console import output, print_text
from swit_provisioning.cli.framework import UnusableInputError, UnwritableFileError
from swit_provisioning.operations.connections import swit_connection
from swit_provisioning.operations.services import open_store
from swit_provisioning.setting_fields import SECRETS
from swit_provisioning.setting_sources import env_file, set_values, sources
from swit_provisioning.settings import Settings, SettingsError
from swit_provisioning.sources.base import DirectoryError
from swit_provisioning.sources.registry import open_source
from swit_provisioning.swit.errors import SwitError

Answers = dict[str, str]
"""Setting in lower case -> its value. Empty: the setting is removed from the file."""

_SERVER: Final = (
    "ldap_server_domain",
    "ldap_ca_file",
    "ldap_user",
    "ldap_password",
    "ldap_search_base",
    "ldap_user_ous",
    "ldap_group_ous",
)
_APP: Final = ("swit_client_id", "swit_client_secret", "swit_organization")
_REQUIRED: Final = frozenset(_SERVER[:1] + _SERVER[2:5] + _APP[:2] + ("idp_file",))


def init() -> int:
    """Ask until each connection works or the person goes on without it, then write the file.

    Nothing is written before the last answer. Values that are set already are the defaults.

    Raises:
        UnusableInputError: the file cannot hold a value.
        UnwritableFileError: the file cannot be written.

    """
    path = env_file().absolute()
    current = Settings.what_can_be_used()
    print_text(output(), f"The answers go to {path}. Press Enter to keep the value in brackets.")
    answers: Answers = {"is_running_locally": ""}

    _say("\nThe directory")
    kinds = {"server": _SERVER, "file": ("idp_file",)}
    kind = _choose("Read users and groups from", kinds, "file" if current.idp_file else "server")
    answers["idp_file"] = ""
    _ask_until_it_works(kinds[kind], answers, current, _read_directory)

    _say("\nSwit")
    target = _choose(
        "Apply plans to the bundled sandbox, or to your organisation",
        ("sandbox", "live"),
        current.swit if current.swit_client_id else "sandbox",
    )
    answers["swit"] = target
    if target == "live":
        _ask_until_it_works(_APP, answers, current, _ask_swit)

    _say("\nThe daily run")
    _ask_until_it_works(
        ("schedule_time", "schedule_timezone"), answers, current, lambda _settings: ""
    )

    environment = set_values(os.environ)
    values = {name.upper(): value for name, value in answers.items()}
    write_env_file(path, {k: value for k, value in values.items() if environment.get(k) != value})
    _say(f"\nWrote {path}.")
    for name, value in values.items():
        if environment.get(name, value) != value:
            text = f"{name} is also set in the environment. That value is used instead."
            print_text(output(), f"Warning: {text}", style="yellow")
    if target == "live":
        _say("To log in to Swit as an administrator: swit-provisioning login")
    _say("To read both sides: swit-provisioning check")
    _say("To see what would change: swit-provisioning plan")
    return 0


def write_env_file(path: Path, values: Mapping[str, str]) -> None:
    """Set these variables in the file, or remove those without a value; other lines stay.

    The file is replaced as a whole, and only this account can read it.

    Raises:
        UnusableInputError: the file cannot hold one of the values. Nothing is written.
        UnwritableFileError: the file cannot be written. Nothing is written.

    """
    try:
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            new = Path(folder) / path.name
            new.write_bytes(path.read_bytes() if path.exists() else b"")
            present = dotenv_values(new, encoding="utf-8")
            for name, value in values.items():
                if value:
                    set_key(new, name, value)
                elif name in present:
                    unset_key(new, name)
            written = dotenv_values(new, encoding="utf-8")
            lost = [name for name, value in values.items() if (written.get(name) or "") != value]
            if lost:
                message = (
                    f"{path} cannot hold the value of {', '.join(lost)}, because it contains ${{"
                    " or a line break. Write a secret to a file of its own, and name that file:"
                    f" {lost[0]}_FILE=/path. Nothing was written."
                )
                raise UnusableInputError(message)
            new.chmod(0o600)
            new.replace(path)
    except OSError as error:
        raise UnwritableFileError(
            path, error, example="swit-provisioning --env-file FILE init"
        ) from error


def _say(text: str) -> None:
    print_text(output(), text)


def _choose(text: str, choices: Mapping[str, object] | tuple[str, ...], default: str) -> str:
    return str(click.prompt(text, type=click.Choice(list(choices)), default=default))


def _ask_until_it_works(
    names: tuple[str, ...], answers: Answers, current: Settings, test: Callable[[Settings], str]
) -> None:
    """Ask for these settings and test them. `test` returns what it found, as a sentence."""
    given = sources()
    in_files = [n for n in names if any(f"{n.upper()}_FILE" in source for source in given)]
    while True:
        for name in names:
            if name not in in_files:
                answers[name] = _ask(name, answers.get(name), current)
        try:
            found = test(_settings_with(answers))
        except (SettingsError, DirectoryError, SwitError) as error:
            print_text(output(), str(error), style="red")
            if click.confirm("Answer these questions again?", default=True):
                continue
        else:
            print_text(output(), found, style="green")
        return


def _ask(name: str, answered: str | None, current: Settings) -> str:
    """The answer; the default is the last answer, else the value that the setting has now."""
    field, value = Settings.model_fields[name], getattr(current, name)
    _say(f"  {(field.description or '').replace('`', '')}")
    is_secret = name in SECRETS
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    default = answered or ("" if value is None else str(value))
    label = name.upper()
    if is_secret and default:
        label += " (hidden; press Enter to keep it)"
    answer = click.prompt(
        label,
        default=default if default or name not in _REQUIRED else None,
        hide_input=is_secret,
        show_default=bool(default) and not is_secret,
    )
    return str(answer).strip()


def _settings_with(answers: Answers) -> Settings:
    """The settings as they will be: the answers, then what is set already.

    Raises:
        SettingsError: names every problem.

    """
    fields = Settings.model_fields
    return Settings.load(**{name: text or fields[name].default for name, text in answers.items()})


def _read_directory(settings: Settings) -> str:
    settings.require("directory")
    _say("Reading the directory...")
    directory = open_source(settings).read()
    facts = directory.facts
    return (
        f"{facts.title}: read {len(directory.users):,} users and {len(directory.groups):,} groups."
    )


def _ask_swit(settings: Settings) -> str:
    """Ask whose the stored login is; without one, only the settings can be checked."""
    with open_store(settings) as store:
        if store.tokens.load() is None and settings.swit_refresh_token is None:
            return ""
        settings.require("swit", token_stored=True)
        with swit_connection(settings, store) as client:
            return f"{settings.base_url}: logged in as {client.user_info().email}."
