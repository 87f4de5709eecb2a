"""Attribute presence: how many people and groups of one read have each mapped attribute.

An attribute that an access rule hides looks like one that nobody has. The next read is compared
with these numbers.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from swit_provisioning.planning.model import ACCOUNT_STATE, DISABLED, MEMBERS, TOTAL
from swit_provisioning.sources.attributes import AttributeMapping
from swit_provisioning.sources.entries import Entry

HELD = pa.field("held", pa.int32())
"""Column with the `HeldAttributes.mask` of each entry."""
# Those that every account has, whether it is disabled or not. Lock attributes come and go.
_STATE_OF_EVERY_ACCOUNT = ("userAccountControl", "nsAccountLock")


class HeldAttributes:
    """Notes which of some attributes an entry has, as one number, and counts these numbers."""

    def __init__(self, attributes: Sequence[tuple[str, str]]) -> None:
        """Take pairs of a label and an attribute. A label may have several attributes."""
        labels = dict.fromkeys(label for label, _ in attributes)
        self._bits = {label: 1 << place for place, label in enumerate(labels)}
        self._names = [(name.lower(), self._bits[label]) for label, name in attributes]

    def mask(self, entry: Entry) -> int:
        """One bit for each label of which the entry has an attribute that is not empty."""
        mask = 0
        if entry.has_options:
            for name, bit in self._names:
                if any(entry.values(name)):
                    mask |= bit
            return mask
        held = entry.attributes
        for name, bit in self._names:
            if name in held:
                mask |= bit
        return mask

    def counts(self, masks: pa.ChunkedArray) -> dict[str, int]:
        """Label -> number of entries that have it, and the number of all under `TOTAL`."""
        numbers = masks.to_numpy()
        found = {label: int(np.count_nonzero(numbers & bit)) for label, bit in self._bits.items()}
        return {TOTAL: len(numbers), **found}


def held_by_people(mapping: AttributeMapping) -> HeldAttributes:
    """The mapped attributes of people, and those that say whether an account is disabled."""
    fields = [
        ("email", mapping.email),
        *(("name", name) for name in mapping.name),
        ("phone_number", mapping.phone_number),
        ("language", mapping.language),
        ("primary_group", mapping.primary_group),
    ]
    state = [(ACCOUNT_STATE, name) for name in _STATE_OF_EVERY_ACCOUNT]
    return HeldAttributes([*_labelled(fields), *state])


def held_by_groups(mapping: AttributeMapping) -> HeldAttributes:
    """The mapped attributes of groups."""
    fields = [*(("name", name) for name in mapping.group_name), ("order", mapping.order)]
    return HeldAttributes(_labelled(fields))


def _labelled(fields: Sequence[tuple[str, str | None]]) -> list[tuple[str, str]]:
    return [(f"{field} ({name})", name) for field, name in fields if name]


def attribute_presence(
    people: pa.Table, groups: pa.Table, memberships: pa.Table, mapping: AttributeMapping
) -> dict[str, dict[str, int]]:
    """`people` and `groups` -> label -> how many of them have it: `DirectoryFacts.presence`."""
    return {
        "people": {
            **held_by_people(mapping).counts(people[HELD.name]),
            DISABLED: len(people) - int(pc.sum(people["enabled"], min_count=0).as_py()),
        },
        "groups": {
            **held_by_groups(mapping).counts(groups[HELD.name]),
            MEMBERS: len(pc.unique(memberships["group"])),
        },
    }
