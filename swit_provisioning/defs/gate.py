"""The gate: which plan this run may send. A plan that a guard stops is not accepted."""

import shlex
from collections.abc import Collection, Iterator
from typing import Final

import dagster as dg
import pandas as pd

from swit_provisioning.apply.lease import HeldLease
from swit_provisioning.apply.outcomes import DONE, bindings_to_remember
from swit_provisioning.defs.common import (
    APPLY_GROUP,
    OWNERS,
    READ_AT,
    BlockedError,
    as_failure,
    block,
    check_result,
    guard_specs,
    judged,
    refuse_after_a_restore,
    refuse_env_references,
    refuse_forbidden,
    refuse_forgotten,
    refuse_other_runs,
    told,
)
from swit_provisioning.defs.evidence import (
    Sides,
    is_too_old,
    nothing_written,
    overtaken,
    read_again,
    refuse_old,
)
from swit_provisioning.defs.io_manager import schema_of, table_schema
from swit_provisioning.defs.resources import Evidence, Writer
from swit_provisioning.operations.runs import root_run_id
from swit_provisioning.operations.services import approver, who_am_i
from swit_provisioning.planning.model import Plan
from swit_provisioning.planning.schemas import changes_frame
from swit_provisioning.planning.staleness import Choice, in_words, left_out, part_of
from swit_provisioning.settings import Settings
from swit_provisioning.sources.base import Directory
from swit_provisioning.state.errors import AmbiguousPlanError, LeaseHeldError, LeaseLostError
from swit_provisioning.state.plans import Acceptance, Approval, StoredPlan
from swit_provisioning.state.store import Store
from swit_provisioning.swit.client import SwitClient

LEFT_OUT_TAG: Final = "swit_provisioning/left_for_later"
APPROVED_BY_TAG: Final = "swit_provisioning/approved_by"
APPROVED_BECAUSE_TAG: Final = "swit_provisioning/approved_because"


class Accept(dg.Config):
    """Which plan to send. Empty: the one that this run has made."""

    plan_id: str = ""
    approve: str = ""
    """Why this one plan may pass its limits; recorded with who and when."""
    only: str = ""
    """Send these actions alone: `user.create,team.*`. What needs a left-out change waits too."""
    exclude: str = ""
    """Send all actions but these."""
    limit: int = 0
    """Send the first so many of each action that are still undone; 0: all."""


@dg.asset(
    deps=["change_plan"],
    group_name=APPLY_GROUP,
    kinds={"python"},
    owners=OWNERS,
    tags={"personal_data": "true"},
    metadata={"dagster/column_schema": table_schema(schema_of("accepted_plan"))},
    output_required=False,
    check_specs=guard_specs("accepted_plan"),
)
def accepted_plan(
    context: dg.AssetExecutionContext,
    config: Accept,
    settings: dg.ResourceParam[Settings],
    store: dg.ResourceParam[Store],
    directory: dg.ResourceParam[Directory],
    swit: dg.ResourceParam[SwitClient],
    writer: dg.ResourceParam[Writer],
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[pd.DataFrame]]:
    """The plan that this run may send: its own, or the one named and, where needed, approved."""
    refuse_other_runs(context.run)
    refuse_env_references(context.run.run_config)
    root = root_run_id(context.run)
    stored = _stored_plan(store, config, root)
    plan = stored.plan
    try:
        refuse_after_a_restore(context.run, stored, settings, store)
        refuse_forbidden(context.run, plan.plan_hash, settings, store)
    except BlockedError as error:
        verdicts = judged(plan, settings, store)
        yield from (check_result(verdict, "accepted_plan", settings) for verdict in verdicts)
        block(context, settings, str(error))
        return
    lease = _take_lease(writer, settings)
    # What broke half way goes on under its first name: the journal knows what is done.
    begun = store.acceptances.unfinished(plan.plan_hash)
    application_id = begun.application_id if begun else context.run.run_id
    entries = store.journal.latest(application_id, plan_hash=plan.plan_hash)
    settled = {name for name, entry in entries.items() if entry.outcome in DONE | {"rejected"}}
    out = left_out(plan, _choice(config), settled)
    part = part_of(plan, out)
    _refuse_nothing(part, out, settled)
    sides = Sides(settings=settings, store=store, directory=directory, swit=swit)
    writer.evidence = evidence = _evidence(
        stored, part, application_id, sides, named=bool(config.plan_id)
    )
    part = part_of(plan, out.keys() | evidence.moved)
    judge = approver(settings, store)
    why = config.approve.strip()
    if why:
        judge.lift(plan, who=who_am_i(), why=why, application_id=application_id, part=part)
    selection = _selection_options(config)
    verdicts = judge.judged(plan, application_id=application_id, part=part, selection=selection)
    yield from (check_result(verdict, "accepted_plan", settings) for verdict in verdicts)
    stopped = [verdict.message for verdict in verdicts if verdict.stops]
    if stopped:
        # No plan is accepted and nothing is yielded, so every step that sends is skipped.
        block(context, settings, *stopped)
        return
    lifted = any(verdict.lifted for verdict in verdicts)
    approval = judge.approval_of(plan) if lifted else None
    if approval is not None:
        _show_approval(context, settings, approval)
    _still_held(lease, settings)
    store.acceptances.accept(
        root,
        plan_hash=plan.plan_hash,
        application_id=application_id,
        approval_id=approval.approval_id if approval else None,
        who=who_am_i(),
    )
    if not plan.changes:
        conclude(store, plan, application_id)
        context.log.info("Nothing to do: Swit is as the directory says.")
        return
    waits = in_words(plan, out)
    if waits:
        context.log.info("Left for a later part of the plan: %s", waits)
        context.instance.add_run_tags(context.run.run_id, {LEFT_OUT_TAG: waits})
    # Changes that moved are in it: the writers note that they were not sent, and why.
    frame = changes_frame(part_of(plan, out).changes)
    frame.attrs["facts"] = {
        "plan_hash": plan.plan_hash,
        READ_AT: evidence.read_at.isoformat(),
        "back": sorted(evidence.back),
        "moved": sorted(evidence.moved),
    }
    yield dg.MaterializeResult(
        asset_key="accepted_plan",
        value=frame,
        metadata={
            "plan_id": plan.plan_id,
            "approved": lifted,
            "left for later": waits or "nothing",
            "back in the directory": len(evidence.back),
            "no longer called for": len(evidence.moved),
            **part.counts(),
        },
        data_version=dg.DataVersion(plan.plan_hash),
    )


def _choice(config: Accept) -> Choice:
    try:
        return Choice.of(config.only, config.exclude, config.limit)
    except ValueError as error:
        message = f"Nothing was written. {error}"
        raise dg.Failure(message, metadata={"status": "wrong use"}, allow_retries=False) from error


def _selection_options(config: Accept) -> str:
    """The options of the command `apply` that choose the same part of the plan."""
    options = {"--only": config.only, "--except": config.exclude, "--limit": config.limit}
    given = {name: shlex.quote(str(value)) for name, value in options.items() if value}
    return "".join(f" {name} {value}" for name, value in given.items())


def _refuse_nothing(part: Plan, out: Collection[str], settled: Collection[str]) -> None:
    """Whoever chooses a part of which nothing is left to send means another one."""
    if out and all(change.change_id in settled for change in part.changes):
        message = (
            "Nothing was written. Nothing of the plan is left to send by this choice: choose"
            " other actions, or leave --only, --except and --limit out."
        )
        raise dg.Failure(message, metadata={"status": "wrong use"}, allow_retries=False)


def _show_approval(
    context: dg.AssetExecutionContext, settings: Settings, approval: Approval
) -> None:
    """Leave on the run who let it past its limits, and why."""
    tags = {APPROVED_BY_TAG: approval.who, APPROVED_BECAUSE_TAG: told(settings, approval.why)}
    context.instance.add_run_tags(context.run.run_id, tags)


def conclude(store: Store, plan: Plan, application_id: str, *, through: bool = True) -> None:
    """Remember who is who; once the plan is through, what was read, and spend the approval."""
    store.identities.remember(bindings_to_remember(plan, store, application_id))
    if not through:
        return
    store.reads.accept(plan.bases.directory)
    store.acceptances.finish(application_id)
    store.approvals.spend(plan.plan_hash)


def _stored_plan(store: Store, config: Accept, root: str) -> StoredPlan:
    plan_id = config.plan_id.strip()
    try:
        plan_hash = store.plans.find(plan_id) if plan_id else store.plans.made_by(root)
    except AmbiguousPlanError as error:
        message = f"Nothing was written. {error}"
        raise dg.Failure(message, metadata={"status": "wrong use"}, allow_retries=False) from error
    stored = store.plans.get(plan_hash) if plan_hash else None
    if stored is None:
        message = (
            f"There is no plan {plan_id}. `swit-provisioning plan` makes one and prints its id."
            if plan_id
            else "This run has made no plan. Launch the job `sync`, or `apply` with a plan_id."
        )
        raise dg.Failure(message, metadata={"status": "unknown plan"}, allow_retries=False)
    refuse_forgotten(stored)
    return stored


def _take_lease(writer: Writer, settings: Settings) -> HeldLease:
    try:
        return writer.lease()
    except LeaseHeldError as error:
        raise as_failure(
            error, doing="Nothing was written", settings=settings, status="busy"
        ) from error


def _evidence(
    stored: StoredPlan, part: Plan, application_id: str, sides: Sides, *, named: bool
) -> Evidence:
    """What is known of both sides; read again where that is old or a person names the plan."""
    store = sides.store
    entries = store.journal.latest(application_id, plan_hash=stored.plan_hash)
    nothing = nothing_written(entries)
    newest = store.acceptances.newest()
    if newest and (
        _is_newer(newest, stored, application_id, named=named)
        or (not named and _saw_half_a_run(stored, application_id, store))
    ):
        raise overtaken(stored.plan_id, newest, nothing)
    refuse_old(stored, sides.settings, store, nothing)
    evidence = Evidence(read_at=stored.created_at)
    if not named and not is_too_old(evidence, sides.settings, store):
        return evidence
    return read_again(stored.plan_id, part, entries, sides, stale_if_moved=named)


def _saw_half_a_run(stored: StoredPlan, application_id: str, store: Store) -> bool:
    """Whether another run still wrote to Swit when both sides were read for this plan."""
    ended = store.journal.last_call_ended(but_not=application_id)
    return ended is not None and ended > stored.created_at


def _still_held(lease: HeldLease, settings: Settings) -> None:
    """Accept nothing for a run that stood still meanwhile: another one may have written since."""
    try:
        lease.check()
    except LeaseLostError as error:
        raise as_failure(error, doing="Nothing was written", settings=settings) from error


def _is_newer(newest: Acceptance, stored: StoredPlan, application_id: str, *, named: bool) -> bool:
    """Whether another run has accepted a plan since both sides were read for this one.

    A plan that a person names is read again in any case, so there its own earlier application
    does not count.
    """
    if newest.application_id == application_id or newest.accepted_at <= stored.created_at:
        return False
    return not named or newest.plan_hash != stored.plan_hash
