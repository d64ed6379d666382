"""`result.json`: every number of a run, validated when it is written. `docs/result-schema.md` explains each key."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, ValidationError, field_validator, model_serializer

from distill.job.ledger import read_json
from distill.job.rows import Rows, title_of
from distill.metrics.tasks import Difference
from distill.verify.verdict import Verdict, Verification
from optics.errors import OpticsError
from optics.files import json_text, write_json
from optics.reading import from_json, home, quoted
from optics.spec import Validated, validated

SCHEMA_VERSION: Literal[2] = 2


class OperationsResult(Validated):
    """Electronic multiply-accumulates for one image of the networks that the run has."""

    teacher: int | None = None
    linear: int | None = None
    linear_kd: int | None = None
    random_masks: int | None = None
    no_mask: int | None = None
    shuffled: int | None = None
    raw_image: int | None = None
    given: int | None = None
    optics_replaced: int

    def of(self, row: str) -> int:
        """Multiply-accumulates of a row's network; the bench's rows are those of `linear_kd`, or of `given`."""
        own: int | None = getattr(self, row, None)
        on_bench = self.given if self.linear_kd is None else self.linear_kd
        return (own if own is not None else on_bench) or 0

    @model_serializer(mode="wrap")
    def _there(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: count for name, count in dump(self).items() if count is not None}


class LightResult(Validated):
    """Light on the realistic bench, averaged over evaluation images.

    photons_full_scale: expected photons on an unbinned pixel at full scale. photons_per_pixel: mean over the image
    area of all exposures, per unbinned pixel. photons_per_exposure: sum over the recorded region. saturated: share of
    recorded pixels at full well or at the converter's end. exposures: of the camera, for one image.
    """

    photons_full_scale: float | None
    photons_per_pixel: float | None
    photons_per_exposure: float | None
    saturated: float = Field(ge=0, le=1)
    exposures: int = Field(ge=1)


class EnvironmentResult(Validated):
    """Where and with what the numbers were made."""

    versions: dict[str, str]
    machine: dict[str, str | int]
    threads: int = Field(ge=1)
    seed: int


class Result(Validated):
    """All of `result.json`.

    trained: of trainings that were not made where `environment` says, where and with what each was. added: of controls
    that a kept run was given later, the same.
    """

    schema_version: Literal[2] = SCHEMA_VERSION
    name: str
    finished: str
    rows: Rows
    gain: Difference | None = None
    verify: Verification | None
    verdict: Verdict | None = None
    operations: OperationsResult
    light: LightResult
    radiometry: dict[str, float | None]
    data: dict[str, Any]
    readout: str
    config: dict[str, Any]
    environment: EnvironmentResult
    trained: dict[str, EnvironmentResult] = Field(default_factory=dict)
    added: dict[str, EnvironmentResult] = Field(default_factory=dict)
    seconds: dict[str, float]

    @field_validator("data")
    @classmethod
    def _named(cls, data: dict[str, Any]) -> dict[str, Any]:
        names = data.get("class_names", [])
        if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
            raise ValueError(f"class_names is {quoted(names)}, expected a list of names")
        return data

    def write(self, path: str | Path) -> None:
        """Write the file whole or not at all, and check that it reads back as the same."""
        data = self.model_dump(mode="json")
        Result.model_validate(from_json(json_text(data)))
        write_json(home(path), data)

    def titles(self) -> dict[str, str]:
        """Each row's few words for a legend, in order; "(labels)" with a control that learned from the labels alone."""
        alone = controls_of_labels({"config": self.config, "added": self.added})
        return {name: title_of(name) + " (labels)" * (name in alone) for name in self.rows.by_name()}

    @classmethod
    def read(cls, path: str | Path) -> Result:
        """Read and validate a result.

        Raises:
            OpticsError: absent, or not of this schema; one line.
        """
        try:
            return validated(cls, _renamed(read_json(home(path))))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(p) for p in first["loc"])
            raise OpticsError(f"{path} does not follow the schema: {where}: {first['msg']}.") from None


def controls_of_labels(result: Mapping[str, Any]) -> tuple[str, ...]:
    """The controls that learned from the labels alone, as a result of whatever version says.

    They are those of a run that distils none, and those that were added when it was kept.
    """
    config, added = result.get("config"), result.get("added")
    student = config.get("student") if isinstance(config, Mapping) else None
    told = student if isinstance(student, Mapping) else {}
    own = told.get("controls") if told.get("distilled_controls") is False else ()
    found = [*(own if isinstance(own, list | tuple) else ()), *(added if isinstance(added, Mapping) else ())]
    return tuple(dict.fromkeys(name for name in found if isinstance(name, str)))


def _renamed(data: Any) -> Any:
    """A result of version 1 with the names of version 2, in which *frames* are the SLM's alone; others unchanged."""
    if not isinstance(data, dict) or data.get("schema_version") != 1:
        return data
    names = {
        "frames": "exposures",
        "photons_per_frame": "photons_per_exposure",
        "frame_error": "counts_error",
        "worst_frame_error": "worst_counts_error",
    }

    def renamed(table: Any) -> Any:
        return {names.get(k, k): v for k, v in table.items()} if isinstance(table, dict) else table

    changed = {"schema_version": SCHEMA_VERSION, "light": renamed(data.get("light"))}
    if isinstance(data.get("verify"), dict):
        changed["verify"] = {name: renamed(engine) for name, engine in data["verify"].items()}
    return data | changed


def json_schema() -> dict[str, Any]:
    """The JSON Schema of `result.json`."""
    return Result.model_json_schema()
