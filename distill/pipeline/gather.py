"""The last step: every number into `result.json`, and with the pictures into `report.html`."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from distill.job.job import Job
from distill.job.ledger import RESULT, read_json
from distill.job.result import Result
from distill.job.rows import EVALUATION, TRAINED
from distill.report.page import write_report
from distill.verify.verdict import Verification


def result_of(job: Job) -> Result:
    """Everything that the steps wrote, as one validated result."""
    evaluation = read_json(job.directory / EVALUATION)
    calibration = read_json(job.directory / "calibration.json")
    found = calibration["radiometry"]
    measured = {} if found is None else {k: v["value"] for k, v in found.items() if isinstance(v, dict)}
    verify = (
        Verification.model_validate(read_json(job.directory / "verify.json"))
        if job.config.export.count
        else None
    )
    values = {
        "name": job.config.name,
        "finished": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "rows": evaluation["rows"],
        "gain": evaluation.get("gain"),
        "verify": verify,
        "verdict": None if verify is None else verify.judged(job.config.verify.limits()),
        "operations": evaluation["operations"],
        "light": evaluation["light"],
        "radiometry": measured,
        "data": read_json(job.directory / "data.json"),
        "readout": job.config.student.readout.kind,
        "config": job.config.model_dump(mode="json"),
        "environment": evaluation["environment"],
        "trained": _elsewhere(job, evaluation["environment"]),
        "seconds": {k: v for k, v in job.seconds.items() if v},
    }
    return Result.model_validate(values)


def _elsewhere(job: Job, here: dict[str, Any]) -> dict[str, Any]:
    """Of the trainings whose versions, machine or device are not those of the evaluation, where they were made."""
    found = {step: job.where.get(step) for step in (*TRAINED, "refit")}
    return {
        step: where
        for step, where in found.items()
        if where and any(where.get(part) != here[part] for part in ("versions", "machine"))
    }


def run_report(job: Job) -> None:
    """Write `report.html`, then `result.json`: where the result is, the run is complete."""
    result = result_of(job)
    write_report(job.on_cpu(), result, job.directory / "report.html")
    result.write(job.directory / RESULT)


def read_result(directory: Path) -> dict[str, Any]:
    """What `result.json` holds, validated."""
    return Result.read(directory / RESULT).model_dump(mode="json")
