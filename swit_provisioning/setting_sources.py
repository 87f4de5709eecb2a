"""Where the value of each setting comes from, and variables that look like one but are none."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from dotenv import dotenv_values
from pydantic import SecretStr

from swit_provisioning.settings import SECRETS, Settings

_DOTENV: Final = Path(".env")
_OURS: Final = ("LDAP_", "SWIT_", "MAX_", "SCHEDULE_")
"""Beginnings of names that hardly another program uses."""
_LIKENESS: Final = 0.85


@dataclass(frozen=True, kw_only=True)
class ShownSetting:
    """One setting as it may be shown."""

    name: str
    value: str
    """`set` for a secret; empty where there is none."""
    source: str
    """`environment`, `.env`, `file /path`, `default`."""


def shown_settings(settings: Settings) -> list[ShownSetting]:
    """All settings, in alphabetical order, secrets hidden."""
    dotenv = _dotenv()
    return [
        ShownSetting(
            name=name.upper(),
            value=_shown(getattr(settings, name)),
            source=_source(name.upper(), dotenv),
        )
        for name in sorted(Settings.model_fields)
    ]


def unknown_variables() -> dict[str, str]:
    """Variables that nothing reads but that look like settings -> what may be meant, or nothing."""
    known = {name.upper() for name in Settings.model_fields}
    known |= {f"{name.upper()}_FILE" for name in SECRETS}
    given = {name.upper() for name in (*os.environ, *_dotenv())}
    found = {name: _meant(name, known) for name in sorted(given - known)}
    return {name: meant for name, meant in found.items() if meant or name.startswith(_OURS)}


def _meant(name: str, known: Iterable[str]) -> str:
    return next(iter(get_close_matches(name, known, n=1, cutoff=_LIKENESS)), "")


def _source(name: str, dotenv: Mapping[str, str]) -> str:
    # An empty variable counts as none, and names are read without case.
    environment = {key.upper(): value for key, value in os.environ.items() if value}
    if name in environment:
        return "environment"
    path = environment.get(f"{name}_FILE")
    if path and name.lower() in SECRETS:
        return f"file {path}"
    return ".env" if dotenv.get(name) else "default"


def _dotenv() -> dict[str, str]:
    if not _DOTENV.is_file():
        return {}
    values = dotenv_values(_DOTENV, encoding="utf-8")
    return {name.upper(): value or "" for name, value in values.items()}


def _shown(value: Any) -> str:  # noqa: ANN401 - of any type a setting can have
    if value is None or value == "":
        return ""
    if isinstance(value, SecretStr):
        return "set"
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
