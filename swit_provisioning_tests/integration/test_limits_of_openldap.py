"""What OpenLDAP withholds from an ordinary account, and what its overlay adds."""

from collections.abc import Iterator

import pytest

from swit_provisioning.planning.planner import make_plan
from swit_provisioning.planning.policy import Memory, Policy
from swit_provisioning.sources.base import DirectoryIncompleteError
from swit_provisioning.sources.config import LdapConfig
from swit_provisioning.sources.ldap.source import LdapDirectory
from swit_provisioning_tests.integration import company
from swit_provisioning_tests.integration.authority import certificate
from swit_provisioning_tests.integration.slapd import SUFFIX, UNPAGED, Slapd
from swit_provisioning_tests.planning.specification.organisation import Organisation
from swit_provisioning_tests.planning.specification.states import swit_state

pytestmark = pytest.mark.needs("slapd")


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    """501 people on a server whose limits nobody has thought of."""
    people = [
        f"dn: uid=p{place},{SUFFIX}\nobjectClass: inetOrgPerson\nuid: p{place}\n"
        f"cn: Person {place}\nsn: {place}\nmail: p{place}@example.test\n"
        for place in range(501)
    ]
    folder = tmp_path_factory.mktemp("crowded")
    ldif = "\n".join(people)
    with Slapd(folder, certificate(folder), ldif=ldif, default_limits=True) as server:
        yield server


def refused(config: LdapConfig) -> str:
    with pytest.raises(DirectoryIncompleteError) as caught:
        LdapDirectory(config).read()
    return str(caught.value)


@pytest.mark.parametrize("page_size", [100, 499, 500, 501, 1000])
def test_a_size_limit_of_500_entries_is_detected(crowded: Slapd, page_size: int) -> None:
    """500 is what a server gives to everybody where no limit is set: in all, not a page."""
    message = refused(crowded.config(page_size=page_size))
    assert "answered 4 sizeLimitExceeded" in message
    assert "after 500 entries" in message
    assert "limits dn.exact" in message


def test_an_account_that_may_not_page_reads_nothing(slapd: Slapd) -> None:
    """`size.prtotal=disabled`: without pages there is no telling whether an answer is whole."""
    message = refused(slapd.config(user=UNPAGED))
    assert "answered 11 adminLimitExceeded" in message
    assert "after 0 entries" in message


def test_teams_and_members_are_the_same_with_and_without_member_of(
    slapd: Slapd, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Where nothing is said about a group's parents, the groups that list it are its parents."""
    folder = tmp_path_factory.mktemp("plain")
    ldif = company.people_ldif()
    with Slapd(folder, certificate(folder), ldif=ldif, member_of=False) as plain:
        plain.add_groups(company.group_members())
        without = LdapDirectory(plain.config()).read()
    kept = LdapDirectory(slapd.config()).read()
    assert without.groups["parents"].isna().all()
    assert not kept.groups["parents"].isna().all()
    plans = [
        make_plan(state, swit_state(Organisation()), Policy(), Memory())
        for state in (without, kept)
    ]
    changes = [[(c.action, c.target, c.after) for c in plan.changes] for plan in plans]
    assert changes[0] == changes[1]
    assert len(changes[0]) > len(kept.users) + len(kept.groups)
