"""Limits as people write them."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swit_provisioning.planning.policy import Limit, Limits

# Six digits behind the point: as many as may be written.
PERCENTS = st.integers(0, 10**8).map(lambda millionths: Fraction(millionths, 10**6))
LIMITS = st.builds(
    Limit, percent=st.none() | PERCENTS, number=st.none() | st.integers(0, 10_000_000)
)


def limit(percent: str | None = None, number: int | None = None) -> Limit:
    return Limit(percent=None if percent is None else Fraction(percent), number=number)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10%", limit("10")),
        ("0%", limit("0")),
        ("100%", limit("100")),
        ("100.0%", limit("100")),
        ("12.5%", limit("25/2")),
        ("0.1%", limit("1/10")),
        ("007%", limit("7")),
        (" 10 % ", limit("10")),
        ("50", limit(number=50)),
        ("0", limit(number=0)),
        (" 50 ", limit(number=50)),
        ("5%,50", limit("5", 50)),
        ("50,5%", limit("5", 50)),
        (" 5 % , 50 ", limit("5", 50)),
        ("0%,0", limit("0", 0)),
        ("none", limit()),
        (" NONE ", limit()),
    ],
)
def test_a_share_a_number_both_or_none_are_limits(text: str, expected: Limit) -> None:
    assert Limit.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "ten",
        "-5",
        "-5%",
        "+5",
        "100.1%",
        "101%",
        "5.5",
        ".5%",
        "5.%",
        "1e1%",
        "5%%",
        "%",
        "5%,",
        ",5",
        "5%,5%",
        "5,5",
        "5%,50,none",
        "none,5",
        "5% 50",
        "5%;50",
        "1/2%",
        "0.1234567%",
        "1" * 5000,
        "1_000",
        "\N{ARABIC-INDIC DIGIT FIVE}%",
        "\N{SUPERSCRIPT TWO}",
        "5\n6",
    ],
)
def test_any_other_text_is_refused_with_the_text_and_examples(text: str) -> None:
    with pytest.raises(ValueError, match="is no limit") as refused:
        Limit.parse(text)
    assert str(refused.value) == (
        f"{text!r} is no limit: write a share from 0% to 100%, a number, both or none,"
        " for example 10%, 50, 5%,50 or none"
    )


@pytest.mark.parametrize(
    ("text", "base", "most"),
    [
        ("10%", 100, 10),
        ("10%", 109, 10),
        ("10%", 110, 11),
        ("12.5%", 16, 2),
        ("33.3%", 1000, 333),
        ("0.1%", 1000, 1),
        ("0.1%", 1999, 1),
        ("0.1%", 2000, 2),
        ("100%", 7, 7),
        ("10%", 3, 1),
        ("0.5%", 3, 1),
        ("10%", 0, 1),
        ("0%", 1000, 0),
        ("50", 10_000, 50),
        ("50", 0, 50),
        ("0", 1000, 0),
        ("5%,50", 2000, 50),
        ("5%,50", 600, 30),
        ("5%,50", 3, 1),
        ("5%,0", 600, 0),
        ("0%,50", 600, 0),
    ],
)
def test_so_many_are_allowed_and_not_one_more(text: str, base: int, most: int) -> None:
    assert Limit.parse(text).allows(most, base)
    assert not Limit.parse(text).allows(most + 1, base)


@pytest.mark.parametrize(
    ("text", "base", "most"),
    [("10%", 9, 5), ("10%", 60, 6), ("0%", 9, 0), ("10%,3", 9, 3), ("7", 9, 7)],
)
def test_of_a_share_more_than_one_may_always_go_where_that_is_said(
    text: str, base: int, most: int
) -> None:
    assert Limit.parse(text).allows(most, base, always=5)
    assert not Limit.parse(text).allows(most + 1, base, always=5)


@given(st.integers(0), st.integers(0))
def test_no_limit_allows_all(n: int, base: int) -> None:
    assert Limit.parse("none").allows(n, base)


@given(LIMITS, st.integers(0, 10_000), st.integers(0, 10_000))
def test_whoever_may_send_so_many_may_send_fewer(bound: Limit, n: int, base: int) -> None:
    if bound.allows(n + 1, base):
        assert bound.allows(n, base)


@given(LIMITS, st.integers(0, 10_000), st.integers(0, 10_000))
def test_of_both_the_lower_wins(bound: Limit, n: int, base: int) -> None:
    share, number = Limit(percent=bound.percent), Limit(number=bound.number)
    assert bound.allows(n, base) == (share.allows(n, base) and number.allows(n, base))


@given(LIMITS)
def test_written_down_and_read_again_it_is_the_same_limit(bound: Limit) -> None:
    assert Limit.parse(str(bound)) == bound


@pytest.mark.parametrize(
    "text", ["10%", "100%", "12.5%", "0.00001%", "50", "5%,50", "none", "0", "0%"]
)
def test_a_limit_is_shown_as_people_write_it(text: str) -> None:
    assert str(Limit.parse(text)) == text


def test_every_action_has_a_limit_by_default() -> None:
    assert {name: str(value) for name, value in vars(Limits()).items()} == {
        "first_sync": "additive",
        "max_deactivations": "10%",
        "max_team_deletions": "10%",
        "max_membership_removals": "10%",
        "max_membership_removals_per_team": "50%",
        "max_activations": "10%",
        "max_user_creations": "50%",
        "max_team_creations": "50%",
        "max_updates": "20%",
        "max_directory_shrink": "20%",
    }
