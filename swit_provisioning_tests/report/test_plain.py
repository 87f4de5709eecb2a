"""Names of others are shown and steer nothing."""

import unicodedata

import pytest

from swit_provisioning.report.safe_text import for_a_terminal, readable, shortened
from swit_provisioning_tests.report.hostile import NAMES


@pytest.mark.parametrize("name", NAMES)
def test_nothing_that_steers_a_terminal_or_turns_a_line_round_is_left(name: str) -> None:
    left = {unicodedata.bidirectional(c) for c in readable(name)}
    assert not left & {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    assert "Cc" not in {unicodedata.category(c) for c in readable(name)}
    assert not set("\u200e\u200f\u061c") & set(for_a_terminal(name))


def test_what_was_taken_out_is_seen() -> None:
    """Two names that differ in nothing but that must not look the same."""
    assert readable("\x1b[31mred") == "\N{REPLACEMENT CHARACTER}[31mred"
    assert readable("half \ud83d") == "half \N{REPLACEMENT CHARACTER}"
    assert readable("a\u202egpj.exe") == "a\N{REPLACEMENT CHARACTER}gpj.exe"


def test_a_line_break_is_a_space() -> None:
    assert readable("two\r\nlines\tand\u2028more") == "two lines and more"


@pytest.mark.parametrize("name", ["Ann", "Jürgen", "김철수", "مرحبا", "👩\u200d👩\u200d👧"])
def test_other_names_stay_as_they_are(name: str) -> None:
    assert readable(name) == for_a_terminal(name) == name


def test_a_long_name_ends_with_a_sign_that_says_so() -> None:
    assert shortened("abcdef", 4) == "abc…"
    assert shortened("abcd", 4) == "abcd"
