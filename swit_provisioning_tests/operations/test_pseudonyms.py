"""Which texts name a person, and how they are replaced by a code."""

import json

import pytest

from swit_provisioning.operations.forget import Pseudonym, code_for, search_pattern
from swit_provisioning.report.redaction import code_of
from swit_provisioning.state.personal_data import Trace

DN = "CN=Zoë O'Hara\\, Dr.,OU=Staff,DC=example,DC=org"
ZOE = Trace(
    keys=frozenset({"zoe@example.org", "U7", DN, "3b1f0c9e"}),
    words=frozenset({"Zoë O'Hara", "+49 176 1234", "z.ohara@example.org"}),
)
CODE = "forgotten-0"
PSEUDONYM = Pseudonym(ZOE, CODE)


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
    assert PSEUDONYM.replace({"why": text}) == {"why": after}
    assert PSEUDONYM.names(text)
    assert not PSEUDONYM.names(after)


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
    assert PSEUDONYM.replace({"why": text}) == {"why": text}
    assert not PSEUDONYM.names(text)


def test_a_record_is_replaced_all_through_with_the_json_in_it() -> None:
    record = {
        "target": "zoe@example.org",
        "before": json.dumps({"name": "Zoë O'Hara", "phone_number": None}),
        "after": {"user_ids": ["U7", "U8"], "active": True, "zoe@example.org": 1},
        "calls": 3,
    }
    after = PSEUDONYM.replace(record)
    assert after == {
        "target": CODE,
        "before": json.dumps({"name": CODE, "phone_number": None}),
        "after": {"user_ids": [CODE, "U8"], "active": True, CODE: 1},
        "calls": 3,
    }
    assert PSEUDONYM.replace(after) == after


def test_a_row_about_another_user_keeps_the_name_that_both_have() -> None:
    namesake = {"action": "user.update", "target": "other@example.org", "before": "Zoë O'Hara"}
    assert PSEUDONYM.replace(namesake) == namesake
    mine = {"action": "user.update", "target": "zoe@example.org", "before": "Zoë O'Hara"}
    assert PSEUDONYM.replace(mine) == {"action": "user.update", "target": CODE, "before": CODE}


def test_a_page_names_a_person_as_html_writes_it() -> None:
    for name in ("Zoë O&#x27;Hara", "Zoë O&#39;Hara"):
        assert PSEUDONYM.names(f"<td>{name}</td><td>Ann</td>")


def test_a_person_has_one_code_in_one_installation_and_it_tells_nothing() -> None:
    code = code_for(ZOE, "secret")
    again = Trace(keys=frozenset({"Zoe@Example.org"}))
    assert code == code_for(again, "secret")
    assert code != code_for(ZOE, "another installation's")
    assert code != code_for(Trace(keys=frozenset({"ann@example.org"})), "secret")
    assert "zoe" not in code


def test_the_quick_search_finds_what_the_exact_one_finds() -> None:
    quick = search_pattern(["Zoë O'Hara", DN])
    for text in (DN, json.dumps(DN), json.dumps({"n": "Zoë O'Hara"}), "Zoë O&#x27;Hara"):
        assert quick.search(text)
    assert not search_pattern([]).search("anything")
