"""Histories: nights of a company, faults and attacks on its directory, and what is sent to Swit.

No Dagster runs: reading, planning, judging, accepting and sending are the program's own functions.
The clock is a simulated one.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from logging import getLogger
from typing import Final, Literal, Self, get_args

import pandas as pd

from swit_provisioning.apply.approvals import PlanJudge
from swit_provisioning.apply.progress import RunProgress
from swit_provisioning.apply.run_model import PlanRequest, RefusedError, RunIdentity
from swit_provisioning.apply.session import Session
from swit_provisioning.defs.planning_assets import _make_and_store_plan
from swit_provisioning.planning.actions import DEPARTURES, Diff, Step, steps_of
from swit_provisioning.planning.model import Plan
from swit_provisioning.sandbox.organisation import Organisation
from swit_provisioning.settings import Settings
from swit_provisioning.sources.base import DirectoryError
from swit_provisioning.sources.verification import VerifiedDirectory
from swit_provisioning.state.store import Store
from swit_provisioning.swit.client import SwitClient
from swit_provisioning.swit.reader import read_organization
from swit_provisioning_tests.apply.changing_company import (
    EXCLUDED,
    EXCLUDED_ID,
    Company,
    Event,
    chosen,
)
from swit_provisioning_tests.apply.unreliable_directory import (
    BRANCH,
    GROUPS,
    NO_FAULT,
    STAFF,
    Fault,
)

_LOG: Final = getLogger("swit_provisioning.histories")
_FIRST_NIGHT: Final = datetime(2026, 3, 1, 2, 30, tzinfo=UTC)

FaultKind = Literal[
    "none",
    "somebody is missing once",
    "somebody is missing",
    "half is missing",
    "a group is missing",
    "the server lags",
    "half is hidden",
    "one of each base is hidden",
    "an address is hidden",
    "addresses are hidden",
    "members are hidden",
    "account state is hidden",
    "false entries",
    "the other server is down",
]


@dataclass(frozen=True, kw_only=True)
class Night:
    """What happens in one night."""

    events: tuple[Event, ...] = ()
    fault: FaultKind = "none"
    number: int = 0
    """Chooses whom the fault concerns."""
    minutes: int = 0
    """Time between reading and sending; what happens then is in `meanwhile`."""
    meanwhile: tuple[Event, ...] = ()
    stops_after: int | None = None
    """The run dies after so many steps that send."""
    resumes: bool = False
    """The run that died last is executed again in the evening, from its first step that sends."""
    approves: bool = False
    """A person approves the plan of this night if a limit stops it, and applies it."""
    applies_old: bool = False
    """A person applies the plan of the night before, too."""
    loses_state: bool = False


@dataclass(frozen=True)
class Seen:
    """The organisation at one moment: active users and memberships of teams with a group."""

    active: frozenset[str]
    """Addresses."""
    inactive: frozenset[str]
    members: frozenset[tuple[str, str]]
    """Group id and address."""
    references: Mapping[str, str | None]
    """Id of a team -> id of its group."""


@dataclass(frozen=True)
class _Approved:
    """What a person approved exactly."""

    departures: frozenset[str] = frozenset()
    activations: frozenset[str] = frozenset()
    members: frozenset[tuple[str, str]] = frozenset()

    @classmethod
    def of(cls, plan: Plan, before: Seen) -> Self:
        """What the plan takes away and activates; a deleted team loses all members."""
        deleted = {
            before.references.get(c.object_id) for c in plan.changes if c.action == "team.delete"
        }
        removed = {
            (str(before.references.get(change.object_id)), address)
            for change in plan.changes
            if change.action == "membership.remove"
            for address in change.before["emails"]
        }
        return cls(
            departures=frozenset(c.target for c in plan.changes if c.action in DEPARTURES),
            activations=frozenset(c.target for c in plan.changes if c.action == "user.activate"),
            members=frozenset(removed | {pair for pair in before.members if pair[0] in deleted}),
        )


@dataclass
class _Started:
    """A run whose plan was accepted."""

    root: str
    frame: pd.DataFrame
    plan: Plan


class History:
    """One installation that runs night after night; `violations` says whom it wronged."""

    def __init__(
        self,
        company: Company,
        organisation: Organisation,
        client: SwitClient,
        settings: Settings,
        databases: Iterator[str],
    ) -> None:
        self.company, self._organisation, self._client = company, organisation, client
        self._settings, self._databases = settings, databases
        self._now, self._runs = _FIRST_NIGHT, count(1)
        self._approved: set[str] = set()
        """Hashes of plans that a person approved."""
        self._died: _Started | None = None
        self._last_plan = ""
        self.violations: list[str] = []
        self._is_excluded = False
        self._opened = ExitStack()
        self.store = self._open_store()

    def __enter__(self) -> Self:
        """Use it as a context."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the state."""
        self._opened.close()

    def _open_store(self) -> Store:
        url = next(self._databases)
        return self._opened.enter_context(Store.open(url, clock=lambda: self._now))

    def night(self, night: Night) -> None:
        """A day, and the nightly run after it."""
        for event in night.events:
            self.company.happens(event)
        if night.loses_state:
            self.store, self._died, self._is_excluded = self._open_store(), None, False
        directory = self.company.directory
        directory.fault, directory.reads = self._fault(night), 0
        if night.resumes and self._died is not None:
            self._send(self._died, None)
        old = self._last_plan
        self._sync(night)
        if night.applies_old and old:
            self._apply(old, approve=False)
        directory.fault = NO_FAULT
        self.company.a_day_ends()
        self._pass_time(timedelta(days=1, minutes=1))

    def _pass_time(self, time: timedelta) -> None:
        self._now += time

    def _run(self, root: str | None = None) -> RunIdentity:
        run_id = f"R{next(self._runs)}"
        return RunIdentity(
            run_id=run_id, root_run_id=root or run_id, actor="ann@pc", may_write=True
        )

    @contextmanager
    def _session(self, root: str | None = None) -> Iterator[Session]:
        settings = self._settings
        with Session(
            run=self._run(root),
            judge=PlanJudge(
                store=self.store,
                limits=settings.limits(),
                max_age=timedelta(hours=settings.plan_max_age_hours),
                clock=lambda: self._now,
            ),
            policy=settings.policy(),
            expected_organization=None,
            evidence_max_age=timedelta(minutes=settings.evidence_max_age_minutes),
            concurrency=1,
            open_directory=lambda: VerifiedDirectory(
                self.company.directory, self.store.identities.expected
            ),
            open_swit=lambda: nullcontext(self._client),
            progress=RunProgress(lambda _: None),
            mark_run_failed=lambda _: None,
        ) as session:
            yield session

    def _sync(self, night: Night) -> None:
        with self._session() as session:
            read_at = session.store.now()
            try:
                directory = session.directory.read()
            except DirectoryError:
                return
            organization = read_organization(session.swit, expected=None)
            plan, _, _ = _make_and_store_plan(
                session, self._settings, directory, organization, read_at, None
            )
            self._last_plan = plan.plan_id
            excluded = self.company.directory.shown.groups[EXCLUDED_ID]
            self._is_excluded |= excluded.name == EXCLUDED and excluded.base == GROUPS
            self._pass_time(timedelta(minutes=night.minutes))
            for event in night.meanwhile if night.minutes else ():
                self.company.happens(event)
            accepted = self._accept(session, PlanRequest())
            if accepted is not None:
                self._send(accepted, session, stops_after=night.stops_after)
                return
        if night.approves:
            self._apply(plan.plan_id, approve=True)

    def _apply(self, plan_id: str, *, approve: bool) -> None:
        with self._session() as session:
            request = PlanRequest(plan_id=plan_id, approve="this is meant" if approve else "")
            accepted = self._accept(session, request)
            if accepted is not None:
                self._send(accepted, session)

    def _accept(self, session: Session, request: PlanRequest) -> "_Started | None":
        """The accepted plan; none if it is blocked or refused, or if there is nothing to do."""
        try:
            decision = session.accept(request)
        except RefusedError:
            return None
        if decision.approval is not None:
            self._approved.add(decision.plan.plan_hash)
        if decision.frame is None:
            return None
        return _Started(session.run.root_run_id, decision.frame, decision.plan)

    def _send(
        self, started: "_Started", session: Session | None, *, stops_after: int | None = None
    ) -> None:
        """Send the steps in order, or so many of them, as the graphs of the job do."""
        if session is None:
            with self._session(started.root) as another:
                return self._send(started, another)
        before = self._seen()
        self._died = None
        try:
            for number, step in enumerate(_calls(started.frame)):
                if number == stops_after:
                    self._died = started
                    break
                if isinstance(step, tuple):
                    outcomes = session.settle(step, started.frame, log=_LOG)
                    if any(outcome.outcome == "failed" for outcome in outcomes):
                        break
                else:
                    session.send(step, started.frame, log=_LOG)
        except RefusedError:
            pass
        self._check(before, self._seen(), started.plan)
        return None

    def _seen(self) -> Seen:
        records = self._organisation.records
        emails = {user.id: user.email for user in records.users.values()}
        return Seen(
            active=frozenset(user.email for user in records.users.values() if user.active),
            inactive=frozenset(user.email for user in records.users.values() if not user.active),
            members=frozenset(
                (team.reference, emails[user])
                for team in records.teams.values()
                for user in team.users
                if team.reference
            ),
            references={team.id: team.reference for team in records.teams.values()},
        )

    def _check(self, before: Seen, after: Seen, plan: Plan) -> None:
        """Note who lost something although the directory still has them."""
        truth, shown = self.company.truth, self.company.directory.shown
        company, approved = self.company, _Approved.of(plan, before)
        if plan.plan_hash not in self._approved:
            approved = _Approved()
        for address in sorted(before.active - after.active - approved.departures):
            if company.owner_is_present(address, truth) and not company.had_another(address):
                self.violations.append(f"{address} was deactivated")
        for address in sorted(after.active & before.inactive - approved.activations):
            if not any(company.owner_is_present(address, state) for state in (truth, shown)):
                self.violations.append(f"{address} was activated")
        for group_id, address in sorted(before.members - after.members - approved.members):
            # Nobody asks another server for memberships: a lagging one may take them away.
            listed = all(
                company.owner_is_listed(address, group_id, state) for state in (truth, shown)
            )
            listed |= group_id == EXCLUDED_ID and self._is_excluded
            if listed and company.owner_is_present(address, truth):
                self.violations.append(f"{address} was taken out of {group_id}")

    def _fault(self, night: Night) -> Fault:
        """How this night's answers are wrong.

        Where nobody could find out, a fault is so large that the limits must stop the plan.
        """
        truth, number = self.company.truth, night.number
        usable = [id_ for id_ in sorted(truth.people) if truth.is_usable(id_)]
        seen = self._seen()
        with_account = [i for i in usable if truth.people[i].address in seen.active]
        half = frozenset(with_account[number % 2 :: 2])
        pair = frozenset(
            id_
            for base in (STAFF, BRANCH)
            for id_ in [i for i in with_account if truth.people[i].base == base][:1]
        )
        one = frozenset([who] if (who := chosen(usable, number)) else [])
        in_teams = sum(self.company.owner_is_listed(a, g, truth) for g, a in seen.members)
        is_large = len(half) > 1
        disabled = {p.address for p in truth.people.values() if not p.enabled}
        is_seen = len(disabled & seen.inactive) > 4
        if night.fault == "false entries" and self.store.reads.last_accepted():
            self.company.false_entries()
        faults: dict[FaultKind, Fault] = {
            "somebody is missing once": Fault(missing=one, wrong_reads=1),
            "somebody is missing": Fault(missing=one),
            "half is missing": Fault(missing=half),
            "a group is missing": Fault(
                missing=frozenset({chosen(sorted(truth.groups), number) or ""})
            ),
            "the server lags": Fault(lagging=self.company.earlier(number)),
            "half is hidden": Fault(hidden=half) if is_large else NO_FAULT,
            "one of each base is hidden": Fault(hidden=pair) if len(pair) > 1 else NO_FAULT,
            "an address is hidden": Fault(without_address=one),
            "addresses are hidden": Fault(without_address=half),
            "members are hidden": Fault(without_members=True) if in_teams > 5 else NO_FAULT,
            "account state is hidden": (Fault(without_account_state=True) if is_seen else NO_FAULT),
            "the other server is down": Fault(
                lagging=truth.without(min(one, default="")), second_is_down=True
            ),
        }
        return faults.get(night.fault, NO_FAULT)


def _calls(frame: pd.DataFrame) -> Iterator[Step | tuple[Step, ...]]:
    """The steps with changes, and after those of each graph all of them, to be settled."""
    planned = set(frame["step"])
    for diff in get_args(Diff):
        steps = steps_of(diff)
        yield from (step for step in steps if step in planned)
        yield steps
