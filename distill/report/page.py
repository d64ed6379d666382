"""`report.html`: one page that needs nothing beside itself, for a screen, a phone or paper."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2

from distill.job import toml as settings
from distill.job.config import ASSETS
from distill.job.job import Job
from distill.job.ledger import read_json
from distill.job.result import Result
from distill.job.rows import TRAINED, is_on_bench, meaning_of, title_of
from distill.metrics.row import Row
from distill.report import data_addresses as pictures
from distill.report import figures as shown
from distill.report.gain import distillation
from optics.files import write_text

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


def write_report(job: Job, result: Result, path: Path) -> None:
    """Write the page whole or not at all."""
    write_text(path, render(context(job, result)))


def render(values: dict[str, Any]) -> str:
    """The template with `values`; what is text is escaped."""
    source = (ASSETS / "report.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(source).render(**values)


def context(job: Job, result: Result) -> dict[str, Any]:
    """Every value that the template shows."""
    student = job.student("refit")
    realistic = job.on_bench(student, job.bench)
    ideal = job.on_bench(job.student("linear_kd"), job.bench.ideal(), calibrated=False)
    found = job.directory / "evaluation.json"
    return {
        "result": result,
        **_words(job, result),
        "rows": _rows(result),
        "metric": result.rows.bench_refit.metric,
        "wheel": pictures.phase_wheel(),
        "ramp": pictures.ramp_bar(),
        **shown.masks(realistic, job.config.student.realisation.kind),
        **shown.slm(job, realistic),
        "example": shown.example(job, ideal, realistic),
        "classes": result.data["class_names"],
        "confusion": _confusion(read_json(found)["confusion"]),
        **shown.training(job),
        "operations": _operations(result),
        "light": _light(job, result),
        **_radiometry(job, result),
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
        "summary": _summary(result, masks, job.bench.name),
        **_verification(job, result),
    }


def _summary(result: Result, masks: int, bench: str) -> str:
    rows = result.rows
    computed, made, controls = rows.given, "trained before", ""
    if rows.linear_kd and rows.teacher and rows.random_masks and rows.no_mask:
        computed = rows.linear_kd
        made = f"distilled from a nonlinear teacher ({_percent(rows.teacher.accuracy)})"
        masked, unmasked = _percent(rows.random_masks.accuracy), _percent(rows.no_mask.accuracy)
        controls = f" {distillation(rows, result.gain)} Random masks reach {masked}, a plain lens {unmasked}."
    alone = computed or rows.ideal_bench
    return (
        f"A linear optical network of {masks} masks, {made}, {_does(alone)} when computed, "
        f"{_percent(rows.bench_as_is.accuracy)} on the bench {bench!r} as it comes, "
        f"and {_percent(rows.bench_refit.accuracy)} there after refitting its back end.{controls}"
    )


def _does(row: Row) -> str:
    """What a network does, as a figure of its metric."""
    if row.metric == "accuracy":
        return f"answers {_percent(row.accuracy)} of {row.images} test images correctly"
    return f"reaches {_percent(row.accuracy)} {row.metric} on {row.images} test images"


def _figures(row: Row) -> str:
    """The other figures of the same answers."""
    return ", ".join(f"{name} {_percent(value)}" for name, value in row.figures.items())


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
                "figures": _figures(row),
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


def _operations(result: Result) -> list[dict[str, str]]:
    counts = result.operations.model_dump()
    names = {name: title_of(name) for name in (*TRAINED, "given")}
    names["optics_replaced"] = "the convolutions that the optics does, if computed"
    return [
        {
            "name": names[k],
            "macs": f"{v:,}",
            "ratio": _ratio(counts["teacher"] / v) if v and "teacher" in counts else "-",
        }
        for k, v in counts.items()
    ]


def _ratio(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _light(job: Job, result: Result) -> list[dict[str, str]]:
    light = result.light
    out = [{"name": "camera exposures for one image", "value": f"{light.exposures}"}]
    if light.photons_full_scale is not None and light.photons_per_pixel is not None:
        per_exposure = light.photons_per_exposure or 0.0
        out += [
            {
                "name": "photons on a sensor pixel at full scale, clear mask",
                "value": f"{light.photons_full_scale:,.0f}",
            },
            {
                "name": "photons on a sensor pixel, mean of all exposures",
                "value": f"{light.photons_per_pixel:,.1f}",
            },
            {"name": "photons in the image, one exposure", "value": f"{per_exposure:.3g}"},
        ]
    out.append({"name": "saturated pixels", "value": _percent(light.saturated, 3)})
    out.append({"name": "sensor pixels in one camera pixel", "value": f"{job.bench.camera.binning**2}"})
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
        rows.append(
            {"name": name, "measured": measured, "nominal": "-" if nominal is None else f"{nominal:.4g}"}
        )
    fields = f"{calibration['exposures']} flat fields at each of {calibration['levels']} light levels"
    return {"radiometry": rows, "radiometry_fields": fields}


def _confusion(counts: list[list[int]] | None) -> list[list[dict[str, str]]]:
    out = []
    for i, line in enumerate(counts or []):
        total = sum(line) or 1
        cells = []
        for j, count in enumerate(line):
            share = count / total
            hue = "31,111,180" if i == j else "200,80,30"
            strength = share if i == j else min(1.0, 6 * share)
            cells.append(
                {
                    "text": f"{100 * share:.1f}" if count else "",
                    "colour": f"rgba({hue},{0.05 + 0.9 * strength:.2f})" if count else "#f4f6f8",
                    "ink": "#fff" if strength > 0.5 and count else "#1c1e21",
                }
            )
        out.append(cells)
    return out
