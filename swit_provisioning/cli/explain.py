"""`explain`: why a person or a team is as it is, from both sides as read now."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Literal

from rich.console import Console
from typing_extensions import TypedDict

from swit_provisioning.apply.waiting_plans import plan_to_send
from swit_provisioning.cli.console import output, print_header, print_json, print_markup, safe
from swit_provisioning.cli.documents import history_document, history_without_people
from swit_provisioning.cli.framework import AmbiguousSubjectError, UnknownSubjectError
from swit_provisioning.cli.json_types import FindingDocument, HistoryEntryDocument
from swit_provisioning.cli.render import coloured, history_table
from swit_provisioning.operations.connections import open_directory, swit_connection
from swit_provisioning.operations.services import open_store, plan_judge
from swit_provisioning.planning.actions import describe
from swit_provisioning.planning.model import Change, users_of
from swit_provisioning.planning.planner import explained_plan
from swit_provisioning.report.explanations import (
    Answer,
    GroupFacts,
    GroupSeat,
    PersonExplained,
    PersonFacts,
    TeamExplained,
    TeamFacts,
    TeamSeat,
    UserFacts,
    explain_subjects,
)
from swit_provisioning.report.safe_text import shortened
from swit_provisioning.settings import Settings
from swit_provisioning.state.journal_history import HistoryEntry
from swit_provisioning.state.store import Store
from swit_provisioning.swit.reader import read_organization

Line = tuple[str, str]
"""A label and its text, as markup."""

_MOST_LINES: Final = 50
"""Maximum number of lines with the same label; `--json` shows all."""
_MOST_EXPLAINED: Final = 10
"""Maximum number of people and teams that are explained at once."""


class PersonExplainedDocument(TypedDict):
    """A person in the directory, the users in Swit, or both."""

    kind: Literal["person"]
    title: str
    rule: str
    changes: list[Change]
    not_sent: list[Change]
    findings: list[FindingDocument]
    entry: PersonFacts | None
    accounts: list[UserFacts]
    groups: list[GroupSeat]
    teams: list[TeamSeat]
    history: list[HistoryEntryDocument]
    waiting: list[str]


class TeamExplainedDocument(TypedDict):
    """A group in the directory, the team in Swit, or both."""

    kind: Literal["team"]
    title: str
    rule: str
    changes: list[Change]
    not_sent: list[Change]
    findings: list[FindingDocument]
    group: GroupFacts | None
    team: TeamFacts | None
    history: list[HistoryEntryDocument]
    waiting: list[str]


class GoneDocument(TypedDict):
    """A person or team that is on neither side now."""

    kind: Literal["gone"]
    history: list[HistoryEntryDocument]
    waiting: list[str]


class ExplainDocument(TypedDict):
    """`explain`."""

    asked: str
    read_at: str
    explained: list[PersonExplainedDocument | TeamExplainedDocument | GoneDocument]
    stopped_by: list[str]
    waiting_plan: str | None


@dataclass(frozen=True, kw_only=True)
class _Subject:
    """One person or team, and the changes to it that were sent before."""

    explained: PersonExplained | TeamExplained | None
    """`None`: on neither side now, but in the journal."""
    history: list[HistoryEntry]
    waiting: tuple[Change, ...] = ()
    """The changes to it that exceed a limit and wait for an approval."""


def explain(settings: Settings, who: str, *, as_json: bool, no_names: bool) -> int:
    """Read both sides and explain everyone with this name. Writes nothing, stores no plan.

    Raises:
        UnknownSubjectError: the name is unknown, on both sides and in the journal.
        AmbiguousSubjectError: too many have it.
        IncompleteReadError: a read is not complete.

    """
    with open_store(settings) as store:
        settings.require("directory", "swit", token_stored=store.tokens.load() is not None)
        with swit_connection(settings, store) as client:
            swit = read_organization(client, expected=settings.expected_organization)
        directory = open_directory(settings, store).read()
        read_at = datetime.now(UTC)
        planned = explained_plan(directory, swit, settings.policy(), store.memory())
        subjects = _subjects(who, explain_subjects(who, planned), store, no_names=no_names)
        judge, plan = plan_judge(settings, store), planned.plan
        if plan.changes:
            plan = plan_to_send(judge, plan)
        results = judge.judge(plan) if plan.changes else ()
    subjects = [replace(s, waiting=_waiting(s.explained, plan.waiting)) for s in subjects]
    # Guards that would stop the whole plan.
    stopped_by = [result.name for result in results if result.stops]
    if no_names:
        subjects = [
            replace(
                subject,
                explained=subject.explained and subject.explained.without_people(),
                history=list(map(history_without_people, subject.history)),
            )
            for subject in subjects
        ]
    if as_json:
        print_json(
            {
                "asked": who,
                "read_at": read_at.isoformat(),
                "explained": [
                    {
                        **(subject.explained.document() if subject.explained else {"kind": "gone"}),
                        "history": [history_document(done) for done in subject.history],
                        "waiting": [change.action for change in subject.waiting],
                    }
                    for subject in subjects
                ],
                "stopped_by": stopped_by,
                "waiting_plan": plan.waiting_id or None,
            }
        )
        return 0
    console = output()
    organization, source = swit.facts.organization_name, directory.facts.title
    print_header(console, settings, organization=organization, directory=source)
    print_markup(console, f"Both sides as read now, {read_at:%Y-%m-%d %H:%M:%S} UTC")
    for subject in subjects:
        console.print()
        if subject.explained is None:
            print_markup(console, f"{safe(who)} is on neither side now, but was before.")
        else:
            _print_explained(console, subject.explained)
            if stopped_by and subject.explained.changes:
                names = ", ".join(stopped_by)
                print_markup(console, f"[red]The whole plan would be stopped by {names}.[/red]")
        if subject.waiting:
            actions = ", ".join(dict.fromkeys(change.action for change in subject.waiting))
            text = (
                f"{actions} exceeds a limit, and waits for an approval as plan {plan.waiting_id}."
            )
            print_markup(console, f"[yellow]{text}[/yellow]")
        if subject.history:
            print_markup(console, "Changes sent before:")
            history_table(console, subject.history)
        else:
            print_markup(console, "Changes sent before: nothing, as far as the journal goes back.")
    return 0


def _subjects(who: str, answer: Answer, store: Store, *, no_names: bool) -> list[_Subject]:
    """Everyone with this name, with their history; else the history alone."""
    found = answer.explained
    if len(found) > _MOST_EXPLAINED:
        names = [] if no_names else [each.unique_name for each in found]
        raise AmbiguousSubjectError(who, len(found), names)
    if not found:
        history = store.history.find(user=who) or store.history.find(team=who)
        if not history:
            raise UnknownSubjectError(who, answer.similar if not no_names else ())
        return [_Subject(explained=None, history=history)]
    subjects = []
    for each in found:
        if isinstance(each, TeamExplained):
            history = store.history.find(team=each.unique_name)
        else:
            found_by = (store.history.find(user=name) for name in each.names_in_history)
            history = [done for entries in found_by for done in entries]
        subjects.append(_Subject(explained=each, history=history))
    return subjects


def _waiting(
    explained: PersonExplained | TeamExplained | None, waiting: Iterable[Change]
) -> tuple[Change, ...]:
    """The changes to a person or team that wait; of a batch of members, others may be sent."""
    users = {change.change_id: users_of(change) for change in waiting}
    changes = explained.changes if explained else ()
    return tuple(c for c in changes if c.change_id in users and users_of(c) <= users[c.change_id])


def _print_explained(console: Console, explained: PersonExplained | TeamExplained) -> None:
    lines = list(_person(explained) if isinstance(explained, PersonExplained) else _team(explained))
    lines.append(("rule", f"[bold]{safe(explained.rule)}[/bold]"))
    for label, changes in (("plan", explained.changes), ("not sent", explained.not_sent)):
        texts = []
        for change in changes:
            words = describe(change.action, change.before, change.after)
            # Of a person's membership, the team is named; of a team's, its people are.
            is_named = change.action.startswith("membership.") and explained.kind == "person"
            team = f" {safe(change.target)}" if is_named else ""
            action = coloured(change.action, change.action)
            texts.append(f"{action}{team}: {safe(words)} ({safe(change.reason)})")
        lines += _few(label, texts)
    if not explained.changes and not explained.not_sent:
        lines.append(("plan", "nothing"))
    for finding in explained.findings:
        lines.append(("finding", f"[yellow]{safe(finding.kind)}[/yellow]: {safe(finding.message)}"))
    print_markup(console, f"[bold]{safe(shortened(explained.title))}[/bold]")
    width = max(len(label) for label, _ in lines)
    before = ""
    for label, text in lines:
        print_markup(console, f"{'' if label == before else label:<{width}}  {text}")
        before = label


def _person(explained: PersonExplained) -> Iterator[Line]:
    entry = explained.entry
    if entry is None:
        yield "person", "not in the directory"
    else:
        state = "" if entry.enabled else ", disabled or expired"
        yield "person", f"{safe(entry.dn)} (from {safe(entry.base)}{state})"
        for address in entry.addresses:
            note = f"{safe(address.attribute)}: {safe(address.note)}"
            yield "address", f"{safe(address.value)} ({note})"
        if not entry.addresses:
            yield "address", "none"
        if entry.primary_group:
            yield "primary", safe(entry.primary_group)
    for account in explained.accounts:
        active = "active" if account.active else "[yellow]not active[/yellow]"
        facts = f"{safe(account.name)}, {safe(account.role)}, {active}"
        primary = f"primary team: {safe(account.primary_team or 'none')}"
        yield "user", f"{safe(account.email)} ({facts}, {primary}, id {safe(account.user_id)})"
    if not explained.accounts:
        yield "user", "none"
    if entry:
        groups = []
        for seat in explained.groups:
            way = f" through {' < '.join(map(safe, seat.through))}" if seat.through else ""
            groups.append(f"{safe(seat.name)}{way}: {safe(seat.outcome)} ({safe(seat.dn)})")
        yield from _few("group", groups, nothing="in none")
    seats = (f"{safe(seat.name)} ({safe(seat.owner)})" for seat in explained.teams)
    yield from _few("team now", seats, nothing="in none")


def _team(explained: TeamExplained) -> Iterator[Line]:
    group, team = explained.group, explained.team
    if group is None:
        yield "group", "none"
    else:
        people = "1 person" if group.people == 1 else f"{group.people:,} people"
        groups = "1 group" if group.groups == 1 else f"{group.groups:,} groups"
        yield "group", f"{safe(group.dn)} (from {safe(group.base)})"
        yield "members", f"{people}, {groups}, {group.unknown:,} others"
        yield "parents", ", ".join(map(safe, group.parents)) or "no group in scope"
    if team is None:
        yield "team", "none"
    else:
        way = " / ".join(safe(name) for name in (*team.above, team.name))
        members = "1 member" if team.members == 1 else f"{team.members:,} members"
        yield "team", f"{way} (id {safe(team.team_id)}, {members})"
        yield "reference", safe(team.reference or "none")


def _few(label: str, texts: Iterable[str], *, nothing: str = "") -> Iterator[Line]:
    lines = list(texts)
    yield from ((label, text) for text in lines[:_MOST_LINES])
    if len(lines) > _MOST_LINES:
        yield label, f"... and {len(lines) - _MOST_LINES:,} more: --json shows all"
    if not lines and nothing:
        yield label, nothing
