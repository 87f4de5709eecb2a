"""One night in a company whose organisation has followed its directory so far."""

from typing import Any

from swit_provisioning_tests.directories import Directory, twenty_people
from swit_provisioning_tests.integration.small_company import PASSWORD, entries_of
from swit_provisioning_tests.integration.small_server import Entries, Limits, SmallServer
from swit_provisioning_tests.integration.stage import Stage

EVERYBODY = 20


def company() -> Directory:
    """20 people in 12 groups; one has a telephone number as people write it."""
    directory = twenty_people()
    directory["users"][1]["mobile"] = "+49 (0) 176 / 0000 01"
    return directory


class Night:
    """The state of the directory, and what the nightly `sync` makes of it.

    A test changes `directory`, adds `others`, or sets the server's `fault` or `limits`.
    """

    def __init__(self, stage: Stage, server: SmallServer) -> None:
        self.stage = stage
        self.server = server
        self.organisation = stage.organisation
        self.directory = company()
        self.others: Entries = {}
        server.fault = None
        server.limits = Limits()
        server.logins.clear()
        server.searches.clear()
        stage.server.faults.clear()
        stage.organisation.reset()

    @property
    def groups(self) -> dict[str, dict[str, Any]]:
        """The directory's groups by name."""
        return {group["displayName"]: group for group in self.directory["groups"]}

    def sync(self) -> tuple[int, str]:
        """Run it through the command line: the exit code, and all that was said in one line."""
        self.server.hold({**self.others, **entries_of(self.directory)})
        self.stage.server.log.clear()
        result = self.stage.run("sync")
        assert PASSWORD not in result.output + result.stderr
        return result.exit_code, " ".join(result.output.split())

    def is_stopped(self, *words: str, code: int = 1) -> None:
        """Nothing may be written, and a person must be told why."""
        before = self.organisation.snapshot()
        ended, said = self.sync()
        assert ended == code, said
        assert self.stage.writes == []
        assert self.organisation.snapshot() == before
        for phrase in words:
            assert phrase in said, said

    def is_quiet(self) -> str:
        """All is read, and nothing has to be done; what was said."""
        ended, said = self.sync()
        assert (ended, self.stage.writes) == (0, []), said
        assert "Nothing to do" in said
        return said
