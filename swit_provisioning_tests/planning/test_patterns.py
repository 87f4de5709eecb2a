"""Which texts fit names and patterns of a setting."""

import pytest

from swit_provisioning.planning.normalize import is_pattern, matcher


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("eve@vendor.example", True),
        ("eve@vendor.example.org", False),
        ("temp7@x", True),
        ("temp77@x", False),
        ("boss@x", True),
        ("the boss@x", False),
        ("", False),
    ],
)
def test_a_text_fits_where_it_is_one_of_the_names_or_like_one_of_the_patterns(
    text: str, *, fits: bool
) -> None:
    fitting = matcher(["*@vendor.example", "Temp[0-9]@x", "boss@x", " "], str.casefold)
    assert fitting(text) is fits


def test_where_no_pattern_is_given_nothing_fits() -> None:
    assert matcher([" ", ""], str.casefold)("") is False


def test_a_pattern_is_told_by_its_wildcards() -> None:
    assert [is_pattern(text) for text in ("a*", "a?", "[ab]", "a b@x")] == [True, True, True, False]
