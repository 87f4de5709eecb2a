"""The people of a membership change by their addresses, and a sentence about some of them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

_MOST_NAMED: Final = 20


def emails_of(values: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """User id as in the plan -> address."""
    return dict(zip(values["user_ids"], values["emails"], strict=True))


def told(what: str, people: Iterable[str]) -> str | None:
    """`3 were refused: ann@x, bob@x, eve@x`; nothing where there is nobody."""
    named = list(people)
    if not named:
        return None
    more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
    return f"{len(named)} {what}: {', '.join(named[:_MOST_NAMED])}{more}"
