"""What Swit says of itself that doesn't fit together, though it was read whole."""

from collections import Counter
from collections.abc import Iterator

from swit_provisioning.reconcile.columns import column
from swit_provisioning.reconcile.plan import Finding
from swit_provisioning.reconcile.state import SwitState


def organisation_findings(swit: SwitState) -> Iterator[Finding]:
    """Accounts without an address, and teams that count other members than they list."""
    accounts = zip(*(column(swit.users, c) for c in ("user_id", "name", "email")), strict=True)
    for user_id, name, email in accounts:
        if not email.strip():
            yield Finding(
                kind="account without an address",
                subject=f"{name} ({user_id})",
                side="swit",
                message="The account has no address in Swit, so nobody can tell whose it is; it"
                " is left alone. Give it one in Swit's console, or deactivate it there.",
            )
    listed = Counter(column(swit.memberships, "team_id"))
    columns = (column(swit.teams, c) for c in ("team_id", "name", "member_count"))
    for team_id, name, count in zip(*columns, strict=True):
        if count is not None and count != listed[team_id]:
            yield Finding(
                kind="member count",
                subject=name,
                side="swit",
                message=f"Swit counts {count} members of this team and lists {listed[team_id]}; it"
                " may count people of teams below, or have left some out. Look at it in Swit.",
            )
