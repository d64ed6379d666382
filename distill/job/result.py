"""`result.json`: every number of a run, validated when it is written. `docs/result-schema.md` explains each key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from distill.job.ledger import read_json
from optics.errors import OpticsError
from optics.files import write_json

SCHEMA_VERSION = 1
ROWS = (
    "teacher",
    "linear",
    "linear_kd",
    "random_masks",
    "no_mask",
    "ideal_bench",
    "bench_as_is",
    "bench_refit",
)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class RowResult(_Part):
    """One row of the table. accuracy: mean share (0-1) over draws; spread: standard deviation over draws."""

    accuracy: float = Field(ge=0, le=1)
    spread: float = Field(ge=0, le=1)
    draws: int = Field(ge=1)
    images: int = Field(ge=1)


class RowsResult(_Part):
    """The eight rows of the table."""

    teacher: RowResult
    linear: RowResult
    linear_kd: RowResult
    random_masks: RowResult
    no_mask: RowResult
    ideal_bench: RowResult
    bench_as_is: RowResult
    bench_refit: RowResult


class AgreementResult(_Part):
    """One engine of the verification.

    accuracy: share (0-1) of `images` digits answered correctly. agreement: share that gets the answer of the trained
    network on the same bench without noise. frame_error, worst_frame_error: relative L2 difference of the camera
    frames from the expected ones, of all images and of the worst one. borrowed: what the engine took from the models
    that it checks. unmodelled: what the bench has and the engine does not model. seconds: wall time.
    """

    accuracy: float = Field(ge=0, le=1)
    agreement: float = Field(ge=0, le=1)
    images: int = Field(ge=1)
    frame_error: float = Field(ge=0)
    worst_frame_error: float = Field(ge=0)
    borrowed: tuple[str, ...] = ()
    unmodelled: tuple[str, ...] = ()
    seconds: float = Field(ge=0)


class VerifyResult(_Part):
    """The exported files run through our wave path and through LightPipes (null if it was given no images)."""

    wave: AgreementResult
    lightpipes: AgreementResult | None


class OperationsResult(_Part):
    """Electronic multiply-accumulates for one image."""

    teacher: int
    linear: int
    linear_kd: int
    random_masks: int
    no_mask: int
    optics_replaced: int


class LightResult(_Part):
    """Light on the realistic bench, averaged over evaluation images.

    photons_full_scale: expected photons on an unbinned pixel at full scale. photons_per_pixel: mean over the image
    area of all frames, per unbinned pixel. photons_per_frame: sum over the recorded region. saturated: share of
    recorded pixels at full well or at the converter's end, in one exposure of every frame.
    """

    photons_full_scale: float | None
    photons_per_pixel: float | None
    photons_per_frame: float | None
    saturated: float = Field(ge=0, le=1)
    frames: int = Field(ge=1)


class EnvironmentResult(_Part):
    """Where and with what the numbers were made."""

    versions: dict[str, str]
    machine: dict[str, str | int]
    threads: int = Field(ge=1)
    seed: int


class Result(_Part):
    """All of `result.json`."""

    schema_version: int = SCHEMA_VERSION
    name: str
    finished: str
    rows: RowsResult
    verify: VerifyResult
    operations: OperationsResult
    light: LightResult
    radiometry: dict[str, float | None]
    data: dict[str, Any]
    readout: str
    config: dict[str, Any]
    environment: EnvironmentResult
    seconds: dict[str, float]

    def write(self, path: Path) -> None:
        """Write the file whole or not at all, and check that it reads back as the same."""
        data = self.model_dump(mode="json")
        Result.model_validate(json.loads(json.dumps(data)))
        write_json(path, data)

    @classmethod
    def read(cls, path: Path) -> Result:
        """Read and validate a result.

        Raises:
            OpticsError: absent, or not of this schema; one line.
        """
        try:
            return cls.model_validate(read_json(path))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(p) for p in first["loc"])
            raise OpticsError(f"{path} does not follow the schema: {where}: {first['msg']}.") from None


def json_schema() -> dict[str, Any]:
    """The JSON Schema of `result.json`."""
    return Result.model_json_schema()
