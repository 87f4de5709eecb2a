"""Two hundred nights in a row: people come and go, runs fail and are killed, nothing piles up."""

from collections import Counter

import pytest

from swit_provisioning_tests.reliability.forks import Forks
from swit_provisioning_tests.reliability.nights import Night, nights
from swit_provisioning_tests.tiers import Tier

pytestmark = pytest.mark.long
_KILLED = -9


@pytest.fixture(scope="module")
def passed(forks: Forks, tier: Tier) -> list[Night]:
    """All of them."""
    with nights(forks, tier.nights, seed=20261125) as made:
        return list(made.all())


def story(found: list[Night]) -> str:
    return "\n".join(
        f"night {n.number} ({n.kind}) ended with {n.code}: {n.unwanted} {n.said[-600:]}"
        for n in found[:3]
    )


@pytest.mark.timeout(3600)
def test_no_night_makes_an_unwanted_change(passed: list[Night]) -> None:
    """Each account and team is as it was the evening before, or as the directory says."""
    bad = [night for night in passed if night.unwanted or night.twice]
    assert not bad, story(bad)


def test_every_undisturbed_night_ends_in_sync(passed: list[Night]) -> None:
    """Whatever the nights before it have left half done."""
    bad = [n for n in passed if n.kind == "quiet" and (n.code != 0 or not n.in_step)]
    assert not bad, story(bad)
    assert sum(n.kind == "quiet" and n.changed for n in passed) > len(passed) / 4


def test_every_disturbed_night_ends_in_sync_or_is_reported_as_failed(passed: list[Night]) -> None:
    disturbed = [night for night in passed if night.kind == "disturbed"]
    bad = [n for n in disturbed if n.code not in {0, 1} or (n.code == 0 and not n.in_step)]
    assert not bad, story(bad)
    assert {night.code for night in disturbed} == {0, 1}


def test_a_night_that_reads_half_of_the_directory_writes_nothing(passed: list[Night]) -> None:
    halves = [night for night in passed if night.kind == "half read"]
    assert len(halves) == 2
    bad = [night for night in halves if night.code != 3 or night.changed]
    assert not bad, story(bad)


def test_a_night_that_misses_a_person_who_is_present_fails_and_writes_nothing(
    passed: list[Night],
) -> None:
    """The person is looked for by id, and found."""
    wrong = [night for night in passed if night.kind == "wrong read"]
    assert len(wrong) == 2
    bad = [n for n in wrong if n.code != 1 or n.changed or "that are present" not in n.said]
    assert not bad, story(bad)


def test_a_night_with_a_hidden_attribute_writes_nothing(passed: list[Night]) -> None:
    hidden = [night for night in passed if night.kind == "hidden attribute"]
    assert len(hidden) == 1
    bad = [night for night in hidden if night.code != 3 or night.changed]
    assert not bad, story(bad)


def test_runs_were_killed(passed: list[Night]) -> None:
    """So that the rest proves something."""
    codes = Counter(night.code for night in passed if night.kind == "killed")
    assert codes.keys() <= {_KILLED, 0}, codes
    assert codes[_KILLED] >= len(passed) / 20, codes


def test_neither_files_nor_memory_grow_once_there_is_something_to_prune(
    passed: list[Night],
) -> None:
    """Retention is a 20th and a 10th of all nights: from then on as much goes as comes."""
    fifth = len(passed) // 5
    early, late = passed[fifth : 2 * fifth], passed[-fifth:]
    for part in ("kept_bytes", "peak_bytes"):
        then = max(getattr(night, part) for night in early)
        assert max(getattr(night, part) for night in late) < 1.25 * then, part
