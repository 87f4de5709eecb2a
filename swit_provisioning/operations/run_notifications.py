"""Messages about runs that have ended: each webhook gets each message once.

The command that carried out a run posts its message. The daemon looks every 15 seconds and posts
the messages that are not posted yet or that a webhook did not accept. A tag of the run records the
number of posts that each webhook has accepted.
"""

import json
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import dagster as dg

from swit_provisioning.apply.run_model import RunResult, RunState
from swit_provisioning.operations.dagster_runs import SCHEDULE_TAG, WRITING_JOBS, is_ours
from swit_provisioning.operations.run_results import result_of
from swit_provisioning.operations.services import open_store
from swit_provisioning.operations.webhooks import Channel, Delivery, channels, deliver
from swit_provisioning.report.messages import Message, RunStory, run_message
from swit_provisioning.settings import Settings, SettingsError
from swit_provisioning.state.database import StoreError
from swit_provisioning.state.store import Store


def story_of(result: RunResult, settings: Settings, store: Store | None) -> RunStory:
    """The result of a run as a message tells it."""
    stored, waiting = result.stored, result.waiting
    is_blocked = result.state is RunState.BLOCKED
    organization = stored.plan.organization_name if stored else ""
    bound = store.organization.bound_to() if store and not organization else ""
    ui, gateway = settings.dagster_ui_url, settings.gateway_url
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
        plan_link=f"{gateway}/plans/{stored.plan_id}" if gateway and stored else None,
        waiting=waiting,
        waiting_link=f"{gateway}/plans/{waiting.plan_id}" if gateway and waiting else None,
    )


_NOTIFIED_TAG: Final = "swit_provisioning/notified"
"""JSON: channel -> posts of the message about this run that it has taken; -1: it needs no more."""
_NO_MORE: Final = -1
GIVEN_UP_AFTER: Final = timedelta(hours=24)
"""A message that no webhook has accepted for this time is discarded."""
_LEFT_TO_COMMANDS: Final = timedelta(seconds=30)
"""The daemon posts the message of a command's run after this time, if the command did not.

The messages of scheduled runs are posted at once.
"""
_MOST_RUNS: Final = 200


def notify_of_run(
    dagster: dg.DagsterInstance, run_id: str, *, skip: Collection[str] = ()
) -> dict[str, str]:
    """Post the message about a run that has ended to each webhook that has not taken it yet.

    Returns the problems by channel; `skip` has channels not to try now. No problem here is one of
    the run.
    """
    try:
        settings = settings_or_usable()
        run = dagster.get_run_by_id(run_id)
        wanted = channels(settings)
        if run is None or not wanted:
            return {}
        posted = _posted(run)
        missing = [c for c in wanted if posted.get(c.name) != _NO_MORE and c.name not in skip]
        return _notify(dagster, run, settings, missing, posted) if missing else {}
    except Exception as error:  # noqa: BLE001 - a message never fails a run
        return {"": f"No message about the run {run_id}: {type(error).__name__}"}


def notify_of_ended_runs(
    dagster: dg.DagsterInstance, *, since: datetime, now: datetime
) -> list[str]:
    """Post the messages about runs that ended after `since`; problems, a sentence each.

    A webhook that is down is not tried again for the next run.
    """
    ended = dg.RunsFilter(
        statuses=[
            dg.DagsterRunStatus.SUCCESS,
            dg.DagsterRunStatus.FAILURE,
            dg.DagsterRunStatus.CANCELED,
        ],
        updated_after=max(since, now - GIVEN_UP_AFTER),
    )
    problems: dict[str, str] = {}
    names = {channel.name for channel in channels(settings_or_usable())}
    for record in reversed(dagster.get_run_records(ended, limit=_MOST_RUNS)):
        at = datetime.fromtimestamp(record.end_time or 0.0, UTC)
        if not is_ours(record.dagster_run):
            continue
        posted = _posted(record.dagster_run)
        is_complete = all(posted.get(name) == _NO_MORE for name in names)
        is_scheduled = SCHEDULE_TAG in record.dagster_run.tags
        until = now if is_scheduled else now - _LEFT_TO_COMMANDS
        if max(since, now - GIVEN_UP_AFTER) <= at <= until and not is_complete:
            problems |= notify_of_run(dagster, record.dagster_run.run_id, skip=problems)
    return list(problems.values())


def settings_or_usable() -> Settings:
    """The settings; if one is invalid, those that can be used: that is worth a message, too."""
    try:
        return Settings.load()
    except SettingsError:
        return Settings.what_can_be_used()


def _posted(run: dg.DagsterRun) -> dict[str, int]:
    return dict(json.loads(run.tags.get(_NOTIFIED_TAG) or "{}"))


def _notify(
    dagster: dg.DagsterInstance,
    run: dg.DagsterRun,
    settings: Settings,
    missing: Sequence[Channel],
    posted: dict[str, int],
) -> dict[str, str]:
    try:
        with open_store(settings) as store:
            message = _message(dagster, run, settings, store)
    except StoreError:
        message = _message(dagster, run, settings, None)
    problems = {}
    for channel in missing:
        result = Delivery(0, is_over=True)
        if message is not None:
            posts = channel.posts(message)
            result = deliver(channel, posts, posted=posted.get(channel.name, 0))
        if result.problem:
            problems[channel.name] = result.problem
        posted[channel.name] = _NO_MORE if result.is_over else result.posted
        dagster.add_run_tags(run.run_id, {_NOTIFIED_TAG: json.dumps(posted)})
    return problems


def _message(
    dagster: dg.DagsterInstance, run: dg.DagsterRun, settings: Settings, store: Store | None
) -> Message | None:
    """The message about a run; `None` if it wrote nothing and no schedule started it."""
    is_of_interest = run.job_name in WRITING_JOBS or SCHEDULE_TAG in run.tags
    if not is_of_interest and store is not None:
        # Steps that were launched one by one in the UI.
        is_of_interest = bool(store.journal.rows(run_id=run.run_id))
    story = story_of(result_of(dagster, run, store), settings, store)
    if not (is_of_interest and story.is_worth_telling):
        return None
    return run_message(story, no_names=settings.hide_names != "nowhere")
