"""Limits as people write them: a share, a number, both, or none."""

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Self

_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)\s*%")
_NUMBER = re.compile(r"[0-9]{1,9}")
_WHOLE = 100


@dataclass(frozen=True, kw_only=True)
class Limit:
    """How much may change: `percent` of a base, a `number`, or both; with neither all may."""

    percent: Fraction | None = None
    number: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `10%`, `50`, `5%,50` or `none`.

        Raises:
            ValueError: the text is none of these; the message has examples.

        """
        if text.strip().casefold() == "none":
            return cls()
        percent: Fraction | None = None
        number: int | None = None
        for part in (piece.strip() for piece in text.split(",")):
            share = _SHARE.fullmatch(part)
            if share and percent is None and Fraction(share[1]) <= _WHOLE:
                percent = Fraction(share[1])
            elif _NUMBER.fullmatch(part) and number is None:
                number = int(part)
            else:
                message = (
                    f"{text!r} is no limit: write a share from 0% to 100%, a number, both or none,"
                    " for example 10%, 50, 5%,50 or none"
                )
                raise ValueError(message)
        return cls(percent=percent, number=number)

    def allows(self, n: int, base: int, *, always: int = 1) -> bool:
        """Whether `n` of `base` is within the limit; of a share `always` many may always go."""
        if self.number is not None and n > self.number:
            return False
        if self.percent is None or _WHOLE * n <= self.percent * base:
            return True
        return self.percent > 0 and n <= always

    def __str__(self) -> str:
        """As it would be written in a setting."""
        parts = [f"{_decimal(self.percent)}%"] if self.percent is not None else []
        parts += [str(self.number)] if self.number is not None else []
        return ",".join(parts) or "none"


def _decimal(share: Fraction) -> str:
    return f"{Decimal(share.numerator) / Decimal(share.denominator):f}"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """All limits; names as the environment variables, in lower case."""

    max_deactivations: Limit = Limit(percent=Fraction(10))
    max_team_deletions: Limit = Limit(percent=Fraction(10))
    max_membership_removals: Limit = Limit(percent=Fraction(10))
    max_membership_removals_per_team: Limit = Limit(percent=Fraction(50))
    max_user_creations: Limit = Limit()
    max_team_creations: Limit = Limit()
    max_updates: Limit = Limit()
    max_directory_shrink: Limit = Limit(percent=Fraction(20))
