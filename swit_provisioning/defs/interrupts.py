"""The executor of every run, which ends some runs as canceled.

- An interrupted run, or one past its maximum time: Dagster itself marks it as failed, and may then
  retry it.
- A blocked run: after a failed step, Dagster shows all later assets and checks as failed, with a
  stack trace; in a canceled run it shows them as skipped.
"""

import os
import signal
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import dagster as dg

from swit_provisioning.operations.names import BLOCKED_TAG, INTERRUPTED, RESULT_TAG
from swit_provisioning.settings import Settings

if TYPE_CHECKING:
    from dagster._core.execution.context.system import PlanOrchestrationContext
    from dagster._core.execution.plan.plan import ExecutionPlan
    from dagster._core.execution.retries import RetryMode


class _Interruptible(dg.Executor):
    """Executes the steps in this process, as Dagster's own executor does."""

    def __init__(self, inner: dg.Executor) -> None:
        self._inner = inner

    @property
    def retries(self) -> "RetryMode":
        return self._inner.retries

    def execute(
        self, plan_context: "PlanOrchestrationContext", execution_plan: "ExecutionPlan"
    ) -> Iterator[dg.DagsterEvent]:
        instance, run_id = plan_context.instance, plan_context.run_id
        limit = _RunTime(Settings.what_can_be_used().max_run_hours)
        try:
            with limit:
                _clear_result(instance, run_id)
                yield from self._inner.execute(plan_context, execution_plan)
            run = instance.get_run_by_id(run_id)
            if run is not None and run.tags.get(BLOCKED_TAG):
                instance.report_run_canceled(run, f"Blocked: {run.tags[BLOCKED_TAG]}")
                # Otherwise Dagster reports a success after it.
                raise dg.DagsterExecutionInterruptedError  # noqa: TRY301 - see above
        except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
            run = instance.get_run_by_id(run_id)
            if run is not None and run.status is dg.DagsterRunStatus.STARTED:
                why = limit.sentence if limit.is_over else INTERRUPTED
                instance.report_run_canceling(run, why)
            raise


def _clear_result(instance: dg.DagsterInstance, run_id: str) -> None:
    """Judge a re-execution of a blocked or refused run anew: the UI copies the tags of that run."""
    run = instance.get_run_by_id(run_id)
    tags = [tag for tag in (BLOCKED_TAG, RESULT_TAG) if run is not None and run.tags.get(tag)]
    if tags:
        instance.add_run_tags(run_id, dict.fromkeys(tags, ""))


class _RunTime:
    """Interrupts the main thread after the maximum run time, while a `with` block lasts."""

    def __init__(self, hours: float) -> None:
        self.sentence = f"The run was ended: it took longer than MAX_RUN_HOURS={hours:g}."
        self.is_over = False
        self._timer = threading.Timer(hours * 3600, self._end)
        self._timer.daemon = True

    def __enter__(self) -> None:
        # Only the main thread receives signals.
        if threading.current_thread() is threading.main_thread():
            self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _end(self) -> None:
        self.is_over = True
        os.kill(os.getpid(), signal.SIGTERM)


# Typed less widely than what Dagster accepts: the schema of another executor is one.
_CONFIG: Final[Any] = dg.in_process_executor.config_schema


@dg.executor(name="in_process", config_schema=_CONFIG)
def interruptible_executor(init_context: dg.InitExecutorContext) -> dg.Executor:
    """One process, so that one rate limit holds for all steps of a run."""
    create: Any = dg.in_process_executor.executor_creation_fn
    return _Interruptible(create(init_context))
