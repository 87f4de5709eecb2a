"""The changes to teams and to their order, in an order in which Swit accepts every call.

The steps are `delete_teams`, `free_team_names`, `create_teams`, `update_teams` (whose order is made
in `team_renames`), `delete_emptied_teams` and `sort_teams`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from swit_provisioning.planning.actions import Step
from swit_provisioning.planning.groups import Group
from swit_provisioning.planning.match_teams import TeamMatches, members_of
from swit_provisioning.planning.model import Change, Policy, creations_of, single_change
from swit_provisioning.planning.normalize import name_key
from swit_provisioning.planning.snapshots import OrganizationSnapshot
from swit_provisioning.planning.team_calls import TeamCalls, Tree
from swit_provisioning.planning.team_layout import TeamLayout
from swit_provisioning.planning.team_renames import Pending, UpdateOrder


@dataclass(frozen=True, kw_only=True)
class TeamChanges:
    """The changes to teams in order, sorts last, and the tree after them."""

    changes: tuple[Change, ...]
    tree: Tree


@dataclass(kw_only=True)
class _Work:
    """What is still to be done."""

    calls: TeamCalls
    deletions: dict[str, str]
    creates: list[Pending]
    updates: dict[str, Pending] = field(default_factory=dict)

    def wanted_names(self) -> set[str]:
        pending = [*self.creates, *self.updates.values()]
        return {name_key(p.wanted["name"]) for p in pending if "name" in p.wanted}


def team_changes(
    groups: Mapping[str, Group],
    teams: TeamMatches,
    layout: TeamLayout,
    organization: OrganizationSnapshot,
    policy: Policy,
) -> TeamChanges:
    """Change the names, parents, references and order of teams to those of the layout."""
    fates = layout.fates
    shown = {team.team_id: team.name for team in teams.teams.values()} | {
        team: layout.names[team] for team in layout.new_teams
    }
    members = members_of(organization.memberships, fates.deleted)
    work = _Work(
        calls=TeamCalls(
            Tree(teams.teams), shown, {team: sorted(users) for team, users in members.items()}
        ),
        deletions=dict(fates.deleted),
        creates=sorted(_creates(groups, layout), key=lambda pending: pending.rank),
        updates={pending.team_id: pending for pending in _updates(groups, teams, layout)},
    )
    _delete(work, "delete_teams")
    _free_names(work)
    for create in work.creates:  # parents first, siblings in directory order
        work.calls.create(
            create.team_id,
            name=create.wanted["name"],
            parent=create.wanted["parent_id"],
            reference=create.wanted["reference"],
            reason=create.reason,
        )
    UpdateOrder(work.calls, work.updates).send_all()
    _delete(work, "delete_emptied_teams")
    changes, tree = work.calls.changes, work.calls.tree
    if "team.sort" not in policy.disabled_actions:
        changes += _sorts(groups, teams, tree)
    return TeamChanges(changes=tuple(changes), tree=tree)


def _creates(groups: Mapping[str, Group], layout: TeamLayout) -> Iterator[Pending]:
    for key in layout.fates.created:
        group = groups[key]
        yield Pending(
            team_id=group.new_team,
            rank=(layout.depth[key], group.rank),
            wanted={
                "name": layout.names[group.new_team],
                "parent_id": layout.parents[key],
                "reference": group.reference,
            },
            reason="its group has no team",
        )


def _updates(
    groups: Mapping[str, Group], teams: TeamMatches, layout: TeamLayout
) -> Iterator[Pending]:
    for key, team_id in teams.team_of.items():
        if team_id in layout.fates.fixed:
            continue
        team, group = teams.teams[team_id], groups[key]
        wanted: dict[str, str] = {}
        if layout.names.get(team_id, team.name) != team.name:
            wanted["name"] = layout.names[team_id]
        if layout.parents.get(key, team.parent_id) != team.parent_id:
            wanted["parent_id"] = layout.parents[key]
        if team.reference_key != group.references[0]:
            wanted["reference"] = group.reference
        if wanted:
            rank = (layout.depth.get(key, 0), group.rank)
            yield Pending(team_id=team_id, rank=rank, wanted=wanted)
    for place, team_id in enumerate(sorted(layout.fates.marked)):
        wanted = {"name": layout.names[team_id]}
        reason = teams.why_without_group(team_id)
        yield Pending(team_id=team_id, rank=(-1, place), wanted=wanted, reason=reason)


def _delete(work: _Work, step: Step) -> None:
    """Delete the teams that have no children but deleted ones, bottom up."""
    tree = work.calls.tree
    ready = [team for team in work.deletions if not tree.has_children(team)]
    while ready:
        team = ready.pop()
        above = tree.parent[team]
        work.calls.delete(team, step=step, reason=work.deletions.pop(team))
        if above in work.deletions and not tree.has_children(above):
            ready.append(above)


def _free_names(work: _Work) -> None:
    """Free the names that new teams need: their holders get all their changes, or step aside."""
    tree = work.calls.tree
    holders = list(dict.fromkeys(h for create in work.creates for h in _holders(work, create)))
    order = UpdateOrder(work.calls, work.updates, step="free_team_names")
    progress = True
    while progress:
        progress = False
        for team in reversed(holders):
            if team in work.updates and order.fits(work.updates[team]):
                order.send(work.updates[team])
                progress = True
    taken_later = work.wanted_names()
    for create in work.creates:
        while (holder := tree.holder(create.wanted["name"])) is not None:
            order.step_aside(holder, create.wanted["name"], taken_later)


def _holders(work: _Work, create: Pending) -> list[str]:
    """The team that has a new team's name, the one that has the name it will get, and so on."""
    chain: list[str] = []
    name: str | None = create.wanted["name"]
    while name is not None:
        team = work.calls.tree.holder(name)
        if team is None or team not in work.updates:
            break
        chain.append(team)
        name = work.updates[team].wanted.get("name")
    return chain


def _sorts(groups: Mapping[str, Group], teams: TeamMatches, tree: Tree) -> Iterator[Change]:
    """Sort children where groups' teams are not in directory order among themselves.

    They come first, the others follow in their present order. Nothing is sorted under kept teams
    and `Unassigned`. `tree` is the one after all other team changes.
    """
    rank: dict[str, int] = {}
    for key, group in groups.items():
        team = teams.team_of.get(key, group.new_team)
        if team in tree and team not in teams.kept:
            rank[team] = group.rank
    untouched = teams.kept | (teams.own - {teams.root})
    above = (tree.parent[team] for team in sorted(rank, key=rank.__getitem__))
    for parent in dict.fromkeys(above):
        if parent is None or parent in untouched:
            continue
        children = tree.children(parent)
        ours = [team for team in children if team in rank]
        wanted = sorted(ours, key=rank.__getitem__)
        if ours == wanted:
            continue
        after = wanted + [team for team in children if team not in rank]
        yield single_change(
            action="team.sort",
            object_id=parent,
            target=tree.name[parent],
            before={"team_ids": children, "teams": [tree.name[team] for team in children]},
            after={"team_ids": after, "teams": [tree.name[team] for team in after]},
            reason="its teams are not in the directory's order",
            depends_on=creations_of(parent),
        )
