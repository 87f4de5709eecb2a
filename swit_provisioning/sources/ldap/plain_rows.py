"""What plain people and plain groups have in common: names, ids, and cells that become rows."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from swit_provisioning.planning.dn_columns import casefolded, dn_keys
from swit_provisioning.sources.assembly import GROUPS, PEOPLE, SMTP
from swit_provisioning.sources.base import AttributeMapping
from swit_provisioning.sources.config import is_person
from swit_provisioning.sources.ldap.page import Page
from swit_provisioning.sources.ldap.page_columns import (
    Mask,
    PageColumns,
    binaries,
    texts_of,
    trimmed,
    true,
)
from swit_provisioning.sources.ldap.plain_members import MEMBER_ATTRIBUTES, Members, plain_members
from swit_provisioning.sources.ldap.wire import OCTETS, expected
from swit_provisioning.sources.server_types import (
    ACCOUNT_DISABLED,
    OTHER_ADDRESSES,
    WINDOWS_EPOCH,
    sid_text,
)

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


def named(columns: PageColumns) -> dict[str, pa.Array]:
    """`key`, `dn`, `directory_id` of each entry; one without a proper id is odd."""
    dn = columns.dn()
    cells = {"key": dn_keys(dn), "dn": dn, "directory_id": directory_ids(columns)}
    columns.odd |= ~true(pc.greater(pc.binary_length(cells["key"]), 0))
    return cells


def first_of(columns: PageColumns, names: tuple[str, ...]) -> pa.LargeStringArray:
    """The value of the first of some attributes that has one."""
    found = columns.text(names[0])
    for name in names[1:]:
        if not found.null_count:
            break
        found = pc.coalesce(found, columns.text(name))
    return found


def optional(columns: PageColumns, name: str | None) -> pa.LargeStringArray:
    """The value of an attribute that may be switched off."""
    return pa.nulls(len(columns.page), pa.large_string()) if name is None else columns.text(name)


def rows_of(cells: Mapping[str, pa.Array], schema: pa.Schema, base: str, chosen: Mask) -> pa.Table:
    """Rows of a schema: text becomes a list where one is wanted; cells not given are null."""
    some = pa.table(cells).filter(pa.array(chosen)).combine_chunks()
    columns = [_column(some, field, base) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def _column(some: pa.Table, field: pa.Field, base: str) -> pa.Array:
    if field.name == "base":
        everywhere = pa.repeat(pa.scalar(0, pa.int32()), len(some))
        return pa.DictionaryArray.from_arrays(everywhere, pa.array([base], pa.large_string()))
    if field.name not in some.column_names:
        return pa.nulls(len(some), field.type)
    found = some[field.name].combine_chunks()
    return listed(found) if field.type != found.type else found


def listed(values: pa.LargeStringArray) -> pa.ListArray:
    """Lists of one value, or of none."""
    ends = np.cumsum(np.asarray(values.is_valid()), dtype=np.int32)
    offsets = pa.array(np.concatenate([np.zeros(1, np.int32), ends]))
    return pa.ListArray.from_arrays(offsets, values.drop_null().cast(pa.string()))


# Members that are not named by DN, but by their logins.
_NOT_PLAIN = ("memberUid",)


@dataclass(frozen=True, kw_only=True, eq=False)
class PlainGroups:
    """The groups of a page, as far as they are plain."""

    rows: pa.Table
    """Of `GROUPS`, in the page's order."""
    odd: list[int]
    """The numbers of the other entries; their rows follow."""
    taken: frozenset[int]
    """The attributes whose values are in `members`, of the other entries too."""
    members: list[Members]
    """`group` is the number of the row."""


def plain_groups(page: Page, *, base: str, mapping: AttributeMapping) -> PlainGroups:
    """Read the plain entries of a page, and the plain members of all.

    Args:
        page: what a search for groups found.
        base: where it looked, as `dn_key`.
        mapping: which attributes to take.

    """
    columns = PageColumns(page)
    found, taken = plain_members(columns)
    rows, odd = _plain(columns, base, mapping, taken)
    row = np.empty(len(page), dtype=np.int64)
    row[np.setdiff1d(np.arange(len(page)), odd)] = np.arange(len(rows))
    row[odd] = np.arange(len(rows), len(page))
    members = [replace(one, group=row[one.group]) for one in found]
    return PlainGroups(rows=rows, odd=odd, taken=taken, members=members)


def _plain(
    columns: PageColumns, base: str, mapping: AttributeMapping, taken: frozenset[int]
) -> tuple[pa.Table, list[int]]:
    """The rows, and the numbers of the odd entries."""
    for name in (*_NOT_PLAIN, *([mapping.order] if mapping.order else [])):
        columns.odd |= columns.having(name)
    for name in MEMBER_ATTRIBUTES:
        left = [one for one in columns.attributes(name).tolist() if one not in taken]
        columns.odd[columns.page.entry[left]] = True
    above = columns.text("memberOf")
    parents = dn_keys(above)
    columns.odd |= np.asarray(parents.is_null()) & np.asarray(above.is_valid())
    silent = pa.array(~columns.having("memberOf"))
    cells = {
        **named(columns),
        "names": first_of(columns, mapping.group_name),
        "sid": sids(columns),
        "parents": pc.if_else(silent, pa.scalar(None, pa.list_(pa.string())), listed(parents)),
    }
    return rows_of(cells, GROUPS, base, ~columns.odd), np.flatnonzero(columns.odd).tolist()


def plain_people(
    page: Page,
    *,
    base: str,
    mapping: AttributeMapping,
    own_filter: bool,
    now: datetime,
    needed: str | None = None,
) -> tuple[pa.Table, list[int]]:
    """Read the plain entries of a page.

    Args:
        page: what a search for people found.
        base: where it looked, as `dn_key`.
        mapping: which attributes to take.
        own_filter: as `is_person` has it.
        now: accounts that expired before it are not enabled.
        needed: an attribute without which an entry is odd.

    Returns:
        The rows of `PEOPLE` in the page's order; and the numbers of the odd entries.

    """
    columns = PageColumns(page)
    if needed:
        columns.odd |= ~columns.having(needed)
    emails = columns.text(mapping.email)
    primary_groups = primary_group_sids(columns, numbers(columns, "primaryGroupID"))
    cells = {
        **named(columns),
        "emails": emails,
        "other_emails": other_emails(columns, emails),
        "names": first_of(columns, mapping.name),
        "phone_numbers": optional(columns, mapping.phone_number),
        "language": optional(columns, mapping.language),
        "primary_group": optional(columns, mapping.primary_group),
        "enabled": pa.array(enabled(columns, now)),
        "logins": columns.text("uid"),
        "primary_group_sid": primary_groups.dictionary_encode(),
    }
    people = _people(columns, own_filter=own_filter) & ~columns.odd
    return rows_of(cells, PEOPLE, base, people), np.flatnonzero(columns.odd).tolist()


def _people(columns: PageColumns, *, own_filter: bool) -> Mask:
    """Which entries are people; many have the same object classes, in the same bytes."""
    sets = columns.sets("objectClass").dictionary_encode(null_encoding="encode")
    verdicts = [
        is_person(_classes(one or b""), own_filter=own_filter)
        for one in sets.dictionary.to_pylist()
    ]
    people: Mask = np.array(verdicts, dtype=np.bool_)[sets.indices.to_numpy()]
    return people


def _classes(encoded: bytes) -> frozenset[str]:
    found = []
    at = 0
    while at < len(encoded):
        start, at = expected(encoded, at, len(encoded), OCTETS)
        found.append(encoded[start:at].decode(errors="replace").lower())
    return frozenset(found)
