"""The JSON Schemas of the documents of `--json`, made from the types in `cli/json_types.py`."""

import json
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter

from swit_provisioning.cli.console import FORMAT_VERSION
from swit_provisioning.cli.json_types import DOCUMENTS

FOLDER: Final = Path(__file__).parents[2] / "docs" / "reference" / "json"


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
