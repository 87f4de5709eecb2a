"""The sample directory: a made-up company of 40 people and 14 groups."""

from importlib.resources import files
from pathlib import Path


def sample_directory_path() -> Path:
    """Where the sample directory is: JSON, in the shape that `IDP_FILE` reads."""
    return Path(str(files("swit_provisioning.sandbox") / "data" / "sample_directory.json"))
