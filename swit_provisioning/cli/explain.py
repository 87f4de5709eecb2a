"""`explain`: why a person or a team is in or out, by what both sides say now."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from swit_provisioning.cli.console import output, print_json
from swit_provisioning.cli.documents import deed_document
from swit_provisioning.cli.errors import AmbiguousSubjectError, UnknownSubjectError
from swit_provisioning.cli.explained_output import say_explained
from swit_provisioning.cli.history import say_deeds
from swit_provisioning.cli.showing import deed_to_show
from swit_provisioning.cli.tables import header, safe
from swit_provisioning.reconcile.plan import Plan
from swit_provisioning.reconcile.planner import reconcile
from swit_provisioning.report.explaining import Answer, explain
from swit_provisioning.report.explanation import Explained, PersonExplained
from swit_provisioning.resources.approving import approver
from swit_provisioning.resources.directories import open_directory
from swit_provisioning.resources.state import open_store
from swit_provisioning.resources.swit_access import swit_connection
from swit_provisioning.settings import Settings
from swit_provisioning.store.history import Deed
from swit_provisioning.store.store import Store
from swit_provisioning.swit.reading import read_organization

_MOST_EXPLAINED: Final = 10


@dataclass(frozen=True, kw_only=True)
class _Told:
    """One who is meant, and what was done before."""

    explained: Explained | None
    """Nothing: on neither side now, but in the journal."""
    deeds: list[Deed]

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
        plan = reconcile(directory, swit, settings.policy(), store.memory())
        answer = explain(who, directory, swit, settings.policy(), store.memory(), plan)
        told = _told(who, answer, store, no_names=no_names)
        stopped = _stopped(plan, settings, store)
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
    deeds = store.history.deeds(user=who) or store.history.deeds(team=who)
    if not deeds:
        raise UnknownSubjectError(who, answer.similar if not no_names else ())
    return [_Told(explained=None, deeds=deeds)]


def _deeds(explained: Explained, store: Store) -> list[Deed]:
    """By the ids in Swit; where there is no account or team, by what the directory says."""
    if isinstance(explained, PersonExplained):
        entry = explained.entry
        ways = [account.user_id for account in explained.accounts]
        ways = ways or [address.value for address in (entry.addresses if entry else ())]
        return [deed for way in ways for deed in store.history.deeds(user=way)]
    if explained.team is not None:
        return store.history.deeds(team=explained.team.team_id)
    return store.history.deeds(team=explained.group.dn) if explained.group else []


def _way_to(explained: Explained) -> str:
    """What names this one alone."""
    if isinstance(explained, PersonExplained):
        return explained.entry.dn if explained.entry else explained.accounts[0].email
    return explained.team.team_id if explained.team else getattr(explained.group, "dn", "")


def _stopped(plan: Plan, settings: Settings, store: Store) -> list[str]:
    """Guards that would stop this plan, as the gate judges it, whoever it is about."""
    verdicts = approver(settings, store).judged(plan)
    return [v.name for v in verdicts if v.stops] if plan.changes else []


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
        say_deeds(console, told.deeds)
    else:
        console.print("Done before: nothing, as far as the journal goes back.", highlight=False)
