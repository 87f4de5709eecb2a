"""The five ops on teams: in an order in which Swit takes every call.

`delete_teams`, `free_team_names`, `create_teams`, `update_teams` (in `team_updates`),
`delete_emptied_teams`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from swit_provisioning.planning.actions import Step
from swit_provisioning.planning.dn import reference_key
from swit_provisioning.planning.match_teams import Group, Owners
from swit_provisioning.planning.model import Change, single_change
from swit_provisioning.planning.normalize import name_key
from swit_provisioning.planning.team_calls import TeamCalls, Tree
from swit_provisioning.planning.team_layout import Parents, Standing
from swit_provisioning.planning.team_renames import Pending, UpdateOrder


@dataclass(frozen=True, kw_only=True)
class TeamPlan:
    """The team calls in order, and the tree as it is after them."""

    changes: tuple[Change, ...]
    tree: Tree


@dataclass(kw_only=True)
class _Work:
    """What is still to be done."""

    calls: TeamCalls
    goes: dict[str, str]
    creates: list[Pending]
    updates: dict[str, Pending] = field(default_factory=dict)

    def wanted_names(self) -> set[str]:
        pending = [*self.creates, *self.updates.values()]
        return {name_key(p.wanted["name"]) for p in pending if "name" in p.wanted}


def plan_team_calls(
    groups: Mapping[str, Group],
    owners: Owners,
    standing: Standing,
    parents: Parents,
    names: Mapping[str, str],
    members: Mapping[str, list[str]],
) -> TeamPlan:
    """Bring names, places and references to what is wanted.

    `members` are those of teams that go (team id -> user ids).
    """
    shown = {team.team_id: team.name for team in owners.teams.values()} | {
        groups[key].new_team: names[groups[key].new_team] for key in standing.created
    }
    work = _Work(
        calls=TeamCalls(Tree(owners.teams), shown, members),
        goes=dict(standing.goes),
        creates=sorted(_creates(groups, standing, parents, names), key=lambda p: p.rank),
        updates={p.team_id: p for p in _updates(groups, owners, standing, parents, names)},
    )
    _delete(work, "delete_teams")
    _free_names(work)
    _create(work)
    UpdateOrder(work.calls, work.updates).send_all()
    _delete(work, "delete_emptied_teams")
    return TeamPlan(changes=tuple(work.calls.changes), tree=work.calls.tree)


def _creates(
    groups: Mapping[str, Group], standing: Standing, parents: Parents, names: Mapping[str, str]
) -> Iterator[Pending]:
    for key in standing.created:
        group = groups[key]
        yield Pending(
            team_id=group.new_team,
            rank=(parents.depth[key], group.rank),
            wanted={
                "name": names[group.new_team],
                "parent_id": parents.wanted[key],
                "reference": group.reference,
            },
            reason="its group has no team",
        )


def _updates(
    groups: Mapping[str, Group],
    owners: Owners,
    standing: Standing,
    parents: Parents,
    names: Mapping[str, str],
) -> Iterator[Pending]:
    for key, team_id in owners.team_of.items():
        if team_id in standing.fixed:
            continue
        team, group = owners.teams[team_id], groups[key]
        wanted: dict[str, str] = {}
        if names.get(team_id, team.name) != team.name:
            wanted["name"] = names[team_id]
        if parents.wanted.get(key, team.parent_id) != team.parent_id:
            wanted["parent_id"] = parents.wanted[key]
        if reference_key(team.reference) != reference_key(group.reference):
            wanted["reference"] = group.reference
        if wanted:
            rank = (parents.depth.get(key, 0), group.rank)
            yield Pending(team_id=team_id, rank=rank, wanted=wanted)
    for place, team_id in enumerate(sorted(standing.marked)):
        wanted = {"name": names[team_id]}
        reason = owners.why_nobodys(team_id)
        yield Pending(team_id=team_id, rank=(-1, place), wanted=wanted, reason=reason)


def _delete(work: _Work, step: Step) -> None:
    """Those that go and have nothing below (any more) but what goes itself, bottom up."""
    tree = work.calls.tree
    ready = [team for team in work.goes if not tree.has_children(team)]
    while ready:
        team = ready.pop()
        above = tree.parent[team]
        work.calls.delete(team, step=step, reason=work.goes.pop(team))
        if above in work.goes and not tree.has_children(above):
            ready.append(above)


def _free_names(work: _Work) -> None:
    """Names that new teams need: their holders are updated whole, or step aside."""
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
    """Who has the name that a new team needs, who has the name which that one needs, and so on."""
    chain: list[str] = []
    name: str | None = create.wanted["name"]
    while name is not None:
        team = work.calls.tree.holder(name)
        if team is None or team not in work.updates:
            break
        chain.append(team)
        name = work.updates[team].wanted.get("name")
    return chain


def _create(work: _Work) -> None:
    """Parents first, siblings in directory order."""
    for create in work.creates:
        work.calls.create(
            create.team_id,
            name=create.wanted["name"],
            parent=create.wanted["parent_id"],
            reference=create.wanted["reference"],
            reason=create.reason,
        )


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
