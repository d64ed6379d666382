"""One mask, learned as one free kernel or as a cascade of several that is collapsed: which trains better?

The student of a run file, on labels alone, with its optics held in several forms that all collapse to as many kernels
of as many taps before the same electronics: one layer, and cascades of several layers and widths. Each form is trained
at multiples of the file's learning rate and at several seeds; the rate of a form is that with the best mean on the
*validation* images, and what is told is its test images. Forms of one seed see the same images in the same order, so
their difference is told with the standard error of its mean over the seeds.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from rich.table import Table

from benchmarks.kept import Kept, run_file
from benchmarks.paired import beyond, chosen
from distill.job.job import Job
from distill.metrics.confusion import accuracy
from distill.training.teaching import logits
from distill.training.train_loop import fit
from networks import Student

FACTORS = (0.3, 1.0, 3.0)
DEPTHS = (1, 2, 3)
WIDTHS = (0.5, 1.0)  # maps between the layers, as a share of the masks


@dataclass(frozen=True)
class Form:
    """How the kernels are held. inner: maps between the layers. sizes: taps a side of each layer."""

    inner: tuple[int, ...]
    sizes: tuple[int, ...]

    @property
    def name(self) -> str:
        """Such as `5-3 over 24`."""
        told = "-".join(map(str, self.sizes))
        return f"{told} over {self.inner[0]}" if self.inner else told

    def values(self, first: int, masks: int) -> int:
        """Complex taps that are learned."""
        maps = (first, *self.inner, masks)
        return sum(a * b * k * k for (a, b), k in zip(pairwise(maps), self.sizes, strict=True))


def forms(taps: int, masks: int) -> list[Form]:
    """The forms of `masks` kernels of `taps` a side, the free kernel first; taps are shared out evenly."""
    found = []
    for depth in DEPTHS:
        whole, more = divmod((taps - 1) // 2, depth)
        if not whole:
            continue
        sizes = tuple(1 + 2 * (whole + (k < more)) for k in range(depth))
        for width in WIDTHS if depth > 1 else WIDTHS[:1]:
            found.append(Form((max(1, round(width * masks)),) * (depth - 1), sizes))
    return found


def measure(
    *,
    config: Path,
    factors: Sequence[float] = FACTORS,
    epochs: int | None = None,
    seeds: int = 3,
    images: int | None = None,
    save: Path | None = None,
    sets: Sequence[str] = (),
) -> dict[str, Any]:
    """Accuracy of every form at every learning rate and seed.

    Args:
        config: a run file; its student's masks and collapsed taps are what every form makes.
        factors: of the file's learning rate.
        epochs: of every training; the file's own by default.
        seeds: how many, from the file's own on.
        images: at most so many training images are learned from; all by default. Validation and test images are whole.
        save: JSON file that receives every training when it is done; the same command goes on there.
        sets: `KEY=VALUE`, as of `sclc run`.

    Raises:
        OpticsError: a file that `sclc run` would not take, or `save` holds other trainings.
    """
    base, about = run_file(config, sets, epochs)
    about |= {"images": images}
    kept = Kept(save, about)
    cascade = base.student.cascade
    first, *_, masks = cascade.channels
    taps = 1 + sum(size - 1 for size in cascade.each(cascade.kernel_size))
    every = forms(taps, masks)
    rates = [factor * base.student.training.learning_rate for factor in factors]
    for seed in range(base.seed, base.seed + seeds):
        job: Job | None = None
        for form in every:
            for rate in rates:
                key = f"{form.name}/{rate:.3g}/{seed}"
                if key not in kept.done:
                    job = job or Job.prepare(base.replace(seed=seed), Path())
                    kept.keep(key, _trained(job, form, rate, images))
    rows = []
    for form in every:
        runs = {
            rate: [kept.done[f"{form.name}/{rate:.3g}/{base.seed + k}"] for k in range(seeds)]
            for rate in rates
        }
        rows.append(_row(form, runs) | {"values": form.values(first, masks)})
    setting = {"epochs": base.student.training.epochs, "seeds": seeds, "taps": taps, "masks": masks}
    return about | setting | {"rows": [row | beyond(row["test"], rows[0]["test"]) for row in rows]}


def _trained(job: Job, form: Form, rate: float, images: int | None) -> dict[str, float]:
    """Validation and test accuracy of one training; the epoch is chosen as in every run."""
    config, seed, (train, check, test) = job.config, job.config.seed, vars(job.splits).values()
    first, *_, masks = config.student.cascade.channels
    held = {"channels": (first, *form.inner, masks), "kernel_size": form.sizes}
    student = Student.from_spec(
        config.replace(**{f"student.cascade.{key}": value for key, value in held.items()}).student.spec(
            job.image_shape, train.classes
        ),
        generator=torch.Generator().manual_seed(seed),
    )
    history = fit(
        student,
        (train.images[:images], train.labels[:images]),
        (check.images, check.labels),
        config.student.training.replace(learning_rate=rate, seed=seed),
        directory=None,
    )
    answers = logits(student, test.images, 100).argmax(1)
    return {
        "validation": history.best.validation_accuracy,
        "test": accuracy(answers, test.labels, test.classes),
    }


def _row(form: Form, runs: dict[float, list[dict[str, float]]]) -> dict[str, Any]:
    """Every rate's mean on the validation images, and the test images of the best."""
    best, means = chosen(runs)
    return {
        "form": form.name,
        "validation": {f"{rate:.3g}": mean for rate, mean in means.items()},
        "rate": best,
        "test": [run["test"] for run in runs[best]],
    }


def tables(result: dict[str, Any]) -> list[Table]:
    """A line a form."""
    shape = f"{result['masks']} kernels of {result['taps']} x {result['taps']}"
    table = Table(title=f"{result['name']}, {shape}, {result['epochs']} epochs, {result['seeds']} seeds")
    for name in (
        "layers",
        "complex taps learned",
        "validation % (learning rate)",
        "test %",
        "beyond one layer",
    ):
        table.add_column(name, justify="right")
    for row in result["rows"]:
        tried = ", ".join(f"{100 * v:.1f} ({rate})" for rate, v in row["validation"].items())
        spread = "" if len(row["test"]) < 2 else f" ± {100 * statistics.stdev(row['test']):.1f}"
        error = "" if row["error"] is None else f" ± {100 * row['error']:.1f}"
        table.add_row(
            row["form"],
            f"{row['values']:,}",
            tried,
            f"{100 * statistics.fmean(row['test']):.1f}{spread}",
            f"{100 * row['gain']:+.1f}{error}",
        )
    return [table]
