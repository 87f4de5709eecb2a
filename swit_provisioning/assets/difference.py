"""What differs, and the plan that would mend it: computed at once, stored, and nothing sent."""

from collections.abc import Iterator
from typing import Final

import dagster as dg
import pandas as pd

from swit_provisioning.assets.common import DIFFERENCE_GROUP, frame_out
from swit_provisioning.assets.guarding import judged, root_run_id
from swit_provisioning.reconcile.bases import is_complete
from swit_provisioning.reconcile.findings import findings_frame
from swit_provisioning.reconcile.frames import FrameSchema
from swit_provisioning.reconcile.plan import Change, Plan, changes_frame
from swit_provisioning.reconcile.planner import reconcile
from swit_provisioning.reconcile.policy import Action
from swit_provisioning.reconcile.state import (
    DirectoryFacts,
    DirectoryState,
    SwitFacts,
    SwitState,
)
from swit_provisioning.reconcile.sticking import repeats_after
from swit_provisioning.resources.frames import PREVIEW_ROWS, preview, schema_of
from swit_provisioning.settings import Settings
from swit_provisioning.store.store import Store

DIFFS: Final[dict[str, tuple[Action, ...]]] = {
    "user_diff": ("user.create", "user.update", "user.deactivate", "user.remove", "user.activate"),
    "team_diff": ("team.delete", "team.create", "team.update"),
    "sort_diff": ("team.sort",),
    "membership_diff": ("membership.add", "membership.remove", "primary.update"),
}
"""Which actions each diff holds."""

_READS_OF: Final = {
    "user_diff": {"idp_users", "swit_users"},
    "team_diff": {"idp_groups", "idp_memberships", "swit_teams", "swit_memberships", "user_diff"},
    "sort_diff": {"idp_groups", "swit_teams", "team_diff"},
    "membership_diff": {"idp_memberships", "swit_memberships", "user_diff", "team_diff"},
    "directory_findings": {
        "idp_users",
        "idp_groups",
        "idp_memberships",
        "idp_findings",
        "swit_users",
    },
    "change_plan": set(DIFFS),
}


@dg.multi_asset(
    outs={
        name: frame_out(name, group=DIFFERENCE_GROUP, kinds={"pandas", "parquet"})
        for name in _READS_OF
    },
    internal_asset_deps={
        name: {dg.AssetKey(source) for source in sources} for name, sources in _READS_OF.items()
    },
)
def compute_difference(  # noqa: PLR0913, PLR0917 - one argument a frame
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    store: dg.ResourceParam[Store],
    idp_users: pd.DataFrame,
    idp_groups: pd.DataFrame,
    idp_memberships: pd.DataFrame,
    idp_findings: pd.DataFrame,
    swit_users: pd.DataFrame,
    swit_teams: pd.DataFrame,
    swit_memberships: pd.DataFrame,
) -> Iterator[dg.Output[pd.DataFrame]]:
    """Compute all changes from one state of both sides, and store them as one plan."""
    directory = DirectoryState(
        users=idp_users,
        groups=idp_groups,
        memberships=idp_memberships,
        findings=idp_findings,
        facts=DirectoryFacts.of(idp_users.attrs["facts"]),
    )
    swit = SwitState(
        users=swit_users,
        teams=swit_teams,
        memberships=swit_memberships,
        facts=SwitFacts.of(swit_users.attrs["facts"]),
    )
    store.organization.bind(swit.facts.organization_id)
    memory = store.memory()
    plan = reconcile(directory, swit, settings.policy(), memory)
    verdicts = judged(plan, settings, store)
    store.plans.save(
        plan, run_id=root_run_id(context.run), verdicts=[verdict.document() for verdict in verdicts]
    )
    repeats = repeats_after(plan, memory, complete=is_complete(plan.bases))
    store.repeats.remember(repeats, seen=memory.seen)
    for name, actions in DIFFS.items():
        yield _output(name, [c for c in plan.changes if c.action in actions])
    yield _findings_output(plan)
    yield _plan_output(plan)


def _output(name: str, changes: list[Change]) -> dg.Output[pd.DataFrame]:
    schema: FrameSchema = schema_of(name)
    frame = changes_frame(changes, schema)
    counts = frame["action"].value_counts().to_dict()
    numbers = {str(action): int(n) for action, n in counts.items()}
    return dg.Output(frame, name, metadata={"summary": _summary(numbers), **numbers})


def _findings_output(plan: Plan) -> dg.Output[pd.DataFrame]:
    frame = findings_frame(plan.findings)
    counts = {str(kind): int(n) for kind, n in frame["kind"].value_counts(sort=False).items()}
    summary = _summary(counts) if counts else "nothing to mend"
    return dg.Output(frame, "directory_findings", metadata={"summary": summary, **counts})


def _plan_output(plan: Plan) -> dg.Output[pd.DataFrame]:
    frame = changes_frame(plan.changes)
    shown = [finding.document() for finding in plan.findings[:PREVIEW_ROWS]]
    findings = pd.DataFrame(shown, columns=["kind", "subject", "attribute", "message", "side"])
    return dg.Output(
        frame,
        "change_plan",
        metadata={
            "plan_id": plan.plan_id,
            "summary": _summary(plan.counts()),
            "apply": dg.MetadataValue.md(f"`swit-provisioning apply {plan.plan_id}`"),
            **({"findings": preview(findings)} if plan.findings else {}),
            "number of findings": len(plan.findings),
            "not sent (disabled)": len(plan.disabled),
            "not sent (does not stick)": len(plan.held),
            **plan.counts(),
        },
    )


def _summary(counts: dict[str, int]) -> str:
    if not counts:
        return "nothing to do"
    return ", ".join(f"{n} {action}" for action, n in counts.items())
