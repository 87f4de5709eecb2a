"""Every error that a person is shown ends with what to do."""

import pkgutil
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import pytest

import swit_provisioning
from swit_provisioning.cli.framework import (
    AmbiguousSubjectError,
    UnknownSubjectError,
    UnusableHomeError,
    UnwritableFileError,
)
from swit_provisioning.report.explanations import IncompleteReadError
from swit_provisioning.state.coordination import LeaseHeldError, LeaseHolder, LeaseLostError
from swit_provisioning.state.database import NewerSchemaError
from swit_provisioning.state.identities import OtherOrganizationError
from swit_provisioning.state.token_store import TokensUnreadableError
from swit_provisioning.swit.errors import SwitError

NOW = datetime(2026, 3, 1, 2, 30, tzinfo=UTC)
_NOWHERE = OSError(2, "No such file or directory")
SAID = [
    UnwritableFileError(Path("x.html"), _NOWHERE, example="swit-provisioning show P --html x.html"),
    UnknownSubjectError("ann@x"),
    UnknownSubjectError("ann@x", ["anne@x"]),
    AmbiguousSubjectError("Ann", 11, ["CN=Ann,DC=x"]),
    UnusableHomeError(Path("home"), _NOWHERE),
    IncompleteReadError(),
    NewerSchemaError(found="9", known="3"),
    TokensUnreadableError(key_given=True),
    TokensUnreadableError(key_given=False),
    OtherOrganizationError(bound_to="O1", found="O2"),
    LeaseHeldError(LeaseHolder(run_id="R1", actor="ann@pc", since=NOW, until=NOW)),
]
_WAYS_OUT = re.compile(
    r"\b(?:swit-provisioning [a-z]+|Set|Use|Name|Give|Install|Wait|Look|Mend|Try|Run|Log in"
    r"|Make|Check|Correct|[Rr]e-execute|Write|Save|Start)\b"
)


def all_errors_of_swit() -> Iterator[type[SwitError]]:
    for module in pkgutil.walk_packages(swit_provisioning.__path__, "swit_provisioning."):
        if module.name.startswith("swit_provisioning.swit."):
            import_module(module.name)
    waiting = SwitError.__subclasses__()
    while waiting:
        kind = waiting.pop()
        yield kind
        waiting += kind.__subclasses__()


@pytest.mark.parametrize("kind", sorted(all_errors_of_swit(), key=str))
def test_every_error_of_swit_ends_with_its_remedy(kind: type[SwitError]) -> None:
    assert _WAYS_OUT.search(kind.remedy)
    assert str(kind(call="team.create", message="the name is taken")).endswith(kind.remedy)


@pytest.mark.parametrize("error", SAID, ids=lambda error: type(error).__name__)
def test_every_other_error_ends_with_what_to_do(error: Exception) -> None:
    *_, last = re.split(r"(?<=[.!?]) (?=[A-Z`])", str(error))
    assert _WAYS_OUT.search(last), last


def test_the_error_of_a_lost_lease_ends_with_what_to_do() -> None:
    assert _WAYS_OUT.search(str(LeaseLostError("R1", "it was not renewed in time")))
