"""What the daemon keeps in mind from one look to the next: since when it looks, and when it did."""

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Self

AWAY: Final = timedelta(minutes=10)
"""Who did not look for so long was off; the daemon looks every minute."""


@dataclass(frozen=True, kw_only=True)
class Watch:
    """Times are aware."""

    since: datetime
    """The first look of all."""
    up_since: datetime
    """The first look after the daemon was off."""
    seen: datetime
    """The last look."""
    asked: datetime | None = None
    """When Swit was last asked to renew the login."""

    @classmethod
    def of(cls, cursor: str | None, now: datetime) -> Self:
        """What was kept; without it, or where nobody can read it, one that begins now."""
        try:
            kept = {key: datetime.fromisoformat(v) for key, v in json.loads(cursor or "").items()}
            return cls(**kept)
        except (ValueError, TypeError, AttributeError):
            return cls(since=now, up_since=now, seen=now)

    def cursor(self) -> str:
        """To be kept."""
        return json.dumps({key: time.isoformat() for key, time in vars(self).items() if time})

    def was_off(self, now: datetime) -> bool:
        """Whether nobody has looked for a while."""
        return now - self.seen > AWAY

    def looked(self, now: datetime) -> Self:
        """The same after a look."""
        return replace(self, seen=now, up_since=now if self.was_off(now) else self.up_since)
