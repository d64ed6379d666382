"""Every row of the table, on the test part: the benches, and what is computed without one.

Two steps of the main job. The benches take most of the time and do not know the controls: one that is added later
leaves them as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from distill.environment import environment
from distill.job.job import Job
from distill.job.ledger import Ledger, read_json
from distill.job.rows import BENCHES, EVALUATION, STUDENTS, Rows, is_on_bench
from distill.metrics.row import Row
from distill.metrics.tasks import Difference, Known
from distill.pipeline.steps import BATCH, CONTROLS, LIGHT_IMAGES, seed_of, stream
from distill.training import evaluation
from networks import RawImage, Student, multiply_accumulates
from networks.onbench.network import OnBench
from optics.errors import OpticsError
from optics.files import write_json

_OF_BENCHES = ("confusion", "light", "environment")  # beside the rows


def run_benches(job: Job) -> None:
    """The rows of the ideal and of the realistic bench, as it comes and refitted."""
    kd, refitted = job.student("linear_kd"), job.on_bench(job.student("refit"), job.bench)
    found, counts = bench_rows(
        job, job.on_bench(kd, job.bench.ideal(), calibrated=False), job.on_bench(kd, job.bench), refitted
    )
    write_json(
        job.directory / BENCHES,
        {
            "rows": {name: row.model_dump(mode="json") for name, row in found.items()},
            "confusion": None if counts is None else counts.tolist(),
            "light": light(job, refitted),
            "environment": environment(job.config.seed, job.device),
        },
    )


def run_evaluate(job: Job) -> None:
    """Every row of the table: those without a bench, and those of the benches."""
    networks, rows, gain = _given(job) if job.config.student.file else _trained(job)
    benches = read_json(job.directory / BENCHES)
    found = {name: row.model_dump(mode="json") for name, row in rows.items()} | benches["rows"]
    write_json(
        job.directory / EVALUATION,
        {
            "rows": Rows.model_validate(found).model_dump(mode="json"),
            "gain": None if gain is None else gain.model_dump(mode="json"),
            "operations": _operations(job, networks),
        }
        | {name: benches[name] for name in _OF_BENCHES},
    )


def split_earlier(book: Ledger, key: str, evaluated: set[str]) -> None:
    """Take the benches out of the evaluation of an earlier version, which was one step, so that none is done twice.

    Args:
        book: of the run; what it cannot read there is done anew.
        key: of the benches.
        evaluated: the keys for which that evaluation's benches are these.
    """
    if not any(book.done("evaluate", earlier) for earlier in evaluated):
        return
    try:
        found = read_json(book.directory / EVALUATION)
        rows = {name: row for name, row in found["rows"].items() if is_on_bench(name)}
        benches = {"rows": rows} | {name: found[name] for name in _OF_BENCHES}
    except (OpticsError, KeyError, TypeError, AttributeError):
        return
    with book.working("benches", key, keep=False):
        write_json(book.directory / BENCHES, benches)


def _given(job: Job) -> tuple[dict[str, nn.Module], dict[str, Row], None]:
    """The network of a file, and its row without a bench."""
    network = job.student("linear_kd")
    return {"given": network}, {"given": _computed(job, [network])[0]}, None


def _computed(job: Job, networks: Sequence[nn.Module]) -> tuple[Row, Tensor]:
    """The row of networks that differ in their training alone, without a bench; and what each image adds to it."""
    task, test = job.task, job.splits.test
    known, gallery = None, task.gallery(job.splits)
    if gallery is not None:
        vectors = torch.stack([task.answers(n, gallery.images, BATCH) for n in networks])
        known = Known(vectors, gallery.labels)
    answers = torch.stack([task.answers(n, test.images, BATCH) for n in networks])
    return task.row(answers, test, known), task.per_unit(answers, test, known)


def _trained(job: Job) -> tuple[dict[str, nn.Module], dict[str, Row], Difference]:
    """The teacher, the students and their controls, their rows without a bench, and what distillation gained."""
    networks: dict[str, nn.Module] = {"teacher": job.teacher()}
    rows = {"teacher": _computed(job, [networks["teacher"]])[0]}
    parts: dict[str, Tensor] = {}
    for step in (s for s in STUDENTS if s not in CONTROLS or s in job.config.student.controls):
        networks[step] = job.network(step)
        rows[step], parts[step] = _computed(job, _repeats(job, step))
    return networks, rows, job.task.difference(parts["linear_kd"], parts["linear"])


def control(job: Job, step: str) -> tuple[Row, int]:
    """A control's row, and its electronic multiply-accumulates for one image."""
    return _computed(job, _repeats(job, step))[0], _operations_of(job, job.network(step))


def _repeats(job: Job, step: str) -> list[nn.Module]:
    return [job.network(job.repeat(step, r)) for r in range(job.config.student.repeats)]


def bench_rows(
    job: Job, ideal: OnBench, as_is: OnBench, refitted: OnBench
) -> tuple[dict[str, Row], Tensor | None]:
    """The three rows of a bench, and the confusion counts (classes, classes) of the last, where there are classes.

    The network as it is and the refitted one share their masks, hence their light and their exposures; only the
    electronics differs.
    """
    task, test, gallery = job.task, job.splits.test, job.task.gallery(job.splits)
    rows: dict[str, Row] = {}
    counts = None
    for bench, named in (
        (ideal, {"ideal_bench": ideal}),
        (as_is, {"bench_as_is": as_is, "bench_refit": refitted}),
    ):
        features = exposures(job, bench)
        known = None if gallery is None else exposures(job, bench, gallery.images)
        for name, network in named.items():
            answers = evaluation.answers_from(task, network.backend, features)
            if gallery is None or known is None:
                rows[name] = task.row(answers, test, None)
            else:
                vectors = evaluation.answers_from(task, network.backend, known)
                rows[name] = task.row(answers, test, Known(vectors, gallery.labels))
            counts = task.confusion(answers, test)
    return rows, counts


def exposures(job: Job, bench: OnBench, known: Tensor | None = None) -> Tensor:
    """Features (draws, N, maps, by, bx) of the test images, the same noise for every bench.

    known: in their place images of people who are known, exposed once, with noise of their own.
    """
    draws = job.config.evaluation.draws
    return evaluation.record_features(
        bench,
        job.splits.test.images if known is None else known,
        draws=draws if known is None else 1,
        seed=seed_of(job, "evaluate") + (0 if known is None else draws),
        progress=job.progress,
    )


def _operations(job: Job, networks: dict[str, nn.Module]) -> dict[str, int]:
    x = job.splits.validation.images[:1]
    counts = {name: _operations_of(job, model) for name, model in networks.items()}
    cascade = job.student("linear_kd").cascade
    # what the collapsed convolution would cost: a complex kernel on a real image is two products a tap
    taps = 2 * cascade.kernel_size**2 * cascade.in_channels * cascade.out_channels
    counts["optics_replaced"] = taps * x.shape[-2] * x.shape[-1]
    return counts


def _operations_of(job: Job, model: nn.Module) -> int:
    x = job.splits.validation.images[:1]
    return model.operations(x) if isinstance(model, Student | RawImage) else multiply_accumulates(model, x)


def light(job: Job, bench: OnBench) -> dict[str, Any]:
    """Photons and saturation on the bench, over validation images, one exposure of each SLM frame."""
    images = job.splits.validation.images[:LIGHT_IMAGES]
    with torch.no_grad():
        photons = bench.expected(images.to(job.device))
        counts = bench.record(photons, generator=stream(job, "light"))
    budget, camera = job.bench.light.photons, job.bench.camera
    area = photons.shape[-2] * photons.shape[-1] * camera.binning**2
    per_exposure = float(photons.cpu().double().sum((-2, -1)).mean())
    return {
        "photons_full_scale": budget,
        "photons_per_pixel": None if budget is None else per_exposure / area,
        "photons_per_exposure": None if budget is None else per_exposure,
        "saturated": bench.recorders[0].camera.saturation(counts),
        "exposures": photons.shape[1],
    }
