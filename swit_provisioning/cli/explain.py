"""`explain`: why a person or a team is in or out, from both sides as read now."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Console

from swit_provisioning.cli.documents import deed_document, deed_to_show
from swit_provisioning.cli.errors import AmbiguousSubjectError, UnknownSubjectError
from swit_provisioning.cli.framework import output, print_json
from swit_provisioning.cli.history import print_deeds
from swit_provisioning.cli.render import COLOURS, header, safe
from swit_provisioning.operations.connections import open_directory, swit_connection
from swit_provisioning.operations.services import open_store, plan_judge
from swit_provisioning.planning.actions import SPECS, describe
from swit_provisioning.planning.model import Change, Plan
from swit_provisioning.planning.planner import explained_plan
from swit_provisioning.report.explain.explain import Answer, explain
from swit_provisioning.report.explain.model import (
    AccountFacts,
    EntryFacts,
    Explained,
    GroupFacts,
    GroupSeat,
    PersonExplained,
    TeamExplained,
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


def say_explained(console: Console, explained: Explained) -> None:
    """Print one explanation."""
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
    colour = COLOURS[SPECS[change.action].effect]
    said = describe(change.action, change.before, change.after)
    of_team = "" if named else f" {safe(change.target)}" * change.action.startswith("membership.")
    return f"[{colour}]{change.action}[/{colour}]{of_team}: {safe(said)} ({safe(change.reason)})"


def _few(word: str, texts: Iterable[str], *, nothing: str = "") -> Iterator[Line]:
    lines = list(texts)
    yield from ((word, text) for text in lines[:_MOST_LINES])
    if len(lines) > _MOST_LINES:
        yield word, f"... and {len(lines) - _MOST_LINES:,} more: --json shows all"
    if not lines and nothing:
        yield word, nothing


_MOST_EXPLAINED: Final = 10


@dataclass(frozen=True, kw_only=True)
class _Told:
    """One who is meant, and what was done before."""

    explained: Explained | None
    """Nothing: on neither side now, but in the journal."""
    deeds: list[HistoryEntry]

    def without_people(self) -> "_Told":
        shown = [deed_to_show(deed, no_names=True) for deed in self.deeds]
        return _Told(explained=self.explained and self.explained.without_people(), deeds=shown)

    def document(self) -> dict[str, Any]:
        found = self.explained.document() if self.explained else {"kind": "gone"}
        return {**found, "history": [deed_document(deed) for deed in self.deeds]}


def explain_who(settings: Settings, who: str, *, as_json: bool, no_names: bool) -> int:
    """Read both sides and explain whoever is meant. Writes nothing, and stores no plan.

    Raises:
        UnknownSubjectError: nobody is called so, on either side or in the journal.
        AmbiguousSubjectError: too many are.
        IncompleteReadError: what was read can't be all there is.

    """
    with open_store(settings) as store:
        settings.require("directory", "swit", token_stored=store.tokens.load() is not None)
        with swit_connection(settings, store) as client:
            swit = read_organization(client, expected=settings.expected_organization)
        directory = open_directory(settings).read()
        read_at = datetime.now(UTC)
        planned = explained_plan(directory, swit, settings.policy(), store.memory())
        told = _told(who, explain(who, planned), store, no_names=no_names)
        stopped = _stopped(planned.plan, settings, store)
    if no_names:
        told = [each.without_people() for each in told]
    if as_json:
        document = {
            "asked": who,
            "read_at": read_at.isoformat(),
            "explained": [each.document() for each in told],
            "stopped_by": stopped,
        }
        print_json(document)
        return 0
    organization, source = swit.facts.organization_name, directory.facts.title
    header(output(), settings, organization=organization, directory=source)
    output().print(f"Both sides as read now, {read_at:%Y-%m-%d %H:%M:%S} UTC", highlight=False)
    for each in told:
        _say(who, each, stopped)
    return 0


def _told(who: str, answer: Answer, store: Store, *, no_names: bool) -> list[_Told]:
    found = answer.explained
    if len(found) > _MOST_EXPLAINED:
        shown = found if not no_names else ()
        raise AmbiguousSubjectError(who, len(found), [_way_to(each) for each in shown])
    if found:
        return [_Told(explained=each, deeds=_deeds(each, store)) for each in found]
    deeds = store.history.find(user=who) or store.history.find(team=who)
    if not deeds:
        raise UnknownSubjectError(who, answer.similar if not no_names else ())
    return [_Told(explained=None, deeds=deeds)]


def _deeds(explained: Explained, store: Store) -> list[HistoryEntry]:
    """By the ids in Swit; where there is no account or team, by what the directory says."""
    if isinstance(explained, PersonExplained):
        entry = explained.entry
        ways = [account.user_id for account in explained.accounts]
        ways = ways or [address.value for address in (entry.addresses if entry else ())]
        return [deed for way in ways for deed in store.history.find(user=way)]
    if explained.team is not None:
        return store.history.find(team=explained.team.team_id)
    return store.history.find(team=explained.group.dn) if explained.group else []


def _way_to(explained: Explained) -> str:
    """What names this one alone."""
    if isinstance(explained, PersonExplained):
        return explained.entry.dn if explained.entry else explained.accounts[0].email
    return explained.team.team_id if explained.team else getattr(explained.group, "dn", "")


def _stopped(plan: Plan, settings: Settings, store: Store) -> list[str]:
    """Guards that would stop this plan, as the gate judges it, whoever it is about."""
    results = plan_judge(settings, store).judge(plan)
    return [v.name for v in results if v.stops] if plan.changes else []


def _say(who: str, told: _Told, stopped: list[str]) -> None:
    console = output()
    console.print()
    if told.explained is None:
        console.print(f"{safe(who)} is on neither side now, but was before.", highlight=False)
    else:
        say_explained(console, told.explained)
        if stopped and told.explained.consequence.changes:
            names = ", ".join(stopped)
            console.print(f"As a whole such a plan is stopped by {names}.", style="red")
    if told.deeds:
        console.print("Done before:", highlight=False)
        print_deeds(console, told.deeds)
    else:
        console.print("Done before: nothing, as far as the journal goes back.", highlight=False)
