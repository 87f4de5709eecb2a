"""Made-up directories, organisations and settings: few names, so that all of them collide."""

from hypothesis import strategies as st

from swit_provisioning.planning.actions import ACTIONS, Action
from swit_provisioning.planning.policy import Exemption, Memory, Policy
from swit_provisioning_tests.planning.specification.directory import (
    Directory,
    Entry,
    GroupEntry,
)
from swit_provisioning_tests.planning.specification.organisation import (
    UNASSIGNED,
    Organisation,
)

NAMES = [
    "A",
    "a",
    "A (2)",
    "B",
    "B*",
    "B_",
    "C",
    "Unassigned",
    "(removed) A",
    "Org",
    "A (2) (3)",
    " (2)",
    "",
    "Keeper",
]
EMAILS = ["ann@x", "Ann@X ", "bob@x", "eve@x", "zoe@vendor", "me@x", "no address"]
GROUP_DNS = [f"CN={name},OU=G,DC=x" for name in ("g0", "g1", "g2", "g3", "g4")]
USER_DNS = [f"CN={name},OU=U,DC=x" for name in ("u0", "u1", "u2", "u3")]
REFERENCES = [
    *GROUP_DNS,
    GROUP_DNS[0].upper(),
    "uuid-g1",
    "uuid-gone",
    "CN=gone,OU=G,DC=x",
    "CN=gone2,OU=G,DC=x",
    "CN=gone,OU=G,DC=elsewhere",
    "",
]


def _some(values: list[str], most: int, least: int = 0) -> st.SearchStrategy[tuple[str, ...]]:
    lists = st.lists(st.sampled_from(values), unique=True, min_size=least, max_size=most)
    return lists.map(tuple)


@st.composite
def entries(draw: st.DrawFn, dn: str) -> Entry:
    """Mostly plain; one in four has other addresses."""
    odd = draw(st.integers(0, 3)) == 0
    return Entry(
        dn=dn,
        directory_id=draw(st.sampled_from(["", f"uuid-{dn[3:5]}"])),
        emails=draw(_some(EMAILS, 2)) if odd else (EMAILS[USER_DNS.index(dn) + 1],),
        other_emails=draw(_some(EMAILS, 2)) if draw(st.integers(0, 7)) == 0 else (),
        names=draw(_some(["Ann", "Bo*b", ""], 2)),
        phones=draw(_some(["1 2", "12", "99", "n/a"], 2)),
        enabled=draw(st.integers(0, 5)) != 0,
        primary_group=draw(st.sampled_from([None, GROUP_DNS[0], GROUP_DNS[1].lower()])),
    )


@st.composite
def directories(draw: st.DrawFn) -> Directory:
    """Up to four people and five groups, with somebody who has an address among them."""
    users = [draw(entries(dn)) for dn in draw(_some(USER_DNS, 4, 1))]
    somebody = Entry(dn="CN=some,OU=U,DC=x", emails=("some@x",))
    group_dns = draw(_some(GROUP_DNS, 5))
    groups = [
        GroupEntry(
            dn=dn,
            directory_id=draw(st.sampled_from(["", f"uuid-{dn[3:5]}"])),
            names=draw(_some(NAMES, 2, 1))
            if draw(st.integers(0, 4)) == 0
            else (draw(st.sampled_from(NAMES)),),
            members=draw(_some([*USER_DNS, *group_dns], 4)),
            parents=draw(st.none() | _some(list(group_dns), 2)),
        )
        for dn in group_dns
    ]
    return Directory(
        users=(*users, somebody),
        groups=tuple(groups),
        search_base=draw(st.sampled_from([None, None, "DC=x"])),
        reference_attribute=draw(
            st.sampled_from(["distinguishedName", "distinguishedName", "entryUUID"])
        ),
    )


@st.composite
def organisations(draw: st.DrawFn) -> Organisation:
    """Up to five accounts and five teams."""
    made = Organisation(
        delete=draw(st.sampled_from(["cascade", "reject", "orphan"])),
        unassigned=draw(st.sampled_from(["Unassigned", "Unassigned", None])),
    )
    _add_accounts(draw, made)
    used = {team.name.lower() for team in made.teams.values()}
    for number in range(1, draw(st.integers(0, 5)) + 1):
        name = draw(
            st.sampled_from(
                ["A", "B", "C", "A (2)", "B_", "(removed) A", "Hand", "Keep", "A (7)", "Unassigned"]
            )
        )
        while name.lower() in used:
            name += "x"
        used.add(name.lower())
        above = draw(st.sampled_from([t for t in made.teams if t != UNASSIGNED]))
        reference = draw(st.sampled_from(REFERENCES))
        made.add_team(f"T{number}", name, above, reference, draw(_some(list(made.users), 3)))
    for user in made.users.values():
        primary = draw(st.sampled_from([None, *user.teams]))
        if primary is not None:
            user.teams[primary] = True
    made.check()
    return made


def _add_accounts(draw: st.DrawFn, made: Organisation) -> None:
    emails = draw(_some(["ANN@x", "bob@x", "eve@x", "gone@x", "adm@x", "zoe@vendor"], 5))
    for number, email in enumerate(emails):
        made.add_user(
            f"U{number}",
            email,
            draw(st.sampled_from(["Ann", "Bo_b", "Old"])),
            draw(st.sampled_from(["", "12", "1-2", "99"])),
            role=draw(st.sampled_from([30, 30, 30, 20, 40, 10, 77])),
            active=draw(st.booleans()),
        )
    if emails and draw(st.integers(0, 8)) == 0:
        made.add_user("Udouble", emails[0].swapcase(), "Double")


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Every setting that shapes a plan; disabled actions in one of four."""
    off: tuple[Action, ...] = ()
    if draw(st.integers(0, 3)) == 0:
        off = tuple(draw(st.lists(st.sampled_from(ACTIONS), unique=True, max_size=2)))
    return Policy(
        teams_to_exclude=draw(st.sampled_from([(), (), ("g0",), ("A",)])),
        teams_to_keep=draw(
            st.sampled_from([(), (), ("Keep",), ("b",), ("keep*",), ("t2",), ("A (*",)])
        ),
        users_to_exclude=draw(st.sampled_from([(), ("*@vendor",)])),
        protected_roles=draw(st.sampled_from([("master", "admin", "guest"), ("master",), ()])),
        unmanaged_users=draw(st.sampled_from(["deactivate", "deactivate", "keep"])),
        user_removal=draw(st.sampled_from(["deactivate", "remove", "keep"])),
        team_removal=draw(st.sampled_from(["delete", "mark", "keep"])),
        unmanaged_teams=draw(st.sampled_from(["keep", "adopt", "delete"])),
        clear_empty_phone=draw(st.booleans()),
        disabled_actions=frozenset(off),
    )


@st.composite
def memories(draw: st.DrawFn) -> Memory:
    """Mostly none; else any binding, also wrong and doubled ones."""
    if draw(st.integers(0, 2)) == 0:
        return Memory()
    group_ids = [*(f"uuid-g{n}" for n in range(5)), GROUP_DNS[0].casefold(), "uuid-gone"]
    user_ids = [*(f"uuid-u{n}" for n in range(4)), USER_DNS[0].casefold(), "uuid-gone"]
    teams = st.sampled_from([f"T{n}" for n in range(1, 6)])
    users = st.sampled_from([f"U{n}" for n in range(4)])
    return Memory(
        users=draw(st.dictionaries(st.sampled_from(user_ids), users, max_size=2)),
        groups=draw(st.dictionaries(st.sampled_from(group_ids), teams, max_size=2)),
        exempt=frozenset(draw(st.lists(exemptions(group_ids), max_size=2))),
    )


@st.composite
def exemptions(draw: st.DrawFn, group_ids: list[str]) -> Exemption:
    """Of a group or a team, by an entry that the settings may have."""
    if draw(st.booleans()):
        return Exemption(
            kind="group",
            object_id=draw(st.sampled_from(group_ids)),
            setting="TEAMS_TO_EXCLUDE",
            entry=draw(st.sampled_from(["g0", "a"])),
        )
    team = draw(st.sampled_from([f"T{n}" for n in range(1, 6)]))
    if draw(st.booleans()):
        entry = draw(st.sampled_from(["g0", "a"]))
        return Exemption(kind="team", object_id=team, setting="TEAMS_TO_EXCLUDE", entry=entry)
    entry = draw(st.sampled_from(["keep", "b", "keep*", "t2", "a (*"]))
    return Exemption(kind="team", object_id=team, setting="SWIT_TEAMS_TO_KEEP", entry=entry)


@st.composite
def permuted(draw: st.DrawFn) -> tuple[Directory, Organisation]:
    """Few teams whose names and places are given to one another, with new ones and leavers."""
    numbers = list(range(draw(st.integers(2, 5))))
    called = draw(st.permutations(numbers))
    kinds = [draw(st.sampled_from(["both", "both", "both", "new", "gone"])) for _ in numbers]
    made = Organisation(delete=draw(st.sampled_from(["cascade", "reject", "orphan"])))
    placed = ["T0"]
    for number in draw(st.permutations(numbers)):
        if kinds[number] != "new":
            above = draw(st.sampled_from(placed))
            made.add_team(f"T{number + 1}", "ABCDE"[called[number]], above, GROUP_DNS[number])
            placed.append(f"T{number + 1}")
    groups: list[GroupEntry] = []
    for number in draw(st.permutations(numbers)):
        if kinds[number] != "gone":
            above_dn = draw(st.sampled_from([None, *(group.dn for group in groups)]))
            groups.append(
                GroupEntry(
                    dn=GROUP_DNS[number],
                    names=("ABCDE"[number],),
                    parents=(above_dn,) if above_dn else None,
                )
            )
    somebody = Entry(dn=USER_DNS[0], emails=("ann@x",))
    return Directory(users=(somebody,), groups=tuple(draw(st.permutations(groups)))), made
