"""Some members of some groups as columns: their keys, and a number that tells them apart."""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from swit_provisioning.planning.dn_columns import plain_dn_keys
from swit_provisioning.sources.ldap.fingerprints import Numbers, fingerprints, of_pairs
from swit_provisioning.sources.ldap.page import Places
from swit_provisioning.sources.ldap.page_columns import Mask
from swit_provisioning.sources.ldap.plain_members import Members


@dataclass(frozen=True, kw_only=True, eq=False)
class MemberColumns:
    """Members, one a row."""

    attribute: str
    """What lists them."""
    group: Places
    """The number of the group's row."""
    dn: pa.LargeStringArray
    key: pa.LargeStringArray
    """Null where it isn't known yet."""
    number: Numbers
    """Of group and key: two rows that have another one are no doubles."""

    def __len__(self) -> int:
        """How many there are."""
        return len(self.group)

    def keyed(self, unknown: pa.LargeStringArray) -> "MemberColumns":
        """The same with these keys where none were."""
        key = pc.replace_with_mask(self.key, self.key.is_null(), unknown)
        return replace(self, key=key, number=of_pairs(self.group, fingerprints(key)))

    def only(self, chosen: Mask | Places) -> "MemberColumns":
        """Some of the rows: those that a mask says, or in an order."""
        places = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen
        dn, key = (texts.take(pa.array(places)) for texts in (self.dn, self.key))
        group, number = self.group[places], self.number[places]
        return replace(self, group=group, dn=dn, key=key, number=number)

    def groups(self, keys: pa.LargeStringArray) -> pa.LargeStringArray:
        """The group's key in each row, of which the same ones mostly follow one another."""
        begins = np.flatnonzero(np.diff(self.group, prepend=-1))
        ends = np.append(begins[1:], len(self)).astype(np.int32)
        runs = keys.take(pa.array(self.group[begins]))
        return pc.run_end_decode(pa.RunEndEncodedArray.from_arrays(pa.array(ends), runs))


def with_keys(members: Members, first: int) -> MemberColumns:
    """Bring names into normal form, as far as that is nothing but lower case.

    Args:
        members: of a page.
        first: the number of the row of the page's first group.

    """
    key = plain_dn_keys(members.text)
    return made(members.attribute, members.group + first, members.text, key)


def made(
    attribute: str, group: Places, dn: pa.LargeStringArray, key: pa.LargeStringArray
) -> MemberColumns:
    """Number the rows."""
    number = of_pairs(group, fingerprints(key))
    return MemberColumns(attribute=attribute, group=group, dn=dn, key=key, number=number)


def joined(columns: list[MemberColumns]) -> MemberColumns:
    """All in one piece."""
    return MemberColumns(
        attribute="",
        group=np.concatenate([one.group for one in columns]),
        dn=pa.concat_arrays([one.dn for one in columns]),
        key=pa.concat_arrays([one.key for one in columns]),
        number=np.concatenate([one.number for one in columns]),
    )
