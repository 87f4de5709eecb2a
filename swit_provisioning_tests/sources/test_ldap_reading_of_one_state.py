"""A read holds one state of the server: nothing comes twice, nothing is moved meanwhile."""

from collections.abc import Iterable, Iterator

import pytest

from swit_provisioning.sources.base import DirectoryIncompleteError, DirectoryUnavailableError
from swit_provisioning_tests.sources.faulty_server import (
    ADA,
    BEN,
    GROUPS,
    PEOPLE,
    read,
    refused,
    two_pages,
)
from swit_provisioning_tests.sources.scripted_server import (
    Asked,
    Reply,
    ScriptedServer,
    done,
    entry,
)


def test_a_page_that_comes_again_without_end_is_an_error() -> None:
    with ScriptedServer(lambda _: [ADA, done(cookie=b"again")]) as server:
        with pytest.raises(DirectoryIncompleteError, match="the server sent the page") as caught:
            read(server.address)
        assert len(server.searches) <= 3  # one of them asked ahead
    assert "'cn=Ada,ou=people,dc=x'" in str(caught.value)
    assert PEOPLE in str(caught.value)


def test_one_cookie_for_all_pages_is_no_page_again() -> None:
    """389 Directory Server's says which search it is, not where in it."""
    pages = {1: [ADA, done(cookie=b"0")], 2: [BEN, done(cookie=b"0")]}
    with ScriptedServer(lambda asked: pages.get(asked.number, [done()])) as server:
        assert list(read(server.address).users["names"]) == [["Ada"], ["Ben"]]


@pytest.mark.parametrize("end", [[BEN, ADA], [BEN, BEN]])
def test_an_entry_twice_in_one_search_is_an_error(end: list[Reply]) -> None:
    """A page that begins in the middle of the one before: another one may have been left out."""
    message = refused([*end, done()], DirectoryIncompleteError)
    assert "one search returned" in message
    assert PEOPLE in message
    assert "127.0.0.1" in message


def with_id(dn: str, name: str) -> Reply:
    """A person or group; all have one id."""
    id_ = "11111111-2222-3333-4444-555555555555"
    return entry(dn, {"cn": [name], "mail": [f"{name}@x.test"], "entryUUID": [id_]})


@pytest.mark.parametrize("base", [PEOPLE, GROUPS])
@pytest.mark.parametrize("name", ["Bernadette", "BEN"])
def test_an_entry_that_is_moved_while_it_is_read_is_read_again(base: str, name: str) -> None:
    """Else the one under its old DN would become a second team, or be a leaver."""
    both = [with_id(f"cn=Ben,{base}", "Ben"), with_id(f"cn={name},{base}", name)]

    def answer(asked: Asked) -> Iterator[Reply]:
        if asked.base == base:
            yield from both
            both[:] = both[-1:]
        yield from two_pages(asked)

    def unpaged(asked: Asked) -> Iterable[Reply]:
        return [*list(answer(asked))[:-1], done()]

    with ScriptedServer(unpaged) as server:
        state = read(server.address)
    frame = state.users if base == PEOPLE else state.groups
    assert f"cn={name},{base}" in set(frame["dn"])
    assert f"cn=Ben,{base}" not in set(frame["dn"])
    (warning,) = [said for said in state.facts.warnings if "Passed over" in said]
    assert "moved while it was read" in warning
    assert f"'cn=Ben,{base}'" in warning


def test_an_id_that_two_entries_keep_is_an_error_that_names_both() -> None:
    two = [with_id(f"cn={name},{GROUPS}", name) for name in ("One", "Two")]

    def answer(asked: Asked) -> Iterable[Reply]:
        return [*two, done()] if asked.base == GROUPS else two_pages(asked)

    with (
        ScriptedServer(answer) as server,
        pytest.raises(DirectoryUnavailableError, match="tried 3 times") as caught,
    ):
        read(server.address)
    for said in (f"cn=One,{GROUPS}", f"cn=Two,{GROUPS}", "11111111-2222", "127.0.0.1"):
        assert said in str(caught.value)
