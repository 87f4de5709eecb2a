"""A run that has ended, as the state database and Dagster know it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg

from swit_provisioning.apply.outcomes import DONE
from swit_provisioning.assets.guarding import root_run_id
from swit_provisioning.messages.endings import stopping_guards, why
from swit_provisioning.reconcile.plan import PlanHash
from swit_provisioning.report.run_story import ENDINGS, Ending, RunStory
from swit_provisioning.resources.code_location import SCHEDULE_TAG, WRITING_JOBS
from swit_provisioning.resources.connections import CALLS_TAG
from swit_provisioning.settings import Settings
from swit_provisioning.store.errors import AmbiguousPlanError
from swit_provisioning.store.journal import JournalEntry
from swit_provisioning.store.plans import StoredPlan
from swit_provisioning.store.store import Store


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
