"""What is decided before any change is written down: who is who, whose team is whose, what stays.

The planner makes changes of it; an explanation reads it to say why there are none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from swit_provisioning.reconcile.columns import Accounts, Entries, read_accounts, read_entries
from swit_provisioning.reconcile.findings import unread
from swit_provisioning.reconcile.groups import Groups, read_groups
from swit_provisioning.reconcile.links import Links, read_links
from swit_provisioning.reconcile.members import Members
from swit_provisioning.reconcile.memory import Memory
from swit_provisioning.reconcile.parents import Parents, choose_parents
from swit_provisioning.reconcile.people import People, match_people
from swit_provisioning.reconcile.policy import Policy
from swit_provisioning.reconcile.standing import Standing
from swit_provisioning.reconcile.state import DirectoryState, SwitState
from swit_provisioning.reconcile.team_names import settle_with_names
from swit_provisioning.reconcile.teams import Owners, find_owners
from swit_provisioning.reconcile.users import UserPlan, plan_users


@dataclass(frozen=True, kw_only=True, eq=False)
class Read:
    """Both sides, and what is taken out of their frames once."""

    directory: DirectoryState
    swit: SwitState
    entries: Entries
    accounts: Accounts
    links: Links
    scope: Groups

    @classmethod
    def of(cls, directory: DirectoryState, swit: SwitState, policy: Policy, memory: Memory) -> Self:
        """Take the frames apart."""
        links = read_links(directory)
        return cls(
            directory=directory,
            swit=swit,
            entries=read_entries(directory.users),
            accounts=read_accounts(swit.users),
            links=links,
            scope=read_groups(directory, links, policy, memory),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Decisions:
    """The parts, each of which rests on those before it."""

    people: People
    users: UserPlan
    members: Members
    owners: Owners
    standing: Standing
    names: Mapping[str, str]
    """What teams are to be called, as `Names.wanted` has it."""
    parents: Parents


def decide(read: Read, policy: Policy, memory: Memory) -> Decisions:
    """Decide all of it; both reads must be complete (`bases.is_complete`)."""
    directory, swit, scope = read.directory, read.swit, read.scope
    me = swit.facts.authorised_user_id
    people = match_people(read.entries, read.accounts, policy, memory, me)
    users = plan_users(people, policy, memory, unread(directory, "phone_number"))
    members = Members(read.links, swit, people, users, scope)
    owners = find_owners(scope, directory, swit, policy, memory, members.wanted_in)
    standing, names = settle_with_names(scope.in_scope, owners, policy)
    return Decisions(
        people=people,
        users=users,
        members=members,
        owners=owners,
        standing=standing,
        names=names,
        parents=choose_parents(scope.in_scope, owners, standing),
    )
