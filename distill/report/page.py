"""`report.html`: one page that needs nothing beside itself, for a screen, a phone or paper."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from distill.job import toml as settings
from distill.job.config import ASSETS
from distill.job.job import Job
from distill.job.ledger import read_json
from distill.job.result import Result
from distill.job.rows import EVALUATION, TRAINED, is_on_bench, meaning_of, title_of
from distill.metrics.row import Row
from distill.report import figures as shown
from distill.report import files
from distill.report.remarks import controls, distillation, surprises
from optics.files import write_text
from optics.plots import page, style
from optics.reading import home

_CLASSES = 14  # of a confusion matrix whose figures can be read
_ENGINES = {
    "wave path": "this project's own propagation, every plane",
    "LightPipes": "a physics engine that this project did not write",
}
_CAMERA = {
    "gain": ("gain, electrons per count", "gain"),
    "quantum_efficiency": ("quantum efficiency, electrons per photon", "quantum_efficiency"),
    "black_level": ("black level, counts", "adc.black_level"),
    "read_noise": ("read noise, electrons rms", "read_noise"),
    "dark_current": ("dark current, electrons per second", "dark_current"),
    "full_well": ("full well, electrons", "full_well"),
}


def write_report(job: Job, result: Result, path: str | Path) -> None:
    """Write the page whole or not at all."""
    with torch.no_grad():  # the graph of a turned panel's masks takes tens of gigabytes
        values = context(job, result)
    write_text(home(path), page.render(ASSETS / "report.html.j2", values))


def context(job: Job, result: Result) -> dict[str, Any]:
    """Every value that the template shows."""
    student = job.student("refit")
    realistic = job.on_bench(student, job.bench)
    ideal = job.on_bench(job.student("linear_kd"), job.bench.ideal(), calibrated=False)
    found = read_json(job.directory / EVALUATION)
    return {
        "result": result,
        **_words(job, result),
        "chart": shown.rows(result),
        "surprises": surprises(
            result.rows,
            centres=job.student("linear_kd").spec.at_centres(),
            distilled=job.config.student.distilled_controls,
        ),
        "rows": _rows(result),
        "metric": result.rows.bench_refit.metric,
        "bench": shown.bench(job),
        **_flaws(job, result),
        "wheel": page.wheel(),
        **shown.masks(realistic, job.config.student.realisation.kind),
        **shown.slm(job, realistic),
        "example": shown.example(job, ideal, realistic),
        "classes": result.data["class_names"],
        **_confusion(found["confusion"]),
        "curves": shown.training(job),
        "operations": _operations(result),
        "light": _light(job, result),
        **_radiometry(job, result),
        "directory": job.directory.name,
        "own_files": files.run_files(job.directory),
        "exported": files.exported(job.directory) if job.config.export.count else [],
        "bench_toml": settings.dump(job.bench.model_dump(mode="json")),
        "config_toml": job.config.to_toml(),
        "versions": [*result.environment.versions.items(), *result.environment.machine.items()],
        "seconds": ", ".join(f"{k} {v:.1f} s" for k, v in result.seconds.items()),
    }


# ---------------------------------------------------------------------- words and tables


def _percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f} %"


def _words(job: Job, result: Result) -> dict[str, Any]:
    rows = result.rows
    p = rows.bench_refit.accuracy
    masks = job.spec.cascade.channels[-1]
    macs = result.operations.of("bench_refit")
    return {
        "headline": f"{_percent(p)} on the realistic bench: {masks} masks, {macs:,} electronic MACs",
        "summary": _summary(job, result, masks),
        **_verification(job, result),
    }


def _summary(job: Job, result: Result, masks: int) -> str:
    rows = result.rows
    made = "trained before"
    if rows.linear_kd is not None:
        made = "distilled from a nonlinear teacher"
        made += f" ({_percent(rows.teacher.accuracy)})" if rows.teacher is not None else ""
    alone = rows.linear_kd or rows.given or rows.ideal_bench
    beside = controls(rows, distilled=job.config.student.distilled_controls)
    more = "".join(f" {said}" for said in (distillation(rows, result.gain), beside) if said)
    return (
        f"A linear optical network of {masks} masks, {made}, {_does(alone)} when computed, "
        f"{_percent(rows.bench_as_is.accuracy)} on the bench {job.bench.name!r} as it comes, "
        f"and {_percent(rows.bench_refit.accuracy)} there after refitting its back end.{more}"
    )


def _does(row: Row) -> str:
    """What a network does, as a figure of its metric."""
    if row.metric == "accuracy":
        return f"answers {_percent(row.accuracy)} of {row.images} test images correctly"
    return f"reaches {_percent(row.accuracy)} {row.metric} on {row.images} test images"


_NOTE = (
    "Only the exported directory was read, the levels out of the PNG files. Agreement is the share of images (or "
    "pixels) for which the engine predicts the same class as the trained network on the same bench without noise; the "
    "difference of the camera counts is the relative L2 norm, beyond the converter's rounding. LightPipes propagates "
    "every plane on a grid of its own, with ideal paraxial lenses; differences come from its sampling of the stop and "
    "the lenses, and show where two classes are nearly even."
)


def _verification(job: Job, result: Result) -> dict[str, Any]:
    """What the two engines found, and whether that is enough; no rows where no files were made."""
    verify = result.verify
    if verify is None:
        return {"verification": [], "verdict": "", "verify_note": ""}
    verdict = result.verdict or verify.judged(job.config.verify.limits())
    shared = f" Both engines share: {'; '.join(verify.shared)}." if verify.shared else ""
    return {
        "verdict": " ".join((verdict.line, *verdict.notes)),
        "verify_note": _NOTE + shared,
        "verification": [
            {
                "name": name,
                "meaning": _ENGINES[name],
                "images": part.images,
                "accuracy": "" if part.accuracy is None else _percent(part.accuracy),
                "agreement": "" if part.agreement is None else _percent(part.agreement),
                "counts": f"{100 * part.counts_error:.2g} %",
                "borrowed": ", ".join(part.borrowed),
            }
            for name, part in verify.engines().items()
            if part is not None
        ],
    }


def _rows(result: Result) -> list[dict[str, Any]]:
    out = []
    for name, row in result.rows.by_name().items():
        out.append(
            {
                "name": name,
                "meaning": meaning_of(name),
                "figures": row.told(),
                "accuracy": _percent(row.accuracy, 2),
                "spread": f"{100 * row.spread:.2f}" if row.draws > 1 else "-",
                "sampling": f"{100 * row.uncertainty:.2f}",
                "draws": row.draws,
                "images": row.images,
                "macs": f"{result.operations.of(name):,}",
                "bench": is_on_bench(name),
            }
        )
    return out


def _flaws(job: Job, result: Result) -> dict[str, Any]:
    """What mending each flaw alone would earn, as far as the run asked; else why it is not known."""
    path = job.directory / "flaws.json"
    found = read_json(path) if path.is_file() and job.config.flaws.images else None
    drawn, words = None, ""
    if found is not None and found["flaws"]:
        drawn, words = shown.flaws(found["flaws"], result.rows.bench_refit.metric)
        found |= {name: _percent(found[name]) for name in ("bench", "ideal")}
    return {"flaws": found, "flaws_chart": drawn, "flaws_words": words}


def _operations(result: Result) -> list[list[str]]:
    counts = result.operations.model_dump()
    names = {name: title_of(name) for name in (*TRAINED, "given")}
    names["optics_replaced"] = "the convolutions that the optics does, if computed"
    return [
        [names[k], f"{v:,}", _ratio(counts["teacher"] / v) if v and "teacher" in counts else "-"]
        for k, v in counts.items()
    ]


def _ratio(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _light(job: Job, result: Result) -> list[list[str]]:
    light = result.light
    out = [["camera exposures for one image", f"{light.exposures}"]]
    if light.photons_full_scale is not None and light.photons_per_pixel is not None:
        out += [
            ["photons on a sensor pixel at full scale, clear mask", f"{light.photons_full_scale:,.0f}"],
            ["photons on a sensor pixel, mean of all exposures", f"{light.photons_per_pixel:,.1f}"],
            ["photons in the image, one exposure", f"{light.photons_per_exposure or 0.0:.3g}"],
        ]
    out.append(["saturated pixels", _percent(light.saturated, 3)])
    out.append(["sensor pixels in one camera pixel", f"{job.bench.camera.binning**2}"])
    return out


def _radiometry(job: Job, result: Result) -> dict[str, Any]:
    camera = job.bench.camera
    calibration = read_json(job.directory / "calibration.json")
    rows = []
    for key, (name, field) in _CAMERA.items():
        found = (calibration["radiometry"] or {}).get(key)
        if found is None:
            continue
        nominal: Any = camera
        for part in field.split("."):
            nominal = getattr(nominal, part)
        measured = f"{found['value']:.4g} ± {found['uncertainty']:.1g}"
        rows.append([name, measured, "-" if nominal is None else f"{nominal:.4g}"])
    fields = f"{calibration['exposures']} flat fields at each of {calibration['levels']} light levels"
    return {"radiometry": rows, "radiometry_fields": fields}


def _confusion(counts: list[list[int]] | None) -> dict[str, Any]:
    """The confusion matrix as a table, or where that is too wide as a picture."""
    lines = counts or []
    shares = [[count / (sum(line) or 1) for count in line] for line in lines]
    found: dict[str, Any] = {"confusion": [_shaded(line, i) for i, line in enumerate(shares)]}
    plane = scale = None
    if len(lines) > _CLASSES:
        drawn = page.pixels(np.array(shares) ** 0.5, low=0.0, high=1.0, colours=style.DECADES)
        last = str(len(lines) - 1)
        plane = page.matrix(drawn, "confusion matrix", x=("0", "predicted", last), y=("0", "true", last))
        scale = page.scale(
            style.DECADES, "0", "100 %", "of the true class; the scale is that of the square root"
        )
    return found | {"confusion_plane": plane, "confusion_scale": scale}


def _shaded(line: list[float], true: int) -> list[dict[str, str]]:
    cells = []
    for j, share in enumerate(line):
        hue = "43,143,196" if true == j else "178,58,72"
        strength = share if true == j else min(1.0, 6 * share)
        cells.append(
            {
                "text": f"{100 * share:.1f}" if share else "",
                "colour": f"rgba({hue},{0.05 + 0.9 * strength:.2f})" if share else "#f4f6f8",
                "ink": "#fff" if strength > 0.5 and share else style.INK,
            }
        )
    return cells
