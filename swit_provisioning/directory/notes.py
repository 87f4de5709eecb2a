"""What a read came across that could not be read, each value of it named."""

from collections import Counter
from collections.abc import Container, Iterable

import pandas as pd

from swit_provisioning.reconcile.frames import IDP_FINDINGS


class Notes:
    """Collects findings such as "not a number: order of CN=Sales", each one once."""

    def __init__(self) -> None:
        """Start with none."""
        self._rows: dict[tuple[str, str, str, str], None] = {}
        self._warnings: Counter[str] = Counter()

    def add(self, kind: str, *, dn: str, attribute: str, reason: str) -> None:
        """Note one value of an entry that is left out, and why."""
        self._rows[kind, dn, attribute, reason] = None

    def unread(self, attributes: Container[str]) -> frozenset[str]:
        """DNs of the entries of which a value of these attributes is left out."""
        return frozenset(dn for _, dn, attribute, _ in self._rows if attribute in attributes)

    def warn(self, what: str) -> None:
        """Count one more entry of which `what` is true, and no fault of that entry."""
        self._warnings[what] += 1

    def warnings(self) -> tuple[str, ...]:
        """One sentence for each `what`, with the number of entries."""
        return tuple(f"{what} (entries: {count})" for what, count in self._warnings.items())

    def frame(self) -> pd.DataFrame:
        """The frame `idp_findings`, in the order in which they turned up."""
        names = IDP_FINDINGS.names
        return IDP_FINDINGS.frame(dict(zip(names, row, strict=True)) for row in self._rows)


def listed(examples: Iterable[str], *, most: int = 5) -> str:
    """Join examples with `; `, at most so many, and say how many more there are.

    `listed(["a", "b", "c"], most=2)` is `a; b; and 1 more`.
    """
    known = list(examples)
    more = len(known) - most
    return "; ".join([*known[:most], f"and {more} more"] if more > 0 else known)
