"""Several servers: tried in order, and one read never mixes two."""

from pathlib import Path

import dagster as dg
import pytest

from swit_provisioning.cli.sync import instance
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning_tests.integration import small_company
from swit_provisioning_tests.integration.small_company import (
    GROUPS,
    PEOPLE,
    company_of,
    person_dn,
    read,
)
from swit_provisioning_tests.integration.small_server import (
    Fault,
    SmallServer,
    broken_off,
    ending,
    spoil,
    spoil_range,
)
from swit_provisioning_tests.integration.stage import stage

OLD = company_of(people=1500, members=1600)
NEW = company_of(people=1200, members=1700)


def test_servers_are_tried_in_order_and_no_further_than_needed() -> None:
    with (
        SmallServer(OLD, fault=spoil(ending(51))) as busy,
        SmallServer(NEW) as good,
        SmallServer(OLD) as third,
    ):
        state = read(busy.address, good.address, third.address)
    assert state.facts.source == str(good.address)
    assert (busy.connections, good.connections, third.connections) == (1, 1, 0)
    (warning,) = (text for text in state.facts.warnings if "Passed over" in text)
    assert str(busy.address) in warning


@pytest.mark.parametrize(
    "fault",
    [
        spoil(broken_off, base=PEOPLE, page=2),
        spoil(ending(52), base=PEOPLE, page=2),
        spoil(broken_off, base=GROUPS),
        spoil_range(broken_off, begin=1500),
    ],
    ids=["second page", "second page, going down", "groups", "members"],
)
def test_an_interrupted_read_starts_again_at_the_next_server(fault: Fault) -> None:
    """Two servers can be at different states: half of each is no directory."""
    with SmallServer(OLD, fault=fault) as dying, SmallServer(NEW) as other:
        state = read(dying.address, other.address)
    assert dying.searches
    assert state.facts.source == str(other.address)
    assert set(state.users["dn"]) == {person_dn(place) for place in range(1200)}
    assert set(state.memberships["member_dn"]) == {person_dn(place) for place in range(1700)}
    assert other.searches[0].cookie == b""


def test_the_server_that_answered_is_named_in_the_runs_metadata(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with (
        SmallServer(OLD, fault=spoil(broken_off, base=PEOPLE, page=2)) as dying,
        SmallServer(company_of(people=3, members=3)) as other,
        stage(monkeypatch, tmp_path, SandboxServer()) as on_stage,
    ):
        monkeypatch.delenv("IDP_FILE")
        for name, value in small_company.settings(other.address).items():
            monkeypatch.setenv(name, value)
        both = f"127.0.0.1:{dying.address.port},127.0.0.1:{other.address.port}"
        monkeypatch.setenv("LDAP_SERVER_DOMAIN", both)
        assert on_stage.json("plan")["counts"]["user.create"] == 3
        with instance() as dagster:
            events = [
                dagster.get_latest_materialization_event(dg.AssetKey(name))
                for name in ("idp_users", "idp_groups", "idp_memberships")
            ]
    for event in events:
        assert event is not None
        assert event.asset_materialization is not None
        source = event.asset_materialization.metadata["source"]
        assert str(source.value).startswith(str(other.address))
