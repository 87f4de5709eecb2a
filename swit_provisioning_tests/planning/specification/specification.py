"""The whole: what an organisation should become, and by which calls."""

from dataclasses import dataclass

from swit_provisioning.planning.policy import Memory, Policy
from swit_provisioning_tests.planning.specification.directory import Directory
from swit_provisioning_tests.planning.specification.organisation import Organisation
from swit_provisioning_tests.planning.specification.people import Accounts, find_accounts
from swit_provisioning_tests.planning.specification.steps import Steps
from swit_provisioning_tests.planning.specification.teams import Teams


@dataclass(frozen=True, kw_only=True)
class Specified:
    """What is to be done, by whom it was decided, and the organisation it leads to."""

    accounts: Accounts
    teams: Teams
    steps: Steps
    organisation: Organisation

    @property
    def untouchable_teams(self) -> set[str]:
        return self.teams.immovable | self.teams.kept | self.teams.own


def specify(
    directory: Directory, organisation: Organisation, policy: Policy, memory: Memory
) -> Specified:
    """Decide and play, on a copy."""
    copy = organisation.copy()
    accounts = find_accounts(directory, copy, policy, memory)
    teams = Teams(
        directory=directory,
        organisation=organisation,
        policy=policy,
        memory=memory,
        accounts=accounts,
    )
    teams.decide()
    steps = Steps(directory=directory, organisation=copy, accounts=accounts, teams=teams)
    steps.play()
    return Specified(accounts=accounts, teams=teams, steps=steps, organisation=copy)
