"""A stand-in Swit organisation, kept in memory, for demonstrations and tests.

`organisation.py` contains Swit's rules, `calls.py` the table of calls, `editions.py` the answers in
each edition of Swit's API, `oauth.py` the login. `server.py` serves them over HTTP with rate limit,
faults and log. It imports nothing of the client.
"""

from importlib.resources import files
from pathlib import Path

SANDBOX_PORT = 5600
"""The default port."""


def sample_directory_path() -> Path:
    """The sample directory, a JSON file for `IDP_FILE`."""
    return Path(str(files(__name__) / "data" / "sample_directory.json"))
