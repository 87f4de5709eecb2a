"""A run as sending sees it: who started it, which plan it is to send, and how it ends.

The words of `RunState` are the ones that scripts read in `--json`, in messages and in a tag of the
Dagster run; the exit codes of commands derive from it.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:  # every command reads exit codes here, and most need no database
    from swit_provisioning.planning.model import Change
    from swit_provisioning.state.journal import JournalEntry
    from swit_provisioning.state.plan_approvals import Rejection
    from swit_provisioning.state.stored_plans import StoredPlan

JobName = Literal["plan", "apply", "sync"]


@dataclass(frozen=True, kw_only=True)
class RunIdentity:
    """The run as far as the right to send depends on it."""

    run_id: str
    root_run_id: str
    """The first run of a chain of re-executions: plans and journal belong to it."""
    actor: str
    """User and host that started the run."""
    may_write: bool
    """Whether it is a run of a job that writes."""
    is_scheduled: bool = False
    retry_of: str | None = None
    """The failed run that Dagster retries by itself with this one."""


@dataclass(frozen=True, kw_only=True)
class PlanRequest:
    """The plan that a run is asked to send, and the part of it."""

    plan_id: str = ""
    """Empty: the plan that the run has made."""
    approve: str = ""
    """The reason to approve the limits that the plan breaks; empty: no approval."""
    only: str = ""
    exclude: str = ""
    limit: int = 0

    @property
    def options(self) -> str:
        """The options of the command `apply` that choose the same part of the plan."""
        options = {"--only": self.only, "--except": self.exclude, "--limit": self.limit}
        given = {name: shlex.quote(str(value)) for name, value in options.items() if value}
        return "".join(f" {name} {value}" for name, value in given.items())


class RunState(StrEnum):
    """The state of a run that has ended, and the exit code of its command.

    The codes: 0 done, 1 failed, 2 wrong use, 3 blocked, 4 partly applied, 5 stale, 6 busy.
    """

    exit_code: int

    def __new__(cls, word: str, exit_code: int = 1) -> Self:
        """Take the word as the value, so that `RunState("applied")` finds its member."""
        state = str.__new__(cls, word)
        state._value_, state.exit_code = word, exit_code
        return state

    APPLIED = "applied", 0
    NOTHING_TO_DO = "nothing to do", 0
    PARTLY_APPLIED = "partly applied", 4
    """Applied, but Swit rejected some changes, they were skipped, or they wait for an approval."""
    PLANNED = "planned", 0
    """A run of the job `plan`: it writes nothing."""
    BLOCKED = "blocked", 3
    """A guard, a rejection or a pause stopped it before it wrote anything."""
    STALE = "stale", 5
    """The plan is out of date."""
    BUSY = "busy", 6
    """Another run is writing."""
    CANCELED = "canceled", 1
    FAILED = "failed", 1
    UNKNOWN_PLAN = "unknown plan", 2
    """There is no such plan."""
    WRONG_USE = "wrong use", 2
    """The command or the run's configuration can't be carried out as it is."""

    @property
    def is_success(self) -> bool:
        """Whether the Dagster run succeeded."""
        return self in {
            RunState.APPLIED,
            RunState.NOTHING_TO_DO,
            RunState.PARTLY_APPLIED,
            RunState.PLANNED,
        }

    @property
    def message_state(self) -> "RunState":
        """The state that messages to webhooks give: other misuse counts as failed there."""
        misuse = self in {RunState.UNKNOWN_PLAN, RunState.WRONG_USE}
        return RunState.FAILED if misuse else self

    @property
    def json_state(self) -> "RunState":
        """The state in the JSON documents of `apply` and `sync`, which know seven words."""
        return RunState.FAILED if self is RunState.CANCELED else self.message_state


class RefusedError(Exception):
    """A plan can't be sent, approved or rejected; the message says why, and what to do instead."""

    def __init__(self, message: str, state: RunState) -> None:
        """Take the message and the state that the run or the command ends in."""
        super().__init__(message)
        self.state = state


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """One run that has ended."""

    run_id: str
    job: str
    state: RunState
    message: str = ""
    """What stopped it; empty after a success."""
    guards: tuple[Mapping[str, Any], ...] = ()
    """The results of the guards in this run, those of the gate if it got there."""
    stored: "StoredPlan | None" = None
    """The plan that it might send; without one, the plan that it made."""
    entries: "Mapping[str, JournalEntry]" = field(default_factory=dict)
    """Change id -> the last entry of the journal, by all runs that sent parts of the plan."""
    calls: int = 0
    """API calls to Swit, reads included."""
    seconds: float = 0.0
    left_for_later: str = ""
    """The changes of the plan that were not chosen, counted; empty: none."""
    waiting: "WaitingPlan | None" = None
    """The plan of the changes that exceed a limit and were held back, if there are any."""


@dataclass(frozen=True, kw_only=True)
class WaitingPlan:
    """The plan of the changes that a run held back."""

    plan_id: str
    changes: "tuple[Change, ...]"
    rejection: "Rejection | None" = None
    """If it was rejected, it waits for nobody."""

    @property
    def command(self) -> str:
        """The command that approves it."""
        return f'swit-provisioning approve {self.plan_id} --reason "reason"'
