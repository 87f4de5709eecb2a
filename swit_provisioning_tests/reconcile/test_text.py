"""Names and numbers as people and programs write them."""

import pytest

from swit_provisioning.reconcile.text import changed_name, others


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
