"""Limits: how much of each kind a plan may change, as the settings have them."""

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal, Self

FirstSync = Literal["additive", "full"]

_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)\s*%")
_NUMBER = re.compile(r"[0-9]{1,9}")
_WHOLE = 100


@dataclass(frozen=True, kw_only=True)
class Limit:
    """How much may change: a `percent` of a baseline, a `number`, or both; neither: no limit."""

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
        """Whether `n` of `base` is within the limit; any share above 0% allows `always` many."""
        if self.number is not None and n > self.number:
            return False
        if self.percent is None or _WHOLE * n <= self.percent * base:
            return True
        return self.percent > 0 and n <= always

    def __str__(self) -> str:
        """As it would be written in a setting."""
        parts: list[str] = []
        if self.percent is not None:
            share = Decimal(self.percent.numerator) / Decimal(self.percent.denominator)
            parts.append(f"{share:f}%")
        if self.number is not None:
            parts.append(str(self.number))
        return ",".join(parts) or "none"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """All limits; names as the environment variables, in lower case."""

    first_sync: FirstSync = "additive"
    """`full`: a first sync may take away as much as the limits allow."""

    max_deactivations: Limit = Limit(percent=Fraction(10))
    max_team_deletions: Limit = Limit(percent=Fraction(10))
    max_membership_removals: Limit = Limit(percent=Fraction(10))
    max_membership_removals_per_team: Limit = Limit(percent=Fraction(50))
    max_activations: Limit = Limit(percent=Fraction(10))
    max_user_creations: Limit = Limit(percent=Fraction(50))
    max_team_creations: Limit = Limit(percent=Fraction(50))
    max_updates: Limit = Limit(percent=Fraction(20))
    max_directory_shrink: Limit = Limit(percent=Fraction(20))
