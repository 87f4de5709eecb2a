"""Whom groups list: the keys of memberships, looked up once for all who ask."""

from dataclasses import dataclass

import numpy as np

from swit_provisioning.reconcile.columns import NONE, Numbers, index_of, mask, places
from swit_provisioning.reconcile.state import DirectoryState


@dataclass(frozen=True, kw_only=True, eq=False)
class Links:
    """Rows of other frames by the rows of `idp_memberships`; `NONE` where the key is in none."""

    group: Numbers
    """In `idp_groups`."""
    user: Numbers
    """In `idp_users`, disabled ones too: the member."""
    nested: Numbers
    """In `idp_groups`: the member, where that is a group."""


def read_links(directory: DirectoryState) -> Links:
    """Look all keys up."""
    rows = directory.memberships
    users, groups = index_of(directory.users["key"]), index_of(directory.groups["key"])
    user = places(rows["member"], users)
    # Nearly all members are users: groups are looked for only where a key is none, or both.
    may_be_group = np.append(mask(directory.groups["key"], users), True)[user]
    nested = np.full(len(rows), NONE, dtype=np.int64)
    nested[may_be_group] = places(rows["member"][may_be_group], groups)
    return Links(group=places(rows["group"], groups), user=user, nested=nested)
