"""How a run that has ended went: its state, what stopped it, and what it sent.

Commands and messages read a run here, so that they give one answer.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import dagster as dg

from swit_provisioning.apply.outcomes import DONE
from swit_provisioning.apply.run_model import RunResult, RunState, WaitingPlan
from swit_provisioning.operations.dagster_runs import (
    BLOCKED_TAG,
    CALLS_TAG,
    FEW_REJECTED,
    INTERRUPTED,
    LEFT_OUT_TAG,
    RESULT_TAG,
    root_run_id,
)
from swit_provisioning.planning.guards import GUARDS
from swit_provisioning.planning.model import PlanHash, shown_id
from swit_provisioning.state.journal import JournalEntry
from swit_provisioning.state.store import Store
from swit_provisioning.state.stored_plans import AmbiguousPlanError, StoredPlan

_NEXT_STEP: Final = (
    "Nothing more will be sent. To go on, run swit-provisioning sync: it makes a new plan, and"
    " changes that were sent are not sent again."
)

_CANCELING: Final = dg.DagsterEventType.RUN_CANCELING
_SQLALCHEMY: Final = "https://sqlalche.me/"
"""Part of every SQLAlchemy error."""
_STORAGE_ADVICE: Final = (
    "Check its permissions and the space left on its disk. Run the command again after that:"
    " applied changes are not sent again."
)


def result_of(dagster: dg.DagsterInstance, run: dg.DagsterRun, store: Store | None) -> RunResult:
    """Read the result of a run; without the state database, what Dagster alone knows."""
    return _EndedRun(dagster, run).result(store)


class _EndedRun:
    """A run, and its events in Dagster."""

    def __init__(self, dagster: dg.DagsterInstance, run: dg.DagsterRun) -> None:
        self._dagster = dagster
        self._run = run
        self._checks: list[dg.AssetCheckEvaluation] = [
            event.asset_check_evaluation_data
            for event in self._events(dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        ]

    def result(self, store: Store | None) -> RunResult:
        run = self._run
        stored, entries = self._sent(store) if store else (None, {})
        waiting = _waiting(stored, store) if stored and store else None
        if run.is_success:
            state, message = self._success_state(stored, entries, waiting), ""
        else:
            state, message = self._why()
        record = self._dagster.get_run_record_by_id(run.run_id)
        ended, started = (record.end_time, record.start_time) if record else (None, None)
        return RunResult(
            run_id=run.run_id,
            job=run.job_name,
            state=state,
            message=message,
            guards=self._guards(),
            stored=stored,
            entries=entries,
            calls=int(run.tags.get(CALLS_TAG, "0")),
            seconds=max(ended - started, 0.0) if ended and started else 0.0,
            left_for_later=run.tags.get(LEFT_OUT_TAG, ""),
            waiting=waiting,
        )

    def _events(self, kind: dg.DagsterEventType) -> Iterator[Any]:
        for entry in self._dagster.all_logs(self._run.run_id, of_type=kind):
            yield entry.get_dagster_event()

    def _success_state(
        self,
        stored: StoredPlan | None,
        entries: Mapping[str, JournalEntry],
        waiting: WaitingPlan | None,
    ) -> RunState:
        if self._run.job_name == "plan":
            return RunState.PLANNED
        if stored is None or not stored.plan.changes:
            return RunState.NOTHING_TO_DO
        is_partial = any(entry.outcome not in DONE for entry in entries.values())
        is_partial |= waiting is not None and waiting.rejection is None
        return RunState.PARTLY_APPLIED if is_partial else RunState.APPLIED

    def _why(self) -> tuple[RunState, str]:
        """The state of a run that did not succeed, and what stopped it.

        That is a guard, else the first failed step, else what kept the run from starting.
        """
        run = self._run
        if run.tags.get(BLOCKED_TAG):
            return RunState.BLOCKED, run.tags[BLOCKED_TAG]
        if run.status is dg.DagsterRunStatus.CANCELED:
            # The first event that says that the run is to be canceled: a signal, the time limit.
            reasons = (event.message or "" for event in self._events(_CANCELING))
            by_us = (reason for reason in reasons if reason.startswith("The run was"))
            reason = next(by_us, "The run was canceled by a person in the Dagster UI.")
            return RunState.CANCELED, f"{reason} {_NEXT_STEP}"
        for check in self._checks:
            if check.check_name == FEW_REJECTED and not check.passed:
                return RunState.FAILED, check.description or FEW_REJECTED
        return self._failure() or (RunState.FAILED, f"{INTERRUPTED} {_NEXT_STEP}")

    def _failure(self) -> tuple[RunState, str] | None:
        """The state and the message of the first failed step, else of the run's own failure."""
        for event in self._events(dg.DagsterEventType.STEP_FAILURE):
            data = event.step_failure_data
            if data.user_failure_data:
                state = RunState(self._run.tags.get(RESULT_TAG) or RunState.FAILED)
                return state, data.user_failure_data.description or ""
            if data.error:
                return RunState.FAILED, _own_words(data.error)
        for event in self._events(dg.DagsterEventType.RUN_FAILURE):
            error = event.job_failure_data.error
            return RunState.FAILED, _own_words(error) if error else (event.message or "")
        return None

    def _guards(self) -> tuple[Mapping[str, Any], ...]:
        """The results of the gate; of a run that did not get there, those of its plan."""
        found: dict[str, dict[str, Mapping[str, Any]]] = {}
        for check in self._checks:
            if check.check_name in GUARDS:
                found.setdefault(check.asset_key.to_user_string(), {})[check.check_name] = {
                    "name": check.check_name,
                    "passed": check.passed,
                    # In the sense of this program: one that fails blocks the plan.
                    "blocking": True,
                    "message": check.description or "",
                }
        return tuple((found.get("accepted_plan") or found.get("change_plan") or {}).values())

    def _sent(self, store: Store) -> tuple[StoredPlan | None, Mapping[str, JournalEntry]]:
        """The plan that the run, or the first of its chain, might send; else the one it made."""
        root = root_run_id(self._run)
        acceptance = store.acceptances.of(root)
        if acceptance is None:
            plan_hash = self._requested_plan(store) or store.plans.made_by(root)
            return (store.plans.get(plan_hash) if plan_hash else None), {}
        entries = store.journal.latest(acceptance.application_id, plan_hash=acceptance.plan_hash)
        return store.plans.get(acceptance.plan_hash), entries

    def _requested_plan(self, store: Store) -> PlanHash | None:
        """The plan that the configuration of a run of `apply` names."""
        if self._run.job_name != "apply":
            return None
        # As the job's own two fields, or as they are handed to the gate.
        config: Any = self._run.run_config
        config = config.get("ops", {}).get("accepted_plan", {}).get("config") or config
        plan_id = config.get("plan_id")
        try:
            return store.plans.find(plan_id) if isinstance(plan_id, str) else None
        except AmbiguousPlanError:
            return None


def _waiting(stored: StoredPlan, store: Store) -> WaitingPlan | None:
    """The plan of the changes that were held back when this plan was made."""
    if not stored.plan.waiting:
        return None
    held = PlanHash(stored.plan.waiting_hash)
    return WaitingPlan(
        plan_id=shown_id(held),
        changes=stored.plan.waiting,
        rejection=store.rejections.of(held),
    )


def _own_words(error: Any) -> str:  # noqa: ANN401 - SerializableErrorInfo is not public
    """The message of the error that Dagster wraps in its own ones; its cause is for the UI."""
    while error.cause and (error.cls_name or "").startswith("Dagster"):
        error = error.cause
    if error.cls_name == "DagsterExecutionInterruptedError":
        return f"{INTERRUPTED} {_NEXT_STEP}"
    words = str(error.message).strip()
    if _SQLALCHEMY in words:
        # The rest of the text is the statement with its values, which may be people's names.
        cause = words.splitlines()[0].rpartition(") ")[2]
        return f"Dagster's storage (DAGSTER_HOME) cannot be used: {cause}. {_STORAGE_ADVICE}"
    name, _, rest = words.partition(": ")
    return rest if name.rpartition(".")[2] == error.cls_name else words
