"""The published JSON Schemas: as the code makes them, and fitting the files that ship and that the README shows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pydantic
import pytest

from distill.cli.main import main
from distill.job import schema as schemas
from distill.job.config import ASSETS, RunConfig, load
from networks.students.spec import SHORT
from optics.bench.files import BENCHES
from optics.errors import OpticsError
from optics.toml_errors import tomllib

ROOT = Path(__file__).parents[3]
PUBLISHED = ROOT / "docs" / "schemas"
PINNED = re.search(r"^pydantic==(\S+)", (ROOT / "constraints.txt").read_text(), flags=re.M)


KINDS: dict[str, Any] = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "array": list,
}


def alternatives(schema: Any, root: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The schemas that a value may follow, references resolved."""
    if "$ref" in schema:
        yield from alternatives(root["$defs"][schema["$ref"].rsplit("/", 1)[1]], root)
    for choice in schema.get("anyOf", ()):
        yield from alternatives(choice, root)
    yield schema


def unknown(table: Mapping[str, Any], schema: Any, root: Mapping[str, Any], path: str = "") -> list[str]:
    """Keys of a table that the schema does not list, and values of a kind that it does not allow."""
    found: list[str] = []
    tables = [s for s in alternatives(schema, root) if "properties" in s or s.get("type") == "object"]
    for key, value in table.items():
        here = f"{path}.{key}".lstrip(".")
        inner = [s["properties"][key] for s in tables if key in s.get("properties", {})]
        inner += [
            s["additionalProperties"] for s in tables if isinstance(s.get("additionalProperties"), dict)
        ]
        if not inner:
            found.append(here)
        elif isinstance(value, Mapping):
            found += [p for s in inner[:1] for p in unknown(value, s, root, here)]
        elif not any(allows(s, value) for i in inner for s in alternatives(i, root)):
            found.append(f"{here} = {value!r}")
    return found


def allows(schema: Mapping[str, Any], value: Any) -> bool:
    if "enum" in schema:
        return value in schema["enum"]
    if "const" in schema:
        return bool(schema["const"] == value)
    return schema.get("type") in KINDS and isinstance(value, KINDS[schema["type"]])


@pytest.mark.parametrize("name", schemas.names())
def test_the_published_schema_is_current(name, capsys):
    """Repeat `sclc schema NAME --output docs/schemas/NAME.schema.json` where this fails."""
    if PINNED is None or PINNED[1] != pydantic.VERSION:
        pytest.skip("other versions of pydantic word their schemas otherwise")
    assert main(["schema", name]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((PUBLISHED / f"{name}.schema.json").read_text())


@pytest.mark.parametrize("path", sorted(BENCHES.glob("*.toml")), ids=lambda p: p.stem)
def test_shipped_benches_follow_the_schema(path):
    made = schemas.schema("bench")
    assert unknown(tomllib.loads(path.read_text()), made, made) == []


@pytest.mark.parametrize("path", sorted(ASSETS.glob("*.toml")), ids=lambda p: p.stem)
def test_shipped_configurations_follow_the_schema(path):
    made = schemas.schema("run")
    assert unknown(tomllib.loads(path.read_text()), made, made) == []


@pytest.mark.parametrize("page", ["README.md", "docs/distillation.md"])
def test_files_in_the_docs_follow_the_schemas(page, tmp_path):
    blocks = re.findall(r"```toml\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), flags=re.S)
    assert blocks
    for text in blocks:
        if page != "README.md":
            (tmp_path / "mine.toml").write_text(text)
            load(tmp_path / "mine.toml")
        table = tomllib.loads(text)
        made = schemas.schema("bench" if "lens1" in table else "run")
        assert unknown(table, made, made) == []


@pytest.mark.parametrize(
    ("name", "text", "wrong"),
    [
        ("run", "[student]\nchanels = [1]", "student.chanels"),
        ("run", "[student.cascade]\nparameterisation = 'free'", "student.cascade.parameterisation = 'free'"),
        ("run", "[bench.slm]\nbitz = 4", "bench.slm.bitz"),
        ("bench", "[camera]\nbits = 4", "camera.bits"),
        ("bench", "[light]\ncoherence = 'some'", "light.coherence = 'some'"),
    ],
)
def test_a_schema_finds_what_the_reader_would_refuse(name, text, wrong):
    made = schemas.schema(name)
    assert unknown(tomllib.loads(text), made, made) == [wrong]


def test_the_run_schema_takes_every_key_that_the_reader_takes():
    made = schemas.run_schema()
    student = made["$defs"]["StudentConfig"]["properties"]
    assert set(SHORT) <= set(student)
    assert unknown(RunConfig().model_dump(mode="json", exclude_none=True), made, made) == []


def test_a_device_stands_in_place_of_its_figures():
    definitions = schemas.schema("bench")["$defs"]
    assert definitions["SLMSpec"]["anyOf"][0] == {"required": ["device"]}
    assert "holoeye-pluto-2" in definitions["SLMSpec"]["properties"]["device"]["anyOf"][0]["enum"]


def test_an_unknown_schema_is_refused():
    with pytest.raises(OpticsError, match="run, bench, result"):
        schemas.schema("device")
