"""Names and numbers as people and programs write them."""

from datetime import UTC, datetime, timedelta, timezone
from time import tzset

import pytest

from swit_provisioning.planning.normalize import (
    changed_name,
    choose_name,
    choose_phone,
    clean_name,
    clean_team_name,
    clock,
    digits,
    free_name,
    number_suffix,
    others,
    usable_address,
    without_number,
    written_language,
)
from swit_provisioning_tests.planning.specification.words import clean as specified


@pytest.mark.parametrize(
    ("count", "told"), [(1, "ann@x"), (2, "ann@x and 1 more"), (3, "ann@x and 2 more")]
)
def test_others_are_told_by_one_and_how_many_more(count: int, told: str) -> None:
    assert others("ann@x", count) == told


@pytest.mark.parametrize(
    ("written", "clean", "told"),
    [
        ("Sales", "Sales", None),
        (" Sales  EMEA ", "Sales EMEA", None),
        ("Sales/EMEA", "Sales EMEA", "Sales EMEA"),
        ("//", "", None),
    ],
)
def test_only_what_anybody_sees_is_a_change_of_a_name(
    written: str, clean: str, told: str | None
) -> None:
    assert changed_name(written, clean) == told


@pytest.mark.parametrize(
    ("address", "usable"),
    [
        ("ann@x", True),
        ("a" * 252 + "@x", True),
        ("a" * 253 + "@x", False),
        ("@x", False),
        ("ann@", False),
        ("a b@x", False),
        ("a@b@x", False),
    ],
)
def test_an_address_has_something_on_either_side_and_254_characters_at_most(
    address: str, *, usable: bool
) -> None:
    assert usable_address(address) is usable


@pytest.mark.parametrize(
    ("name", "wanted", "suffix"),
    [
        ("Sales", "sales", ""),
        ("SALES  (2)", "Sales", " (2)"),
        ("Sales (12)", "Sales", " (12)"),
        ("Sales (2)", "Sales (2)", ""),
        ("Sales (2) (3)", "Sales (2)", " (3)"),
        ("Trade (2)", "Sales", None),
        ("Sales 2", "Sales", None),
    ],
)
def test_the_number_behind_a_name_is_told_from_another_name(
    name: str, wanted: str, suffix: str | None
) -> None:
    assert number_suffix(name, wanted) == suffix


def test_a_name_loses_the_number_behind_it_and_nothing_else() -> None:
    names = ["Sales (2)", "Sales  (2) (3)", "Sales 2", "(2) Sales"]
    assert [without_number(n) for n in names] == ["Sales", "Sales (2)", "Sales 2", "(2) Sales"]


def test_the_first_number_that_is_free_goes_behind_a_name() -> None:
    assert free_name("Sales", {"trade"}.__contains__) == "Sales"
    assert free_name("Sales", {"sales", "sales (2)"}.__contains__) == "Sales (3)"


@pytest.mark.parametrize(
    ("value", "language"),
    [
        ("ko-KR", "ko"),
        ("EN_us", "en"),
        ("en, fr;q=0.8", "en"),
        ("de;q=0.9,fr", "de"),
        (" zh-Hant-TW fr", "zh"),
        (" ", None),
        (None, None),
    ],
)
def test_of_a_preference_the_first_language_counts_without_its_country(
    value: str | None, language: str | None
) -> None:
    assert written_language(value) == language


def test_a_leading_mark_is_dropped_from_a_groups_name_as_often_as_it_is_there() -> None:
    assert clean_team_name("(removed) (REMOVED)  Sales (removed)") == "Sales (removed)"
    assert clean_team_name("(removed)Sales") == "(removed)Sales"
    assert clean_team_name("(removed)") == ""


@pytest.mark.parametrize(
    ("values", "present", "chosen"),
    [
        (["Bo", "Ann"], None, "Ann"),
        (["Bo", "Ann"], "Bo", "Bo"),
        (["B*o", "C"], "B_o", "B_o"),
        (["Bo ", "Ann"], "Bo  ", "Bo  "),
        (["Bo"], "Ann", "Bo"),
        (["*", " "], None, "_"),
        ([" ", ""], "Ann", None),
    ],
)
def test_of_several_names_the_present_one_stays(
    values: list[str], present: str | None, chosen: str | None
) -> None:
    assert choose_name(values, present) == chosen


@pytest.mark.parametrize(
    ("values", "present", "chosen"),
    [
        ([], "1", ""),
        ([" "], "1", ""),
        (["n/a"], "1", None),
        (["2", "1"], None, "1"),
        (["2", "1  1", "n/a"], None, "1 1"),
        (["1", "+2 2"], "2-2", "2-2"),
        (["1"], "2", "1"),
    ],
)
def test_of_several_numbers_the_present_one_stays(
    values: list[str], present: str | None, chosen: str | None
) -> None:
    assert choose_phone(values, present) == chosen


def test_a_number_is_its_digits() -> None:
    assert digits("+49 (30) 1-2") == "493012"
    assert digits(None) == digits("n/a") == ""


@pytest.mark.parametrize("hours", [0, 9, -5])
def test_a_time_is_told_in_utc_wherever_it_was_taken_and_is_read(
    hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Seoul")
    tzset()
    taken = datetime(2026, 3, 1, 2, 30, tzinfo=UTC).astimezone(timezone(timedelta(hours=hours)))
    told = clock(taken)
    monkeypatch.undo()
    tzset()
    assert told == "2026-03-01 02:30 UTC"


@pytest.mark.parametrize(
    ("written", "clean"),
    [
        ("Ann\x1b[31m Lee\x00", "Ann[31m Lee"),
        ("\u202eeeL nnA\u2066\u200f", "eeL nnA"),
        ("\ufeffAnn\tLee\x85\x9b", "Ann Lee"),
        ("Ann \ud83d", "Ann"),
        ("\u202e \x07", ""),
        ("\U0001f469\u200d\U0001f680 क्\u200dष", "\U0001f469\u200d\U0001f680 क्\u200dष"),
    ],
)
def test_controls_and_turned_text_are_left_out_of_names(written: str, clean: str) -> None:
    assert clean_name(written) == clean_team_name(written) == specified(written) == clean
