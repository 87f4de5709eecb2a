"""Groups: directory entries as rows of the frames `idp_groups` and `idp_memberships`."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

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


def members_named_by_people(
    people: Iterable[tuple[str, Entry, bool]],
    groups: Mapping[str, Entry],
    listed: Mapping[str, Sequence[str]],
    terms: Terms,
) -> Iterator[tuple[str, str, str]]:
    """Group key, person key and DN of members that only `memberOf` of people names.

    It is used for groups that list nobody. A group's own list counts before it: a person who is
    neither in that list nor in the list of a group below is a finding. Some servers put the groups
    above into `memberOf`, too; of these the person is no direct member.

    Args:
        people: key, entry, and whether the account is enabled.
        groups: all groups by key.
        listed: group key -> keys of the members that the group lists.
        terms: takes the findings.

    """
    holders: dict[str, set[str]] = {}
    for group, members in listed.items():
        for member in members:
            holders.setdefault(member, set()).add(group)
    above = _Above(groups, holders, terms)
    for key, person, is_enabled in people:
        keys = {
            terms.reference_key(dn, person, "memberOf"): dn
            for dn in terms.texts(person, "memberOf")
        }
        named = {group: dn for group, dn in keys.items() if group in groups}
        direct = holders.get(key, set()) | {group for group in named if not listed.get(group)}
        reached = direct.union(*(above.of(group) for group in direct))
        for group, dn in named.items():
            if group not in reached and is_enabled:
                terms.left_out(
                    "not in the group's list",
                    person,
                    "memberOf",
                    f"The attribute names {dn}, but that group lists its members, and the person is"
                    " not one of them. The list counts. Add the person to the group, or remove the"
                    " value.",
                )
            elif not listed.get(group) and not above.is_above_another(group, direct):
                yield group, key, person.dn


class _Above:
    """The groups above a group: those that list it, those that its `memberOf` names, and so on."""

    def __init__(
        self, groups: Mapping[str, Entry], holders: Mapping[str, AbstractSet[str]], terms: Terms
    ) -> None:
        self._parents = {
            key: {*holders.get(key, ()), *(_parents(entry, terms) or ())}
            for key, entry in groups.items()
        }
        self._found: dict[str, frozenset[str]] = {}

    def of(self, group: str) -> frozenset[str]:
        """Keys of all groups above; the group itself is among them if it is in a circle."""
        if group not in self._found:
            found: set[str] = set()
            pending = [group]
            while pending:
                new = self._parents.get(pending.pop(), set()) - found
                found |= new
                pending.extend(new)
            self._found[group] = frozenset(found)
        return self._found[group]

    def is_above_another(self, group: str, others: Iterable[str]) -> bool:
        """Whether a group is above one of the others, and that one is not above it in turn."""
        return any(
            group in self.of(other) and other not in self.of(group)
            for other in others
            if other != group
        )


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
