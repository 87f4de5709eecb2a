"""What Swit keeps in its own way counts as equal as long as both sides stay the same."""

import pytest

from swit_provisioning.planning.convergence import altered_values, is_equivalent
from swit_provisioning.planning.policy import StoredValue

PHONE = StoredValue(sent="+49 30 1234 5678", stored="030 1234")


@pytest.mark.parametrize(
    ("wanted", "present", "equal"),
    [
        ("+49 30 1234 5678", "030 1234", True),
        ("+49-30-12345678", "030-1234", True),
        ("+49 30 1234 5679", "030 1234", False),
        ("+49 30 1234 5678", "030 1235", False),
        ("+49 30 1234 5678", None, False),
        (None, "030 1234", False),
    ],
)
def test_values_are_compared_as_their_field_is(
    wanted: str | None, present: str | None, *, equal: bool
) -> None:
    assert is_equivalent(PHONE, "phone_number", wanted=wanted, present=present) is equal
    assert not is_equivalent(None, "phone_number", wanted=wanted, present=present)


def test_nothing_is_no_text() -> None:
    name = StoredValue(sent="Ann", stored="An")
    assert not is_equivalent(name, "name", wanted="Ann", present=None)
    assert not is_equivalent(name, "name", wanted=None, present="An")


def test_what_was_kept_otherwise_than_sent_is_found_of_each_field() -> None:
    sent = {"name": "Ann ", "phone_number": "030 1", "reference": "", "email": "ann@x"}
    answered = {
        "name": "Ann",
        "phone_number": "030 2",
        "reference": "R",
        "email": None,
        "role": "1",
    }
    assert altered_values(sent, answered) == {"phone_number": "030 2"}
