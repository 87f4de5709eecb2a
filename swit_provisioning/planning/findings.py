"""Findings: bad records of the directory and of Swit, and teams without a group.

`directory_findings` needs nothing of Swit, so `check` can show them before there is a login.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final, Literal, NamedTuple, get_args

import pandas as pd

from swit_provisioning.planning.finding_kinds import FINDING_KINDS, UNMANAGED_TEAM, current_kind
from swit_provisioning.planning.groups import (
    Group,
    Groups,
    WantedMemberships,
    bad_groups,
    keys_by_name,
    read_groups,
    unread,
)
from swit_provisioning.planning.match_teams import TeamMatches, members_of
from swit_provisioning.planning.match_users import bad_users
from swit_provisioning.planning.model import Change, Finding
from swit_provisioning.planning.normalize import clean_team_name, name_key, without_number
from swit_provisioning.planning.policy import Memory, Policy
from swit_provisioning.planning.schemas import DIRECTORY_FINDINGS, IDP_FINDINGS
from swit_provisioning.planning.snapshots import (
    DirectoryFacts,
    DirectorySnapshot,
    OrganizationSnapshot,
    People,
    column,
    index_of,
    mask,
    read_people,
)


def departures_not_looked_up(facts: DirectoryFacts, changes: Iterable[Change]) -> Iterator[Finding]:
    """A finding if users or teams depart and the source cannot be asked about single ones."""
    gone = Counter(change.action for change in changes)
    users, teams = gone["user.deactivate"] + gone["user.remove"], gone["team.delete"]
    if facts.whereabouts is None and users + teams:
        yield Finding(
            kind="departures not verified",
            subject=facts.source,
            side="swit",
            message=f"Users to deactivate or remove: {users}. Teams to delete: {teams}. This source"
            " cannot be asked about single people and groups, so everyone who is absent from this"
            " read counts as departed. Make sure that the export is complete.",
        )


def organisation_findings(organization: OrganizationSnapshot) -> Iterator[Finding]:
    """Findings about users without an address, and teams whose member counts disagree."""
    unknown = organization.users[
        [not email.strip() for email in column(organization.users, "email")]
    ]
    for user_id, name in zip(unknown["user_id"], unknown["name"], strict=True):
        yield Finding(
            kind="user without email",
            subject=f"{name} ({user_id})",
            side="swit",
            message="The user has no email address in Swit, so no person can be matched. The user"
            " is left alone. Set an address in Swit's console, or deactivate the user there.",
        )
    members = organization.memberships["team_id"].value_counts()
    names = ("team_id", "name", "member_count")
    columns = (column(organization.teams, name) for name in names)
    for team_id, name, count in zip(*columns, strict=True):
        listed = int(members.get(team_id, 0))
        if count is not None and count != listed:
            yield Finding(
                kind="member count mismatch",
                subject=name,
                side="swit",
                message=f"Swit counts {count} members of this team and lists {listed}. It may count"
                " members of the teams below, or the list may be incomplete. Check the team in"
                " Swit.",
            )


def unknown_members(directory: DirectorySnapshot, groups: Groups) -> Iterator[Finding]:
    """One finding for each member of a group in scope that was not read.

    Members that the source knows to be something else have a finding already.
    """
    rows = directory.memberships
    known = [*column(directory.users, "key"), *column(directory.groups, "key")]
    unknown = rows[~mask(known, index_of(rows["member"]))]
    for key, dn in zip(unknown["group"], unknown["member_dn"], strict=True):
        if key in groups.in_scope:
            yield Finding(
                kind="unknown member",
                subject=groups.in_scope[key].dn,
                message=f"The member {dn} was not read as a person or a group, so it is ignored. If"
                " it is one, add its OU to LDAP_USER_OUS or LDAP_GROUP_OUS, or change the filter"
                " that excludes it. Otherwise, nothing has to be done.",
            )


def directory_findings(
    directory: DirectorySnapshot, policy: Policy, memory: Memory
) -> tuple[Finding, ...]:
    """All findings that concern the directory alone, sorted.

    Disabled people, excluded people and excluded groups have none.
    """
    people, groups = read_people(directory.users), read_groups(directory, policy, memory)
    return in_order(bad_records(directory, people, groups, policy), directory.facts)


def bad_records(
    directory: DirectorySnapshot, people: People, groups: Groups, policy: Policy
) -> Iterator[Finding]:
    """The findings of `directory_findings`, of records read already, in no order."""
    columns = (column(directory.findings, name) for name in IDP_FINDINGS.names)
    for kind, dn, attribute, reason in zip(*columns, strict=True):
        yield Finding(kind=current_kind(kind), subject=dn, attribute=attribute, message=reason)
    yield from bad_users(
        people,
        policy,
        attributes=directory.facts.attributes,
        unread=unread(directory, "email"),
    )
    yield from bad_groups(directory.groups, groups.in_scope)
    yield from unknown_members(directory, groups)


def in_order(findings: Iterable[Finding], facts: DirectoryFacts) -> tuple[Finding, ...]:
    """The distinct findings with their attributes, sorted by kind and subject."""
    complete = set()
    for finding in findings:
        kind = FINDING_KINDS.get(finding.kind)
        name = finding.attribute or facts.attributes.get(kind.field if kind else "", "")
        complete.add(replace(finding, attribute=name))
    return tuple(sorted(complete, key=lambda f: (f.kind, f.subject, f.attribute, f.message)))


def findings_frame(findings: Iterable[Finding]) -> pd.DataFrame:
    """The frame `directory_findings`: the findings to mend in the directory."""
    return DIRECTORY_FINDINGS.frame(
        {"kind": f.kind, "dn": f.subject, "attribute": f.attribute, "reason": f.message}
        for f in findings
        if f.side == "directory"
    )


_FEW: Final = 3
"""The fewest common members that suggest a group with another name."""
_NEARLY_ALL: Final = 0.8

_Likelihood = Literal["almost surely", "probably", "perhaps"]
_LIKELIHOODS: Final = get_args(_Likelihood)


class _Candidate(NamedTuple):
    """A group that an unmanaged team may belong to."""

    group: Group
    likelihood: _Likelihood
    same_name: bool
    common: int
    """Number of members that the team and the group have in common."""


def unmanaged_teams(
    groups: Mapping[str, Group],
    teams: TeamMatches,
    wanted: WantedMemberships,
    organization: OrganizationSnapshot,
    policy: Policy,
) -> Iterator[Finding]:
    """One finding for each unmanaged team that is left as it is."""
    is_deleted = "team.delete" not in policy.disabled_actions
    if not teams.unmanaged or (policy.unmanaged_teams == "delete" and is_deleted):
        return
    inside = members_of(organization.memberships, teams.unmanaged)
    in_groups = wanted.groups_of({user for users in inside.values() for user in users})
    called, sizes = keys_by_name(groups), wanted.sizes()
    for team in (team for key, team in teams.teams.items() if key in teams.unmanaged):
        users = inside.get(team.team_id, set())
        plain = clean_team_name(team.name)
        names = {name_key(plain), name_key(without_number(plain))}
        same_name = {key for name in names for key in called.get(name, ())}
        common = Counter(key for user in users for key in in_groups.get(user, ()))
        candidates = [
            _Candidate(groups[key], likelihood, key in same_name, common[key])
            for key in same_name | set(common)
            if (likelihood := _likelihood(key, same_name, common[key], len(users), sizes[key]))
        ]
        best = min(
            candidates,
            key=lambda c: (_LIKELIHOODS.index(c.likelihood), -c.common, c.group.rank),
            default=None,
        )
        adopting = [groups[key] for key in called.get(name_key(team.name), ())]
        members = "1 member" if len(users) == 1 else f"{len(users)} members"
        yield Finding(
            kind=UNMANAGED_TEAM,
            subject=team.name,
            side="swit",
            message=f"The team ({members}) belongs to no group."
            f" UNMANAGED_TEAMS={policy.unmanaged_teams} does not change it."
            f" {_belongs(best, len(users))} {_adopting(best, teams, adopting)}"
            " UNMANAGED_TEAMS=delete would delete it. To keep the team as it is, add it to"
            " SWIT_TEAMS_TO_KEEP.",
        )


def _likelihood(
    key: str, same_name: set[str], common: int, members: int, size: int
) -> _Likelihood | None:
    """How likely a team with these `members` is that of a group with `size` members."""
    half = common > 0 and 2 * common >= members
    if key in same_name:
        if len(same_name) > 1:
            return "probably" if half else "perhaps"
        return "almost surely" if half else "probably"
    if common < _FEW or not half:
        return None
    return "probably" if common >= _NEARLY_ALL * max(members, size) else "perhaps"


def _belongs(candidate: _Candidate | None, members: int) -> str:
    if candidate is None:
        return "No group has its name or most of its members."
    why = ["the same name"] if candidate.same_name else []
    if candidate.common or not candidate.same_name:
        why.append(f"{candidate.common} of {members} members in common")
    return f"It is {candidate.likelihood} the team of {candidate.group.dn}: {' and '.join(why)}."


def _adopting(candidate: _Candidate | None, teams: TeamMatches, called: list[Group]) -> str:
    """What `UNMANAGED_TEAMS=adopt`, which compares names only, would do with the team."""
    if len(called) > 1:
        return "UNMANAGED_TEAMS=adopt would not change it, because several groups have its name."
    if called and called[0].key in teams.team_of:
        return (
            "UNMANAGED_TEAMS=adopt would not change it, because the group with its name has a team."
        )
    if called:
        return f"UNMANAGED_TEAMS=adopt would make it the team of {called[0].dn}."
    unchanged = "UNMANAGED_TEAMS=adopt would not change it, because no group has its name."
    is_free = candidate is not None and candidate.group.key not in teams.team_of
    if candidate is None or not is_free or not candidate.group.names:
        return unchanged
    name = candidate.group.names[0]
    return f'{unchanged} If you rename it to "{name}" in Swit, it would become that group\'s team.'
