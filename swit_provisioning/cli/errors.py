"""Exit codes, and what is wrong with how a command was called. Scripts rely on the codes."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from swit_provisioning.report.safe_text import for_a_terminal, shortened

EXIT_CODES: Final = {
    "success": 0,
    "applied": 0,
    "nothing to do": 0,
    "failed": 1,
    "canceled": 1,
    "unknown plan": 2,
    "wrong use": 2,
    "blocked": 3,
    "partly applied": 4,
    "stale": 5,
    "busy": 6,
}
"""0 done · 1 failed · 2 wrong use or settings · 3 a guard · 4 some rejected · 5 stale · 6 busy."""


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


_WRONG_USE: Final = (
    AmbiguousSubjectError,
    UnknownPlanError,
    UnknownSubjectError,
    UnusableInputError,
    UnwritableFileError,
)


def exit_code_of(error: Exception) -> int | None:
    """The code of an error whose message is all that a person needs; `None`: a fault of ours."""
    if isinstance(error, _WRONG_USE):
        return 2
    if isinstance(error, UnusableHomeError):
        return 1
    return _code_of_other_rooms(error)


def _code_of_other_rooms(error: Exception) -> int | None:
    # Only a command that failed needs to know all kinds of errors.
    from swit_provisioning.apply.approvals import DecisionRefusedError  # noqa: PLC0415
    from swit_provisioning.gateway.server import ListenError  # noqa: PLC0415
    from swit_provisioning.operations.erasure import RunsUnderWayError, UpkeepError  # noqa: PLC0415
    from swit_provisioning.report.explain.explain import IncompleteReadError  # noqa: PLC0415
    from swit_provisioning.sandbox.server import SandboxStartError  # noqa: PLC0415
    from swit_provisioning.sandbox.state_file import SandboxStateError  # noqa: PLC0415
    from swit_provisioning.settings import SettingsError  # noqa: PLC0415
    from swit_provisioning.sources.base import DirectoryError  # noqa: PLC0415
    from swit_provisioning.state.errors import (  # noqa: PLC0415
        AmbiguousPlanError,
        LeaseHeldError,
        StoreError,
    )
    from swit_provisioning.swit.auth import LoginError  # noqa: PLC0415
    from swit_provisioning.swit.errors import SwitError  # noqa: PLC0415

    if isinstance(error, DecisionRefusedError):
        return EXIT_CODES[error.status]
    if isinstance(error, (LeaseHeldError, RunsUnderWayError)):
        return EXIT_CODES["busy"]
    if isinstance(error, (AmbiguousPlanError, SettingsError, UpkeepError)):
        return 2
    known = (
        DirectoryError,
        IncompleteReadError,
        ListenError,
        LoginError,
        SandboxStartError,
        SandboxStateError,
        StoreError,
        SwitError,
    )
    return 1 if isinstance(error, known) else None
