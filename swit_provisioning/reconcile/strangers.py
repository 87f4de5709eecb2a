"""Members of groups that nobody knows: listed for people, without meaning for the plan."""

from collections.abc import Iterator, Mapping

from swit_provisioning.reconcile.dn import is_dn
from swit_provisioning.reconcile.groups import Group
from swit_provisioning.reconcile.plan import Finding
from swit_provisioning.reconcile.state import DirectoryState


def unknown_members(directory: DirectoryState, groups: Mapping[str, Group]) -> Iterator[Finding]:
    """One finding for each entry that a group in scope lists and that was not read.

    A member that is no DN at all was named by the reader.
    """
    rows = directory.memberships
    known = rows["member"].isin(directory.users["key"]) | rows["member"].isin(
        directory.groups["key"]
    )
    strange = rows[~known & rows["group"].isin(groups)]
    for key, dn in zip(strange["group"], strange["member_dn"], strict=True):
        if is_dn(dn):
            yield Finding(
                kind="unknown member",
                subject=groups[key].dn,
                message=f"The member {dn} is no user or group in scope, so nothing comes of it."
                " Add its OU to the settings, or take it out of the group.",
            )
