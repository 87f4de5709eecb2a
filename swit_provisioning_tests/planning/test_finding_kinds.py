"""The table of finding kinds: complete, in standard terms, and it accepts former names."""

import ast
import re
from dataclasses import replace
from pathlib import Path

import pytest

import swit_provisioning
from swit_provisioning.planning.finding_kinds import FINDING_KINDS, current_kind
from swit_provisioning.planning.findings import directory_findings
from swit_provisioning.planning.model import Finding, Plan
from swit_provisioning.planning.policy import Memory, Policy
from swit_provisioning.planning.schemas import IDP_FINDINGS
from swit_provisioning.report.redaction import finding_without_people
from swit_provisioning_tests.planning.test_directory_findings import read

PACKAGE = Path(swit_provisioning.__file__).parent
PAGE = PACKAGE.parent / "docs" / "reference" / "findings.md"
FORMER = {kind.former: kind.name for kind in FINDING_KINDS.values() if kind.former}
PRIVATE_WORDS = {"account", "accounts", "entry", "nobody", "owner", "ring", "somebody", "two"}


def calls(name: str) -> list[ast.Call]:
    """All calls of a function or method of this name in the package."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")]
    nodes = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call))
    return [
        node
        for node in nodes
        if name in {getattr(node.func, "id", None), getattr(node.func, "attr", None)}
    ]


def texts(node: ast.expr) -> list[str]:
    found = (each.value for each in ast.walk(node) if isinstance(each, ast.Constant))
    return [value for value in found if isinstance(value, str)]


@pytest.mark.parametrize("name", FINDING_KINDS)
def test_a_kind_is_a_short_phrase_in_the_terms_of_the_glossary(name: str) -> None:
    words = name.split()
    assert 2 <= len(words) <= 5
    assert not PRIVATE_WORDS & set(words)
    assert all(word.islower() or word == "DN" for word in words)


def test_every_finding_of_the_package_has_a_kind_of_the_table() -> None:
    made = [keyword.value for call in calls("Finding") for keyword in call.keywords]
    kinds = [
        text
        for call in calls("Finding")
        for keyword in call.keywords
        if keyword.arg == "kind"
        for text in texts(keyword.value)
    ]
    kinds += [
        text for call in calls("report") for text in texts(call.args[0]) if len(call.args) > 3
    ]
    assert len(made) > 50
    assert len(set(kinds)) > 30
    assert set(kinds) <= FINDING_KINDS.keys()


def test_the_texts_of_findings_are_short_sentences() -> None:
    """Values that the texts name count as one word."""
    for call in calls("Finding"):
        for keyword in call.keywords:
            if keyword.arg == "message" and isinstance(keyword.value, ast.JoinedStr | ast.Constant):
                text = re.sub(r"\{[^{}]*\}", "X", ast.unparse(keyword.value).strip("f'\""))
                for sentence in re.split(r"[.:] ", text):
                    assert len(sentence.split()) <= 30, sentence


@pytest.mark.parametrize("former", FORMER)
def test_a_former_name_is_accepted_in_stored_plans_and_frames(former: str) -> None:
    finding = Finding(kind=former, subject="CN=x", message="Why.")
    plan = Plan.of(replace(Plan(changes=()), findings=(finding,)).document())
    assert [each.kind for each in plan.findings] == [FORMER[former]]
    row = {"kind": former, "dn": "CN=x", "attribute": "", "reason": "Why."}
    stored = replace(read(), findings=IDP_FINDINGS.frame([row]))
    (found,) = directory_findings(stored, Policy(), Memory())
    assert found.kind == FORMER[former]
    redacted = finding_without_people(finding)
    assert redacted.subject == finding_without_people(found).subject


def test_former_names_are_unique_and_no_current_ones() -> None:
    assert len(FORMER) == sum(bool(kind.former) for kind in FINDING_KINDS.values())
    assert not FORMER.keys() & FINDING_KINDS.keys()
    assert current_kind("kind of another source") == "kind of another source"


def test_the_reference_page_has_every_kind_and_every_former_name() -> None:
    text, former = PAGE.read_text(encoding="utf-8").split("## Former names")
    assert set(re.findall(r"^\| `([^`]+)`", text, re.MULTILINE)) == FINDING_KINDS.keys()
    rows = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|$", former, re.MULTILINE)
    assert {name: kind for kind, name in rows} == FORMER
