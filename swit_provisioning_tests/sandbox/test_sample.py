import json
from collections import Counter
from itertools import chain

from swit_provisioning.sandbox import sample_directory_path
from swit_provisioning.sandbox.organisation import Organisation

DIRECTORY = json.loads(sample_directory_path().read_text(encoding="utf-8"))
USERS = {user["distinguishedName"]: user for user in DIRECTORY["users"]}
GROUPS = {group["distinguishedName"]: group for group in DIRECTORY["groups"]}


def depth(dn: str) -> int:
    parents = GROUPS[dn]["memberOf"]
    return 1 + (depth(parents[0]) if parents else 0)


def test_the_sample_has_forty_people_and_fourteen_groups_on_three_levels() -> None:
    assert (len(USERS), len(GROUPS)) == (40, 14)
    assert max(depth(dn) for dn in GROUPS) == 3


def test_all_members_and_parents_exist_and_member_and_memberof_agree() -> None:
    for dn, group in GROUPS.items():
        assert set(group["member"]) <= USERS.keys() | GROUPS.keys()
        for parent in group["memberOf"]:
            assert dn in GROUPS[parent]["member"]
        for child in set(group["member"]) & GROUPS.keys():
            assert dn in GROUPS[child]["memberOf"]


def test_everyone_has_a_reserved_address_and_at_least_one_group() -> None:
    addresses = {user["mail"] for user in USERS.values()}
    assert len(addresses) == 40
    assert all(address.endswith("@example.com") for address in addresses)
    memberships = Counter(chain.from_iterable(group["member"] for group in GROUPS.values()))
    assert all(memberships[dn] >= 1 for dn in USERS)
    assert any(memberships[dn] == 2 for dn in USERS)
    assert any(user["mobile"] is None for user in USERS.values())


def test_the_sample_has_three_contractors() -> None:
    contractors = next(g for g in GROUPS.values() if g["displayName"] == "Contractors")
    assert len(contractors["member"]) == 3


def test_every_name_of_the_sample_is_valid_in_swit() -> None:
    organisation = Organisation()
    for group in GROUPS.values():
        organisation.add_team(group["displayName"], reference=group["distinguishedName"])
    for user in USERS.values():
        organisation.add_user(user["mail"], user["displayName"])
    assert len(organisation.snapshot()["users"]) == 41
