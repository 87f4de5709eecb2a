"""What Swit says of itself that doesn't fit together, though it was read whole."""

from collections.abc import Iterator

import numpy as np

from swit_provisioning.reconcile.columns import NONE, column, index_of, places
from swit_provisioning.reconcile.plan import Finding
from swit_provisioning.reconcile.state import SwitState


def organisation_findings(swit: SwitState) -> Iterator[Finding]:
    """Accounts without an address, and teams that count other members than they list."""
    unknown = swit.users[[not email.strip() for email in column(swit.users, "email")]]
    for user_id, name in zip(unknown["user_id"], unknown["name"], strict=True):
        yield Finding(
            kind="account without an address",
            subject=f"{name} ({user_id})",
            side="swit",
            message="The account has no address in Swit, so nobody can tell whose it is; it"
            " is left alone. Give it one in Swit's console, or deactivate it there.",
        )
    teams = places(swit.memberships["team_id"], index_of(swit.teams["team_id"]))
    members = np.bincount(teams[teams != NONE], minlength=len(swit.teams)).tolist()
    columns = (column(swit.teams, "name"), column(swit.teams, "member_count"), members)
    for name, count, listed in zip(*columns, strict=True):
        if count is not None and count != listed:
            yield Finding(
                kind="member count",
                subject=name,
                side="swit",
                message=f"Swit counts {count} members of this team and lists {listed}; it"
                " may count people of teams below, or have left some out. Look at it in Swit.",
            )
