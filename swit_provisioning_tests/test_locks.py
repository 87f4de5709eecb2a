"""The locked packages: what servers install, and what tests and tools need besides."""

import configparser
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PRODUCTION = ROOT / "requirements.lock"
DEVELOPMENT = ROOT / "requirements-dev.lock"


def pins(lock: Path) -> dict[str, tuple[str, frozenset[str]]]:
    """Package -> its version (with the machines that it is for), and the hashes of its files."""
    found = {}
    for entry in re.split(r"^(?=\S+==)", lock.read_text("utf-8"), flags=re.MULTILINE)[1:]:
        name, _, version = entry.partition(" \\")[0].partition("==")
        found[name] = (version, frozenset(re.findall(r"--hash=(sha256:[0-9a-f]{64})", entry)))
    return found


def declared(extra: str | None = None) -> set[str]:
    """The packages that `setup.cfg` names."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    section = config["options.extras_require"] if extra else config["options"]
    lines = section[extra or "install_requires"].strip().splitlines()
    return {re.split(r"[ <>=]", line)[0].lower() for line in lines}


def test_servers_install_no_development_tools() -> None:
    production = set(pins(PRODUCTION))
    assert declared() <= production
    assert declared("postgresql") <= production
    assert production & (declared("dev") - declared("postgresql")) == set()
    assert len(production) < len(pins(DEVELOPMENT))
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text("utf-8")
    assert "-r requirements.lock" in dockerfile
    assert "requirements-dev.lock" not in dockerfile


def test_tests_run_with_what_servers_install() -> None:
    production, development = pins(PRODUCTION), pins(DEVELOPMENT)
    assert declared("dev") <= set(development)
    for name, (version, hashes) in production.items():
        assert hashes, name
        # A package that servers need on some systems only, tools may need on all of them.
        everywhere = version.partition(" ;")[0]
        assert development[name] in {(version, hashes), (everywhere, hashes)}, name
