"""Where the value of each setting comes from, and variables that look like one but are none."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import zip_longest
from typing import Any, Final

from pydantic import SecretStr

from swit_provisioning.settings import SECRETS, Settings, SettingsError, sources

_OURS: Final = ("LDAP_", "SWIT_", "MAX_", "SCHEDULE_")
"""Beginnings of names that hardly another program uses."""
_LIKENESS: Final = 0.85
_MOST_LETTERS: Final = 2
"""Letters in which a misspelled name differs at most."""


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
    known = _known_names()
    environment, lines = sources()
    given = lines | environment
    found = {name: _meant(name, given[name], known) for name in sorted(given.keys() - known)}
    return {name: meant for name, meant in found.items() if meant or name.startswith(_OURS)}


def misspelled_settings() -> dict[str, str]:
    """Variables that differ from a setting in one or two letters -> that setting."""
    return {
        name: meant
        for name, meant in unknown_variables().items()
        if meant == "SWIT" or is_typo(name, meant)
    }


def refuse_misspelled_settings() -> None:
    """Refuse to write to Swit while a misspelled variable is set.

    Raises:
        SettingsError: names every one of them, and the setting that may be meant.

    """
    problems = [
        f"{name}: there is no such setting, {meant} may be meant. Correct the name or remove the"
        " variable. Nothing was written to Swit"
        for name, meant in misspelled_settings().items()
    ]
    if problems:
        raise SettingsError(problems)


def is_typo(name: str, setting: str) -> bool:
    """Whether a name is a setting's but for one or two letters.

    Another word is no typo, even if it differs in two letters only: LDAP_SERVER_HOST is not
    LDAP_SERVER_PORT. Settings of one word (HOST, PORT) are near to many names of other programs.
    """
    if "_" not in setting or abs(len(name) - len(setting)) > _MOST_LETTERS:
        return False
    if len(set(name) ^ set(setting)) > 2 * _MOST_LETTERS:
        return False  # quick: nearly all names end here
    words = list(zip_longest(name.split("_"), setting.split("_"), fillvalue=""))
    if name.count("_") != setting.count("_"):
        words = [(name, setting)]  # an underscore is missing, or one too many
    distances = [(_letters_between(given, meant), len(meant)) for given, meant in words]
    same_words = all(distance <= 1 or 2 * distance < length for distance, length in distances)
    return same_words and sum(distance for distance, _ in distances) <= _MOST_LETTERS


def _letters_between(first: str, second: str) -> int:
    """Letters to add, leave out, replace or swap with a neighbour to make one of the other."""
    before: list[int] = []
    last = list(range(len(second) + 1))
    for row, letter in enumerate(first, start=1):
        this = [row]
        for place, other in enumerate(second, start=1):
            costs = [last[place] + 1, this[-1] + 1, last[place - 1] + (letter != other)]
            if row > 1 and place > 1 and (letter, first[row - 2]) == (second[place - 2], other):
                costs.append(before[place - 2] + 1)
            this.append(min(costs))
        before, last = last, this
    return last[-1]


def _known_names() -> set[str]:
    names = {name.upper() for name in Settings.model_fields}
    return names | {f"{name.upper()}_FILE" for name in SECRETS}


def _meant(name: str, value: str, known: Iterable[str]) -> str:
    """The setting that is meant: the nearest one that it is a typo of, else one that is alike."""
    # The names of many other programs are near to this one, so its value has to be there, too.
    if value.strip().lower() == "sandbox" and _letters_between(name, "SWIT") <= _MOST_LETTERS:
        return "SWIT"
    near = [setting for setting in known if is_typo(name, setting)]
    if near:
        return min(near, key=lambda setting: (_letters_between(name, setting), setting))
    several_words = [setting for setting in known if "_" in setting]
    return "".join(get_close_matches(name, several_words, n=1, cutoff=_LIKENESS))


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
