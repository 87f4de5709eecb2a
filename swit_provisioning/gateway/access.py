"""Who may ask: whoever knows the key. Wrong keys are limited, for each address and for all."""

import hashlib
import ipaddress
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Final, TypeVar

from swit_provisioning.settings import Settings, SettingsError

SHORTEST_KEY: Final = 16
WRONG_KEYS: Final = 10
"""How many wrong keys an address may send in a row."""
SECONDS_A_KEY: Final = 6.0
"""How long until it may send one more."""
WRONG_KEYS_OF_ALL: Final = 100
"""How many wrong keys all addresses together may send in a row."""
SECONDS_A_KEY_OF_ALL: Final = 1.0
"""How long until one of them may send one more."""

Value = TypeVar("Value")
_MOST_ADDRESSES: Final = 10_000
_IPV6_PREFIX: Final = 64
_MAKE_ONE: Final = 'python3 -P -c "import secrets; print(secrets.token_urlsafe(32))"'


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
        self._of_all = (float(WRONG_KEYS_OF_ALL), 0.0)
        self._known: OrderedDict[str, None] = OrderedDict()
        """Addresses that have sent the right key: strangers' wrong keys don't shut them out."""

    def refusal(self, address: str, key: bytes | None) -> Refusal | None:
        """Why this key of a client at `address` is not taken; `None` where it is right."""
        who, now = _network(address), self._clock()
        left = _refilled(self._buckets.get(who), now, most=WRONG_KEYS, seconds=SECONDS_A_KEY)
        of_all = _refilled(self._of_all, now, most=WRONG_KEYS_OF_ALL, seconds=SECONDS_A_KEY_OF_ALL)
        # Also for the right one: an answer would tell that it is right.
        if left < 1:
            return _too_many("from this address", (1 - left) * SECONDS_A_KEY)
        if of_all < 1 and who not in self._known:
            return _too_many("from all addresses together", (1 - of_all) * SECONDS_A_KEY_OF_ALL)
        if key is None:
            return Refusal(status=401, message="The header x-secret-key is missing.")
        if secrets.compare_digest(_digest(key), self._digest):
            _remember(self._known, who, None)
            return None
        _remember(self._buckets, who, (left - 1, now))
        self._of_all = (max(of_all - 1, 0.0), now)
        return Refusal(status=401, message="The key is wrong: it is not OPERATION_AUTH_KEY.")


def _refilled(
    bucket: tuple[float, float] | None, now: float, *, most: int, seconds: float
) -> float:
    """How many wrong keys are left in a bucket that gains one every so many `seconds`."""
    left, at = bucket or (float(most), now)
    return min(float(most), left + (now - at) / seconds)


def _remember(addresses: OrderedDict[str, Value], who: str, value: Value) -> None:
    """Note an address, and forget the one that was noted longest ago."""
    addresses[who] = value
    addresses.move_to_end(who)
    if len(addresses) > _MOST_ADDRESSES:
        addresses.popitem(last=False)


def _too_many(whose: str, seconds: float) -> Refusal:
    wait = ceil(seconds)
    message = f"Too many wrong keys {whose}. Try again in {wait} seconds."
    return Refusal(status=429, message=message, retry_after=wait)


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
