"""The organisation in a file, shared by several processes."""

import threading
from pathlib import Path

import pytest

from swit_provisioning.sandbox.organisation import Organisation
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning.sandbox.state_file import SandboxStateError
from swit_provisioning_tests.sandbox.caller import Caller


def test_the_next_sandbox_continues_with_the_stored_state(tmp_path: Path) -> None:
    file = tmp_path / "state" / "organisation.json"
    first = SandboxServer(state_file=file)
    with first.exclusive():
        team = first.organisation.add_team("Sales", reference="CN=Sales")
        ann = first.organisation.add_user("ann@example.com", "Ann", teams=[team])
    before = first.organisation.snapshot()
    second = SandboxServer(state_file=file)
    assert second.organisation.snapshot() == before
    assert second.organisation.user_by_email("ANN@example.com") is not None
    with second.exclusive():
        assert second.organisation.add_user("bob@example.com") != ann
    assert [user["email"] for user in first.state()["users"]] == [
        "admin@sandbox.example",
        "ann@example.com",
        "bob@example.com",
    ]
    assert file.stat().st_mode & 0o077 == 0


def test_changes_over_http_are_stored(tmp_path: Path) -> None:
    file = tmp_path / "organisation.json"
    with SandboxServer(state_file=file) as server, Caller(server) as caller:
        made = caller.post("organization.user.create", user_email="ann@example.com", user_name="A")
        assert made.ok, made.text
    with SandboxServer(state_file=file) as server:
        assert server.organisation.user_by_email("ann@example.com") is not None


def test_sandboxes_that_share_a_file_lose_no_changes(tmp_path: Path) -> None:
    file = tmp_path / "organisation.json"

    def add(sandbox: SandboxServer, name: str) -> None:
        for number in range(20):
            with sandbox.exclusive():
                sandbox.organisation.add_user(f"{name}{number}@example.com")

    sandboxes = [SandboxServer(Organisation(), state_file=file) for _ in range(4)]
    threads = [
        threading.Thread(target=add, args=(sandbox, f"t{number}x"))
        for number, sandbox in enumerate(sandboxes)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    users = SandboxServer(state_file=file).organisation.snapshot()["users"]
    assert len(users) == 1 + 4 * 20
    assert len({user["id"] for user in users}) == len(users)


@pytest.mark.parametrize(
    "content",
    [
        b'{"users": 3',
        b'{"users": []}',
        b"\xff",
        pytest.param(b"[" * 100_000, id="nested deeply"),
    ],
)
def test_an_unusable_file_is_an_error_that_says_what_to_do(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "organisation.json"
    file.write_bytes(content)
    with pytest.raises(SandboxStateError, match=r"organisation.json contains no .*Delete it"):
        SandboxServer(state_file=file)
    assert file.read_bytes() == content
