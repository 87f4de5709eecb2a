"""Who is meant in a text, and who is not."""

import json

import pytest

from swit_provisioning.operations.pseudonyms import Replacing, code_for, unbounded
from swit_provisioning.report.redaction import code_of
from swit_provisioning.state.erasure import Trace

DN = "CN=Zoë O'Hara\\, Dr.,OU=Staff,DC=example,DC=org"
ZOE = Trace(
    addresses=frozenset({"zoe@example.org"}),
    swit_ids=frozenset({"U7"}),
    dns=frozenset({DN}),
    entry_ids=frozenset({"3b1f0c9e"}),
    words=frozenset({"Zoë O'Hara", "+49 176 1234", "z.ohara@example.org"}),
)
CODE = "forgotten-0"
REPLACING = Replacing(ZOE, CODE)


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("zoe@example.org left.", f"{CODE} left."),
        ("ZOE@Example.ORG, and others", f"{CODE}, and others"),
        ("user.update:U7", f"user.update:{CODE}"),
        ("new:user:zoe@example.org", f"new:user:{CODE}"),
        ("(Zoë O'Hara)", f"({CODE})"),
        ("ZOË O'HARA is back", f"{CODE} is back"),
        ("call +49 176 1234.", f"call {CODE}."),
        (f"{DN} has no name", f"{CODE} has no name"),
        (DN.replace(",OU", ", OU").lower(), CODE),
        (code_of("zoe@example.org"), CODE),
        ("z.ohara@example.org", CODE),
    ],
)
def test_every_spelling_of_the_person_becomes_the_code(text: str, after: str) -> None:
    assert REPLACING.record(text) == after
    assert REPLACING.mentions(text)
    assert not REPLACING.mentions(after)


@pytest.mark.parametrize(
    "text",
    [
        "azoe@example.org",
        "dr.zoe@example.org",
        "zoe@example.org.uk",
        "zoe@example.organisation",
        "U77",
        "XU7",
        "Zoë O'Hara-Smith",
        "+49 176 12345",
        "Zoë",
    ],
)
def test_others_stay_as_they_are(text: str) -> None:
    assert REPLACING.record(text) == text
    assert not REPLACING.mentions(text)


def test_a_record_is_replaced_all_through_with_the_json_in_it() -> None:
    record = {
        "target": "zoe@example.org",
        "before": json.dumps({"name": "Zoë O'Hara", "phone_number": None}),
        "after": {"user_ids": ["U7", "U8"], "active": True, "zoe@example.org": 1},
        "calls": 3,
    }
    after = REPLACING.record(record)
    assert after == {
        "target": CODE,
        "before": json.dumps({"name": CODE, "phone_number": None}),
        "after": {"user_ids": [CODE, "U8"], "active": True, CODE: 1},
        "calls": 3,
    }
    assert REPLACING.record(after) == after


def test_a_record_of_nobody_is_the_very_same() -> None:
    record = {"target": "ann@example.org", "before": '{"name":  "Ann"}'}
    assert REPLACING.record(record) is record


def test_a_name_that_is_anothers_too_goes_only_where_the_person_is_meant() -> None:
    replacing = Replacing(ZOE, CODE, shared=frozenset({"Zoë O'Hara"}))
    namesake = {"user_id": "U9", "email": "other@example.org", "name": "Zoë O'Hara"}
    assert replacing.record(namesake) == namesake
    assert not replacing.mentions(json.dumps(namesake, ensure_ascii=False))
    mine = {"user_id": "U7", "email": "zoe@example.org", "name": "Zoë O'Hara"}
    assert replacing.record(mine) == {"user_id": CODE, "email": CODE, "name": CODE}


def test_what_names_rows_stays_different() -> None:
    """Two accounts of one person in one team are two rows."""
    two = Trace(swit_ids=frozenset({"U1", "U2"}), addresses=frozenset({"zoe@example.org"}))
    codes = [Replacing(two, CODE).record(user) for user in ("U1", "U2")]
    assert codes == [CODE, f"{CODE}.2"]


def test_a_page_is_replaced_as_html_writes_it() -> None:
    page = "<td>zoe@example.org</td><td>Zoë O&#x27;Hara, Zoë O&#39;Hara</td><td>Ann</td>"
    assert REPLACING.page(page) == f"<td>{CODE}</td><td>{CODE}, {CODE}</td><td>Ann</td>"


def test_a_person_has_one_code_in_one_installation_and_it_tells_nothing() -> None:
    code = code_for(ZOE, "secret")
    again = Trace(addresses=frozenset({"Zoe@Example.org"}))
    assert code == code_for(again, "secret")
    assert code != code_for(ZOE, "another installation's")
    assert code != code_for(Trace(addresses=frozenset({"ann@example.org"})), "secret")
    assert "zoe" not in code


def test_the_quick_search_finds_what_the_exact_one_finds() -> None:
    quick = unbounded(["Zoë O'Hara", DN])
    for text in (DN, json.dumps(DN), json.dumps({"n": "Zoë O'Hara"}), "Zoë O&#x27;Hara"):
        assert quick.search(text)
    assert not unbounded([]).search("anything")
