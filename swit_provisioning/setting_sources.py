"""Where the value of each setting comes from, and unknown variables that look like settings."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import zip_longest
from pathlib import Path
from typing import Final

from dotenv import dotenv_values
from pydantic import SecretStr

from swit_provisioning import ENV_FILE_VARIABLE
from swit_provisioning.setting_fields import SECRETS, SECTIONS, Section

SETTING_NAMES: Final[tuple[str, ...]] = tuple(
    sorted(name for section in SECTIONS for name in section.model_fields)
)

_OUR_PREFIXES: Final = ("LDAP_", "SWIT_", "MAX_", "SCHEDULE_")
"""Prefixes that hardly any other program uses."""
_SIMILARITY: Final = 0.85
_MAX_TYPO_LETTERS: Final = 2
"""The maximum number of letters in which a misspelled name differs from a setting."""


class SettingsError(Exception):
    """Settings are missing or cannot be used. The message has one line for each."""

    def __init__(self, problems: list[str]) -> None:
        """Take one sentence per problem, each starting with the variable's name."""
        self.problems = problems
        lines = "\n".join(f"- {problem}" for problem in problems)
        count = "1 setting" if len(problems) == 1 else f"{len(problems)} settings"
        super().__init__(f"Correct {count}:\n{lines}")


def env_file() -> Path:
    """The file with settings: `.env` in the working folder, or the one that `--env-file` names."""
    return Path(str(Section.model_config["env_file"]))


def sources() -> tuple[dict[str, str], ...]:
    """The environment, then the lines of the env file: names in upper case, without empty values.

    Raises:
        SettingsError: the env file cannot be read.

    """
    path = env_file()
    try:
        lines = dotenv_values(path, encoding="utf-8") if path.is_file() else {}
    except OSError as error:
        problem = f"The file {path.absolute()} cannot be read: {error.strerror}"
        raise SettingsError([f"{problem}. Let this account read it, or remove it"]) from error
    except UnicodeDecodeError as error:
        problem = f"The file {path.absolute()} is not UTF-8 text"
        raise SettingsError([f"{problem}. Save it as UTF-8"]) from error
    return set_values(os.environ), set_values(lines)


def set_values(source: Mapping[str, str | None]) -> dict[str, str]:
    """The variables that have a value, with names in upper case."""
    return {name.upper(): value for name, value in source.items() if value}


def secrets_from_files(given: Iterable[Mapping[str, str]]) -> tuple[dict[str, str], list[str]]:
    """The secrets in the files of `..._FILE` variables, and problems. The first source wins."""
    values: dict[str, str] = {}
    problems: list[str] = []
    given = tuple(given)
    for secret in SECRETS:
        name = secret.upper()
        named = (source for source in given if name in source or f"{name}_FILE" in source)
        source = next(named, {})
        path = source.get(f"{name}_FILE")
        if not path:
            continue
        if name in source:
            problems.append(f"{name} and {name}_FILE are both set; keep one")
            continue
        try:
            values[secret] = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"{name}_FILE: cannot read {path}: {error}")
    return values, problems


@dataclass(frozen=True, kw_only=True)
class ShownSetting:
    """One setting as it may be shown."""

    name: str
    value: str
    """`set` for a secret; empty if there is none."""
    source: str
    """`environment`, the env file (`.env`), `file /path` or `default`."""


def shown_settings(settings: Section) -> list[ShownSetting]:
    """All settings in alphabetical order, without secrets."""
    given = sources()
    shown = []
    for name in SETTING_NAMES:
        value: object = getattr(settings, name)
        text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        if value is None:
            text = ""
        elif isinstance(value, SecretStr):
            text = "set" if value.get_secret_value() else ""
        shown.append(ShownSetting(name=name.upper(), value=text, source=_source(name, given)))
    return shown


def unknown_variables() -> dict[str, str]:
    """Variables that look like settings but are unknown -> the setting that may be meant, or ""."""
    known = {name.upper() for name in SETTING_NAMES} | {f"{name.upper()}_FILE" for name in SECRETS}
    known.add(ENV_FILE_VARIABLE)
    environment, lines = sources()
    given = lines | environment
    found = {name: _similar(name, given[name], known) for name in sorted(given.keys() - known)}
    return {name: meant for name, meant in found.items() if meant or name.startswith(_OUR_PREFIXES)}


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
        SettingsError: names each of them and the setting that may be meant.

    """
    problems = [
        f"{name}: there is no such setting, {meant} may be meant. Correct the name or remove the"
        " variable. Nothing was written to Swit"
        for name, meant in misspelled_settings().items()
    ]
    if problems:
        raise SettingsError(problems)


def is_typo(name: str, setting: str) -> bool:
    """True if a name is that of a setting but for one or two letters.

    A different word is no typo, even if it differs in two letters: LDAP_SERVER_HOST is not
    LDAP_SERVER_PORT. Settings of one word (HOST, PORT) resemble many names of other programs.
    """
    if "_" not in setting or abs(len(name) - len(setting)) > _MAX_TYPO_LETTERS:
        return False
    if len(set(name) ^ set(setting)) > 2 * _MAX_TYPO_LETTERS:
        return False  # a quick check that excludes nearly all names
    words = list(zip_longest(name.split("_"), setting.split("_"), fillvalue=""))
    if name.count("_") != setting.count("_"):
        words = [(name, setting)]  # an underscore is missing, or there is one too many
    distances = [(_distance(given, meant), len(meant)) for given, meant in words]
    same_words = all(distance <= 1 or 2 * distance < length for distance, length in distances)
    return same_words and sum(distance for distance, _ in distances) <= _MAX_TYPO_LETTERS


def _distance(first: str, second: str) -> int:
    """Letters to add, remove, replace or swap with a neighbour to get from one to the other."""
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


def _similar(name: str, value: str, known: Iterable[str]) -> str:
    """The setting that is meant: the nearest one of which it is a typo, else a similar one."""
    # Many other variables resemble this short name, so the value is checked as well.
    if value.strip().lower() == "sandbox" and _distance(name, "SWIT") <= _MAX_TYPO_LETTERS:
        return "SWIT"
    near = [setting for setting in known if is_typo(name, setting)]
    if near:
        return min(near, key=lambda setting: (_distance(name, setting), setting))
    several_words = [setting for setting in known if "_" in setting]
    return "".join(get_close_matches(name, several_words, n=1, cutoff=_SIMILARITY))


def _source(setting: str, given: Iterable[Mapping[str, str]]) -> str:
    name = setting.upper()
    for title, source in zip(("environment", str(env_file())), given, strict=True):
        if name in source:
            return title
        path = source.get(f"{name}_FILE")
        if path and setting in SECRETS:
            return f"file {path}"
    return "default"
