"""What a read came across that a person should know, gathered and counted by kind."""

from collections.abc import Iterable

_SHOWN = 5


class Notes:
    """Collects remarks such as "is no number: order of X"; says each kind once, with examples."""

    def __init__(self) -> None:
        """Start with none."""
        self._examples: dict[str, list[str]] = {}
        self._counts: dict[str, int] = {}

    def add(self, kind: str, example: str) -> None:
        """Note one case of `kind`, a sentence that ends before the colon and the examples."""
        self._counts[kind] = self._counts.get(kind, 0) + 1
        examples = self._examples.setdefault(kind, [])
        if len(examples) < _SHOWN and example not in examples:
            examples.append(example)

    def lines(self) -> tuple[str, ...]:
        """One line for each kind, in the order in which they turned up."""
        return tuple(
            f"{kind} ({count}): {listed(self._examples[kind], count)}"
            for kind, count in self._counts.items()
        )


def listed(examples: Iterable[str], count: int | None = None, *, most: int = _SHOWN) -> str:
    """Join examples with `; `, at most so many, and say how many more there are.

    `listed(["a", "b"], 5)` is `a; b; and 3 more`.
    """
    known = list(examples)
    shown = known[:most]
    more = (len(known) if count is None else count) - len(shown)
    return "; ".join([*shown, f"and {more} more"] if more > 0 else shown)
