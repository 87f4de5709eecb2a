"""Night after night on a company that changes, with faults and kills; time is compressed."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Final, Literal

from swit_provisioning.sandbox.faults import Fault, FaultKind
from swit_provisioning.sandbox.records import ADMIN, GUEST
from swit_provisioning.state.store import Store
from swit_provisioning_tests.ageing import age_home, age_state
from swit_provisioning_tests.directories import Directory
from swit_provisioning_tests.integration import small_company
from swit_provisioning_tests.integration.small_server import SmallServer
from swit_provisioning_tests.reliability.death import Death
from swit_provisioning_tests.reliability.drift import Company
from swit_provisioning_tests.reliability.forks import Forks
from swit_provisioning_tests.reliability.hands import Seen, seen, unwanted
from swit_provisioning_tests.reliability.site import Site, site
from swit_provisioning_tests.sources.scripted_server import Asked, Reply

_A_DAY: Final = timedelta(days=1, minutes=1)
_OTHERS: Final = frozenset({"admin@sandbox.example", "boss@example.org", "guest@elsewhere.example"})
_FAULTS: Final[tuple[FaultKind, ...]] = ("status", "drop", "cut", "html", "garbage", "truncated")
_STATUSES: Final = (429, 500, 502, 503)
_CALLS_OF_A_NIGHT: Final = 13
_KILLED: Final = 0.12
_DISTURBED: Final = 0.2

Kind = Literal["quiet", "disturbed", "killed", "half read", "wrong read", "hidden attribute"]

_ATTACKS: Final[tuple[Kind, ...]] = (
    "half read",
    "wrong read",
    "hidden attribute",
    "half read",
    "wrong read",
)
"""One at the end of each fifth of the nights."""


@dataclass(frozen=True, kw_only=True)
class Night:
    """What came of one night."""

    number: int
    kind: Kind
    code: int
    """The exit code; below zero, a signal."""
    unwanted: tuple[str, ...]
    """What is neither as it was before nor as the directory says."""
    in_step: bool
    """Whether the organisation is as the directory says, to the letter."""
    changed: bool
    twice: int
    """Objects that Swit had to refuse because they were there."""
    kept_bytes: int
    """All files of the installation, after the night and its pruning."""
    peak_bytes: int
    """Memory of the process that ran the night, at its most."""
    said: str


class Nights:
    """An installation that runs night after night."""

    def __init__(self, made: Site, server: SmallServer, number: int, seed: int) -> None:
        self._number, self._server = number, server
        self._site, self._random = made, Random(seed)  # noqa: S311 - not for secrets
        self._company = Company(self._random)
        organisation = made.server.organisation
        organisation.add_user("boss@example.org", "The boss", role=ADMIN)
        guest = organisation.add_user("guest@elsewhere.example", "A guest", role=GUEST)
        organisation.add_team("Party committee", user_ids=[guest])
        del made.environment["IDP_FILE"]
        made.environment |= small_company.settings(server.address)
        # Nights that fail leave their changes to the next one: more than on an ordinary day.
        made.environment |= {
            "RETENTION_DAYS": str(number // 20),
            "RETENTION_DAYS_JOURNAL": str(number // 10),
            "MAX_TEAM_DELETIONS": "5",
            "MAX_MEMBERSHIP_REMOVALS": "40%",
        }

    def all(self) -> Iterator[Night]:
        """One night after another."""
        for night in range(self._number):
            yield self._night(night)

    def _night(self, number: int) -> Night:
        if number:
            self._company.another_day()
            self._company.meddle(self._site.server.organisation, number)
        kind = self._kind(number)
        self._show(kind)
        before = self._seen()
        self._site.server.log.clear()
        code, peak, said = self._run(kind)
        self._site.server.faults.clear()
        after = self._seen()
        twice = self._site.twice()
        self._a_day_passes()
        self._site.run("prune")
        people, units = self._company.wanted_people(), self._company.wanted_units()
        return Night(
            number=number,
            kind=kind,
            code=code,
            unwanted=tuple(unwanted(before, after, people, units)),
            in_step=(after.people, after.units) == (people, units),
            changed=after != before,
            twice=twice,
            kept_bytes=_bytes_below(self._site.folder),
            peak_bytes=peak,
            said=said,
        )

    def _kind(self, number: int) -> Kind:
        period = self._number // len(_ATTACKS)
        if number % period == period - 1:
            return _ATTACKS[number // period]
        chance = self._random.random()
        if number == 0 or chance > _KILLED + _DISTURBED:
            return "quiet"
        return "killed" if chance < _KILLED else "disturbed"

    def _run(self, kind: Kind) -> tuple[int, int, str]:
        if kind == "disturbed":
            for _ in range(self._random.randint(1, 4)):
                self._site.server.faults.add(self._fault())
        death = (
            Death(
                self._site.server,
                at=self._random.randint(1, _CALLS_OF_A_NIGHT),
                after_work=self._random.random() < 0.5,
            )
            if kind == "killed"
            else None
        )
        copy = self._site.start("sync")
        if death is not None:
            death.of(copy)
        code = copy.ended()
        return code, copy.peak_bytes, copy.said()

    def _fault(self) -> Fault:
        return Fault(
            kind=self._random.choice(_FAULTS),
            status=self._random.choice(_STATUSES),
            skip=self._random.randrange(_CALLS_OF_A_NIGHT),
            times=self._random.choice((1, 2, 9)),
            after_work=self._random.random() < 0.5,
        )

    def _seen(self) -> Seen:
        return seen(self._site.server.organisation, _OTHERS)

    def _a_day_passes(self) -> None:
        """All that is kept is a day older than it was."""
        with Store.open(f"sqlite:///{self._site.database}") as store:
            age_state(store, _A_DAY)
        age_home(self._site.folder / "home", _A_DAY)

    def _show(self, kind: Kind) -> None:
        """Let the server show the directory, as it is or as the night has it."""
        directory: Directory = self._company.directory()
        if kind == "half read":
            directory = self._company.half_read()
        if kind == "hidden attribute":
            for user in directory["users"]:
                user["mobile"] = None
        self._server.hold(small_company.entries_of(directory))
        self._server.fault = _without_the_first_person if kind == "wrong read" else None


def _without_the_first_person(asked: Asked, answer: list[Reply]) -> Iterable[Reply]:
    """What a search for people says while somebody is moved; a search by id finds everybody."""
    is_of_people = asked.base.casefold() == small_company.PEOPLE.casefold()
    return answer[1:] if is_of_people else answer


def _bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@contextmanager
def nights(forks: Forks, number: int, seed: int) -> Iterator[Nights]:
    """An installation on an organisation of its own, for a `number` of nights."""
    accounts = {small_company.READER: small_company.PASSWORD}
    with (
        site(forks, storage="as shipped") as made,
        SmallServer({}, accounts=accounts) as server,
    ):
        yield Nights(made, server, number, seed)
