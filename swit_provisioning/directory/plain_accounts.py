"""What Active Directory says of accounts, as columns: who is enabled, and numbers in general."""

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from swit_provisioning.directory.accounts import ACCOUNT_DISABLED, WINDOWS_EPOCH
from swit_provisioning.directory.page_columns import Mask, PageColumns, true

# As servers write them, up to the number that says "never".
_NUMBER = "^(0|[1-9][0-9]{0,17}|9223372036854775807)$"


def enabled(columns: PageColumns, now: datetime) -> Mask:
    """As `accounts.is_enabled` has it for Active Directory; others' locked accounts are odd."""
    for name in ("pwdAccountLockedTime", "nsAccountLock"):  # few have one
        columns.odd |= columns.having(name)
    flags, ticks = (
        numbers(columns, name).fill_null(0).to_numpy()
        for name in ("userAccountControl", "accountExpires")
    )
    moments = ticks // 10  # microseconds since 1601; none: never
    expired = (moments > 0) & (moments <= (now - WINDOWS_EPOCH) // timedelta(microseconds=1))
    enabled: Mask = ~(expired | (flags & ACCOUNT_DISABLED != 0))
    return enabled


def numbers(columns: PageColumns, name: str) -> pa.Int64Array:
    """A whole number of each entry; null where there is none, odd where it is written otherwise."""
    if not len(columns.attributes(name)):
        return pa.nulls(len(columns.page), pa.int64())
    texts = columns.text(name)
    right = pc.match_substring_regex(texts, _NUMBER)
    columns.odd |= np.asarray(texts.is_valid()) & ~true(right)
    return pc.if_else(right, texts, pa.scalar(None, texts.type)).cast(pa.int64())
