"""A person or a team explained, as a terminal shows it: a word in front of each line or block."""

from collections.abc import Iterable, Iterator
from typing import Final

from rich.console import Console

from swit_provisioning.cli.tables import COLOURS, safe
from swit_provisioning.reconcile.plan import Change
from swit_provisioning.reconcile.words import what
from swit_provisioning.report.explanation import (
    AccountFacts,
    EntryFacts,
    Explained,
    GroupFacts,
    GroupSeat,
    PersonExplained,
    TeamExplained,
)
from swit_provisioning.report.plain import shortened

Line = tuple[str, str]
"""A word, and what it stands for, as markup."""

_MOST_LINES: Final = 50
"""Of one kind: a group of many thousand is for `--json`."""


def say_explained(console: Console, explained: Explained) -> None:
    """All of it."""
    console.print(f"[bold]{safe(shortened(explained.title))}[/bold]", highlight=False)
    lines = list(_lines(explained))
    width = max(len(word) for word, _ in lines)
    before = ""
    for word, text in lines:
        shown = word if word != before else ""
        console.print(f"{shown:<{width}}  {text}", highlight=False, soft_wrap=True)
        before = word


def _lines(explained: Explained) -> Iterator[Line]:
    person = isinstance(explained, PersonExplained)
    yield from _person(explained) if isinstance(explained, PersonExplained) else _team(explained)
    found = explained.consequence
    yield "rule", f"[bold]{safe(found.rule)}[/bold]"
    yield from _few("plan", [_change(change, named=not person) for change in found.changes])
    yield from _few("not sent", [_change(change, named=not person) for change in found.not_sent])
    if not found.changes and not found.not_sent:
        yield "plan", "nothing"
    for finding in found.findings:
        yield "finding", f"[yellow]{safe(finding.kind)}[/yellow]: {safe(finding.message)}"


def _person(explained: PersonExplained) -> Iterator[Line]:
    yield from _entry(explained.entry)
    for account in explained.accounts:
        yield "account", _account(account)
    if not explained.accounts:
        yield "account", "none"
    if explained.entry:
        yield from _few("group", map(_group, explained.groups), nothing="in none")
    seats = (f"{safe(seat.name)} ({safe(seat.owner)})" for seat in explained.teams)
    yield from _few("team now", seats, nothing="in none")


def _entry(entry: EntryFacts | None) -> Iterator[Line]:
    if entry is None:
        yield "entry", "not in the directory"
        return
    state = "" if entry.enabled else ", disabled or expired"
    yield "entry", f"{safe(entry.dn)} (from {safe(entry.base)}{state})"
    for address in entry.addresses:
        yield "address", f"{safe(address.value)} ({safe(address.attribute)}: {safe(address.note)})"
    if not entry.addresses:
        yield "address", "none"
    if entry.primary_group:
        yield "primary", safe(entry.primary_group)


def _account(account: AccountFacts) -> str:
    active = "active" if account.active else "[yellow]not active[/yellow]"
    primary = account.primary_team or "none"
    return (
        f"{safe(account.email)} ({safe(account.name)}, {safe(account.role)}, {active}, primary"
        f" team: {safe(primary)}, id {safe(account.user_id)})"
    )


def _group(seat: GroupSeat) -> str:
    way = f" through {' < '.join(map(safe, seat.through))}" if seat.through else ""
    return f"{safe(seat.name)}{way}: {safe(seat.outcome)} ({safe(seat.dn)})"


def _team(explained: TeamExplained) -> Iterator[Line]:
    group, team = explained.group, explained.team
    if group is None:
        yield "group", "none"
    else:
        yield "group", f"{safe(group.dn)} (from {safe(group.base)})"
        yield "lists", _counted(group)
        yield "below", ", ".join(map(safe, group.parents)) or "no group in scope"
    if team is None:
        yield "team", "none"
    else:
        way = " / ".join(safe(name) for name in (*team.above, team.name))
        members = "1 member" if team.members == 1 else f"{team.members:,} members"
        yield "team", f"{way} (id {safe(team.team_id)}, {members})"
        yield "reference", safe(team.reference or "none")


def _counted(group: GroupFacts) -> str:
    people = "1 person" if group.people == 1 else f"{group.people:,} people"
    groups = "1 group" if group.groups == 1 else f"{group.groups:,} groups"
    return f"{people}, {groups}, {group.unknown:,} others"


def _change(change: Change, *, named: bool) -> str:
    """`named`: the change is about the team itself, so its members are what is to be told."""
    colour = COLOURS.get(change.action, "yellow")
    said = what(change.action, change.before, change.after)
    of_team = "" if named else f" {safe(change.target)}" * change.action.startswith("membership.")
    return f"[{colour}]{change.action}[/{colour}]{of_team}: {safe(said)} ({safe(change.reason)})"


def _few(word: str, texts: Iterable[str], *, nothing: str = "") -> Iterator[Line]:
    lines = list(texts)
    yield from ((word, text) for text in lines[:_MOST_LINES])
    if len(lines) > _MOST_LINES:
        yield word, f"... and {len(lines) - _MOST_LINES:,} more: --json shows all"
    if not lines and nothing:
        yield word, nothing
