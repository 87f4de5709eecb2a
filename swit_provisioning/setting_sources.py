"""Where the value of each setting comes from, and variables that look like one but are none."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from pydantic import SecretStr

from swit_provisioning.settings import SECRETS, Settings, sources

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
    given = sources()
    return [
        ShownSetting(
            name=name.upper(),
            value=_shown(getattr(settings, name)),
            source=_source(name.upper(), given),
        )
        for name in sorted(Settings.model_fields)
    ]


def unknown_variables() -> dict[str, str]:
    """Variables that nothing reads but that look like settings -> what may be meant, or nothing."""
    known = {name.upper() for name in Settings.model_fields}
    known |= {f"{name.upper()}_FILE" for name in SECRETS}
    given = {name for source in sources() for name in source}
    found = {name: _meant(name, known) for name in sorted(given - known)}
    return {name: meant for name, meant in found.items() if meant or name.startswith(_OURS)}


def _meant(name: str, known: Iterable[str]) -> str:
    return next(iter(get_close_matches(name, known, n=1, cutoff=_LIKENESS)), "")


def _source(name: str, given: Iterable[Mapping[str, str]]) -> str:
    for words, source in zip(("environment", ".env"), given, strict=True):
        if name in source:
            return words
        path = source.get(f"{name}_FILE")
        if path and name.lower() in SECRETS:
            return f"file {path}"
    return "default"


def _shown(value: Any) -> str:  # noqa: ANN401 - of any type a setting can have
    if value is None or value == "":
        return ""
    if isinstance(value, SecretStr):
        return "set"
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
