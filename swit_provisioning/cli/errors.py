"""Errors of commands, and the exit code of every error. Scripts rely on the codes."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from swit_provisioning.apply.run_model import RefusedError, RunState
from swit_provisioning.report.safe_text import for_a_terminal, shortened


class UnwritableFileError(Exception):
    """The output file cannot be written."""

    def __init__(self, path: Path, error: OSError, *, example: str) -> None:
        """Name the file, the system's error, and an `example` of a command that works."""
        super().__init__(
            f"{path} cannot be written: {error.strerror or error}. Name a file in a folder"
            f" that exists and that you may write to: {example}"
        )


class UnknownPlanError(Exception):
    """There is no plan with this id."""

    def __init__(self, plan_id: str) -> None:
        """Name the id."""
        super().__init__(
            f"There is no plan {plan_id}. `swit-provisioning plan` makes one and prints its id."
        )


class UnknownSubjectError(Exception):
    """Nothing has this name, on either side or in the journal."""

    def __init__(self, who: str, similar: Iterable[str] = ()) -> None:
        """Name the subject and similar names."""
        near = ", ".join(for_a_terminal(shortened(text)) for text in similar)
        meant = f" Did you mean: {near}?" if near else ""
        super().__init__(
            f"{for_a_terminal(shortened(who))} is no address, name, DN or id in the"
            f" directory, in Swit or in the journal.{meant} Give an address, a team's name, a DN"
            " or an id: swit-provisioning explain someone@example.com"
        )


class AmbiguousSubjectError(Exception):
    """Too many people and teams have this name."""

    def __init__(self, who: str, number: int, ways: Sequence[str]) -> None:
        """Give their number, and unambiguous names of a few of them."""
        few = ", ".join(for_a_terminal(shortened(way)) for way in ways[:5])
        super().__init__(
            f"{number} people and teams have the name {for_a_terminal(shortened(who))}. Name one by"
            f" its DN, address or id{f': {few}...' if few else '.'}"
        )


class UnusableHomeError(Exception):
    """Dagster's storage cannot be used."""

    def __init__(self, home: Path, error: Exception) -> None:
        """Name the folder and the error of the system or the database, without its statement."""
        cause = getattr(error, "orig", None) or getattr(error, "strerror", None)
        super().__init__(
            f"Dagster's storage (DAGSTER_HOME: {home}) cannot be used:"
            f" {cause or type(error).__name__}. Check its permissions and the space left on its"
            " disk."
            " Run the command again after that: applied changes are not sent again."
        )


class UnusableInputError(Exception):
    """A file or standard input does not contain what the command needs."""

    def __init__(self, problem: str, *, advice: str) -> None:
        """Name the problem and what to do about it."""
        super().__init__(f"{problem}. {advice}")


_CODES: Final[Mapping[str, int]] = {
    "AmbiguousPlanError": 2,
    "AmbiguousSubjectError": 2,
    "DirectoryError": 1,
    "IncompleteReadError": 1,
    "LeaseHeldError": RunState.BUSY.exit_code,
    "ListenError": 1,
    "LoginError": 1,
    "RunsUnderWayError": RunState.BUSY.exit_code,
    "SandboxStartError": 1,
    "SandboxStateError": 1,
    "SettingsError": 2,
    "StoreError": 1,
    "SwitError": 1,
    "UnknownPlanError": 2,
    "UnknownSubjectError": 2,
    "UnusableHomeError": 1,
    "UnusableInputError": 2,
    "UnwritableFileError": 2,
    "ErasureError": 2,
}
"""Exit code of each error whose message is complete; a subclass has that of its nearest base.

By name: importing all of these classes would take longer than most commands.
"""


def exit_code_of(error: Exception) -> int | None:
    """The exit code of an expected error; `None` for an error of the program itself."""
    if isinstance(error, RefusedError):
        return error.state.exit_code
    for kind in type(error).__mro__:
        if kind.__module__.startswith("swit_provisioning.") and kind.__name__ in _CODES:
            return _CODES[kind.__name__]
    return None
