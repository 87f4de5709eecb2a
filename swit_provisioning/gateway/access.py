"""Who may ask: whoever knows the key. Wrong keys have a pace of their own for each address."""

import hashlib
import ipaddress
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Final

from swit_provisioning.settings import Settings, SettingsError

SHORTEST_KEY: Final = 16
WRONG_KEYS: Final = 10
"""How many wrong keys an address may send in a row."""
SECONDS_A_KEY: Final = 6.0
"""How long until it may send one more."""

_MOST_ADDRESSES: Final = 10_000
_IPV6_PREFIX: Final = 64
_MAKE_ONE: Final = 'python3 -c "import secrets; print(secrets.token_urlsafe(32))"'


def required_key(settings: Settings) -> str:
    """The key.

    Raises:
        SettingsError: there is none, or one that can be guessed.

    """
    key = settings.operation_auth_key.get_secret_value() if settings.operation_auth_key else ""
    if len(key) >= SHORTEST_KEY:
        return key
    problem = f"has {len(key)} characters, {SHORTEST_KEY} are the least" if key else "is not set"
    raise SettingsError([f"OPERATION_AUTH_KEY {problem}. Make one: {_MAKE_ONE}"])


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why somebody may not go on."""

    status: int
    message: str
    retry_after: int | None = None


class Access:
    """Compares keys in constant time; keeps no more than a number for each address."""

    def __init__(self, key: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Take the key; `clock` gives seconds."""
        self._digest = _digest(key.encode())
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def refusal(self, address: str, key: bytes | None) -> Refusal | None:
        """Why this key of a client at `address` is not taken; `None` where it is right."""
        who = _network(address)
        left, now = self._left(who), self._clock()
        if left < 1:
            # Also for the right one: an answer would tell that it is right.
            wait = ceil((1 - left) * SECONDS_A_KEY)
            message = f"Too many wrong keys from this address. Try again in {wait} seconds."
            return Refusal(status=429, message=message, retry_after=wait)
        if key is None:
            return Refusal(status=401, message="The header x-secret-key is missing.")
        if secrets.compare_digest(_digest(key), self._digest):
            return None
        self._buckets[who] = (left - 1, now)
        self._buckets.move_to_end(who)
        if len(self._buckets) > _MOST_ADDRESSES:
            self._buckets.popitem(last=False)
        return Refusal(status=401, message="The key is wrong: it is not OPERATION_AUTH_KEY.")

    def _left(self, who: str) -> float:
        left, at = self._buckets.get(who, (float(WRONG_KEYS), 0.0))
        return min(float(WRONG_KEYS), left + (self._clock() - at) / SECONDS_A_KEY)


def _digest(key: bytes) -> bytes:
    """The same length for every key, so that comparing tells no length either."""
    return hashlib.sha256(key).digest()


def _network(address: str) -> str:
    """An IPv6 client has a whole network of addresses."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    return str(ipaddress.ip_network((parsed, _IPV6_PREFIX), strict=False))
