"""Groups and teams that stay exempt after a rename, because a setting named them before."""

from collections.abc import Iterable, Iterator
from typing import Final

from swit_provisioning.planning.match_teams import Groups, Owners
from swit_provisioning.planning.memory import Memory
from swit_provisioning.planning.model import KINDS, ExemptingEntry, Exemption, Finding, Policy
from swit_provisioning.planning.normalize import name_key

_WAY_OUT: Final = (
    "Add the new name to the setting. To end this instead, take the old name out of the setting and"
    " make a plan (swit-provisioning plan); then you can put it back for others."
)


def exemptions_after(
    groups: Groups, owners: Owners, policy: Policy, memory: Memory
) -> tuple[Exemption, ...]:
    """All that is exempt now, and what was before and is in neither read, if still set."""
    found = {
        Exemption(
            kind="group", object_id=group.directory_id, setting="TEAMS_TO_EXCLUDE", entry=entry
        )
        for group in groups.excluded
        for entry in groups.excluded_by[group.key]
    }
    found |= {
        Exemption(kind="team", object_id=team, setting=setting, entry=entry)
        for team, named in owners.kept_by.items()
        for setting, entry in named
    }
    found |= {
        Exemption(kind=kind, object_id=object_id, setting=setting, entry=entry)
        for kind in KINDS
        for object_id, named in memory.still_exempt(kind, policy).items()
        for setting, entry in named
    }
    return tuple(sorted(found))


def named_earlier(groups: Groups, owners: Owners, policy: Policy) -> Iterator[Finding]:
    """A finding for each group and team that is exempt by an earlier name alone.

    The team of a group that is excluded is not told of beside its group.
    """
    of_groups: set[ExemptingEntry] = set()
    for group in groups.excluded:
        entries: set[ExemptingEntry] = {
            ("TEAMS_TO_EXCLUDE", entry) for entry in groups.excluded_by[group.key]
        }
        of_groups |= entries
        if group.key in groups.renamed:
            yield Finding(
                kind="excluded by an earlier name",
                subject=group.dn,
                message=f"It was renamed and stays out of scope, because {_named(entries, policy)}."
                f" {_WAY_OUT}",
                side="swit",
            )
    for team in sorted(owners.renamed):
        if owners.kept_by[team] - of_groups:
            yield Finding(
                kind="kept by an earlier name",
                subject=owners.teams[team].name,
                message=f"The team stays as it is, because {_named(owners.kept_by[team], policy)}."
                f" {_WAY_OUT}",
                side="swit",
            )


def _named(entries: Iterable[ExemptingEntry], policy: Policy) -> str:
    """The entries as the settings have them, in a sentence."""
    written = {
        "TEAMS_TO_EXCLUDE": {name_key(name): name for name in policy.teams_to_exclude},
        "SWIT_TEAMS_TO_KEEP": {name_key(name): name for name in policy.teams_to_keep},
    }
    said = [f"{setting} ({written[setting][entry]})" for setting, entry in sorted(entries)]
    return f"{' and '.join(said)} named it before"
