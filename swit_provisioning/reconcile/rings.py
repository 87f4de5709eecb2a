"""Groups that are below themselves."""

from collections.abc import Iterator, Mapping, Sequence

Graph = Mapping[str, Sequence[str]]


def parents_in_rings(parents: Graph) -> dict[str, list[str]]:
    """Key -> those of its parents that are below it in turn (itself among them, if it says so).

    Only keys that have such a parent are there. All parents must be keys, too.
    """
    part = _parts(parents)
    found = {key: [p for p in above if part[p] == part[key]] for key, above in parents.items()}
    return {key: above for key, above in found.items() if above}


def _parts(parents: Graph) -> dict[str, str]:
    """Key -> a name for all that are below one another with it (Kosaraju's two walks)."""
    children: dict[str, list[str]] = {key: [] for key in parents}
    for key, above in parents.items():
        for parent in above:
            children[parent].append(key)
    part: dict[str, str] = {}
    for start in reversed([*_from_the_top(parents)]):
        if start in part:
            continue
        part[start] = start
        todo = [start]
        while todo:
            fresh = [child for child in children[todo.pop()] if child not in part]
            part.update(dict.fromkeys(fresh, start))
            todo += fresh
    return part


def _from_the_top(parents: Graph) -> Iterator[str]:
    """Each key once all that is reached from it has been given; no recursion: chains are long."""
    seen: set[str] = set()
    for start in parents:
        if start in seen:
            continue
        seen.add(start)
        way = [(start, iter(parents[start]))]
        while way:
            key, above = way[-1]
            following = next((parent for parent in above if parent not in seen), None)
            if following is None:
                way.pop()
                yield key
            else:
                seen.add(following)
                way.append((following, iter(parents[following])))
