"""The JSON Schemas of the documents of `--json`, made from the types in `cli/json_types.py`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter

from swit_provisioning.cli import json_types
from swit_provisioning.cli.console import FORMAT_VERSION
from swit_provisioning.cli.explain import ExplainDocument

FOLDER: Final = Path(__file__).parents[2] / "docs" / "reference" / "json"


DOCUMENTS: Final[Mapping[str, Any]] = {
    "plan": json_types.PlanDocument,
    "show": json_types.PlanDocument,
    "show-difference": json_types.ComparisonDocument,
    "plans": list[json_types.ListedPlanDocument],
    "apply": json_types.RunDocument,
    "sync": json_types.RunDocument,
    "history": json_types.HistoryDocument,
    "explain": ExplainDocument,
    "status": json_types.StatusDocument,
    "settings": json_types.SettingsDocument,
    "prune": json_types.PruneDocument,
    "forget": json_types.ForgetDocument,
}
"""Command -> the type of its document."""


def schema_of(name: str) -> dict[str, Any]:
    """The schema of the document of one command."""
    schema = TypeAdapter(DOCUMENTS[name]).json_schema(mode="serialization")
    if "properties" in schema:
        schema["properties"] = {
            "format_version": {"const": FORMAT_VERSION, "title": "Format Version"},
            **schema["properties"],
        }
        schema["required"] = ["format_version", *schema["required"]]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def files() -> dict[Path, str]:
    """Path -> content of the schema of each command."""
    return {
        FOLDER / f"{name}.schema.json": json.dumps(schema_of(name), indent=2) + "\n"
        for name in DOCUMENTS
    }


def declared(name: str, document: Any) -> Any:  # noqa: ANN401 - JSON
    """The document as its type declares it, without undeclared keys.

    Raises:
        pydantic.ValidationError: a key is missing, or a value has another type.

    """
    adapter = TypeAdapter[Any](DOCUMENTS[name])
    return adapter.dump_python(adapter.validate_python(document), mode="json")
