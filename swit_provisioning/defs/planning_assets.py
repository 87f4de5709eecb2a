"""Planning assets: both sides, each read completely in one step, the differences and the plan.

Nothing here changes Swit or the directory.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, get_args

import dagster as dg
import pandas as pd
from upath import UPath

from swit_provisioning.apply.run_model import RefusedError, RunState
from swit_provisioning.apply.session import Session
from swit_provisioning.apply.waiting_plans import plan_to_send
from swit_provisioning.defs.endings import failing_clearly, public_text
from swit_provisioning.defs.gate import refuse_env_references
from swit_provisioning.defs.io_manager import PREVIEW_ROWS, asset_facts, preview, schema_of
from swit_provisioning.operations.dagster_runs import ONE_PERSON_TAG
from swit_provisioning.operations.plan_page import (
    ExpectedPace,
    expected_pace,
    page_facts,
    write_private,
)
from swit_provisioning.planning.actions import Action, Diff, actions_of
from swit_provisioning.planning.baselines import is_complete
from swit_provisioning.planning.convergence import repeats_to_remember
from swit_provisioning.planning.finding_kinds import UNMANAGED_TEAM
from swit_provisioning.planning.findings import departures_not_looked_up, findings_frame
from swit_provisioning.planning.guards import GuardResult, counts_in_words
from swit_provisioning.planning.hold_back import waiting_plan
from swit_provisioning.planning.model import DISABLED, TOTAL, Finding, Plan, calls_by_kind, estimate
from swit_provisioning.planning.planner import ExplainedPlan, explained_plan
from swit_provisioning.planning.schemas import changes_frame
from swit_provisioning.planning.selection import for_person
from swit_provisioning.planning.snapshots import (
    DirectoryFacts,
    DirectorySnapshot,
    OrganizationSnapshot,
    SwitFacts,
)
from swit_provisioning.report.page import plan_page, tree_markdown
from swit_provisioning.report.redaction import without_people
from swit_provisioning.report.subjects import NotOnePersonError, find_person
from swit_provisioning.report.summary import plan_summary, summary
from swit_provisioning.report.tree import tree_of
from swit_provisioning.settings import Settings
from swit_provisioning.sources.base import DirectoryError
from swit_provisioning.sources.registry import scope_of
from swit_provisioning.state.stored_plans import StoredPlan
from swit_provisioning.swit.errors import SwitError
from swit_provisioning.swit.reader import read_organization

READ_AT: Final = "read_at"
"""The fact of a frame that says when reading it began, by the state database's clock."""


DIRECTORY_FRAMES: Final = ("idp_users", "idp_groups", "idp_memberships", "idp_findings")
SWIT_FRAMES: Final = ("swit_users", "swit_teams", "swit_memberships")


def _outs(names: Iterable[str], group: str, *kinds: str) -> dict[str, dg.AssetOut]:
    return {name: dg.AssetOut(**asset_facts(name, group, *kinds)) for name in names}


@dg.multi_asset(outs=_outs(DIRECTORY_FRAMES, "directory", "ldap", "parquet"))
def read_directory(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    session: dg.ResourceParam[Session],
) -> Iterator[dg.Output[pd.DataFrame]]:
    """Read users, groups, memberships in one go, from one server: all of it or nothing."""
    read_at = session.store.now()
    with failing_clearly(context, settings, {DirectoryError: "The directory was not read"}):
        state = session.directory.read()
    if len(state.findings):
        context.log.warning("%d values could not be read: see idp_findings", len(state.findings))
    frames = (state.users, state.groups, state.memberships, state.findings)
    named = dict(zip(DIRECTORY_FRAMES, frames, strict=True))
    yield from _frames_read(context, settings, state.facts, read_at, named)


@dg.multi_asset(outs=_outs(SWIT_FRAMES, "swit", "swit", "parquet"))
def read_swit(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    session: dg.ResourceParam[Session],
) -> Iterator[dg.Output[pd.DataFrame]]:
    """Read accounts, teams and memberships in one go: all of it or nothing."""
    read_at = session.store.now()
    with failing_clearly(context, settings, {SwitError: "Swit was not read"}):
        state = read_organization(session.swit, expected=settings.expected_organization)
    frames = (state.users, state.teams, state.memberships)
    named = dict(zip(SWIT_FRAMES, frames, strict=True))
    yield from _frames_read(context, settings, state.facts, read_at, named)


def _frames_read(
    context: dg.AssetExecutionContext,
    settings: Settings,
    facts: DirectoryFacts | SwitFacts,
    read_at: datetime,
    frames: Mapping[str, pd.DataFrame],
) -> Iterator[dg.Output[pd.DataFrame]]:
    """The frames of one side, each with the facts of the whole read."""
    for warning in facts.warnings:
        context.log.warning(public_text(settings, warning))
    shares: Mapping[str, Mapping[str, float]] = {}
    if isinstance(facts, DirectoryFacts):
        metadata: Mapping[str, str] = {"source": facts.title}
        people, groups = (_shares(facts.presence.get(kind, {})) for kind in ("people", "groups"))
        shares = {"idp_users": people, "idp_groups": groups}
    else:
        metadata = {"organization": facts.organization_name}
    for name, frame in frames.items():
        frame.attrs["facts"] = {**facts.document(), READ_AT: read_at.isoformat()}
        yield dg.Output(frame, name, metadata={**metadata, **shares.get(name, {})})


def _shares(counts: Mapping[str, int]) -> dict[str, float]:
    """`% with name (displayName)` -> share of the people or groups that have it, to be plotted."""
    total = counts.get(TOTAL, 0)
    return {
        f"% {label}" if label == DISABLED else f"% with {label}": round(100 * number / total, 2)
        for label, number in counts.items()
        if total and label != TOTAL
    }


DIFFS: Final[dict[str, tuple[Action, ...]]] = {diff: actions_of(diff) for diff in get_args(Diff)}
"""Which actions each diff holds."""

MOST_TEAMS: Final = 60
"""Lines of the tree in the metadata: the event log holds the picture twice."""

_READS_OF: Final = {
    "user_diff": {"idp_users", "swit_users"},
    "team_diff": {"idp_groups", "idp_memberships", "swit_teams", "swit_memberships", "user_diff"},
    "sort_diff": {"idp_groups", "swit_teams", "team_diff"},
    "membership_diff": {"idp_memberships", "swit_memberships", "user_diff", "team_diff"},
    "directory_findings": {*DIRECTORY_FRAMES, "swit_users"},
    "change_plan": set(DIFFS),
}


class PlanConfig(dg.Config, use_attribute_docstrings=True):
    """For whom to make a plan."""

    user: str | None = None
    """Plan for one person only: address, DN, id or name. Without it, plan for everyone."""


@dg.multi_asset(
    outs=_outs(_READS_OF, "difference", "pandas", "parquet"),
    internal_asset_deps={
        name: {dg.AssetKey(source) for source in sources} for name, sources in _READS_OF.items()
    },
)
def compute_difference(  # noqa: PLR0913, PLR0917 - one argument a frame
    context: dg.AssetExecutionContext,
    config: PlanConfig,
    settings: dg.ResourceParam[Settings],
    session: dg.ResourceParam[Session],
    idp_users: pd.DataFrame,
    idp_groups: pd.DataFrame,
    idp_memberships: pd.DataFrame,
    idp_findings: pd.DataFrame,
    swit_users: pd.DataFrame,
    swit_teams: pd.DataFrame,
    swit_memberships: pd.DataFrame,
) -> Iterator[dg.Output[pd.DataFrame]]:
    """Compute all changes from one state of both sides, and store them as one plan."""
    facts = DirectoryFacts.of(idp_users.attrs["facts"])
    directory = DirectorySnapshot(
        users=idp_users,
        groups=idp_groups,
        memberships=idp_memberships,
        findings=idp_findings,
        facts=facts,
        scope=scope_of(facts),
    )
    swit = OrganizationSnapshot(
        users=swit_users,
        teams=swit_teams,
        memberships=swit_memberships,
        facts=SwitFacts.of({k: v for k, v in swit_users.attrs["facts"].items() if k != READ_AT}),
    )
    # Frames of an earlier version do not say when they were read.
    times = [frame.attrs["facts"].get(READ_AT) for frame in (idp_users, swit_users)]
    read_at = min(map(datetime.fromisoformat, filter(None, times)), default=None)
    with failing_clearly(context, settings, {}):
        if config.user is not None:
            refuse_env_references(context.run.run_config)
            context.instance.add_run_tags(context.run.run_id, {ONE_PERSON_TAG: "yes"})
        made = _make_and_store_plan(session, settings, directory, swit, read_at, config.user)
    plan, results, all_findings = made
    hidden = settings.names_are_hidden_everywhere
    shown = without_people(plan) if hidden else plan
    for name, actions in DIFFS.items():
        yield _diff_output(name, actions, plan, shown)
    findings = findings_frame(all_findings)
    kinds = {str(kind): int(n) for kind, n in findings["kind"].value_counts(sort=False).items()}
    counted = ", ".join(f"{n:,} {kind}" for kind, n in kinds.items()) or "no findings"
    yield dg.Output(
        findings,
        "directory_findings",
        metadata={"summary": counted, "number of findings": len(findings), **kinds},
    )
    stored = StoredPlan(
        plan=shown,
        plan_hash=plan.plan_hash,
        created_at=datetime.now(UTC),
        guard_results=tuple(
            {**result.document(), "message": public_text(settings, result.message)}
            for result in results
        ),
    )
    _, state = session.judge.current(stored)
    page = plan_page(shown, page_facts(settings, session.store, stored, state, no_names=hidden))
    kept = keep_page(settings, context.run.run_id, page)
    yield _plan_output(plan, shown, kept, expected_pace(settings, session.store))


def _make_and_store_plan(
    session: Session,
    settings: Settings,
    directory: DirectorySnapshot,
    swit: OrganizationSnapshot,
    read_at: datetime | None,
    who: str | None,
) -> tuple[Plan, tuple[GuardResult, ...], tuple[Finding, ...]]:
    """Make the plan, judge it, and store both, with what the next plan must know of this one.

    Returns also the findings about everyone, if the plan is for one person (`who`).
    """
    store, run_id = session.store, session.run.root_run_id
    store.organization.bind(swit.facts.organization_id)
    memory = store.memory()
    explained = explained_plan(directory, swit, settings.policy(), memory)
    whole = explained.plan
    plan = whole if who is None else _plan_for(who, explained)
    del explained  # what its stages hold is large
    store.identities.note_active(
        users=swit.users.loc[swit.users["active"], "user_id"], teams=swit.teams["team_id"]
    )
    plan = plan_to_send(session.judge, plan, applied_by=session.run.actor)
    if plan.waiting:
        # Saved first: the plan of the run is the last one that it has made.
        held = waiting_plan(plan)
        store.plans.save(
            held,
            run_id=run_id,
            guard_results=[result.document() for result in session.judge.judge(held)],
            read_at=read_at,
            actor=session.run.actor,
        )
    results = session.judge.judge(plan)
    documents = [result.document() for result in results]
    store.plans.save(
        plan, run_id=run_id, guard_results=documents, read_at=read_at, actor=session.run.actor
    )
    if who is None:
        store.restorations.planned(run_id)
    complete = is_complete(whole.baselines)
    if complete:
        store.identities.remember_exempt(whole.exempt)
    repeats = repeats_to_remember(whole, memory, complete=complete)
    store.journal_memory.remember(repeats, seen=memory.seen)
    return plan, results, whole.findings


def _plan_for(who: str, explained: ExplainedPlan) -> Plan:
    """The part of the plan that is about one person; of an incomplete read, nothing.

    Raises:
        RefusedError: no person has this name, or several do.

    """
    if not who.strip():
        message = "Nothing was written. `user` is empty. Name a person, or leave it out."
        raise RefusedError(message, RunState.WRONG_USE)
    if explained.stages is None:
        return replace(explained.plan, person=who)
    try:
        ids = find_person(who, explained, explained.stages)
    except NotOnePersonError as error:
        message = f"Nothing was written. {error}"
        raise RefusedError(message, RunState.WRONG_USE) from error
    plan = for_person(explained.plan, ids.label, users=ids.users, subjects=ids.findings)
    unproved = departures_not_looked_up(explained.directory.facts, plan.changes)
    return replace(plan, findings=(*plan.findings, *unproved))


def _diff_output(
    name: str, actions: tuple[Action, ...], plan: Plan, shown: Plan
) -> dg.Output[pd.DataFrame]:
    """A diff with its summary and the number of changes of each action."""
    changes = [change for change in plan.changes if change.action in actions]
    metadata: dict[str, dg.RawMetadataValue] = {
        "summary": summary(changes),
        **Counter(change.action for change in changes),
    }
    if name == "team_diff":
        root = tree_of(plan.teams, plan.changes)
        if root is not None:
            metadata["tree"] = dg.MetadataValue.md(tree_markdown(root, MOST_TEAMS))
        unmanaged = [finding for finding in shown.findings if finding.kind == UNMANAGED_TEAM]
        if unmanaged:
            metadata["number of unmanaged teams"] = len(unmanaged)
            rows = [{"team": f.subject, "what to do": f.message} for f in unmanaged[:PREVIEW_ROWS]]
            metadata["unmanaged teams"] = preview(pd.DataFrame(rows))
    return dg.Output(changes_frame(changes, schema_of(name)), name, metadata=metadata)


def _plan_output(
    plan: Plan, shown: Plan, page: dg.MetadataValue, pace: ExpectedPace
) -> dg.Output[pd.DataFrame]:
    """The plan with its summary, the command to apply it and its page; `shown` hides names."""
    calls, seconds = estimate(plan, pace.per_second)
    by_kind = ", ".join(f"{n:,} {kind}" for kind, n in calls_by_kind(plan).items())
    numbers = {
        "number of findings": len(plan.findings),
        "not sent (disabled)": len(plan.disabled),
        "not sent (does not stick)": len(plan.held),
        **plan.counts(),
    }
    metadata: dict[str, dg.RawMetadataValue] = {
        name: number for name, number in numbers.items() if number
    }
    if plan.findings:
        findings = [finding.document() for finding in shown.findings[:PREVIEW_ROWS]]
        columns = ["kind", "subject", "attribute", "message", "side"]
        metadata["findings"] = preview(pd.DataFrame(findings, columns=columns))
    return dg.Output(
        changes_frame(plan.changes),
        "change_plan",
        metadata={
            "plan_id": plan.plan_id,
            "summary": plan_summary(shown),
            "users in the directory": counts_in_words(plan.baselines.read["users"]),
            "groups in the directory": counts_in_words(plan.baselines.read["groups"]),
            "page": page,
            "page, elsewhere": dg.MetadataValue.md(
                f"`swit-provisioning show {plan.plan_id} --html plan.html`"
            ),
            "apply": dg.MetadataValue.md(f"`swit-provisioning apply {plan.plan_id}`"),
            "estimated calls": calls,
            "estimated seconds": round(seconds, 1),
            "estimate": f"{by_kind} · {pace.sentence}" if plan.changes else "nothing to send",
            **_waiting_metadata(plan, shown),
            **metadata,
        },
    )


def _waiting_metadata(plan: Plan, shown: Plan) -> dict[str, str | dg.MetadataValue]:
    """The changes that wait for an approval as a plan of their own; nothing if none do."""
    if not plan.waiting:
        return {}
    plan_id = plan.waiting_id
    return {
        "waiting plan": plan_id,
        "waiting for an approval": summary(shown.waiting),
        "approve": dg.MetadataValue.md(f'`swit-provisioning approve {plan_id} --reason "reason"`'),
    }


def keep_page(settings: Settings, run_id: str, page: str) -> dg.MetadataValue:
    """Write the page beside the plan's frame of this run; where it is, as the UI shows a path."""
    path = UPath(settings.frames_path) / "change_plan" / f"{run_id}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.protocol in {"", "file", "local"}:
        write_private(Path(path.path), page)
    else:
        path.write_text(page, encoding="utf-8")
    return dg.MetadataValue.path(str(path))
