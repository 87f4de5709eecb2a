"""Every bad record of a directory is named at once, and it needs nothing of Swit."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from swit_provisioning.planning.findings import directory_findings, findings_frame, in_order
from swit_provisioning.planning.groups import nearest_parents, parents_in_rings
from swit_provisioning.planning.model import Finding
from swit_provisioning.planning.planner import make_plan
from swit_provisioning.planning.policy import Memory, Policy
from swit_provisioning.planning.schemas import IDP_FINDINGS
from swit_provisioning.planning.snapshots import DirectorySnapshot
from swit_provisioning_tests.planning.made_up import directories, organisations, policies
from swit_provisioning_tests.planning.specification.directory import (
    Directory,
    Entry,
    GroupEntry,
)
from swit_provisioning_tests.planning.specification.organisation import Organisation
from swit_provisioning_tests.planning.specification.states import directory_state, swit_state

ATTRIBUTES = {
    "email": "mail",
    "other_email": "proxyAddresses",
    "name": "displayName, cn",
    "phone_number": "mobile",
    "group_name": "displayName, cn",
    "member": "member",
}
SOMEBODY = Entry(dn="CN=some,DC=x", emails=("some@x",))


def read(*records: Entry | GroupEntry) -> DirectorySnapshot:
    users = tuple(record for record in records if isinstance(record, Entry))
    groups = tuple(record for record in records if isinstance(record, GroupEntry))
    state = directory_state(Directory(users=(SOMEBODY, *users), groups=groups))
    return replace(state, facts=replace(state.facts, attributes=ATTRIBUTES))


def named(state: DirectorySnapshot, policy: Policy | None = None) -> list[tuple[str, str, str]]:
    found = directory_findings(state, policy or Policy(), Memory())
    assert {finding.side for finding in found} <= {"directory"}
    return [(finding.kind, finding.subject, finding.attribute) for finding in found]


def user(name: str, *emails: str) -> Entry:
    return Entry(dn=f"CN={name},DC=x", emails=emails or (f"{name}@x",))


def group(name: str, *members: str, parents: tuple[str, ...] | None = None) -> GroupEntry:
    return GroupEntry(
        dn=f"CN={name},DC=x",
        names=(name,),
        members=tuple(f"CN={member},DC=x" for member in members),
        parents=tuple(f"CN={parent},DC=x" for parent in parents) if parents else None,
    )


def test_every_bad_record_is_named_at_once_with_its_dn_and_attribute() -> None:
    state = read(
        user("ann", "ann@x"),
        user("ann2", "ANN@x", "nonsense"),
        user("bob", " "),
        replace(user("eve"), names=("*", " "), phones=("n/a",)),
        replace(user("zoe"), names=(" ",)),
        group("a", "ann", "gone", "gone2"),
        group("b", parents=("a", "c")),
        group("c", parents=("b",)),
        replace(group("d"), names=("",)),
        replace(group("e"), names=("E*",)),
        replace(group("f"), names=("C",)),
    )
    assert named(state) == [
        ("circular membership", "CN=b,DC=x", "memberOf"),
        ("circular membership", "CN=c,DC=x", "memberOf"),
        ("duplicate email", "CN=ann,DC=x", "mail"),
        ("duplicate email", "CN=ann2,DC=x", "mail"),
        ("duplicate group name", "CN=c,DC=x", "displayName, cn"),
        ("duplicate group name", "CN=f,DC=x", "displayName, cn"),
        ("invalid characters in group name", "CN=e,DC=x", "displayName, cn"),
        ("invalid characters in name", "CN=eve,DC=x", "displayName, cn"),
        ("invalid email", "CN=ann2,DC=x", "mail"),
        ("invalid phone number", "CN=eve,DC=x", "mobile"),
        ("missing email", "CN=bob,DC=x", "mail"),
        ("missing group name", "CN=d,DC=x", "displayName, cn"),
        ("missing name", "CN=zoe,DC=x", "displayName, cn"),
        ("multiple parents", "CN=b,DC=x", "memberOf"),
        ("unknown member", "CN=a,DC=x", "member"),
        ("unknown member", "CN=a,DC=x", "member"),
    ]


def test_an_alias_of_two_is_named_under_the_attribute_that_holds_it() -> None:
    state = read(user("ann", "ann@x"), replace(user("bob", "bob@x"), other_emails=("ANN@x",)))
    assert named(state) == [
        ("duplicate email", "CN=ann,DC=x", "mail"),
        ("duplicate email", "CN=bob,DC=x", "proxyAddresses"),
    ]


def test_a_finding_says_what_is_written_what_comes_of_it_and_who_else_is_meant() -> None:
    state = read(
        user("ann", "ann@x", "bad"),
        user("ann2", "ANN@x"),
        replace(user("eve"), names=("E*",), phones=("n/a", "-")),
        group("a", parents=("b",)),
        group("b", parents=("a", "c")),
        replace(group("c"), names=("A", "C*")),
        *(replace(group(name), directory_id="one") for name in "de"),
    )
    told = {
        (f.kind, f.subject[3:-5]): f.message for f in directory_findings(state, Policy(), Memory())
    }
    for kind, name, says in (
        ("duplicate email", "ann", "The address ann@x also belongs to CN=ann2,DC=x."),
        ("duplicate email", "ann2", "The address ANN@x also belongs to CN=ann,DC=x."),
        ("invalid email", "ann", "'bad' is not an email address"),
        (
            "invalid characters in name",
            "eve",
            "The name 'E*' has characters that Swit does not accept. The user's name is 'E_'.",
        ),
        ("invalid phone number", "eve", "The value '-, n/a' is not a phone number"),
        ("duplicate group name", "a", "has the same name as CN=c,DC=x."),
        ("duplicate group name", "c", "has the same name as CN=a,DC=x."),
        (
            "invalid characters in group name",
            "c",
            "does not accept the team name 'C*'. The team is called 'C_'.",
        ),
        ("multiple parents", "b", "is a member of CN=a,DC=x; CN=c,DC=x. If its team"),
        ("circular membership", "a", "is a member of CN=b,DC=x, which is itself"),
        ("duplicate group id", "d", "Another group also has the id one."),
        ("duplicate group id", "e", "Another group also has the id one."),
    ):
        assert says in told[kind, name], (kind, name)


def test_where_several_others_are_meant_one_is_named_with_their_number_or_all_are() -> None:
    state = read(
        *(user(name, "same@x") for name in ("ann", "bob", "cyd")),
        *(replace(group(name), names=("Same",)) for name in "xyz"),
        group("a", parents=("b", "c")),
        group("b", parents=("a",)),
        group("c", parents=("a",)),
    )
    told = {
        (f.kind, f.subject[3:-5]): f.message for f in directory_findings(state, Policy(), Memory())
    }
    assert "belongs to CN=bob,DC=x and 1 more." in told["duplicate email", "ann"]
    assert "same name as CN=y,DC=x and 1 more." in told["duplicate group name", "x"]
    assert "a member of CN=b,DC=x; CN=c,DC=x, which" in told["circular membership", "a"]


def test_none_of_many_is_an_example_only() -> None:
    people = [user(f"u{number}", "same@x") for number in range(300)]
    strangers = [f"gone{number}" for number in range(300)]
    found = named(read(*people, group("a", *strangers)))
    assert [kind for kind, _, _ in found].count("duplicate email") == 300
    assert [kind for kind, _, _ in found].count("unknown member") == 300


def test_a_plain_directory_has_none() -> None:
    state = read(user("ann"), group("a", "ann", "b"), group("b", parents=("a",)))
    assert named(state) == []


def test_disabled_entries_excluded_users_and_excluded_groups_are_nobodys_concern() -> None:
    state = read(
        replace(user("off", ""), enabled=False),
        replace(user("guest", "g@vendor"), names=("",)),
        replace(group("out", "gone"), names=("Out*",)),
    )
    policy = Policy(users_to_exclude=("*@vendor",), teams_to_exclude=("out",))
    assert named(state, policy) == []
    assert len(named(state)) == 3
    after_it = read(user("guest", "g@vendor"), replace(user("zoe"), names=("",)))
    assert named(after_it, policy) == [("missing name", "CN=zoe,DC=x", "displayName, cn")]
    nameless = read(replace(group("d"), names=("",)))
    assert len(named(nameless, Policy(teams_to_exclude=(" ",)))) == 1


def test_what_the_reader_could_not_read_is_among_them_and_not_named_twice() -> None:
    row = {"kind": "invalid DN", "dn": "CN=a,DC=x", "attribute": "member", "reason": "It is none."}
    state = replace(
        read(replace(group("a"), members=("nonsense",))), findings=IDP_FINDINGS.frame([row])
    )
    assert named(state) == [("invalid DN", "CN=a,DC=x", "member")]
    assert [finding.message for finding in directory_findings(state, Policy(), Memory())] == [
        "It is none."
    ]


def test_the_attribute_that_a_finding_names_itself_counts_and_some_are_about_none() -> None:
    other = Finding(
        kind="missing email", subject="CN=a", attribute="userPrincipalName", message="M."
    )
    none = Finding(kind="circular membership", subject="CN=b", message="M.")
    assert in_order([none, other], read().facts) == (none, other)


def test_a_member_of_itself_is_one_finding_and_its_team_goes_to_its_other_parent() -> None:
    plan = make_plan(
        read(group("a", "a", "b"), group("b", "b", parents=("b",))),
        swit_state(Organisation()),
        Policy(),
        Memory(),
    )
    assert [(f.kind, f.subject, f.attribute) for f in plan.findings] == [
        ("circular membership", "CN=a,DC=x", "member"),
        ("circular membership", "CN=b,DC=x", "memberOf"),
    ]
    assert plan.findings[0].message.startswith("The group is a member of itself.")
    (below,) = [change for change in plan.changes if change.target == "b"]
    assert below.after["parent"] == "a"


def test_each_parent_that_is_below_the_group_in_turn_is_in_a_ring_however_many_are_in_a_row() -> (
    None
):
    long = {f"g{n}": [f"g{(n + 1) % 5000}"] for n in range(5000)}
    assert len(parents_in_rings(long)) == 5000
    assert parents_in_rings({"a": ["a"], "b": ["a"], "c": []}) == {"a": ["a"]}
    two = {"a": ["b"], "b": ["a", "c"], "c": ["d"], "d": ["c"], "e": ["a"]}
    assert parents_in_rings(two) == {"a": ["b"], "b": ["a"], "c": ["d"], "d": ["c"]}


def test_parents_that_are_above_others_are_dropped_however_many_groups_are_in_a_row() -> None:
    long = {f"g{n}": [f"g{above}" for above in range(max(0, n - 20), n)] for n in range(5000)}
    nearest = nearest_parents(long)
    assert nearest == {f"g{n}": (f"g{n - 1}",) if n else () for n in range(5000)}
    ring = {"a": ["b"], "b": ["a"], "c": ["a", "b", "d"], "d": ["b"], "e": ["a", "b"]}
    assert nearest_parents(ring) == {
        "a": ("b",), "b": ("a",), "c": ("d",), "d": ("b",), "e": ("a", "b"),
    }  # fmt: skip


@given(st.lists(st.sets(st.integers(0, 7)), min_size=8, max_size=8))
def test_a_server_that_also_names_the_groups_above_the_parents_changes_no_parent(
    drawn: list[set[int]],
) -> None:
    above = [{p for p in parents if p < n} for n, parents in enumerate(drawn)]
    every: list[set[int]] = []
    for parents in above:
        every.append(parents.union(*(every[parent] for parent in parents)))
    plain, expanded = (
        nearest_parents({str(n): sorted(map(str, parents)) for n, parents in enumerate(by)})
        for by in (above, every)
    )
    assert plain == expanded


def test_the_frame_holds_those_that_are_mended_in_the_directory() -> None:
    ours = Finding(kind="missing email", subject="CN=x", attribute="mail", message="Why.")
    theirs = Finding(kind="team not deleted", subject="Sales", message="Move it.", side="swit")
    assert findings_frame([ours, theirs]).to_dict("records") == [
        {"kind": "missing email", "dn": "CN=x", "attribute": "mail", "reason": "Why."}
    ]


@given(directories(), organisations(), policies())
def test_a_plan_holds_the_same_ones_whatever_swit_says(
    directory: Directory, organisation: Organisation, policy: Policy
) -> None:
    state = directory_state(directory)
    plan = make_plan(state, swit_state(organisation), policy, Memory())
    assert len(set(plan.findings)) == len(plan.findings)
    ours = [finding for finding in plan.findings if finding.side == "directory"]
    against_swit = {"multiple matching users", "reserved team name"}
    assert [f for f in ours if f.kind not in against_swit] == [
        *directory_findings(state, policy, Memory())
    ]


def test_they_are_told_where_swit_was_not_read_whole_too() -> None:
    state, swit = read(user("bob", "")), swit_state(Organisation())
    broken = replace(swit, facts=replace(swit.facts, total_rows=99))
    plan = make_plan(state, broken, Policy(), Memory())
    assert plan.changes == ()
    assert [finding.kind for finding in plan.findings] == ["missing email"]


@given(directories(), organisations())
def test_findings_never_change_the_id_of_a_plan(
    directory: Directory, organisation: Organisation
) -> None:
    plan = make_plan(directory_state(directory), swit_state(organisation), Policy(), Memory())
    assert replace(plan, findings=()).plan_id == plan.plan_id
