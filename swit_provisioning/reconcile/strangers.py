"""Members of groups that nobody knows: listed for people, without meaning for the plan."""

from collections.abc import Iterator, Mapping

from swit_provisioning.reconcile.columns import index_of, places
from swit_provisioning.reconcile.dn import is_dn
from swit_provisioning.reconcile.groups import Group
from swit_provisioning.reconcile.plan import Finding
from swit_provisioning.reconcile.state import DirectoryState


def unknown_members(directory: DirectoryState, groups: Mapping[str, Group]) -> Iterator[Finding]:
    """One finding for each entry that a group in scope lists and that was not read.

    A member that is no DN at all was named by the reader.
    """
    rows = directory.memberships
    is_strange = places(rows["group"], index_of(groups)) >= 0
    for entries in (directory.users, directory.groups):
        is_strange &= places(rows["member"], index_of(entries["key"])) < 0
    strange = rows[is_strange]
    for key, dn in zip(strange["group"], strange["member_dn"], strict=True):
        if is_dn(dn):
            yield Finding(
                kind="unknown member",
                subject=groups[key].dn,
                message=f"The member {dn} is no user or group in scope, so nothing comes of it."
                " Add its OU to the settings, or take it out of the group.",
            )
