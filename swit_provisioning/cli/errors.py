"""Exit codes, and what is wrong with how a command was called. Scripts rely on the codes."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from swit_provisioning.apply.run_model import RefusedError, RunState
from swit_provisioning.report.safe_text import for_a_terminal, shortened


class UnwritableFileError(Exception):
    """A file that was named for the output can't be written."""

    def __init__(self, path: Path, error: OSError, *, example: str) -> None:
        """Say which file, what the system says of it, and a command that would do."""
        super().__init__(
            f"{path} can't be written: {error.strerror or error}. Name a file in a folder that is"
            f" there and that you may write to: {example}"
        )


class UnknownPlanError(Exception):
    """There is no plan of this id."""

    def __init__(self, plan_id: str) -> None:
        """Say which, and how to come by one."""
        super().__init__(
            f"There is no plan {plan_id}. `swit-provisioning plan` makes one and prints its id."
        )


class UnknownSubjectError(Exception):
    """Nobody is called so, or too many are."""

    def __init__(self, who: str, similar: Iterable[str] = ()) -> None:
        """Say so, and what looks like it."""
        near = ", ".join(for_a_terminal(shortened(text)) for text in similar)
        meant = f" Did you mean: {near}?" if near else ""
        super().__init__(
            f"{for_a_terminal(shortened(who))} is no address, name, DN or id of anybody in the"
            f" directory, in Swit or in the journal.{meant} Give an address, a team's name, a DN"
            " or an id: swit-provisioning explain someone@example.com"
        )


class AmbiguousSubjectError(Exception):
    """More people and teams are called so than anybody would read about."""

    def __init__(self, who: str, number: int, ways: Sequence[str]) -> None:
        """Say how many, and how a few of them are named alone."""
        few = ", ".join(for_a_terminal(shortened(way)) for way in ways[:5])
        super().__init__(
            f"{number} people and teams are called {for_a_terminal(shortened(who))}. Name one by"
            f" its DN, address or id{f': {few}...' if few else '.'}"
        )


class UnusableHomeError(Exception):
    """Dagster can't keep what it notes of runs."""

    def __init__(self, home: Path, error: Exception) -> None:
        """Say where, and what the system or the database says; no statement, no values."""
        cause = getattr(error, "orig", None) or getattr(error, "strerror", None)
        super().__init__(
            f"Dagster's own storage (DAGSTER_HOME: {home}) can't be used:"
            f" {cause or type(error).__name__}. Look at its rights and the space left on its disk,"
            " then run the command again: what Swit has taken is not sent again."
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
