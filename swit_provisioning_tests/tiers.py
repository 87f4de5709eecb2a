"""Test tiers: which tests run, with how many examples, and which are left out on this machine.

`pytest --tier=NAME` selects one. A test needs a system program if one of its fixtures does
(`_NEEDED_BY`), or if it is marked `needs(...)`.
"""

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import hypothesis
import pytest

DEFAULT: Final = "ordinary"


@dataclass(frozen=True, kw_only=True)
class Tier:
    """What a tier runs, and the size of the tests that scale."""

    examples: int
    """Examples for each property."""
    nights: int = 20
    """Length of the simulated sequence of nightly runs."""
    kill_step: int = 10
    """Kill a run at every call (1), or at every tenth (10)."""


TIERS: Final = {
    "fast": Tier(examples=50),
    "ordinary": Tier(examples=100),
    "sample": Tier(examples=100),
    "long": Tier(examples=1_000, nights=200, kill_step=1),
}
_SLOW_FOLDERS: Final = ("browser", "incidents", "integration", "operations", "reliability")
"""Folders that the fast tier leaves out: Dagster runs, servers and processes of their own."""


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """Something outside Python that a test needs."""

    programs: tuple[tuple[str, ...], ...] = ()
    """Alternative names or glob patterns of each program."""
    install: str
    """What a person does to get it."""
    root: bool = False


REQUIREMENTS: Final = {
    "slapd": Requirement(programs=(("slapd",),), install="apt-get install slapd ldap-utils"),
    "samba": Requirement(
        programs=(("samba",), ("samba-tool",), ("ldapsearch",)),
        install="make system, then run the tests as root",
        root=True,
    ),
    "389ds": Requirement(
        programs=(("ns-slapd",), ("dscreate",)),
        install="apt-get install 389-ds-base, then run the tests as root",
        root=True,
    ),
    "postgresql": Requirement(
        programs=(("/usr/lib/postgresql/*/bin/initdb",),), install="apt-get install postgresql"
    ),
    "nginx": Requirement(
        programs=(("nginx",), ("/usr/bin/openssl",)), install="apt-get install nginx-light openssl"
    ),
    "chromium": Requirement(
        programs=(("chromium", "chromium-browser", "google-chrome"),),
        install="apt-get install chromium",
    ),
    "systemd": Requirement(programs=(("systemd-analyze",),), install="apt-get install systemd"),
    "root": Requirement(install="run the tests as root", root=True),
}
_NEEDED_BY: Final = {
    "slapd": "slapd",
    "open_ldap": "slapd",
    "active_directory": "samba",
    "directory_server_389": "389ds",
    "browser": "chromium",
    "front": "nginx",
    "sites": "nginx",
    "postgresql_server": "postgresql",
    "disk": "root",
}
"""Name of a fixture -> the requirement."""

_LEFT_OUT = pytest.StashKey[dict[str, int]]()
_PATH: Final = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/libexec"))


def tier(config: pytest.Config) -> Tier:
    """Sizes of the selected tier."""
    return TIERS[config.getoption("--tier")]


def load_profile(config: pytest.Config) -> None:
    """Give hypothesis the tier's number of examples.

    The examples are always the same, so that a failure points at the latest change. There is no
    time limit for one example: it would measure the machine. `SHRINK=no` reports the first failing
    example instead of the smallest.
    """
    phases = [
        phase
        for phase in hypothesis.Phase
        if phase is not hypothesis.Phase.shrink or os.environ.get("SHRINK") != "no"
    ]
    hypothesis.settings.register_profile(
        "tier",
        max_examples=tier(config).examples,
        phases=phases,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[
            hypothesis.HealthCheck.too_slow,
            hypothesis.HealthCheck.data_too_large,
        ],
    )
    hypothesis.settings.load_profile("tier")


def select(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests of other tiers, and those that cannot run on this machine.

    In CI nothing is left out: a missing program is a failure.
    """
    name = config.getoption("--tier")
    wanted = [item for item in items if _belongs(item, name)]
    left_out: dict[str, int] = {}
    runnable = []
    for item in wanted:
        missing = [need for need in needs(item) if not available(need)]
        if missing and not os.environ.get("CI"):
            left_out[missing[0]] = left_out.get(missing[0], 0) + 1
        else:
            runnable.append(item)
    config.stash[_LEFT_OUT] = left_out
    kept = set(runnable)
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = runnable


def needs(item: pytest.Item) -> list[str]:
    """Names of the requirements of a test, from its marks, fixtures and parameters."""
    found = {need for mark in item.iter_markers("needs") for need in mark.args}
    fixtures = getattr(item, "fixturenames", ())
    return sorted(found | {_NEEDED_BY[name] for name in fixtures if name in _NEEDED_BY})


def available(need: str) -> bool:
    """Whether this machine meets a requirement."""
    requirement = REQUIREMENTS[need]
    if requirement.root and os.geteuid() != 0:
        return False
    return all(any(map(_installed, names)) for names in requirement.programs)


def fail_if_missing(item: pytest.Item) -> None:
    """Fail a test whose requirement is missing; outside CI it was deselected."""
    for need in needs(item):
        if not available(need):
            pytest.fail(f"This test needs {need}: {REQUIREMENTS[need].install}.", pytrace=False)


def report(reporter: pytest.TerminalReporter, left_out: dict[str, int]) -> None:
    """List what was left out at the end of a run, and how to run it."""
    if not left_out:
        return
    reporter.section("left out: this machine lacks what these tests need", yellow=True)
    for need, count in sorted(left_out.items()):
        tests = "test" if count == 1 else "tests"
        reporter.line(f"{need}: {count} {tests} left out. {_sentence(REQUIREMENTS[need].install)}")


def left_out(config: pytest.Config) -> dict[str, int]:
    """Requirement -> number of tests that were deselected because it is missing."""
    return config.stash.get(_LEFT_OUT, {})


def keep_left_out(config: pytest.Config, found: dict[str, int]) -> None:
    """Take over what a worker process of xdist has deselected; every worker says the same."""
    config.stash[_LEFT_OUT] = found


def _belongs(item: pytest.Item, name: str) -> bool:
    is_long = item.get_closest_marker("long") is not None
    if name == "sample":
        return is_long
    if name == "long":
        return is_long or getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
    if is_long:
        return False
    return name != "fast" or not (needs(item) or _is_slow(item))


def _is_slow(item: pytest.Item) -> bool:
    room = item.path.relative_to(Path(__file__).parent).parts[0]
    return room in _SLOW_FOLDERS or item.get_closest_marker("slow") is not None


def _installed(name: str) -> bool:
    if name.startswith("/"):
        return any(_matches(name))
    return shutil.which(name, path=_PATH) is not None


def _matches(pattern: str) -> Iterable[Path]:
    return Path("/").glob(pattern.removeprefix("/"))


def _sentence(text: str) -> str:
    return f"To run them: {text}."
