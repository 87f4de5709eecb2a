"""What is told of a run that has ended: once, by whoever notices first."""

from typing import Final

import dagster as dg

from swit_provisioning.apply.run_model import RunResult, RunState
from swit_provisioning.operations.alarms import tell_of_owner
from swit_provisioning.operations.names import SCHEDULE_TAG, WRITING_JOBS
from swit_provisioning.operations.run_results import result_of
from swit_provisioning.operations.services import open_store
from swit_provisioning.operations.webhooks import channels, deliver, post_at_once, tell
from swit_provisioning.report.messages import Message, RunStory, run_message
from swit_provisioning.settings import Settings, SettingsError
from swit_provisioning.state.errors import StoreError
from swit_provisioning.state.store import Store


def is_somebodys_business(run: dg.DagsterRun, store: Store | None) -> bool:
    """Whether others than who started it want to know: it writes, or nobody sat before it."""
    if run.job_name in WRITING_JOBS or SCHEDULE_TAG in run.tags:
        return True
    # Steps that were launched by hand.
    return store is not None and bool(store.journal.rows(run_id=run.run_id))


def story_of(result: RunResult, settings: Settings, store: Store | None) -> RunStory:
    """The result of a run as a message tells it."""
    stored = result.stored
    is_blocked = result.state is RunState.BLOCKED
    organization = stored.plan.organization_name if stored else ""
    bound = store.organization.bound_to() if store and not organization else ""
    ui = settings.dagster_ui_url
    return RunStory(
        run_id=result.run_id,
        job=result.job,
        state=result.state.message_state,
        why=result.message,
        guards={g["name"]: g["message"] for g in result.guards if is_blocked and not g["passed"]},
        plan_hash=stored.plan_hash if stored else None,
        plan=stored.plan if stored else None,
        entries=result.entries,
        calls=result.calls,
        seconds=result.seconds,
        organization=organization
        or settings.expected_organization
        or bound
        or "an organisation not read yet",
        mode=settings.mode,
        link=f"{ui}/runs/{result.run_id}" if ui else None,
    )


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
    story = story_of(result_of(dagster, run, store), settings, store)
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
    message = _message(run, settings, None, story_of(result_of(dagster, run, None), settings, None))
    if message is None or _TOLD_TAG in run.tags:
        return []
    dagster.add_run_tags(run.run_id, {_TOLD_TAG: "without the state database"})
    return post_at_once(settings, message)
