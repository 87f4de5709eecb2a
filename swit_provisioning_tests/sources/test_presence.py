"""How many people and groups of a read have each attribute."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from swit_provisioning.sources.assembly import Batch, Source, assemble
from swit_provisioning.sources.attributes import AttributeMapping
from swit_provisioning.sources.entries import Entry, EntryReader, Value

SOURCE = Source(name="here", kind="ldap", search_base="dc=x", bases=("dc=x", "dc=y"), hint="")
MAPPING = AttributeMapping(language=None, primary_group="ou", order="sortOrder")


def presence(
    people: Sequence[Entry], groups: Sequence[Entry], mapping: AttributeMapping = MAPPING
) -> Mapping[str, Mapping[str, int]]:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return assemble(
        [Batch(base=base, entries=people) for base in SOURCE.bases],
        [Batch(base="dc=x", entries=groups)],
        source=SOURCE,
        reader=EntryReader(mapping=mapping, now=now, ordered=False),
    ).facts.presence


def person(name: str, *, tagged: bool = True, **attributes: list[Value]) -> Entry:
    held: dict[str, list[Value]] = {"mail": [f"{name}@x.test"], **attributes}
    return Entry(f"cn={name},dc=x", {k.lower(): v for k, v in held.items()}, has_options=tagged)


def test_each_mapped_attribute_is_counted_once_for_each_person_and_group() -> None:
    """Two bases return the people here; the name in a DN is no attribute."""
    people = [
        person("ada", displayName=["Ada"], cn=["ada"], mobile=["1"], ou=["cn=g,dc=x"]),
        person("ben", cn=["ben"], mobile=[""], nsAccountLock=["true"]),
        person("cid", userAccountControl=["512"], tagged=False),
    ]
    groups = [
        Entry("cn=g,dc=x", {"cn": ["g"], "member": ["cn=ada,dc=x"], "sortorder": ["1"]}),
        Entry("cn=h,dc=x", {"displayname": ["H"]}),
    ]
    assert presence(people, groups) == {
        "people": {
            "total": 3,
            "email (mail)": 3,
            "name (displayName)": 1,
            "name (cn)": 2,
            "phone_number (mobile)": 1,
            "primary_group (ou)": 1,
            "account state": 2,
            "disabled": 1,
        },
        "groups": {
            "total": 2,
            "name (displayName)": 1,
            "name (cn)": 1,
            "order (sortOrder)": 1,
            "members": 1,
        },
    }


def test_an_attribute_with_a_language_counts_as_the_attribute() -> None:
    people = [Entry("cn=ada,dc=x", {"mail": ["ada@x.test"], "displayname;lang-de": ["Ada"]})]
    assert presence(people, [])["people"]["name (displayName)"] == 1
    assert presence(people, [])["groups"] == {
        "total": 0,
        "name (displayName)": 0,
        "name (cn)": 0,
        "order (sortOrder)": 0,
        "members": 0,
    }
