"""The values of an explanation: facts of both sides, the decisions, and the changes of the plan."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from swit_provisioning.planning.model import Change, Finding, Plan, only_users
from swit_provisioning.report.redaction import (
    HIDDEN,
    change_without_people,
    code_of,
    finding_without_people,
)


@dataclass(frozen=True, kw_only=True)
class Address:
    """One address of a person."""

    value: str
    attribute: str
    note: str
    """How it is used: `stands for the entry`, `finds the account that is there`..."""


@dataclass(frozen=True, kw_only=True)
class EntryFacts:
    """A person in the directory."""

    dn: str
    base: str
    enabled: bool
    names: tuple[str, ...]
    addresses: tuple[Address, ...]
    phone_numbers: tuple[str, ...]
    primary_group: str | None


@dataclass(frozen=True, kw_only=True)
class AccountFacts:
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
class Consequence:
    """The decisions, and the changes and findings of the plan."""

    rule: str
    """The reasons of the decisions, in sentences."""
    changes: tuple[Change, ...]
    """The changes that the plan sends; of a membership change, only this person."""
    not_sent: tuple[Change, ...]
    """Changes of `DISABLED_ACTIONS`, and changes that do not stick."""
    findings: tuple[Finding, ...]

    def without_people(self) -> Self:
        """The same with codes for people."""
        return replace(
            self,
            changes=tuple(map(change_without_people, self.changes)),
            not_sent=tuple(map(change_without_people, self.not_sent)),
            findings=tuple(map(finding_without_people, self.findings)),
        )


@dataclass(frozen=True, kw_only=True)
class PersonExplained:
    """A person in the directory, the users in Swit, or both."""

    title: str
    entry: EntryFacts | None
    accounts: tuple[AccountFacts, ...]
    """The user; several if the person's addresses belong to several users."""
    groups: tuple[GroupSeat, ...]
    teams: tuple[TeamSeat, ...]
    consequence: Consequence

    def without_people(self) -> Self:
        """The same with codes for the person."""
        subject = self.entry.dn if self.entry else self.accounts[0].email
        return replace(
            self,
            title=code_of(subject),
            entry=_entry_without_people(self.entry) if self.entry else None,
            accounts=tuple(map(_account_without_people, self.accounts)),
            consequence=self.consequence.without_people(),
        )

    def document(self) -> dict[str, Any]:
        """As plain JSON values."""
        shown = {name: getattr(self, name) for name in ("accounts", "groups", "teams")}
        return {
            "kind": "person",
            "title": self.title,
            "entry": asdict(self.entry) if self.entry else None,
            **{name: [asdict(value) for value in values] for name, values in shown.items()},
            **_consequence(self.consequence),
        }


@dataclass(frozen=True, kw_only=True)
class TeamExplained:
    """A team: the group, the team, or both."""

    title: str
    group: GroupFacts | None
    team: TeamFacts | None
    consequence: Consequence

    def without_people(self) -> Self:
        """The same with codes for the people that changes and findings name."""
        return replace(self, consequence=self.consequence.without_people())

    def document(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "kind": "team",
            "title": self.title,
            "group": asdict(self.group) if self.group else None,
            "team": asdict(self.team) if self.team else None,
            **_consequence(self.consequence),
        }


Explained = PersonExplained | TeamExplained


def consequence(rule: str, plan: Plan, ids: set[str], subjects: Iterable[str]) -> Consequence:
    """What a plan holds about the objects of these ids, and about these subjects of findings."""
    named = set(subjects)
    return Consequence(
        rule=rule,
        changes=tuple(_about(plan.changes, ids)),
        not_sent=tuple(_about((*plan.disabled, *plan.held), ids)),
        findings=tuple(f for f in plan.findings if f.subject in named),
    )


def _about(changes: Iterable[Change], ids: set[str]) -> Iterable[Change]:
    for change in changes:
        members = {*change.before.get("user_ids", ()), *change.after.get("user_ids", ())}
        if members & ids:
            # Of a batch of members, only what concerns this person.
            before, after = (only_users(side, ids) for side in (change.before, change.after))
            yield replace(change, before=before, after=after)
        elif change.object_id in ids or ids & set(change.before.get("members", ())):
            yield change


def _consequence(found: Consequence) -> dict[str, Any]:
    return {
        "rule": found.rule,
        "changes": [change.document() for change in found.changes],
        "not_sent": [change.document() for change in found.not_sent],
        "findings": [finding.document() for finding in found.findings],
    }


def _entry_without_people(entry: EntryFacts) -> EntryFacts:
    return replace(
        entry,
        dn=code_of(entry.dn),
        names=tuple(HIDDEN for _ in entry.names),
        addresses=tuple(replace(a, value=code_of(a.value)) for a in entry.addresses),
        phone_numbers=tuple(HIDDEN for _ in entry.phone_numbers),
    )


def _account_without_people(account: AccountFacts) -> AccountFacts:
    return replace(
        account,
        email=code_of(account.email),
        name=HIDDEN,
        phone_number=HIDDEN if account.phone_number else None,
    )
