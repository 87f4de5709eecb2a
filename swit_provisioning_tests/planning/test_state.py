"""What was read, as it is kept between the steps of a run."""

import json

import pandas as pd
import pytest

from swit_provisioning.planning.schemas import FrameError
from swit_provisioning.planning.snapshots import (
    BaseCount,
    DirectoryFacts,
    OrganizationSnapshot,
    SwitFacts,
)
from swit_provisioning_tests.planning.by_hand import organisation, team
from swit_provisioning_tests.planning.specification.states import swit_state

DIRECTORY = DirectoryFacts(
    source="ldaps://dc1.example.com",
    kind="ldap",
    search_base="dc=example,dc=com",
    bases=(BaseCount(base="ou=a,dc=example,dc=com", users=3, groups=1),),
    attributes={"email": "mail"},
    warnings=("One group has no entryUUID.",),
    server_kind="OpenLDAP",
    presence={"people": {"total": 3, "email (mail)": 2}},
)
SWIT = SwitFacts(
    organization_id="O1",
    organization_name="Example",
    authorised_user_id="U1",
    total_rows=9,
    warnings=("The user list moved.",),
)


def test_facts_of_the_directory_kept_as_json_are_the_same_facts() -> None:
    kept = json.loads(json.dumps(DIRECTORY.document()))
    assert DirectoryFacts.of(kept) == DIRECTORY
    assert DIRECTORY.document() == kept


def test_facts_of_swit_kept_as_json_are_the_same_facts() -> None:
    kept = json.loads(json.dumps(SWIT.document()))
    assert SwitFacts.of(kept) == SWIT
    assert SWIT.document() == kept


def test_facts_that_an_earlier_version_kept_name_no_attributes() -> None:
    kept = DIRECTORY.document()
    del kept["attributes"], kept["presence"]
    assert DirectoryFacts.of(kept).attributes == {}
    assert DirectoryFacts.of(kept).presence == {}


def read() -> dict[str, pd.DataFrame]:
    state = swit_state(organisation(team("T1", "A", users=["ann"])))
    return {"users": state.users, "teams": state.teams, "memberships": state.memberships}


def test_an_organisation_is_made_of_the_frames_that_were_read() -> None:
    state = OrganizationSnapshot.checked(**read(), facts=SWIT)
    assert (len(state.users), len(state.teams), len(state.memberships)) == (2, 3, 1)
    assert state.facts == SWIT


@pytest.mark.parametrize("name", ["users", "teams", "memberships"])
def test_a_frame_with_a_row_twice_makes_no_organisation(name: str) -> None:
    frames = read()
    twice = pd.concat([frames[name], frames[name]])
    with pytest.raises(FrameError, match=f"swit_{name}: two rows"):
        OrganizationSnapshot.checked(**{**frames, name: twice}, facts=SWIT)
