"""Members of groups that nobody knows: listed for people, without meaning for the plan."""

from collections.abc import Iterator

from swit_provisioning.reconcile.columns import NONE
from swit_provisioning.reconcile.dn import is_dn
from swit_provisioning.reconcile.groups import Groups
from swit_provisioning.reconcile.links import Links
from swit_provisioning.reconcile.plan import Finding
from swit_provisioning.reconcile.state import DirectoryState


def unknown_members(directory: DirectoryState, scope: Groups, links: Links) -> Iterator[Finding]:
    """One finding for each entry that a group in scope lists and that was not read.

    The reader has named members that are no DN, or that it knows to be something else.
    """
    is_in_scope = scope.rank_of_row[links.group] != NONE
    is_strange = is_in_scope & (links.user == NONE) & (links.nested == NONE)
    strange = directory.memberships[is_strange]
    for key, dn in zip(strange["group"], strange["member_dn"], strict=True):
        if is_dn(dn):
            yield Finding(
                kind="unknown member",
                subject=scope.in_scope[key].dn,
                message=f"The member {dn} was not read as a person or a group, so it is ignored. If"
                " it is one, its OU is missing in LDAP_USER_OUS or LDAP_GROUP_OUS, or a filter"
                " leaves it out: change the settings. If not, nothing has to be done.",
            )
