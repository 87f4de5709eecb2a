"""What is told of a run that has ended: once, by whoever notices first."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import dagster as dg

from swit_provisioning.apply.outcomes import DONE
from swit_provisioning.operations.alarms import tell_of_owner
from swit_provisioning.operations.names import (
    BLOCKED_TAG,
    CALLS_TAG,
    FEW_REJECTED,
    INTERRUPTED,
    SCHEDULE_TAG,
    WRITING_JOBS,
)
from swit_provisioning.operations.runs import root_run_id
from swit_provisioning.operations.services import open_store
from swit_provisioning.operations.webhooks import channels, deliver, post_at_once, tell
from swit_provisioning.planning.guards import GUARDS
from swit_provisioning.planning.model import PlanHash
from swit_provisioning.report.messages import ENDINGS, Ending, Message, RunStory, run_message
from swit_provisioning.settings import Settings, SettingsError
from swit_provisioning.state.errors import AmbiguousPlanError, StoreError
from swit_provisioning.state.journal import JournalEntry
from swit_provisioning.state.plans import StoredPlan
from swit_provisioning.state.store import Store

_TO_GO_ON: Final = (
    "Nothing more will be sent. To go on, run swit-provisioning sync: it makes a new plan, and"
    " changes that were sent are not sent again."
)


def why(dagster: dg.DagsterInstance, run_id: str) -> tuple[str, str]:
    """What stopped a run: a guard, else the first failed step, else what kept it from starting.

    The word for it: `blocked`, `canceled`, or what the failed step said (`stale`, `busy`...).
    """
    run = dagster.get_run_by_id(run_id)
    if run is not None and run.tags.get(BLOCKED_TAG):
        return "blocked", run.tags[BLOCKED_TAG]
    if run is not None and run.status is dg.DagsterRunStatus.CANCELED:
        return "canceled", f"{_why_canceled(dagster, run_id)} {_TO_GO_ON}"
    refused = _messages_of(dagster, run_id, {FEW_REJECTED})
    if refused:
        return "failed", " ".join(refused.values())
    return _failure(dagster, run_id) or ("failed", f"{INTERRUPTED} {_TO_GO_ON}")


def _failure(dagster: dg.DagsterInstance, run_id: str) -> tuple[str, str] | None:
    """What the first failed step says, else what kept the run from starting."""
    for entry in dagster.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
        data = entry.get_dagster_event().step_failure_data
        if data.user_failure_data:
            said = data.user_failure_data.metadata.get("status")
            status = str(said.value) if said else "failed"
            return status, data.user_failure_data.description or ""
        if data.error:
            return "failed", _own_words(data.error)
    for entry in dagster.all_logs(run_id, of_type=dg.DagsterEventType.RUN_FAILURE):
        event = entry.get_dagster_event()
        error = event.job_failure_data.error
        return "failed", _own_words(error) if error else (event.message or "")
    return None


def _why_canceled(dagster: dg.DagsterInstance, run_id: str) -> str:
    """The first event that says that the run is to be canceled: a signal, the time, a person."""
    for entry in dagster.all_logs(run_id, of_type=dg.DagsterEventType.RUN_CANCELING):
        said = entry.get_dagster_event().message or ""
        if said.startswith("The run was"):
            return said
    return "The run was canceled by a person in the Dagster UI."


def stopping_guards(dagster: dg.DagsterInstance, run_id: str) -> dict[str, str]:
    """The guards that stopped a run, or that its plan would not pass -> what each says."""
    return _messages_of(dagster, run_id, GUARDS)


def guards(dagster: dg.DagsterInstance, run_id: str) -> tuple[Mapping[str, Any], ...]:
    """The verdicts of the gate; of a run that did not get there, those on its plan."""
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for entry in dagster.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION):
        check = entry.get_dagster_event().asset_check_evaluation_data
        if check.check_name in GUARDS:
            found.setdefault(check.asset_key.to_user_string(), {})[check.check_name] = {
                "name": check.check_name,
                "passed": check.passed,
                # In the sense of this program: one that fails blocks the plan.
                "blocking": True,
                "message": check.description or "",
            }
    return tuple((found.get("accepted_plan") or found.get("change_plan") or {}).values())


def _messages_of(
    dagster: dg.DagsterInstance, run_id: str, checks: Collection[str]
) -> dict[str, str]:
    """Those of these checks that did not pass -> what each says."""
    found: dict[str, str] = {}
    for entry in dagster.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION):
        check = entry.get_dagster_event().asset_check_evaluation_data
        if not check.passed and check.check_name in checks:
            found[check.check_name] = check.description or check.check_name
    return found


def _own_words(error: Any) -> str:  # noqa: ANN401 - SerializableErrorInfo is not public
    """What the error says that Dagster wraps in its own ones; what caused it is for the UI."""
    while error.cause and (error.cls_name or "").startswith("Dagster"):
        error = error.cause
    if error.cls_name == "DagsterExecutionInterruptedError":
        return f"{INTERRUPTED} {_TO_GO_ON}"
    words = str(error.message).strip()
    name, _, rest = words.partition(": ")
    return rest if name.rpartition(".")[2] == error.cls_name else words


@dataclass(frozen=True, kw_only=True)
class _Sent:
    """The plan of a run, and what came of it."""

    stored: StoredPlan | None = None
    entries: Mapping[str, JournalEntry] | None = None


def is_somebodys_business(run: dg.DagsterRun, store: Store | None) -> bool:
    """Whether others than who started it want to know: it writes, or nobody sat before it."""
    if run.job_name in WRITING_JOBS or SCHEDULE_TAG in run.tags:
        return True
    # Steps that were launched by hand.
    return store is not None and bool(store.journal.rows(run_id=run.run_id))


def story_of(
    dagster: dg.DagsterInstance, run: dg.DagsterRun, settings: Settings, store: Store | None
) -> RunStory:
    """The story; without the state database, what Dagster alone knows."""
    sent = _sent(run, store) if store else _Sent()
    word, reason = "", ""
    if not run.is_success:
        word, reason = why(dagster, run.run_id)
    plan = sent.stored.plan if sent.stored else None
    record = dagster.get_run_record_by_id(run.run_id)
    ended, started = (record.end_time, record.start_time) if record else (None, None)
    return RunStory(
        run_id=run.run_id,
        job=run.job_name,
        ending=_ending(run, word, sent),
        why=reason,
        guards=stopping_guards(dagster, run.run_id) if word == "blocked" else {},
        plan_hash=sent.stored.plan_hash if sent.stored else None,
        plan=plan,
        entries=sent.entries or {},
        calls=int(run.tags.get(CALLS_TAG, "0")),
        seconds=max(ended - started, 0.0) if ended and started else 0.0,
        organization=_organization(settings, sent, store),
        mode=settings.mode,
        link=f"{settings.dagster_ui_url}/runs/{run.run_id}" if settings.dagster_ui_url else None,
    )


def _sent(run: dg.DagsterRun, store: Store) -> _Sent:
    """The plan that the run (or the first of its chain) might send; else the one it has made."""
    root = root_run_id(run)
    acceptance = store.acceptances.of(root)
    plan_hash = (
        acceptance.plan_hash if acceptance else _named(run, store) or store.plans.made_by(root)
    )
    entries = (
        store.journal.latest(acceptance.application_id, plan_hash=acceptance.plan_hash)
        if acceptance
        else {}
    )
    return _Sent(stored=store.plans.get(plan_hash) if plan_hash else None, entries=entries)


def _named(run: dg.DagsterRun, store: Store) -> PlanHash | None:
    """The plan that somebody asked this run to apply."""
    if run.job_name != "apply":
        return None
    # As the job's own two fields, or as they are handed to the gate.
    config: Any = run.run_config
    config = config.get("ops", {}).get("accepted_plan", {}).get("config") or config
    plan_id = config.get("plan_id")
    try:
        return store.plans.find(plan_id) if isinstance(plan_id, str) else None
    except AmbiguousPlanError:
        return None


def _ending(run: dg.DagsterRun, word: str, sent: _Sent) -> Ending:
    if run.status is dg.DagsterRunStatus.CANCELED and word != "blocked":
        return "canceled"
    if not run.is_success:
        return next((ending for ending in ENDINGS if ending == word), "failed")
    if run.job_name == "plan":
        return "planned"
    if sent.stored is None or not sent.stored.plan.changes:
        return "nothing to do"
    entries = (sent.entries or {}).values()
    return "partly applied" if any(e.outcome not in DONE for e in entries) else "applied"


def _organization(settings: Settings, sent: _Sent, store: Store | None) -> str:
    named = sent.stored.plan.organization_name if sent.stored else ""
    bound = store.organization.bound_to() if store and not named else ""
    return named or settings.expected_organization or bound or "an organisation not read yet"


_TOLD_TAG: Final = "swit_provisioning/told"
"""Of a run that was told of while the state database could not be used."""


def tell_of_run(dagster: dg.DagsterInstance, run_id: str) -> list[str]:
    """Tell of a run that has ended, if there is anything to tell; troubles, a sentence each.

    Whatever goes wrong here is no trouble of the run.
    """
    try:
        settings = settings_for_telling()
        run = dagster.get_run_by_id(run_id)
        if run is None or not channels(settings):
            return []
        try:
            with open_store(settings) as store:
                if not store.outbox.is_known(_subject(run)):
                    _tell(dagster, run, settings, store)
                return deliver(store, settings)
        except StoreError:
            return _told_without_state(dagster, run, settings)
    except Exception as error:  # noqa: BLE001 - a message never fails a run
        return [f"No message of the run {run_id}: {type(error).__name__}"]


def settings_for_telling() -> Settings:
    """The settings; where one can't be used, that is to be told as well."""
    try:
        return Settings.load()
    except SettingsError:
        return Settings.what_can_be_used()


def _tell(
    dagster: dg.DagsterInstance, run: dg.DagsterRun, settings: Settings, store: Store
) -> None:
    story = story_of(dagster, run, settings, store)
    message = _message(run, settings, store, story)
    if message is not None:
        tell(store, settings, _subject(run), message)
    # `apply` has read nothing that it says of: its plan is an older one.
    if story.plan is not None and run.job_name != "apply":
        tell_of_owner(store, settings, story.plan)


def _message(
    run: dg.DagsterRun, settings: Settings, store: Store | None, story: RunStory
) -> Message | None:
    if not (is_somebodys_business(run, store) and story.is_worth_telling):
        return None
    return run_message(story, no_names=settings.hide_names != "nowhere")


def _subject(run: dg.DagsterRun) -> str:
    return f"run {run.run_id}"


def _told_without_state(
    dagster: dg.DagsterInstance, run: dg.DagsterRun, settings: Settings
) -> list[str]:
    """Nothing can be kept, so it is posted now or never; the run itself remembers that it was."""
    message = _message(run, settings, None, story_of(dagster, run, settings, None))
    if message is None or _TOLD_TAG in run.tags:
        return []
    dagster.add_run_tags(run.run_id, {_TOLD_TAG: "without the state database"})
    return post_at_once(settings, message)
