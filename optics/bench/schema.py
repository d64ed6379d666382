"""The JSON Schema of bench files, for editors that complete and check them; made from the specs that read the files."""

from __future__ import annotations

import copy
from typing import Any

from optics.bench import catalogue
from optics.bench.response_tables import UNITS
from optics.bench.spec import BenchSpec
from optics.toml_errors import DEVICE_TABLES

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def bench_schema() -> dict[str, Any]:
    """The schema of a bench file: a table for each part, where a device's name may stand in place of its figures."""
    schema = BenchSpec.model_json_schema()
    definitions = schema["$defs"]
    for table, kind in DEVICE_TABLES.items():
        name = schema["properties"][table]["$ref"].rsplit("/", 1)[1]
        definitions[name] = _with_device(definitions[name], kind)
    definitions["ResponseSpec"]["properties"] |= {
        "file": {"type": "string", "description": "A table of phases, one per level, beside this file."},
        "unit": {
            "enum": list(UNITS),
            "description": "What its values are in; radians where nothing is said.",
        },
    }
    return {"$schema": DRAFT, "title": "A 4f bench of spectral-cascade", **without_titles(schema)}


def _with_device(part: dict[str, Any], kind: str) -> dict[str, Any]:
    """A part's schema with the key `device`, whose figures are those that are needed."""
    device = {
        "description": f"A {kind} of the catalogue, or a file of the same form beside this one.",
        "anyOf": [{"enum": list(catalogue.names(kind))}, {"type": "string"}],
    }
    needed = part.pop("required", [])
    part["properties"] = {"device": device, **part["properties"]}
    if needed:
        part["anyOf"] = [{"required": ["device"]}, {"required": needed}]
    return part


def optional(schema: dict[str, Any]) -> dict[str, Any]:
    """The same with no key needed, at any depth: for tables that replace single keys of another file."""

    def loosened(value: Any) -> Any:
        if isinstance(value, list):
            return [loosened(v) for v in value]
        if not isinstance(value, dict):
            return value
        kept = {k: loosened(v) for k, v in value.items() if not (k == "required" and isinstance(v, list))}
        choices = value.get("anyOf")
        if isinstance(choices, list) and all(isinstance(c, dict) and set(c) == {"required"} for c in choices):
            kept.pop("anyOf")
        return kept

    made: dict[str, Any] = loosened(copy.deepcopy(schema))
    return made


def without_titles(schema: Any) -> Any:
    """The same without the titles that are only a key's name again."""
    if isinstance(schema, list):
        return [without_titles(v) for v in schema]
    if not isinstance(schema, dict):
        return schema
    return {k: without_titles(v) for k, v in schema.items() if not (k == "title" and isinstance(v, str))}
