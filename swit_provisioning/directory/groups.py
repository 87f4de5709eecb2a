"""Groups: directory entries as rows of the frames `idp_groups` and `idp_memberships`."""

import math
import re
from collections.abc import Iterator

import pyarrow as pa

from swit_provisioning.directory.attributes import AttributeMapping
from swit_provisioning.directory.entries import Entry, Terms, directory_id
from swit_provisioning.directory.kinds import Kind
from swit_provisioning.directory.people import BASE, Logins, Row
from swit_provisioning.directory.primary_groups import security_id
from swit_provisioning.reconcile.dn import dn_key, is_dn

GROUPS = pa.schema(
    [
        ("key", pa.large_string()),
        ("dn", pa.large_string()),
        ("directory_id", pa.large_string()),
        ("names", pa.list_(pa.string())),
        ("order", pa.float64()),
        ("parents", pa.list_(pa.string())),
        ("base", BASE),
        ("sid", pa.large_string()),
    ]
)
"""`idp_groups` but for the position, and what users name their primary group by."""

# `uniqueMember` may carry a bit string behind the DN: Name and Optional UID, RFC 4517 3.3.21.
_OPTIONAL_UID = re.compile(r"#'[01]*'B\s*\Z")


def group_attributes(mapping: AttributeMapping, kind: Kind) -> list[str]:
    """The attributes to ask a server for."""
    members = ("member", "uniqueMember", "memberUid", "memberOf")
    return [*kind.group_attributes, *members, *mapping.of_groups()]


def group_row(entry: Entry, *, key: str, base: str, terms: Terms) -> Row:
    """One row of `GROUPS`."""
    return {
        "key": key,
        "dn": entry.dn,
        "directory_id": directory_id(entry, key),
        "names": terms.first_of(entry, terms.mapping.group_name),
        "order": _order(entry, terms),
        "parents": _parents(entry, terms),
        "base": base,
        "sid": security_id(entry) or None,
    }


def own_members(entry: Entry, logins: Logins, terms: Terms) -> Iterator[tuple[str, str]]:
    """Keys and DNs of the members that the entry lists, in whichever of the three attributes."""
    for dn in terms.texts(entry, "member"):
        yield terms.reference_key(dn, entry, "member"), dn
    for text in terms.texts(entry, "uniqueMember"):
        dn = _OPTIONAL_UID.sub("", text)
        yield terms.reference_key(dn, entry, "uniqueMember"), dn
    for uid in terms.texts(entry, "memberUid"):
        person = logins.find(uid)
        if person is not None:
            yield person
        elif is_dn(uid):  # not what the schema says, but some directories hold DNs here
            yield dn_key(uid), uid
        else:
            terms.left_out(
                "unknown login",
                entry,
                "memberUid",
                f"The login {uid!r} is not that of exactly one user, so nothing comes of it. Give"
                " one user this `uid`, or take it out of the group.",
            )
            yield dn_key("uid=" + re.sub(r'([\\,+"<>;=# ])', r"\\\1", uid)), uid


def _parents(entry: Entry, terms: Terms) -> list[str] | None:
    """The keys in `memberOf`; nothing at all where the group has no such attribute."""
    if not entry.has("memberOf"):
        return None
    keys = (terms.reference_key(dn, entry, "memberOf") for dn in terms.texts(entry, "memberOf"))
    return list(dict.fromkeys(keys))


def _order(entry: Entry, terms: Terms) -> float | None:
    name = terms.mapping.order
    text = terms.first(entry, name)
    if name is None or text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if math.isfinite(number):
        return number
    terms.not_a_number(entry, name, text)
    return None
