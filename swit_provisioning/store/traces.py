"""Whom a record is about: the ids and words by which one person is known in it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from swit_provisioning.reconcile.plan import NEW_USER


@dataclass(frozen=True, kw_only=True)
class Trace:
    """What one record says about one person, as written."""

    addresses: frozenset[str] = frozenset()
    swit_ids: frozenset[str] = frozenset()
    dns: frozenset[str] = frozenset()
    """DNs, in any spelling."""
    entry_ids: frozenset[str] = frozenset()
    """What the directory calls the entry, beside its DN."""
    words: frozenset[str] = frozenset()
    """Names, numbers, other addresses: others may have the same."""

    @property
    def keys(self) -> frozenset[str]:
        """What stands for this person alone, as it is compared."""
        written = self.addresses | self.swit_ids | self.dns | self.entry_ids
        return frozenset(key.strip().casefold() for key in written)

    def joined(self, other: "Trace") -> Self:
        """Both, of one person."""
        return type(self)(
            addresses=self.addresses | other.addresses,
            swit_ids=self.swit_ids | other.swit_ids,
            dns=self.dns | other.dns,
            entry_ids=self.entry_ids | other.entry_ids,
            words=self.words | other.words,
        )


def texts(*values: object) -> frozenset[str]:
    """Those of the values that are texts with something in them."""
    return frozenset(value for value in values if isinstance(value, str) and value.strip())


def traces_of_change(record: Mapping[str, Any]) -> Iterator[Trace]:
    """Of a change in a plan, or of an entry of the journal."""
    action, before, after = str(record["action"]), record["before"], record["after"]
    if action.startswith("membership."):
        for side in (before, after):
            for user, email in zip(side.get("user_ids", ()), side.get("emails", ()), strict=True):
                yield Trace(swit_ids=_swit_ids(user), addresses=texts(email))
    elif action.startswith("user.") or action == "primary.update":
        sides = (before, after) if action.startswith("user.") else ()
        yield Trace(
            addresses=texts(record["target"], *(side.get("email") for side in sides)),
            swit_ids=_swit_ids(record["object_id"], record.get("made_id")),
            words=texts(*(side.get(name) for side in sides for name in ("name", "phone_number"))),
        )


def _swit_ids(*values: object) -> frozenset[str]:
    return frozenset(value for value in texts(*values) if not value.startswith(NEW_USER))
