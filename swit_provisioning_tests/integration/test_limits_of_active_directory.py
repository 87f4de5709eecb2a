"""A server with Active Directory's limits: a complete read, or an error that says why."""

from collections.abc import Callable, Iterable, Sequence

import pytest

from swit_provisioning.sources.base import (
    DirectoryConfigError,
    DirectoryError,
    DirectoryIncompleteError,
    DirectoryUnavailableError,
)
from swit_provisioning_tests.integration.small_company import (
    GROUPS,
    PASSWORD,
    PEOPLE,
    company_of,
    person_dn,
    read,
)
from swit_provisioning_tests.integration.small_server import (
    Entries,
    Fault,
    SmallServer,
    broken_off,
    ending,
    silent,
    spoil,
    spoil_range,
)
from swit_provisioning_tests.sources.scripted_server import Asked, Reply, done, entry

Change = Callable[[list[Reply]], Iterable[Reply]]

ABOUT_THE_ANSWER = [1, 3, 4, 10, 11, 80]
ABOUT_THE_MOMENT = [51, 52]
THREE_PAGES = company_of(people=2500)
THREE_RANGES = company_of(people=1, members=4000)


def refused(entries: Entries, fault: Fault, kind: type[DirectoryError]) -> str:
    """Read from a server that goes wrong every time; the message of the error."""
    with SmallServer(entries, fault=fault) as server, pytest.raises(DirectoryError) as caught:
        read(server.address)
    assert type(caught.value) is kind, caught.value
    assert PASSWORD not in f"{caught.value} {caught.value!r}"
    return str(caught.value)


def once(fault: Fault) -> Fault:
    """Let a fault happen one time only."""
    happened: list[Asked] = []

    def first(asked: Asked, answer: list[Reply]) -> Iterable[Reply]:
        if happened:
            return answer
        spoiled = list(fault(asked, answer))
        if spoiled != answer:
            happened.append(asked)
        return spoiled

    return first


@pytest.mark.parametrize("count", [0, 1, 1499, 1500, 1501, 13_000])
def test_a_group_of_any_size_is_read_to_its_last_member(count: int) -> None:
    with SmallServer(company_of(people=1, members=count)) as server:
        members = read(server.address).memberships
    assert set(members["member_dn"]) == {person_dn(place) for place in range(count)}
    assert len(members) == count
    assert [a.range_from for a in server.searches if a.range_from] == list(range(1500, count, 1500))


@pytest.mark.parametrize("page_size", [999, 1000, 1001, 5000])
def test_people_beyond_a_page_are_read_on_one_connection(page_size: int) -> None:
    with SmallServer(THREE_PAGES) as server:
        assert len(read(server.address, page_size=page_size).users) == 2500
    pages = [asked for asked in server.searches if asked.base == PEOPLE]
    assert len(pages) == 3
    assert all(asked.paged for asked in pages)
    assert len({asked.connection for asked in pages}) == 1


@pytest.mark.parametrize(
    ("code", "page", "entries"),
    [*((code, 2, 2000) for code in ABOUT_THE_ANSWER), (4, 1, 1000), (4, 3, 2500)],
)
def test_a_page_that_ends_with_an_error_is_a_failed_read(
    code: int, page: int, entries: int
) -> None:
    fault = spoil(ending(code), base=PEOPLE, page=page)
    message = refused(THREE_PAGES, fault, DirectoryIncompleteError)
    assert f"answered {code} " in message
    assert f"after {entries} entries" in message
    assert PEOPLE in message


@pytest.mark.parametrize(
    ("code", "begin"), [*((code, 3000) for code in ABOUT_THE_ANSWER), (4, 1500)]
)
def test_a_range_that_ends_with_an_error_is_a_failed_read(code: int, begin: int) -> None:
    message = refused(
        THREE_RANGES, spoil_range(ending(code), begin=begin), DirectoryIncompleteError
    )
    assert f"answered {code} " in message


@pytest.mark.parametrize("code", ABOUT_THE_MOMENT)
def test_a_server_that_stays_busy_is_asked_three_times(code: int) -> None:
    fault = spoil(ending(code), base=PEOPLE, page=2)
    message = refused(THREE_PAGES, fault, DirectoryUnavailableError)
    assert f"answered {code} " in message
    assert "after 2000 entries" in message
    assert "tried 3 times" in message


@pytest.mark.parametrize("code", ABOUT_THE_MOMENT)
def test_a_server_that_gets_busy_among_the_members_is_asked_three_times(code: int) -> None:
    fault = spoil_range(ending(code), begin=3000)
    message = refused(THREE_RANGES, fault, DirectoryUnavailableError)
    assert f"answered {code} " in message
    assert "tried 3 times" in message


@pytest.mark.parametrize("change", [ending(51), ending(52), broken_off])
@pytest.mark.parametrize("where", ["page", "range"])
def test_a_transient_error_is_read_again_from_the_start(change: Change, where: str) -> None:
    """Nothing of the first attempt is kept: it may be of another state."""
    begin_again = spoil(change, base=PEOPLE, page=2)
    fault = begin_again if where == "page" else spoil_range(change, begin=1500)
    with SmallServer(company_of(people=1500, members=4000), fault=once(fault)) as server:
        state = read(server.address)
    assert (len(state.users), len(state.memberships)) == (1500, 4000)
    begun = [asked for asked in server.searches if asked.base == PEOPLE and not asked.cookie]
    assert len({asked.connection for asked in begun}) == 2


@pytest.mark.parametrize(
    "fault", [spoil(broken_off, base=PEOPLE, page=2), spoil_range(broken_off, begin=3000)]
)
def test_a_connection_that_breaks_each_time_is_a_failed_read(fault: Fault) -> None:
    message = refused(company_of(people=1500, members=4000), fault, DirectoryUnavailableError)
    assert "the connection was lost after" in message
    assert "tried 3 times" in message


@pytest.mark.parametrize("where", ["page", "range"])
def test_silence_in_the_middle_is_a_failed_attempt(where: str) -> None:
    fault = (
        spoil(silent, base=PEOPLE, page=2) if where == "page" else spoil_range(silent, begin=1500)
    )
    with SmallServer(company_of(people=1500, members=4000), fault=once(fault)) as server:
        state = read(server.address, timeout_seconds=1)
    assert len(state.users) == 1500
    assert any("timed out" in warning for warning in state.facts.warnings)


@pytest.mark.parametrize(
    ("attributes", "happens"),
    [
        ({"member;range=3001-*": ["CN=x"]}, "skips one"),
        ({"member;range=2999-*": ["CN=x"]}, "repeats one"),
        ({"member;range=0-1499": ["CN=x"] * 1500}, "begins again"),
        ({"member;range=3000-4499": ["CN=x"]}, "is shorter than it says"),
        ({"member;range=some-*": ["CN=x"]}, "is not a valid range"),
        ({"member;range=3000-*": []}, "has no values"),
        ({"member": []}, "has no range"),
        ({}, "has no members"),
    ],
)
def test_ranges_that_do_not_join_up_are_a_failed_read(
    attributes: dict[str, Sequence[str]], happens: str
) -> None:
    def change(_: list[Reply]) -> list[Reply]:
        return [entry(f"CN=Big,{GROUPS}", attributes), done(cookie=None)]

    message = refused(THREE_RANGES, spoil_range(change, begin=3000), DirectoryIncompleteError)
    assert f"CN=Big,{GROUPS}" in message, happens


def test_a_group_that_vanishes_while_it_is_read_is_a_failed_read() -> None:
    fault = spoil_range(lambda answer: answer[-1:], begin=3000)
    assert "3000" in refused(THREE_RANGES, fault, DirectoryIncompleteError)


def test_another_attribute_in_part_that_was_not_asked_for_is_a_failed_read() -> None:
    """The reader can't know whether the rest would have mattered."""

    def change(answer: list[Reply]) -> list[Reply]:
        partial = {"mail": ["a@example.org"], "photo;range=0-1": ["a", "b"]}
        return [entry(f"CN=Ada,{PEOPLE}", partial), *answer]

    assert "photo" in refused(THREE_PAGES, spoil(change, base=PEOPLE), DirectoryIncompleteError)


def test_a_base_that_does_not_exist_is_an_error_that_names_it() -> None:
    entries = {dn: held for dn, held in THREE_PAGES.items() if not dn.endswith(PEOPLE)}
    message = refused(entries, lambda _, answer: answer, DirectoryConfigError)
    assert PEOPLE in message
    assert "the nearest existing entry is 'DC=example,DC=org'" in message
    assert "LDAP_USER_OUS" in message


@pytest.mark.parametrize("cookie", [b"", b"a new one"])
def test_a_second_page_that_is_the_first_again_is_a_failed_read(cookie: bytes) -> None:
    """A server that forgets where it was: the entries in between would be missing."""
    pages: list[list[Reply]] = []

    def again(asked: Asked, answer: list[Reply]) -> list[Reply]:
        if asked.base == PEOPLE and asked.paged:
            pages.append(answer)
            if asked.cookie:
                return [*pages[0][:-1], done(cookie=cookie)]
        return answer

    refused(THREE_PAGES, again, DirectoryIncompleteError)


def test_a_reference_to_another_server_is_a_failed_read() -> None:
    url = "ldap://dc2.example.org/OU=More,OU=Staff,DC=example,DC=org"
    with (
        SmallServer(THREE_PAGES, elsewhere=[url]) as server,
        pytest.raises(
            DirectoryIncompleteError, match="another server holds a part of it"
        ) as caught,
    ):
        read(server.address)
    assert url in str(caught.value)
