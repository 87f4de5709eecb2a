"""The least and the most calls that a trial may have taken, from what differed at first."""

from collections import Counter
from dataclasses import dataclass

from swit_provisioning_tests.planning.specification.organisation import Organisation
from swit_provisioning_tests.planning.specification.steps import Work
from swit_provisioning_tests.planning.specification.teams import STAY, Teams
from swit_provisioning_tests.planning.trial import Trial

TEAM_CALLS = ("team.create", "team.update", "team.delete")


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Numbers of calls."""

    differing: int
    """Teams that go, are made, or differ: one call each at least."""
    crossing: int
    """Wanted names that another team has: one more call each at most."""
    rings: int
    """Rings of teams that want one another's names: one more call each at least."""
    unordered: int
    """Parents that arrivals alone don't bring in order."""
    mixed: int
    """Parents at which both a new and a moved team arrive."""


def bounds_of(trial: Trial) -> Bounds:
    needed, before = trial.specified.steps.needed, trial.before
    wants = {t: w.wanted["name"] for t, w in needed.items() if "name" in w.wanted}
    holders = {team: before.holder(name, team) for team, name in wants.items()}
    return Bounds(
        differing=len(needed),
        crossing=sum(holder is not None for holder in holders.values()),
        rings=_rings(
            {t: h for t, h in holders.items() if h in wants and needed[t].kind == "update"}
        ),
        unordered=len(_unordered(trial.specified.teams, needed, before)),
        mixed=len(_arrivals(needed, "create") & _arrivals(needed, "update")),
    )


def the_calls_are_within_bounds(trial: Trial) -> None:
    bounds, sent = bounds_of(trial), Counter(action for action, _ in trial.after.calls)
    team_calls = sum(sent[action] for action in TEAM_CALLS)
    assert bounds.differing + bounds.rings <= team_calls
    assert team_calls <= bounds.differing + bounds.crossing
    if not trial.specified.teams.off("team.sort"):
        assert bounds.unordered <= sent["team.sort"]
        if not bounds.crossing:
            assert sent["team.sort"] <= bounds.unordered + bounds.mixed
    specified = Counter(action for action, _ in trial.specified.steps.calls)
    for action in sent.keys() | specified.keys():
        if not action.startswith("team."):
            assert sent[action] == specified[action]


def _rings(follows: dict[str, str]) -> int:
    rings, seen = 0, set()
    for start in follows:
        path: list[str] = []
        here: str | None = start
        while here in follows and here not in seen:
            seen.add(here)
            path.append(here)
            here = follows[here]
        rings += here in path
    return rings


def _arrivals(needed: dict[str, Work], kind: str) -> set[str]:
    return {w.wanted["parent"] for w in needed.values() if w.kind == kind and "parent" in w.wanted}


def _unordered(rules: Teams, needed: dict[str, Work], before: Organisation) -> set[str]:
    above: dict[str, tuple[str, str | None]] = {}
    for key in rules.has_team:
        node = rules.node(key)
        if node in rules.kept:
            continue
        now = before.teams[node].parent if node in before.teams else None
        wanted = needed[node].wanted.get("parent", now) if node in needed else now
        above[key] = wanted or "", now
    found = set()
    for parent in {wanted for wanted, _ in above.values()} - rules.kept:
        here = [key for key, (wanted, _) in above.items() if wanted == parent]
        stay = [key for key in here if above[key][1] == parent]
        if stay:
            shown = before.teams[parent].children
            stay.sort(key=lambda key: shown.index(rules.node(key)))
        come = sorted((key for key in here if key not in stay), key=rules.position.__getitem__)
        places = [rules.position[key] for key in (*stay, *come)]
        if places != sorted(places):
            found.add(parent)
    return found


def is_put(rules: Teams, key: str) -> bool:
    return rules.parent[key] == STAY
