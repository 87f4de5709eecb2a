"""Whether an account is in use: disabled and expired ones count as not being there."""

from datetime import UTC, datetime, timedelta

from swit_provisioning.directory.entries import Entry, Terms

ACCOUNT_DISABLED = 0x2
WINDOWS_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_NEVER = {0, 0x7FFFFFFFFFFFFFFF}
_LAST_MICROSECOND = (datetime.max.replace(tzinfo=UTC) - WINDOWS_EPOCH) // timedelta(microseconds=1)
# OpenLDAP's password policy: this moment means "until an administrator unlocks it". Any other one
# says that somebody typed a wrong password too often, which is no reason to take an account away.
_LOCKED_FOR_GOOD = "000001010000"


def is_enabled(entry: Entry, terms: Terms) -> bool:
    """Whether the account may be used now.

    Active Directory says so in `userAccountControl` (bit 2) and `accountExpires`, OpenLDAP in
    `pwdAccountLockedTime`, 389 Directory Server in `nsAccountLock`.
    """
    return not (
        _disabled(entry, terms)
        or _expired(entry, terms)
        or any(t.startswith(_LOCKED_FOR_GOOD) for t in terms.texts(entry, "pwdAccountLockedTime"))
        or any(t.lower() == "true" for t in terms.texts(entry, "nsAccountLock"))
    )


def _disabled(entry: Entry, terms: Terms) -> bool:
    flags = terms.number(entry, "userAccountControl")
    return flags is not None and bool(flags & ACCOUNT_DISABLED)


def _expired(entry: Entry, terms: Terms) -> bool:
    """`accountExpires` counts tenths of microseconds since 1601."""
    ticks = terms.number(entry, "accountExpires")
    if ticks is None or ticks in _NEVER or not 0 < ticks // 10 <= _LAST_MICROSECOND:
        return False
    return WINDOWS_EPOCH + timedelta(microseconds=ticks // 10) <= terms.now
