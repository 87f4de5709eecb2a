"""How a run ends: failed with a message, blocked, or canceled.

The executor of every run ends some runs as canceled:

- An interrupted run, or one past its maximum time: Dagster itself marks it as failed, and may then
  retry it.
- A blocked run: after a failed step, Dagster shows all later assets and checks as failed, with a
  stack trace; in a canceled run it shows them as skipped.
"""

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import dagster as dg

from swit_provisioning.apply.run_model import RefusedError, RunState
from swit_provisioning.operations.dagster_runs import BLOCKED_TAG, INTERRUPTED, RESULT_TAG
from swit_provisioning.report.redaction import without_people_in
from swit_provisioning.report.safe_text import readable
from swit_provisioning.settings import Settings

if TYPE_CHECKING:
    from dagster._core.execution.context.system import PlanOrchestrationContext
    from dagster._core.execution.plan.plan import ExecutionPlan
    from dagster._core.execution.retries import RetryMode

Context = dg.AssetExecutionContext | dg.AssetCheckExecutionContext | dg.OpExecutionContext


def public_text(settings: Settings, text: str) -> str:
    """The text for metadata, logs and errors: without people if `HIDE_NAMES` says everywhere."""
    return readable(without_people_in(text) if settings.names_are_hidden_everywhere else text)


@contextmanager
def failing_clearly(
    context: Context, settings: Settings, errors: Mapping[type[Exception], str]
) -> Iterator[None]:
    """Turn a refusal, or one of these errors, into a failed step that says what happened.

    `errors` has the kinds of errors and how their messages begin. Reading and sending retry by
    themselves, so Dagster must not. The state of a refusal is kept as a tag of the run.
    """
    caught: tuple[type[Exception], ...] = (RefusedError, *errors)
    try:
        yield
    except caught as error:
        message, cause = str(error), error.__cause__
        if not isinstance(error, RefusedError):
            beginning = next(words for kind, words in errors.items() if isinstance(error, kind))
            message, cause = f"{beginning}: {error}", error
        elif error.state is not RunState.FAILED:
            context.instance.add_run_tags(context.run.run_id, {RESULT_TAG: error.state.value})
        if settings.names_are_hidden_everywhere:
            cause = None  # Dagster shows it below the failure, and it may name people
        raise dg.Failure(public_text(settings, message), allow_retries=False) from cause


def block(context: Context, settings: Settings, *reasons: str) -> None:
    """End the run as blocked, before it writes anything; the reasons come first."""
    why = public_text(settings, f"{' '.join(reasons)} Nothing was written to Swit.")
    context.instance.add_run_tags(context.run.run_id, {BLOCKED_TAG: why})


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
                # The UI copies the tags of a run to its re-execution, which is judged anew.
                run = instance.get_run_by_id(run_id)
                old = [tag for tag in (BLOCKED_TAG, RESULT_TAG) if run and run.tags.get(tag)]
                if old:
                    instance.add_run_tags(run_id, dict.fromkeys(old, ""))
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
