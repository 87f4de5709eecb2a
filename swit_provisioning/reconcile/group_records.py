"""What is wrong with groups' entries, whatever Swit holds."""

from collections import Counter
from collections.abc import Iterator, Mapping

import pandas as pd

from swit_provisioning.reconcile.columns import column
from swit_provisioning.reconcile.groups import Group
from swit_provisioning.reconcile.plan import Finding
from swit_provisioning.reconcile.rings import parents_in_rings
from swit_provisioning.reconcile.text import changed_name, clean_team_name, name_key, others


def bad_groups(rows: pd.DataFrame, groups: Mapping[str, Group]) -> Iterator[Finding]:
    """Findings about the groups in scope: names, ids, parents."""
    yield from _names(rows, groups)
    yield from _ids(groups)
    yield from _parents(rows, groups)


def _names(rows: pd.DataFrame, groups: Mapping[str, Group]) -> Iterator[Finding]:
    called: dict[str, set[str]] = {}
    for group in groups.values():
        for name in group.names:
            called.setdefault(name_key(name), set()).add(group.key)
        if not group.names:
            yield Finding(
                kind="group without a name",
                subject=group.dn,
                message="The group has no usable name; no team is made for it, and a team that it"
                " has keeps its name. Give it a name.",
            )
    for key, names in zip(column(rows, "key"), column(rows, "names"), strict=True):
        for name in names or () if key in groups else ():
            if clean := changed_name(name, clean_team_name(name)):
                yield Finding(
                    kind="group name changed",
                    subject=groups[key].dn,
                    message=f"The name {name!r} can't be a team's; it becomes {clean!r}. Write it"
                    " without @ # < > § ▒ { } ; *, control characters and a leading (removed).",
                )
    for same in map(sorted, called.values()):
        for key in same if len(same) > 1 else ():
            other = next(holder for holder in same if holder != key)
            also = others(groups[other].dn, len(same) - 1)
            yield Finding(
                kind="two groups with one name",
                subject=groups[key].dn,
                message=f"The group is called as {also}, compared without case; all teams but one"
                " get a number behind their name. Give each group a name of its own.",
            )


def _ids(groups: Mapping[str, Group]) -> Iterator[Finding]:
    ids = Counter(group.directory_id for group in groups.values())
    for group in groups.values():
        if ids[group.directory_id] > 1:
            yield Finding(
                kind="two groups with one id",
                subject=group.dn,
                message=f"Another group has the id {group.directory_id} too; neither is known"
                " again by it after a rename. Ask who runs the directory.",
            )


def _parents(rows: pd.DataFrame, groups: Mapping[str, Group]) -> Iterator[Finding]:
    says = dict(zip(column(rows, "key"), column(rows, "parents"), strict=True))
    rings = parents_in_rings({group.key: group.parents for group in groups.values()})
    for group in groups.values():
        attribute = "memberOf" if says[group.key] else "member"
        above = "; ".join(groups[parent].dn for parent in group.parents)
        if len(group.parents) > 1:
            yield Finding(
                kind="several parents",
                subject=group.dn,
                attribute=attribute,
                message=f"The group is a member of {above}. Its team stays below the one of these"
                " that it is below in Swit, or goes below the first. To choose one, remove the"
                " group from the others.",
            )
        if group.in_itself:
            yield Finding(
                kind="ring",
                subject=group.dn,
                attribute=attribute,
                message="The group is a member of itself. This membership is ignored. Remove it.",
            )
        if group.key in rings:
            round_about = "; ".join(groups[parent].dn for parent in rings[group.key])
            yield Finding(
                kind="ring",
                subject=group.dn,
                attribute=attribute,
                message=f"The group is a member of {round_about}, and that is below the group in"
                " turn; one parent in the ring is passed over. Take one out of the other.",
            )
