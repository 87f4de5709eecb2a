"""People's other addresses as columns: Active Directory's `proxyAddresses`, of which all have some.

`people` says what they mean; here is the same for many at once.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from swit_provisioning.directory.kinds import OTHER_ADDRESSES
from swit_provisioning.directory.page_columns import PageColumns, binaries, texts_of, trimmed, true
from swit_provisioning.directory.people import SMTP
from swit_provisioning.reconcile.dn_columns import casefolded


def other_emails(columns: PageColumns, emails: pa.LargeStringArray) -> pa.ListArray:
    """Each one's other addresses, sorted; null where there is none.

    Whoever has no address but these is odd, and who has one that is not written in ASCII.
    """
    count = len(columns.page)
    attributes = columns.attributes(OTHER_ADDRESSES)
    if not len(attributes):
        return pa.nulls(count, pa.list_(pa.string()))
    columns.odd |= columns.having(OTHER_ADDRESSES) & np.asarray(emails.is_null())
    of, spans = columns.values(attributes)
    entry = columns.page.entry[attributes[of]]
    texts = texts_of(binaries(columns.page.data, spans))
    columns.odd[entry[~true(pc.string_is_ascii(texts))]] = True
    found = pa.table({"entry": entry, "text": trimmed(texts)})
    # A server's order means nothing; and of one that is there twice one counts.
    found = found.group_by(["entry", "text"]).aggregate([])
    found = found.filter(pc.starts_with(found["text"], SMTP, ignore_case=True))
    found = found.sort_by([("entry", "ascending"), ("text", "ascending")]).combine_chunks()
    own = casefolded(emails).take(found["entry"])
    address = pc.utf8_trim_whitespace(pc.utf8_slice_codeunits(found["text"], len(SMTP)))
    other = true(pc.not_equal(pc.ascii_lower(address), own))
    return _lists(np.asarray(found["entry"])[other], address.filter(pa.array(other)), count)


def _lists(
    entry: "np.ndarray[tuple[int], np.dtype[np.int64]]", texts: pa.ChunkedArray, count: int
) -> pa.ListArray:
    """A list for each entry of those texts that are its own, which lie together."""
    sizes = np.bincount(entry, minlength=count)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    values = texts.cast(pa.string()).combine_chunks()
    return pa.ListArray.from_arrays(pa.array(offsets), values, mask=pa.array(sizes == 0))
