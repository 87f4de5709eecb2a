"""The groups above a group: which are its parents, and which are below it in turn."""

from collections.abc import Collection, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter


def nearest_parents(parents: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Drop each parent that is also an ancestor of another parent of the same key.

    Servers that expand `memberOf` name every group above as a parent. Parents that are above one
    another stay, and so does a parent that is below the key in turn. All parents must be keys, too.

    >>> nearest_parents({"all": [], "mid": ["all"], "leaf": ["all", "mid"]})["leaf"]
    ('mid',)
    """
    kept = {key: tuple(above) for key, above in parents.items()}
    several = {key: above for key, above in kept.items() if len(above) > 1}
    if not several:
        return kept
    up, part = _without_rings(parents)
    rank: dict[str, int] = {}
    for here in TopologicalSorter(up).static_order():
        rank[here] = 1 + max((rank[above] for above in up[here]), default=-1)
    for key, above in several.items():
        parts = {part.get(parent, parent) for parent in above} - {part.get(key, key)}
        far = _above_others(parts, up, rank)
        kept[key] = tuple(p for p in above if part.get(p, p) not in far)
    return kept


def _without_rings(
    parents: Mapping[str, Sequence[str]],
) -> tuple[Mapping[str, Collection[str]], dict[str, str]]:
    """The same with each ring as one node, and the node of each key."""
    part = _one_of_ring(parents)
    if not part:
        return dict(parents), part
    up: dict[str, set[str]] = {}
    for key, above in parents.items():
        up.setdefault(part[key], set()).update({part[parent] for parent in above} - {part[key]})
    return up, part


def _above_others(
    nodes: set[str],
    up: Mapping[str, Collection[str]],
    rank: Mapping[str, int],
) -> set[str]:
    """The nodes that are above another of them; whatever is above all of them is not visited."""
    found: set[str] = set()
    lowest = min((rank[node] for node in nodes), default=0)
    seen, todo = set(nodes), list(nodes)
    while todo:
        for above in up[todo.pop()]:
            if above in nodes:
                found.add(above)
            elif above not in seen and rank[above] > lowest:
                seen.add(above)
                todo.append(above)
    return found


def parents_in_rings(parents: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Key -> those of its parents that are below it in turn (itself among them, if it says so).

    Only keys that have such a parent are there. All parents must be keys, too.
    """
    part = _one_of_ring(parents)
    if not part:
        return {}
    found = {key: [p for p in above if part[p] == part[key]] for key, above in parents.items()}
    return {key: above for key, above in found.items() if above}


def _one_of_ring(parents: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """One key for all keys of a ring, others for themselves; nothing where there is no ring."""
    try:
        TopologicalSorter(parents).prepare()
    except CycleError:
        # Hardly a directory has a ring, and this is slow to import.
        import networkx as nx  # noqa: PLC0415

        graph = nx.DiGraph((key, parent) for key, above in parents.items() for parent in above)
        graph.add_nodes_from(parents)
        rings = nx.strongly_connected_components(graph)
        return {key: one for ring in rings for one in [min(ring)] for key in ring}
    return {}
