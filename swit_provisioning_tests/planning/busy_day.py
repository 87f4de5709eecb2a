"""A day on which much changes at once: people come and go, teams swap names, move, come and go."""

from swit_provisioning.planning.model import Plan
from swit_provisioning.planning.planner import make_plan
from swit_provisioning.planning.policy import Memory, Policy
from swit_provisioning.planning.snapshots import DirectorySnapshot, OrganizationSnapshot
from swit_provisioning_tests.planning.by_hand import (
    ANN,
    directory,
    group,
    organisation,
    person,
    team,
)
from swit_provisioning_tests.planning.specification.directory import GroupEntry
from swit_provisioning_tests.planning.specification.states import directory_state, swit_state

POLICY = Policy(unmanaged_teams="delete", teams_to_keep=("Kept*",))
MEMORY = Memory(
    users={"uuid-gone": "gil", "cn=u0,ou=u,dc=x": "ann"},
    groups={"uuid-a": "T2", "uuid-b": "T2", "uuid-gone": "T9"},
)
"""Two groups are remembered by one team: what a state that was put together by hand may say."""


def busy_day(seed: int | None = None) -> tuple[DirectorySnapshot, OrganizationSnapshot]:
    """Both sides as read, their rows in the order that `seed` makes of them."""
    people = ANN, person(1, "bob@x"), person(2, "new@x"), person(3, "zoe@x", "zoe.b@x")
    strangers = tuple(f"CN=s{n},OU=elsewhere,DC=x" for n in range(4))
    remembered = (
        GroupEntry(dn=f"CN=r{n},OU=G,DC=x", names=(n.upper(),), directory_id=f"uuid-{n}")
        for n in ("a", "b")
    )
    ops = group(2, "Ops", members=people[:2])
    groups = (
        group(0, "Sales", below=[3], members=(*people, ops)),
        group(1, "Law", below=[3, 0], members=(ops, *people[1:])),
        ops,
        group(3, "Twice", members=people),
        GroupEntry(dn="CN=g4,OU=G,DC=x", names=("Sales",), members=strangers),
    )
    users = ["ann", "bob", "zoe", "gil", "hal", "ida", "jon"]
    teams = (
        team("T1", "Ops", of=0, users=["gil", "bob", "ann"]),
        team("T2", "Law", of=2, below="T1", users=users),
        team("T3", "Sales", of=1),
        team("T4", "Kept by hand", users=["hal"]),
        team("T5", "Twice", of=3, users=["ann"]),
        team("T6", "Twice again", of=3, users=["bob"]),
        team("T7", "Hand", users=["ida", "hal"]),
        team("T8", "Made", below="T7", users=["jon", "gil"]),
        *(team(f"H{n}", f"Hand {n}") for n in range(6)),
        team("T9", "Gone", below="T3", users=["jon", "ida", "hal"]),
    )
    read = directory(*groups, *remembered, users=people)
    return directory_state(read, seed), swit_state(organisation(*teams, users=users), seed)


def plan_of_the_day(seed: int | None = None, memory: Memory = MEMORY) -> Plan:
    return make_plan(*busy_day(seed), POLICY, memory)


if __name__ == "__main__":
    import json

    print(json.dumps(plan_of_the_day().document()["changes"]))  # noqa: T201 - to another process
