"""Explain a person or a team: the facts of both sides, and the decisions of the planner.

The fields of the values are the keys of `explain --json`.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, is_dataclass, replace
from typing import Any, ClassVar, Self

from swit_provisioning.planning.decisions import Kind
from swit_provisioning.planning.groups import Group
from swit_provisioning.planning.match_users import role_name
from swit_provisioning.planning.model import Change, Finding, only_users
from swit_provisioning.planning.normalize import address_key, usable_address
from swit_provisioning.planning.planner import ExplainedPlan, Stages
from swit_provisioning.planning.snapshots import Person, User, column
from swit_provisioning.report.redaction import (
    HIDDEN,
    change_without_people,
    code_of,
    finding_without_people,
)
from swit_provisioning.report.subjects import PersonSubject, Subjects, TeamSubject, person_ids
from swit_provisioning.sources.server_types import OTHER_ADDRESSES


@dataclass(frozen=True, kw_only=True)
class Address:
    """One address of a person."""

    value: str
    attribute: str
    note: str
    """How it is used: `identifies the person`, `not used`..."""


@dataclass(frozen=True, kw_only=True)
class PersonFacts:
    """A person in the directory."""

    dn: str
    base: str
    enabled: bool
    names: tuple[str, ...]
    addresses: tuple[Address, ...]
    phone_numbers: tuple[str, ...]
    primary_group: str | None


@dataclass(frozen=True, kw_only=True)
class UserFacts:
    """A user in Swit."""

    user_id: str
    email: str
    name: str
    phone_number: str | None
    role: str
    active: bool
    primary_team: str | None


@dataclass(frozen=True, kw_only=True)
class GroupSeat:
    """A group that lists a person, and what follows from it."""

    name: str
    dn: str
    through: tuple[str, ...]
    """The groups in between, the one that lists the person first; empty: this group does."""
    outcome: str


@dataclass(frozen=True, kw_only=True)
class TeamSeat:
    """A present team of a user, and who manages it."""

    name: str
    team_id: str
    owner: str


@dataclass(frozen=True, kw_only=True)
class GroupFacts:
    """A group in the directory."""

    dn: str
    base: str
    names: tuple[str, ...]
    parents: tuple[str, ...]
    """Names of its parents in scope, in the order of preference."""
    people: int
    """Number of enabled people that it lists directly."""
    groups: int
    """Number of groups that it lists."""
    unknown: int
    """Number of other members: disabled, out of scope, or not read."""


@dataclass(frozen=True, kw_only=True)
class TeamFacts:
    """A team in Swit."""

    team_id: str
    name: str
    above: tuple[str, ...]
    """Names of the teams above it, the root first."""
    reference: str | None
    members: int


@dataclass(frozen=True, kw_only=True)
class Explained:
    """The decisions about a subject, and the changes and findings of the plan about it."""

    kind: ClassVar[str]

    title: str
    rule: str
    """The reasons of the decisions, in sentences."""
    changes: tuple[Change, ...]
    """The changes that the plan sends; of a membership change, only this person."""
    not_sent: tuple[Change, ...]
    """Changes of `DISABLED_ACTIONS`, and changes that do not stick."""
    findings: tuple[Finding, ...]

    def without_people(self) -> Self:
        """The same with codes for the people that changes and findings name."""
        return replace(
            self,
            changes=tuple(map(change_without_people, self.changes)),
            not_sent=tuple(map(change_without_people, self.not_sent)),
            findings=tuple(map(finding_without_people, self.findings)),
        )

    def document(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {"kind": self.kind, **{name: _plain(value) for name, value in vars(self).items()}}


def _plain(value: object) -> Any:  # noqa: ANN401 - a JSON value
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Change | Finding):
        return value.document()
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


@dataclass(frozen=True, kw_only=True)
class PersonExplained(Explained):
    """A person in the directory, the users in Swit, or both."""

    kind = "person"

    entry: PersonFacts | None
    accounts: tuple[UserFacts, ...]
    """The user; several if the person's addresses belong to several users."""
    groups: tuple[GroupSeat, ...]
    teams: tuple[TeamSeat, ...]

    @property
    def unique_name(self) -> str:
        """A name that no other subject has."""
        return self.entry.dn if self.entry else self.accounts[0].email

    @property
    def names_in_history(self) -> list[str]:
        """The ids in Swit; without a user, the addresses in the directory."""
        addresses = self.entry.addresses if self.entry else ()
        users = [account.user_id for account in self.accounts]
        return users or [address.value for address in addresses]

    def without_people(self) -> Self:
        """The same with codes for the person."""
        entry = self.entry and replace(
            self.entry,
            dn=code_of(self.entry.dn),
            names=tuple(HIDDEN for _ in self.entry.names),
            addresses=tuple(replace(a, value=code_of(a.value)) for a in self.entry.addresses),
            phone_numbers=tuple(HIDDEN for _ in self.entry.phone_numbers),
        )
        accounts = tuple(
            replace(
                account,
                email=code_of(account.email),
                name=HIDDEN,
                phone_number=HIDDEN if account.phone_number else None,
            )
            for account in self.accounts
        )
        hidden = super().without_people()
        return replace(hidden, title=code_of(self.unique_name), entry=entry, accounts=accounts)


@dataclass(frozen=True, kw_only=True)
class TeamExplained(Explained):
    """A team: the group, the team, or both."""

    kind = "team"

    group: GroupFacts | None
    team: TeamFacts | None

    @property
    def unique_name(self) -> str:
        """A name that no other subject has, also in the journal."""
        group_dn = self.group.dn if self.group else ""
        return self.team.team_id if self.team else group_dn


class IncompleteReadError(Exception):
    """A read is not complete."""

    def __init__(self) -> None:
        super().__init__(
            "A read is not complete: the directory has no user, or Swit's own numbers do not fit"
            " together. So nothing can be explained by it. See what is missing:"
            " swit-provisioning check"
        )


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Everyone with an address, name, DN or id; if there is none, similar texts."""

    explained: tuple[PersonExplained | TeamExplained, ...]
    similar: tuple[str, ...] = ()


def explain_subjects(text: str, planned: ExplainedPlan) -> Answer:
    """Explain everyone with this address, DN, id or name.

    Raises:
        IncompleteReadError: a read is not complete, so anyone may be missing.

    """
    if planned.stages is None:
        raise IncompleteReadError
    subjects = Subjects(planned, planned.stages)
    found = subjects.named(text)
    if not found:
        return Answer(explained=(), similar=tuple(subjects.similar(text)))
    explainer = _Explainer(planned, planned.stages)
    return Answer(
        explained=tuple(
            explainer.person(each) if isinstance(each, PersonSubject) else explainer.team(each)
            for each in found
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
        """All facts and decisions about a person: the directory, the users, or both."""
        users = [self._users[user_id] for user_id in subject.users]
        accounts = tuple(map(self._user, users))
        ids = person_ids(subject, self._planned, self._stages)
        names = [user.name for user in users] + [user.email for user in users]
        person, entry, rules = None, None, list[str]()
        groups: tuple[GroupSeat, ...] = ()
        if subject.row is not None:
            row = self._directory.users.iloc[subject.row : subject.row + 1]
            values = {name: column(row, name)[0] for name in row.columns}
            person = self._people.get(values["key"])
            address = self._address_of(person)
            entry = self._person(values, address)
            names = [*entry.names, *names, entry.dn]
            groups = tuple(self._groups_of(values["key"]))
            rules.append(self._reasons("person", values["key"]))
        # Where no decision is about an enabled person, those about the users explain the rest.
        if person is None or not rules[0]:
            rules += [self._reasons("user", user_id) for user_id in subject.users]
            if entry is not None and not users:
                rules.append("There is no user for this person either.")
        changes, not_sent, findings = self._about(ids.users, ids.findings)
        return PersonExplained(
            title=next((name for name in names if name.strip()), "without a name"),
            entry=entry,
            accounts=accounts,
            groups=groups,
            teams=tuple(self._teams_of(subject.users)),
            rule=" ".join(filter(None, rules)),
            changes=changes,
            not_sent=not_sent,
            findings=findings,
        )

    def team(self, subject: TeamSubject) -> TeamExplained:
        """All facts and decisions about a team: the group, the team, or both."""
        excluded = {group.key: group for group in self._planned.groups.excluded}
        group = self._scope.get(subject.group or "") or excluded.get(subject.group or "")
        facts = self._group(group) if group else None
        team = self._team(subject.team) if subject.team is not None else None
        title, rule = "", ""
        ids, finding_subjects = set[str](), set[str]()
        if group is not None and facts is not None:
            title, rule = (facts.names or (facts.dn,))[0], self._reasons("group", group.key)
            ids.add(group.new_team)
            finding_subjects.add(group.dn)
        if team is not None:
            title, rule = team.name, rule or self._reasons("team", team.team_id)
            ids.add(team.team_id)
            finding_subjects.add(team.name)
        changes, not_sent, findings = self._about(ids, finding_subjects)
        return TeamExplained(
            title=title,
            group=facts,
            team=team,
            rule=rule,
            changes=changes,
            not_sent=not_sent,
            findings=findings,
        )

    def _about(
        self, ids: AbstractSet[str], subjects: Collection[str]
    ) -> tuple[tuple[Change, ...], tuple[Change, ...], tuple[Finding, ...]]:
        """Sent and unsent changes to the objects of these ids, findings about these subjects."""

        def about(changes: Iterable[Change]) -> Iterator[Change]:
            for change in changes:
                members = {*change.before.get("user_ids", ()), *change.after.get("user_ids", ())}
                if members & ids:
                    # Of a batch of members, only the ones with these ids.
                    before, after = only_users(change.before, ids), only_users(change.after, ids)
                    yield replace(change, before=before, after=after)
                elif change.object_id in ids or ids & set(change.before.get("members", ())):
                    yield change

        plan = self._planned.plan
        findings = tuple(finding for finding in plan.findings if finding.subject in subjects)
        return tuple(about(plan.changes)), tuple(about((*plan.disabled, *plan.held))), findings

    def _reasons(self, kind: Kind, subject: str) -> str:
        return " ".join(
            decision.reason
            for decision in self._stages.decisions
            if decision.subject == subject and decision.kind == kind
        )

    def _address_of(self, person: Person | None) -> str:
        matches = self._stages.users.matches if person else ()
        return next((match.address for match in matches if match.person is person), "")

    def _person(self, values: Mapping[str, Any], chosen: str) -> PersonFacts:
        """The facts in a row of `idp_users`; `chosen` is the address that identifies the person."""
        attribute = self._directory.facts.attributes.get("email", "email")
        addresses = []
        for text in values["emails"] or ():
            key = address_key(text)
            if not usable_address(key):
                note = "not usable as a user's address"
            else:
                note = "identifies the person" if key == chosen else "not used"
            addresses.append(Address(value=text, attribute=attribute, note=note))
        for text in values["other_emails"] or ():
            is_match = address_key(text) == chosen
            note = "matches the user" if is_match else "would match a user"
            addresses.append(Address(value=text, attribute=OTHER_ADDRESSES, note=note))
        return PersonFacts(
            dn=values["dn"],
            base=values["base"],
            enabled=bool(values["enabled"]),
            names=tuple(values["names"] or ()),
            addresses=tuple(addresses),
            phone_numbers=tuple(values["phone_numbers"] or ()),
            primary_group=values["primary_group"],
        )

    def _user(self, user: User) -> UserFacts:
        primary, teams = user.primary_team, self._teams.teams
        return UserFacts(
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
                    outcome = "not a member of its team, as another group is in between"
                    yield _seat(self._scope[above], way, outcome)

    def _outcome(self, group: Group) -> str:
        """What a direct membership of a group in scope leads to."""
        layout = self._stages.layout
        team = self._teams.team_of.get(group.key)
        if team is None:
            if group.new_team not in layout.new_teams:
                return "the group has no team"
            return f'member of its team "{layout.names[group.new_team]}", which is created'
        name = self._teams.teams[team].name
        if team in self._teams.kept:
            return f'its team "{name}" is kept as it is: {self._teams.why_kept(team)}'
        return f'member of its team "{name}"'

    def _teams_of(self, users: Collection[str]) -> Iterator[TeamSeat]:
        """The present teams of some users, in the order shown."""
        rows = self._organization.memberships
        mine = set(rows["team_id"][rows["user_id"].isin(list(users))])
        teams = self._teams
        for team_id, team in teams.teams.items():
            if team_id not in mine:
                continue
            if team_id in teams.own:
                owner = "Swit's own"
            elif team_id in teams.kept:
                owner = f"kept as it is: {teams.why_kept(team_id)}"
            elif team_id in teams.group_of:
                owner = f"the team of {self._scope[teams.group_of[team_id]].dn}"
            else:
                has_left = team_id in teams.left
                owner = "its group has left the directory" if has_left else "unmanaged: no group"
            yield TeamSeat(name=team.name, team_id=team_id, owner=owner)

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


def _seat(group: Group, through: tuple[str, ...], outcome: str) -> GroupSeat:
    return GroupSeat(name=_name(group), dn=group.dn, through=through, outcome=outcome)


def _name(group: Group) -> str:
    return group.names[0] if group.names else group.dn
