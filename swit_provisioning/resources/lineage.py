"""Which column of a frame comes from which columns of the frames before it, for the UI."""

from collections.abc import Mapping
from typing import Final

import dagster as dg

from swit_provisioning.reconcile.frames import CHANGE_PLAN, OUTCOMES

_Sources = Mapping[str, tuple[str, ...]]
_DIFFS: Final = ("user_diff", "team_diff", "sort_diff", "membership_diff")

_FROM: Final[Mapping[str, _Sources]] = {
    "user_diff": {
        "action": ("idp_users.enabled", "idp_users.emails", "swit_users.active"),
        "target": ("idp_users.emails", "swit_users.email"),
        "before": ("swit_users.name", "swit_users.phone_number", "swit_users.active"),
        "after": (
            "idp_users.emails",
            "idp_users.names",
            "idp_users.phone_numbers",
            "idp_users.language",
        ),
        "object_id": ("swit_users.user_id",),
    },
    "team_diff": {
        "action": ("idp_groups.key", "swit_teams.reference"),
        "target": ("idp_groups.names", "swit_teams.name"),
        "before": (
            "swit_teams.name",
            "swit_teams.parent_id",
            "swit_teams.reference",
            "swit_memberships.user_id",
        ),
        "after": (
            "idp_groups.names",
            "idp_groups.parents",
            "idp_groups.key",
            "idp_groups.order",
            "idp_memberships.member",
        ),
        "object_id": ("swit_teams.team_id",),
    },
    "sort_diff": {
        "target": ("swit_teams.name",),
        "before": ("swit_teams.position",),
        "after": ("idp_groups.order", "idp_groups.position", "team_diff.after"),
        "object_id": ("swit_teams.team_id",),
    },
    "membership_diff": {
        "action": ("idp_memberships.member", "swit_memberships.user_id"),
        "target": ("swit_teams.name", "swit_users.email", "team_diff.target", "user_diff.target"),
        "before": ("swit_memberships.user_id", "swit_users.primary_team"),
        "after": ("idp_memberships.member", "idp_users.primary_group"),
        "object_id": ("swit_memberships.team_id", "swit_users.user_id"),
    },
    "directory_findings": {
        "dn": ("idp_users.dn", "idp_groups.dn", "idp_findings.dn"),
        "kind": ("idp_findings.kind",),
        "attribute": ("idp_findings.attribute",),
        "reason": (
            "idp_findings.reason",
            "idp_users.emails",
            "idp_users.names",
            "idp_groups.names",
            "idp_memberships.member_dn",
            "swit_users.email",
        ),
    },
    "change_plan": {name: tuple(f"{diff}.{name}" for diff in _DIFFS) for name in CHANGE_PLAN.names},
    "accepted_plan": {name: (f"change_plan.{name}",) for name in CHANGE_PLAN.names},
    **{
        applied: {
            name: (f"accepted_plan.{name}",) for name in OUTCOMES.names if name in CHANGE_PLAN.names
        }
        for applied in ("applied_users", "applied_teams", "applied_sort", "applied_memberships")
    },
}


def column_lineage(asset: str) -> dict[str, dg.MetadataValue]:
    """The lineage of the columns of an asset as its metadata; none for what is read."""
    if asset not in _FROM:
        return {}
    columns = {
        column: [_column(source) for source in sources] for column, sources in _FROM[asset].items()
    }
    lineage = dg.TableColumnLineage(deps_by_column=columns)
    return {"dagster/column_lineage": dg.MetadataValue.column_lineage(lineage)}


def _column(source: str) -> dg.TableColumnDep:
    asset, _, column = source.partition(".")
    return dg.TableColumnDep(asset_key=dg.AssetKey(asset), column_name=column)
