"""The order of teams: a parent is sorted only if groups' teams under it are out of order."""

from collections.abc import Iterator, Mapping

from swit_provisioning.reconcile.changes import single_change
from swit_provisioning.reconcile.groups import Group
from swit_provisioning.reconcile.plan import Change
from swit_provisioning.reconcile.teams import Owners
from swit_provisioning.reconcile.tree import Tree


def plan_sorts(groups: Mapping[str, Group], owners: Owners, tree: Tree) -> Iterator[Change]:
    """Groups' teams come first, in directory order; the others follow as they stand.

    Only the order of groups' teams among themselves counts: no call is made for the others.
    `tree` is the one after all team calls. Under kept teams and `Unassigned` nothing is sorted.
    """
    rank: dict[str, int] = {}
    for key, group in groups.items():
        team = owners.team_of.get(key, group.new_team)
        if team in tree and team not in owners.kept:
            rank[team] = group.rank
    untouched = owners.kept | (owners.own - {owners.root})
    for parent in _parents_of(rank, tree):
        children = tree.children(parent)
        ours = [team for team in children if team in rank]
        wanted = sorted(ours, key=rank.__getitem__)
        if parent in untouched or ours == wanted:
            continue
        after = wanted + [team for team in children if team not in rank]
        yield single_change(
            step="sort_teams",
            action="team.sort",
            object_id=parent,
            target=tree.name[parent],
            before={"team_ids": children, "teams": [tree.name[team] for team in children]},
            after={"team_ids": after, "teams": [tree.name[team] for team in after]},
            reason="its teams are not in the directory's order",
            depends_on=[f"team.create:{parent}"] if parent not in owners.teams else (),
        )


def _parents_of(rank: Mapping[str, int], tree: Tree) -> list[str]:
    """Parents of groups' teams; in the order of the first of them."""
    above = (tree.parent[team] for team in sorted(rank, key=rank.__getitem__))
    return list(dict.fromkeys(parent for parent in above if parent is not None))
