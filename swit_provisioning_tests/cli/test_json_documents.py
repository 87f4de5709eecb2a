"""Every document of `--json` has the keys and types that its published schema declares."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from swit_provisioning.cli.console import FORMAT_VERSION
from swit_provisioning.cli.main import COMMANDS
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning_tests.cli import json_schemas
from swit_provisioning_tests.cli.json_schemas import DOCUMENTS
from swit_provisioning_tests.integration.stage import Stage, stage


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Command -> its document, after a first sync and a departure that is blocked."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        folder = tmp_path_factory.mktemp("documents")
        monkeypatch.chdir(folder)
        with stage(monkeypatch, folder / "stage", SandboxServer()) as on_stage:
            yield _documents(on_stage)


def _documents(on_stage: Stage) -> dict[str, Any]:
    made = {"sync": on_stage.json("sync")}
    on_stage.directory["users"] = on_stage.directory["users"][4:]
    made["plan"] = on_stage.json("plan", code=3)
    first, second = made["sync"]["plan_id"], made["plan"]["plan_id"]
    on_stage.run("approve", second, "--reason", "they left")
    on_stage.run("pause", "--reason", "a fair")
    made["plans"] = on_stage.json("plans")
    made["status"] = on_stage.json("status")
    made["apply"] = on_stage.json("apply", second)
    made["show"] = on_stage.json("show", first)
    made["show-difference"] = on_stage.json("show", first, second)
    made["history"] = on_stage.json("history")
    made["explain"] = on_stage.json("explain", "Builders")
    made["settings"] = on_stage.json("settings")
    made["prune"] = on_stage.json("prune", "--dry-run")
    gone = made["plan"]["changes"][0]["target"]
    made["forget"] = on_stage.json("forget", gone, "--anyway")
    return made


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_has_exactly_the_declared_keys(documents: dict[str, Any], name: str) -> None:
    document = documents[name]
    if isinstance(document, dict):
        assert document.pop("format_version") == FORMAT_VERSION
    assert document
    assert json_schemas.declared(name, document) == document


def test_a_missing_key_and_one_that_is_not_declared_are_noticed(documents: dict[str, Any]) -> None:
    document = documents["plan"]
    assert json_schemas.declared("plan", document | {"more": 1}) != document | {"more": 1}
    with pytest.raises(ValidationError, match="estimate"):
        json_schemas.declared("plan", {k: v for k, v in document.items() if k != "estimate"})


def test_every_command_with_json_has_a_schema() -> None:
    with_json = {
        name
        for name, spec in COMMANDS.items()
        if any("--json" in parameter.opts for parameter in spec.parameters)
    }
    assert with_json == DOCUMENTS.keys() - {"show-difference"}


def test_the_published_schemas_are_those_of_the_types() -> None:
    """Run with UPDATE_DOCS=1 to write them."""
    files = json_schemas.files()
    if os.environ.get("UPDATE_DOCS"):
        json_schemas.FOLDER.mkdir(exist_ok=True)
        for path, text in files.items():
            path.write_text(text, encoding="utf-8")
    assert {path: path.read_text(encoding="utf-8") for path in files} == files
    published = set(json_schemas.FOLDER.iterdir())
    assert published == files.keys()
    page = json_schemas.FOLDER.with_name("json-output.md").read_text(encoding="utf-8")
    assert [path.name for path in published if f"(json/{path.name})" not in page] == []
