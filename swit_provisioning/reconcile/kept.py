"""Values that Swit keeps other than they were sent: shortened, or written in its own way.

Sending them again changes nothing, so they count as equal, as long as both sides stay the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from swit_provisioning.reconcile.references import reference_key
from swit_provisioning.reconcile.text import digits, same_text


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What became of one value on its way."""

    sent: str
    kept: str


def same_value(field: str, one: str, other: str) -> bool:
    """Whether two values of a field (`name`, `phone_number`, `reference`...) say the same."""
    if field == "phone_number":
        return digits(one) == digits(other)
    if field == "reference":
        return reference_key(one) == reference_key(other)
    return same_text(one, other)


def kept_values(
    sent: Mapping[str, str | None], answered: Mapping[str, str | None]
) -> dict[str, str]:
    """Field -> value as Swit answered it, where that is another one than was sent.

    What was not sent, and what the answer doesn't say, is left out.
    """
    found: dict[str, str] = {}
    for field, value in answered.items():
        wanted = sent.get(field)
        if value is not None and wanted and not same_value(field, wanted, value):
            found[field] = value
    return found


def counts_as_equal(known: Kept | None, field: str, *, wanted: object, present: object) -> bool:
    """Whether what stands in Swit is what became of the wanted value when it was sent."""
    if known is None or not isinstance(wanted, str) or not isinstance(present, str):
        return False
    return same_value(field, known.sent, wanted) and same_value(field, known.kept, present)
