"""Members of groups that nobody knows: listed for people, without meaning for the plan."""

from collections.abc import Iterator, Mapping

from swit_provisioning.reconcile.groups import Group
from swit_provisioning.reconcile.plan import Finding
from swit_provisioning.reconcile.state import DirectoryState

_SHOWN = 5


def unknown_members(directory: DirectoryState, groups: Mapping[str, Group]) -> Iterator[Finding]:
    """One finding for each group in scope that lists entries which were not read."""
    rows = directory.memberships
    known = rows["member"].isin(directory.users["key"]) | rows["member"].isin(
        directory.groups["key"]
    )
    strange = rows[~known & rows["group"].isin(groups)]
    for key, members in strange.groupby("group")["member_dn"]:
        written = sorted(members)
        shown = "; ".join(written[:_SHOWN])
        more = f"; and {len(written) - _SHOWN} more" if len(written) > _SHOWN else ""
        yield Finding(
            kind="unknown member",
            subject=groups[str(key)].dn,
            message=f"no user or group in scope, so nothing comes of it: {shown}{more}."
            " Add the OU to the settings, or take it out of the group.",
        )
