"""What goes wrong for a moment: the run mends it by itself and ends as if nothing had been.

Each fault strikes while reading, while something is made, and while something is changed.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from swit_provisioning.sandbox.faults import Fault
from swit_provisioning_tests.reliability.endings import Ending
from swit_provisioning_tests.reliability.forks import Forks
from swit_provisioning_tests.reliability.site import Site, site

CALLS = ("organization.user.list", "organization.user.create", "team.create", "team.user.add")


@dataclass(frozen=True)
class Night:
    """How one sync went."""

    code: int
    said: str
    ending: Ending = field(repr=False)
    twice: int
    faults_left: int


def at_each_call(**fault: Any) -> Callable[[Site], None]:  # noqa: ANN401 - as Fault takes it
    def arm(here: Site) -> None:
        here.server.faults.add(*(Fault(call=call, **fault) for call in CALLS))

    return arm


def too_many_until_a_date(here: Site) -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=6), usegmt=True)
    at_each_call(kind="status", status=429, retry_after=soon)(here)


def expiry_in_the_middle(here: Site) -> None:
    expire = here.server.tokens.expire_access_tokens
    for call in CALLS:
        here.server.faults.add(Fault(kind="meanwhile", call=call, act=expire))


def slow(*, after_work: bool) -> Callable[[Site], None]:
    def arm(here: Site) -> None:
        here.environment["SWIT_TIMEOUT_SECONDS"] = "1"
        at_each_call(kind="slow", seconds=60, after_work=after_work)(here)

    return arm


def a_locked_database(here: Site) -> None:
    """For a second, when the first user is made: the run waits for it."""
    here.server.faults.add(
        Fault(kind="meanwhile", call="organization.user.create", act=lambda: here.lock(seconds=1))
    )


FAULTS: dict[str, Callable[[Site], None]] = {
    "429 without a header": at_each_call(kind="status", status=429),
    "429 for a second": at_each_call(kind="status", status=429, retry_after="1"),
    "429 until a date": too_many_until_a_date,
    "500 before the work": at_each_call(kind="status", status=500),
    "500 after the work": at_each_call(kind="status", status=500, after_work=True),
    "502 before the work": at_each_call(kind="status", status=502),
    "502 after the work": at_each_call(kind="status", status=502, after_work=True),
    "503 before the work": at_each_call(kind="status", status=503, retry_after="1"),
    "503 after the work": at_each_call(kind="status", status=503, after_work=True),
    "no answer in time, before the work": slow(after_work=False),
    "no answer in time, after the work": slow(after_work=True),
    "connection reset before the work": at_each_call(kind="drop"),
    "connection reset after the work": at_each_call(kind="drop", after_work=True),
    "connection reset within the answer": at_each_call(kind="cut", after_work=True),
    "HTML with 200, before the work": at_each_call(kind="html", status=200),
    "HTML with 200, after the work": at_each_call(kind="html", status=200, after_work=True),
    "half a JSON document, after the work": at_each_call(kind="truncated", after_work=True),
    "bytes that are no text, after the work": at_each_call(kind="garbage", after_work=True),
    "the access token expires, four times": expiry_in_the_middle,
    "the state database is locked": a_locked_database,
}


@pytest.fixture(scope="module")
def nights(forks: Forks) -> dict[str, Night]:
    """All of them, some at a time: they mostly wait."""

    def one(name: str) -> Night:
        with site(forks) as here:
            FAULTS[name](here)
            copy = here.start("sync")
            return Night(
                code=copy.ended(),
                said=copy.said(),
                ending=here.ending(),
                twice=here.twice(),
                faults_left=here.server.faults.waiting,
            )

    with ThreadPoolExecutor(4) as several:
        return dict(zip(FAULTS, several.map(one, FAULTS), strict=True))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", FAULTS)
def test_a_sync_recovers_from_a_transient_fault(
    nights: dict[str, Night], undisturbed: Ending, name: str
) -> None:
    night = nights[name]
    assert night.faults_left == 0
    assert night.code == 0, night.said
    assert night.ending == undisturbed
    assert night.twice == 0
