"""Explain a person or a team: the facts of both sides, and the decisions of the planner."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from swit_provisioning.planning.decisions import Kind
from swit_provisioning.planning.groups import Group
from swit_provisioning.planning.match_users import role_name
from swit_provisioning.planning.model import NEW_USER
from swit_provisioning.planning.normalize import address_key, usable_address
from swit_provisioning.planning.planner import ExplainedPlan, Stages
from swit_provisioning.planning.snapshots import Person, User, column
from swit_provisioning.report.explain.lookup import PersonSubject, Subjects, TeamSubject
from swit_provisioning.report.explain.model import (
    AccountFacts,
    Address,
    EntryFacts,
    Explained,
    GroupFacts,
    GroupSeat,
    PersonExplained,
    TeamExplained,
    TeamFacts,
    TeamSeat,
    consequence,
)
from swit_provisioning.sources.server_types import OTHER_ADDRESSES


class IncompleteReadError(Exception):
    """A read is not complete."""

    def __init__(self) -> None:
        """Say so, and how to see what is missing."""
        super().__init__(
            "What was read is not complete (no user in the directory, or Swit's own numbers don't"
            " fit together), so nothing can be explained by it. See what is missing:"
            " swit-provisioning check"
        )


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Everyone of the asked address, name, DN or id; if there is none, similar ones."""

    explained: tuple[Explained, ...]
    similar: tuple[str, ...] = ()


def explain(who: str, planned: ExplainedPlan) -> Answer:
    """Explain everyone with this address, DN, id or name.

    Raises:
        IncompleteReadError: a read is not complete, so anyone may be missing.

    """
    if planned.stages is None:
        raise IncompleteReadError
    subjects = Subjects(planned, planned.stages)
    named = subjects.named(who)
    if not named:
        return Answer(explained=(), similar=tuple(subjects.similar(who)))
    explainer = _Explainer(planned, planned.stages)
    return Answer(
        explained=tuple(
            explainer.person(subject)
            if isinstance(subject, PersonSubject)
            else explainer.team(subject)
            for subject in named
        )
    )


class _Explainer:
    """Renders subjects of one plan."""

    def __init__(self, planned: ExplainedPlan, stages: Stages) -> None:
        self._planned, self._stages = planned, stages
        self._directory, self._organization = planned.directory, planned.organization
        self._scope, self._teams = planned.groups.in_scope, stages.teams
        self._people = {person.key: person for person in planned.people.enabled}
        self._users = {user.user_id: user for user in stages.users.users}

    def person(self, subject: PersonSubject) -> PersonExplained:
        """All facts and decisions about a person: the entry, the users, or both."""
        users = [self._users[user_id] for user_id in subject.users]
        entry, key, person = None, None, None
        ids = set(subject.users)
        if subject.row is not None:
            row = self._directory.users.iloc[subject.row : subject.row + 1]
            values = {name: column(row, name)[0] for name in row.columns}
            key = values["key"]
            person = self._people.get(key)
            address = self._address_of(person)
            ids |= {NEW_USER + address} if person else set()
            entry = self._entry(values, address)
        subjects = [user.email for user in users]
        subjects += [f"{user.name} ({user.user_id})" for user in users]
        subjects += [entry.dn] if entry else []
        accounts = tuple(map(self._account, users))
        rule = self._reason_of_person(key, subject.users, is_enabled=person is not None)
        return PersonExplained(
            title=_title(entry, accounts),
            entry=entry,
            accounts=accounts,
            groups=tuple(self._groups_of(key)) if key is not None else (),
            teams=tuple(self._teams_of(subject.users)),
            consequence=consequence(rule, self._planned.plan, ids, subjects),
        )

    def team(self, subject: TeamSubject) -> TeamExplained:
        """All facts and decisions about a team: the group, the team, or both."""
        excluded = {group.key: group for group in self._planned.groups.excluded}
        group = self._scope.get(subject.group or "") or excluded.get(subject.group or "")
        facts = self._group(group) if group else None
        team = self._team(subject.team) if subject.team is not None else None
        ids = {subject.team} if subject.team is not None else set[str]()
        ids |= {group.new_team} if group else set()
        rule = (
            self._reasons("group", group.key)
            if group is not None
            else self._reasons("team", subject.team or "")
        )
        subjects = [*((team.name,) if team else ()), *((group.dn,) if group else ())]
        title = team.name if team else (facts.names or (facts.dn,))[0] if facts else ""
        return TeamExplained(
            title=title,
            group=facts,
            team=team,
            consequence=consequence(rule, self._planned.plan, ids, subjects),
        )

    def _reasons(self, kind: Kind, subject: str) -> str:
        return " ".join(
            decision.reason
            for decision in self._stages.decisions
            if decision.subject == subject and decision.kind == kind
        )

    def _reason_of_person(
        self, key: str | None, users: Collection[str], *, is_enabled: bool
    ) -> str:
        """The decisions about the person; those about the users, where these decide."""
        about = [self._reasons("person", key)] if key is not None else []
        if not (is_enabled and about[0]):
            about += [self._reasons("user", user) for user in users]
            if key is not None and not users:
                about.append("There is no account for it either.")
        return " ".join(filter(None, about))

    def _address_of(self, person: Person | None) -> str:
        matches = self._stages.users.matches if person else ()
        return next((match.address for match in matches if match.person is person), "")

    def _entry(self, values: Mapping[str, Any], address: str) -> EntryFacts:
        return EntryFacts(
            dn=values["dn"],
            base=values["base"],
            enabled=bool(values["enabled"]),
            names=tuple(values["names"] or ()),
            addresses=tuple(self._addresses(values, address)),
            phone_numbers=tuple(values["phone_numbers"] or ()),
            primary_group=values["primary_group"],
        )

    def _addresses(self, values: Mapping[str, Any], chosen: str) -> Iterator[Address]:
        attribute = self._directory.facts.attributes.get("email", "email")
        for text in values["emails"] or ():
            key = address_key(text)
            if not usable_address(key):
                note = "can't be an account's address"
            elif key == chosen:
                note = "stands for the entry"
            else:
                note = "another one of the entry's"
            yield Address(value=text, attribute=attribute, note=note)
        for text in values["other_emails"] or ():
            stands = address_key(text) == chosen
            note = "finds the account that is there" if stands else "would find an account"
            yield Address(value=text, attribute=OTHER_ADDRESSES, note=note)

    def _account(self, user: User) -> AccountFacts:
        primary, teams = user.primary_team, self._teams.teams
        return AccountFacts(
            user_id=user.user_id,
            email=user.email,
            name=user.name,
            phone_number=user.phone_number,
            role=role_name(user.role),
            active=bool(user.active),
            primary_team=teams[primary].name if primary and primary in teams else primary,
        )

    def _groups_of(self, key: str) -> Iterator[GroupSeat]:
        """Groups that list the person, in directory order, then the groups above these."""
        rows = self._directory.memberships
        direct = set(rows["group"][rows["member"] == key])
        for group in self._planned.groups.excluded:
            if group.key in direct:
                yield _seat(group, (), "out of scope: TEAMS_TO_EXCLUDE")
        seen = dict.fromkeys(group for group in self._scope if group in direct)
        for group_key in seen:
            group = self._scope[group_key]
            yield _seat(group, (), self._outcome(group))
        near: list[tuple[str, tuple[str, ...]]] = [(group_key, ()) for group_key in seen]
        while near:
            group_key, through = near.pop(0)
            for above in self._scope[group_key].parents:
                if above not in seen:
                    seen[above] = None
                    way = (*through, _name(self._scope[group_key]))
                    near.append((above, way))
                    outcome = "by way of another group: no member of its team"
                    yield _seat(self._scope[above], way, outcome)

    def _outcome(self, group: Group) -> str:
        """What a direct membership of a group in scope leads to."""
        layout = self._stages.layout
        team = self._teams.team_of.get(group.key)
        if team is None:
            if group.new_team not in layout.new_teams:
                return "the group has no team"
            return f'member of its team "{layout.names[group.new_team]}", which is made'
        name = self._teams.teams[team].name
        if team in self._teams.kept:
            return f'its team "{name}" is kept as it is: SWIT_TEAMS_TO_KEEP'
        return f'member of its team "{name}"'

    def _teams_of(self, users: Collection[str]) -> Iterator[TeamSeat]:
        """The present teams of some users, in the order shown."""
        rows = self._organization.memberships
        mine = set(rows["team_id"][rows["user_id"].isin(list(users))])
        for team_id, team in self._teams.teams.items():
            if team_id in mine:
                yield TeamSeat(name=team.name, team_id=team_id, owner=self._manager(team_id))

    def _manager(self, team_id: str) -> str:
        """Who manages a team, in a few words."""
        teams = self._teams
        if team_id in teams.own:
            return "Swit's own"
        if team_id in teams.kept:
            return "kept as it is: SWIT_TEAMS_TO_KEEP or TEAMS_TO_EXCLUDE"
        if team_id in teams.group_of:
            return f"the team of {self._scope[teams.group_of[team_id]].dn}"
        return "its group has left" if team_id in teams.left else "no group stands behind it"

    def _group(self, group: Group) -> GroupFacts:
        rows = self._directory.groups
        values = rows[rows["key"] == group.key]
        members = self._directory.memberships
        mine = members["member"][members["group"] == group.key]
        people = mine.isin(list(self._people))
        groups = mine.isin(rows["key"])
        return GroupFacts(
            dn=group.dn,
            base=column(values, "base")[0],
            names=tuple(column(values, "names")[0] or ()),
            parents=tuple(_name(self._scope[key]) for key in group.parents),
            people=int(people.sum()),
            groups=int(groups.sum()),
            unknown=int((~people & ~groups).sum()),
        )

    def _team(self, team_id: str) -> TeamFacts:
        teams = self._teams.teams
        above: list[str] = []
        parent = teams[team_id].parent_id
        # A complete read has every parent but the root's, and no cycle.
        while parent is not None:
            above.insert(0, teams[parent].name)
            parent = teams[parent].parent_id
        return TeamFacts(
            team_id=team_id,
            name=teams[team_id].name,
            above=tuple(above),
            reference=teams[team_id].reference,
            members=int((self._organization.memberships["team_id"] == team_id).sum()),
        )


def _title(entry: EntryFacts | None, accounts: tuple[AccountFacts, ...]) -> str:
    names = [*(entry.names if entry else ()), *(account.name for account in accounts)]
    ways = [*names, *(account.email for account in accounts), *((entry.dn,) if entry else ())]
    return next((way for way in ways if way.strip()), "without a name")


def _seat(group: Group, through: tuple[str, ...], outcome: str) -> GroupSeat:
    return GroupSeat(name=_name(group), dn=group.dn, through=through, outcome=outcome)


def _name(group: Group) -> str:
    return group.names[0] if group.names else group.dn
