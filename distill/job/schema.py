"""The JSON Schemas of run, bench and result files, for editors and other programs; made from what reads the files."""

from __future__ import annotations

from typing import Any

from distill.job.config import RunConfig
from distill.job.result import Result
from networks.students.parts import BackendSpec, CascadeSpec, ReadoutSpec, RealisationSpec
from networks.students.spec import PARTS, SHORT
from optics.bench.files import bench_names
from optics.bench.schema import DRAFT, bench_schema, optional, without_titles
from optics.errors import OpticsError
from optics.spec import Validated


def names() -> tuple[str, ...]:
    """What `schema` knows."""
    return ("run", "bench", "result")


def schema(name: str) -> dict[str, Any]:
    """The JSON Schema of run files ("run"), bench files ("bench") or `result.json` ("result").

    Raises:
        OpticsError: no such schema.
    """
    if name == "run":
        return run_schema()
    if name == "bench":
        return bench_schema()
    if name == "result":
        return {"$schema": DRAFT, **Result.model_json_schema(mode="serialization")}
    raise OpticsError(f"no schema is called {name!r}; choose one of {', '.join(names())}.")


def run_schema() -> dict[str, Any]:
    """The schema of a run's configuration, with the student's short keys and the bench's tables."""
    made = without_titles(RunConfig.model_json_schema())
    definitions = made["$defs"]
    _add_short_keys(definitions)
    _add_bench(definitions)
    return {"$schema": DRAFT, "title": "A run of spectral-cascade", **made}


def _add_short_keys(definitions: dict[str, Any]) -> None:
    """Let `[student]` take its parts' keys without their tables, and a part by its kind's name."""
    student = definitions["StudentConfig"]["properties"]
    student["distillation"] = {
        "$ref": "#/$defs/DistillationSpec",
        "description": "Short for training.distillation.",
    }
    specs: tuple[type[Validated], ...] = (CascadeSpec, ReadoutSpec, BackendSpec, RealisationSpec)
    kinds = {part: spec.__name__ for part, spec in PARTS.items() if spec in specs}
    for part, name in kinds.items():
        kind = definitions[name]["properties"].get("kind")
        if kind is not None:
            student[part] = {"anyOf": [student[part], {"enum": kind["enum"]}]}
    for key, (part, name) in SHORT.items():
        student[key] = {
            **definitions[kinds[part]]["properties"][name],
            "description": f"Short for {part}.{name}.",
        }


def _add_bench(definitions: dict[str, Any]) -> None:
    """Let `[bench]` complete the names of the shipped benches and the keys of a bench's tables."""
    bench = optional(bench_schema())
    tables = definitions["BenchConfig"]["properties"]
    tables["source"] |= {"anyOf": [{"enum": list(bench_names())}, {"type": "string"}]}
    tables["source"].pop("type", None)
    for table in tables:
        if table != "source":
            tables[table] = bench["properties"][table]
    definitions |= bench["$defs"]
