"""Ids that servers make, as columns of text: what names an entry for good, and security ids."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from swit_provisioning.directory.page_columns import Mask, PageColumns, true
from swit_provisioning.directory.primary_groups import sid_text

_UUID = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
_389DS = "^([0-9a-f]{8})-([0-9a-f]{4})([0-9a-f]{4})-([0-9a-f]{4})([0-9a-f]{4})-([0-9a-f]{8})$"
_GUID_BYTES = 16
# Where each byte of a GUID is written: the first three fields come with their last byte first.
_GUID_ORDER = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15]
_HYPHENS = [8, 13, 18, 23]
_UUID_LETTERS = 36
_HEX = np.frombuffer(b"".join(b"%02x" % byte for byte in range(256)), np.uint8).reshape(256, 2)
# The last of a security id's numbers, little-endian; before it come eight bytes at least.
_LAST_BYTES = 4
_FIRST_BYTES = 8


def directory_ids(columns: PageColumns) -> pa.LargeStringArray:
    """As `entries.directory_id` has it; an entry whose ids are written in another way is odd."""
    found = _matching(columns.text("entryUUID"), _UUID)
    columns.odd |= columns.having("entryUUID") & ~np.asarray(found.is_valid())
    if found.null_count and len(columns.attributes("objectGUID")):
        found = pc.coalesce(found, _guids(columns.one("objectGUID")))
        columns.odd |= columns.having("objectGUID") & np.asarray(found.is_null())
    if found.null_count and len(columns.attributes("nsUniqueId")):
        other = _matching(columns.text("nsUniqueId"), _389DS)
        found = pc.coalesce(found, pc.replace_substring_regex(other, _389DS, r"\1-\2-\3-\4-\5\6"))
    columns.odd |= np.asarray(found.is_null())
    return found


def sids(columns: PageColumns) -> pa.LargeStringArray:
    """Each entry's security id; null where it has none."""
    if not len(columns.attributes("objectSid")):
        return pa.nulls(len(columns.page), pa.large_string())
    domains, readable = _domains(columns)
    last = _rows_of(pc.binary_slice(columns.one("objectSid"), -_LAST_BYTES), readable, _LAST_BYTES)
    numbers = pa.array(last.view("<u4").reshape(-1)).cast(pa.large_string())
    return _joined(domains, numbers)


def primary_group_sids(columns: PageColumns, numbers: pa.Int64Array) -> pa.LargeStringArray:
    """The security id of each one's primary group: it is in the same domain."""
    if numbers.null_count == len(numbers) or not len(columns.attributes("objectSid")):
        return pa.nulls(len(numbers), pa.large_string())
    return _joined(_domains(columns)[0], numbers.cast(pa.large_string()))


def _domains(columns: PageColumns) -> tuple[pa.LargeStringArray, Mask]:
    """Security ids without their last number, of which most are the same; and where one is."""
    values = columns.one("objectSid")
    heads = pc.binary_slice(values, 0, -_LAST_BYTES).dictionary_encode()
    texts = [_domain(head) for head in heads.dictionary.to_pylist()]
    domains = pa.array(texts, pa.large_string()).take(heads.indices)
    readable = np.asarray(domains.is_valid())
    columns.odd |= np.asarray(values.is_valid()) & ~readable
    return domains, readable


def _domain(head: bytes) -> str | None:
    if len(head) < _FIRST_BYTES:
        return None
    return sid_text(head + bytes(_LAST_BYTES)).rpartition("-")[0] or None


def _joined(domains: pa.LargeStringArray, numbers: pa.LargeStringArray) -> pa.LargeStringArray:
    return pc.binary_join_element_wise(domains, numbers, pa.scalar("-", pa.large_string()))


def _guids(values: pa.LargeBinaryArray) -> pa.LargeStringArray:
    """The sixteen bytes as text; null where there are more or less."""
    right = true(pc.equal(pc.binary_length(values), _GUID_BYTES))
    letters = np.full((len(values), _UUID_LETTERS), ord("-"), dtype=np.uint8)
    between = np.setdiff1d(np.arange(_UUID_LETTERS), _HYPHENS)
    digits = _HEX[_rows_of(values, right, _GUID_BYTES)[:, _GUID_ORDER]]
    letters[:, between] = digits.reshape(len(values), -1)
    offsets = np.arange(len(values) + 1, dtype=np.int64) * _UUID_LETTERS
    buffers = pa.py_buffer(offsets), pa.py_buffer(letters.tobytes())
    texts = pa.LargeStringArray.from_buffers(len(values), *buffers)
    return pc.if_else(pa.array(right), texts, pa.scalar(None, texts.type))


def _rows_of(values: pa.LargeBinaryArray, right: Mask, size: int) -> npt.NDArray[np.uint8]:
    """The bytes of values that all have one size, a row each; zeros where it isn't right."""
    zeros = pa.scalar(bytes(size), pa.large_binary())
    same = pc.if_else(pa.array(right), values, zeros)
    data = same.buffers()[2]
    if data is None:  # there are no values
        return np.zeros((0, size), dtype=np.uint8)
    return np.frombuffer(data, np.uint8, count=len(values) * size).reshape(-1, size)


def _matching(texts: pa.LargeStringArray, pattern: str) -> pa.LargeStringArray:
    """Those that match; null in place of others."""
    return pc.if_else(pc.match_substring_regex(texts, pattern), texts, pa.scalar(None, texts.type))
