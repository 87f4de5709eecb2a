"""Permanent faults: the run fails with a reason, nothing is lost, and the next one succeeds."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from swit_provisioning.sandbox.faults import Fault
from swit_provisioning.sandbox.records import Behaviour
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning_tests.reliability.death import Death
from swit_provisioning_tests.reliability.disk import SmallDisk, small_disk
from swit_provisioning_tests.reliability.endings import Ending, writes
from swit_provisioning_tests.reliability.site import Site

NO_ROOM = "the space left on its disk"


def failed(here: Site, *, words: str, patience: float | None = None) -> None:
    """Run a sync that fails and says these words, whole in its document, with no traceback."""
    copy = here.start("sync", patience=patience)
    assert copy.ended() == 1, copy.said()
    assert copy.document()["status"] == "failed"
    assert words in copy.document()["message"], copy.said()
    assert "[parameters:" not in copy.document()["message"], "values may be people's names"
    assert "Traceback" not in copy.said()


def comes_right(here: Site, undisturbed: Ending) -> None:
    """The next sync finishes the work, and nothing was made twice on the way."""
    here.server.faults.clear()
    assert here.run("sync")["status"] == "applied"
    assert here.ending() == undisturbed
    assert here.twice() == 0


def log_in(here: Site) -> None:
    """Give a new pair by the settings, as somebody does whose login has died."""
    tokens = here.server.issue_tokens()
    here.environment["SWIT_ACCESS_TOKEN"] = tokens["access_token"]
    here.environment["SWIT_REFRESH_TOKEN"] = tokens["refresh_token"]


def test_a_refused_refresh_in_the_middle_asks_for_a_login(
    here: Site, server: SandboxServer, undisturbed: Ending
) -> None:
    revoke = server.tokens.revoke_all
    server.faults.add(Fault(kind="meanwhile", call="team.create", skip=3, act=revoke))
    failed(here, words="swit-provisioning login")
    assert server.log.counts["oauth.token"] == 1
    log_in(here)
    comes_right(here, undisturbed)


def test_a_refused_refresh_at_the_start_writes_nothing(here: Site, server: SandboxServer) -> None:
    server.tokens.revoke_all()
    failed(here, words="swit-provisioning login")
    assert writes(server.log.of()) == []


def killed(here: Site, *, call: str, at: int, after_work: bool) -> None:
    death = Death(here.server, call=call, at=at, after_work=after_work)
    assert death.of(here.start("sync")).ended() < 0


@pytest.mark.parametrize("kept", [True, False], ids=["the old one lives on", "the old one is dead"])
def test_killed_before_the_new_pair_is_stored(
    here: Site, server: SandboxServer, undisturbed: Ending, *, kept: bool
) -> None:
    """Swit has given a pair that nobody has. Where the old one is dead, only a login helps."""
    if kept:
        server.organisation.behaviour = Behaviour(refreshing="stays")
    server.tokens.expire_access_tokens()
    killed(here, call="oauth.token", at=1, after_work=True)
    assert writes(server.log.of()) == []
    if not kept:
        failed(here, words="swit-provisioning login")
        assert writes(server.log.of()) == []
        log_in(here)
    comes_right(here, undisturbed)


def test_killed_before_the_stored_pair_is_used(
    here: Site, server: SandboxServer, undisturbed: Ending
) -> None:
    server.tokens.expire_access_tokens()
    first = "user.info"
    killed(here, call=first, at=2, after_work=False)
    assert server.log.counts["oauth.token"] == 1
    assert server.log.counts[first] == 2
    comes_right(here, undisturbed)
    assert server.log.counts["oauth.token"] == 1


def test_stored_tokens_are_encrypted_and_all_files_are_for_this_account_alone(
    here: Site, server: SandboxServer
) -> None:
    here.environment["TOKEN_ENCRYPTION_KEY"] = Fernet.generate_key().decode()
    server.tokens.expire_access_tokens()
    here.run("sync")
    files = [path for path in here.database.parent.iterdir() if path.is_file()]
    assert here.database in files
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE(here.database.parent.stat().st_mode) == 0o700
    kept = b"".join(path.read_bytes() for path in files)
    assert here.environment["SWIT_REFRESH_TOKEN"].encode() not in kept
    assert b"Bearer" not in kept
    assert b"eyJ" not in kept


def test_a_state_database_that_stays_locked(
    here: Site, server: SandboxServer, undisturbed: Ending
) -> None:
    server.faults.add(Fault(kind="meanwhile", call="team.create", skip=2, act=here.lock))
    failed(here, words="The state database is busy", patience=0.5)
    here.unlock()
    here.time_passes()
    comes_right(here, undisturbed)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk") as made:
        yield made


@pytest.mark.parametrize("call", ["organization.user.create", "team.user.add"])
def test_a_full_disk_under_the_state(
    here: Site, server: SandboxServer, disk: SmallDisk, undisturbed: Ending, call: str
) -> None:
    here.environment["SWIT_MAX_CONCURRENCY"] = "1"
    here.put_state_at(disk.folder / "state" / "state.sqlite")
    server.faults.add(Fault(kind="meanwhile", call=call, skip=2, act=disk.fill))
    failed(here, words=NO_ROOM)
    disk.empty()
    here.time_passes()
    comes_right(here, undisturbed)


def test_a_full_disk_under_everything(
    here: Site, server: SandboxServer, disk: SmallDisk, undisturbed: Ending
) -> None:
    """Dagster can't note anything either, not even that the run has failed."""
    here.environment["DAGSTER_HOME"] = str(disk.folder / "home")
    here.put_state_at(disk.folder / "home" / "state" / "state.sqlite")
    server.faults.add(Fault(kind="meanwhile", call="team.create", skip=2, act=disk.fill))
    failed(here, words=NO_ROOM)
    disk.empty()
    here.time_passes()
    comes_right(here, undisturbed)


def test_a_disk_that_is_full_before_a_refresh_costs_no_login(
    here: Site, server: SandboxServer, disk: SmallDisk, undisturbed: Ending
) -> None:
    """Swit gives a pair once: it is not asked for one that could not be kept."""
    here.put_state_at(disk.folder / "state" / "state.sqlite")
    here.run("plan")
    disk.fill()
    server.tokens.expire_access_tokens()
    failed(here, words=NO_ROOM)
    assert server.log.counts["oauth.token"] == 0
    disk.empty()
    comes_right(here, undisturbed)
