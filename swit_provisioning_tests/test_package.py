"""What `setup.cfg` puts into the installed package beside the modules."""

from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "swit_provisioning"


def test_the_package_data_are_exactly_the_files_that_are_not_modules() -> None:
    """A file that no pattern names is missing where the package is installed from a wheel."""
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    patterns = setup["options.package_data"]["swit_provisioning"].split()
    found = {pattern: set(PACKAGE.glob(pattern)) for pattern in patterns}
    assert [pattern for pattern, files in found.items() if not files] == []
    others = {
        path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"}
    }
    assert set().union(*found.values()) == others
