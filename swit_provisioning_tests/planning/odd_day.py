"""A day on which little is as it should be: people, groups and teams that are told as findings."""

from swit_provisioning.planning.model import Plan
from swit_provisioning.planning.planner import make_plan
from swit_provisioning.planning.policy import Memory, Policy
from swit_provisioning_tests.planning.specification.directory import (
    Directory,
    Entry,
    GroupEntry,
)
from swit_provisioning_tests.planning.specification.organisation import Organisation
from swit_provisioning_tests.planning.specification.states import directory_state, swit_state

POLICY = Policy(
    team_removal="mark",
    teams_to_keep=("Kept*",),
    users_to_exclude=("*@vendor",),
    disabled_actions=frozenset({"user.activate", "membership.remove"}),
)
MEMORY = Memory(
    users={"uuid-fay": "fay", "uuid-gus": "gus", "uuid-boss": "UME"},
    groups={"uuid-team": "T3"},
)


def odd_day() -> Plan:
    """The plan of the day."""
    return make_plan(directory_state(_directory()), swit_state(_organisation()), POLICY, MEMORY)


def _directory() -> Directory:
    people = (
        _person("ann", names=("Anna",), phones=("+49 30 1", "n/a")),
        _person("bob", emails=("bob@x", "bob.b@x")),
        _person("cid", emails=("not an address",)),
        _person("dan", emails=("d@x",)),
        _person("dee", emails=("D@x",)),
        _person("eve", names=("", "E*ve")),
        _person("fay", directory_id="uuid-fay", emails=("fay.new@x",)),
        _person("gil", emails=("gus@x",)),
        _person("gus", directory_id="uuid-gus", emails=("gus.new@x",)),
        _person("hal", primary_group=_dn("law")),
        _person("new", names=("New",), primary_group=_dn("law")),
        _person("nia", primary_group="Below"),
        _person("zoe", emails=("zoe@vendor",)),
    )
    everybody = tuple(person.dn for person in people)
    groups = (
        _group("law", "Law", members=everybody, parents=(_dn("house"), _dn("above"))),
        _group("house", "House", members=(_dn("law"), everybody[0])),
        _group("above", "A*bove", parents=(_dn("below"),)),
        _group("below", "Below", parents=(_dn("above"),), members=everybody[7:]),
        _group("nameless", " "),
        _group("keeper", "Kept by hand"),
        _group("twin", "Twin", directory_id="uuid-twin"),
        _group("other", "twin", directory_id="uuid-twin"),
        _group("team", "Team", directory_id="uuid-team", members=everybody[:2]),
        _group("lost", "Lost", parents=("no DN",)),
    )
    return Directory(users=people, groups=groups)


def _organisation() -> Organisation:
    made = Organisation()
    for user in ("ann", "bob", "bob.b", "eve", "fay", "gus", "zed"):
        made.add_user(user, f"{user}@x", user.capitalize(), "12")
    made.add_user("eve2", "EVE@x", "Eve")
    made.add_user("hal", "hal@x", "Hal", active=False)
    made.add_user("adm", "adm@x", "Adm", role=20)
    made.add_user("odd", "odd@x", "Odd", role=77)
    made.add_user("blank", "", "Blank")
    made.add_user("zoe", "zoe@vendor", "Zoe")
    made.add_team("T1", "House", "T0", _dn("house"), ("zed", "gus"))
    made.add_team("T2", "Below", "T1", _dn("below"), ("gus", "adm"))
    made.add_team("T3", "Old name", "T1", "CN=old,OU=G,DC=x", ("ann", "eve"))
    made.add_team("T4", "House again", "T0", _dn("house"))
    made.add_team("T5", "Gone", "T2", "CN=gone,OU=G,DC=x", ("zed",))
    made.add_team("T6", "Lost", "T2", _dn("lost"))
    made.add_team("T7", "Kept by hand", "T0", "", ("ann",))
    made.add_team("T8", "A_bove", "T7", "", ("ann", "gus"))
    made.users["ann"].teams["T7"] = True
    made.check()
    return made


def _dn(name: str) -> str:
    return f"CN={name},OU=G,DC=x"


def _person(
    name: str,
    *,
    emails: tuple[str, ...] = (),
    names: tuple[str, ...] = (),
    phones: tuple[str, ...] = ("12",),
    directory_id: str = "",
    primary_group: str | None = None,
) -> Entry:
    return Entry(
        dn=f"CN={name},OU=U,DC=x",
        emails=emails or (f"{name}@x",),
        names=names or (name.capitalize(),),
        phones=phones,
        directory_id=directory_id,
        primary_group=primary_group,
    )


def _group(
    name: str,
    called: str,
    *,
    members: tuple[str, ...] = (),
    parents: tuple[str, ...] | None = None,
    directory_id: str = "",
) -> GroupEntry:
    return GroupEntry(
        dn=_dn(name),
        names=(called,),
        members=members,
        parents=parents,
        directory_id=directory_id,
    )
