"""Groups that are below themselves."""

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter


def parents_in_rings(parents: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Key -> those of its parents that are below it in turn (itself among them, if it says so).

    Only keys that have such a parent are there. All parents must be keys, too.
    """
    try:
        TopologicalSorter(parents).prepare()
    except CycleError:
        return _in_rings(parents)
    return {}


def _in_rings(parents: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    # Hardly a directory has a ring, and this is slow to import.
    import networkx as nx  # noqa: PLC0415

    graph = nx.DiGraph((key, parent) for key, above in parents.items() for parent in above)
    graph.add_nodes_from(parents)
    part = {
        key: number
        for number, keys in enumerate(nx.strongly_connected_components(graph))
        for key in keys
    }
    found = {key: [p for p in above if part[p] == part[key]] for key, above in parents.items()}
    return {key: above for key, above in found.items() if above}
