"""Images a second of a student's training step for each distillation method, and where the time of a step goes.

The demo's student (1, 8, 16, 8 channels, 5x5 taps, 2x2 bins) and teacher (LeNet-5) on 28 x 28 noise, batches of 64, one
thread, CPU time, the methods in turns. Ratios are against the step without a teacher.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from rich.table import Table

from benchmarks.clock import Job, in_turns, ratio
from distill.data.augmentation import AugmentSpec
from distill.training.losses.term import Seen
from distill.training.run import Run
from distill.training.spec import TrainSpec
from networks import Student, create_teacher

BATCH, BATCHES, CLASSES = 64, 4, 10
_MOVES = {"shift": 2.0, "rotation": 0.2, "zoom": 0.12}
METHODS: dict[str, tuple[bool, dict[str, Any]]] = {
    "labels": (False, {}),
    "labels, moved images": (False, {"augmentation": _MOVES}),
    "labels, every second pixel": (False, {"step": {"every": 2}}),
    "labels, average, clipping": (False, {"step": {"ema": 0.999, "clip": 1.0}}),
    "plain, stored answers": (True, {}),
    "plain, moved images": (True, {"augmentation": _MOVES}),
    "decoupled": (True, {"distillation": {"decoupled": {}}}),
    "hint": (True, {"distillation": {"hint": {}}}),
    "tangent, electronics": (True, {"distillation": {"tangent": {}}}),
    "tangent, network": (
        True,
        {"distillation": {"tangent": {"of": "network", "images": 8, "directions": 2}}},
    ),
    "function matching": (True, {"augmentation": {"crop": 2}, "distillation": {"function_matching": True}}),
}


def _run(guided: bool, told: dict[str, Any]) -> Run:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(BATCH * BATCHES, 1, 28, 28, generator=generator)
    labels = torch.arange(len(images)) % CLASSES
    student = Student.build((1, 8, 16, 8), kernel_size=5, bins=(2, 2), generator=generator)
    teacher = create_teacher("lenet5", 1, CLASSES, (28, 28), generator=generator) if guided else None
    spec = TrainSpec(epochs=10**6, batch_size=BATCH, learning_rate=1e-6, **told)
    return Run(student, (images, labels), (images[:2], labels[:2]), spec, teacher)


def _parts(run: Run, rounds: int) -> dict[str, float]:
    """CPU seconds of each part of one step, medians."""
    times: dict[str, list[float]] = {}

    def timed(name: str, work: Callable[..., Any], *given: Any) -> Any:
        begin = time.process_time()
        made = work(*given)
        times.setdefault(name, []).append(time.process_time() - begin)
        return made

    student: Any = run.model
    student.train()
    for k in range(rounds):
        index = torch.arange(BATCH) + BATCH * (k % BATCHES)
        inputs, answers, _ = batch = timed("moving the images", run._shown, index)
        features = timed("optics and camera", student.features, inputs)
        out = timed("electronics", student.backend, features)
        seen = Seen(run.model, inputs, answers, out, index, 0.0, run.guide, run.generator)
        if run.guide is not None:
            timed("teacher", getattr, seen, "taught")
        loss = timed("losses", run._loss, seen, run._shares([batch])[0])
        timed("backward", loss.backward)
        timed("optimiser", run.stepper.step)
        run.stepper.optimiser.zero_grad(set_to_none=True)
    return {name: statistics.median(found[1:]) for name, found in times.items()}


def measure(*, quick: bool = False) -> dict[str, Any]:
    """Images a second by method, ratios to the step on labels alone, and the parts of two steps."""
    runs = {name: _run(guided, told) for name, (guided, told) in METHODS.items()}
    jobs = {
        name: Job(lambda run=run: run.one_epoch(None), images=BATCH * BATCHES)  # type: ignore[misc]
        for name, run in runs.items()
    }
    times = in_turns(jobs, rounds=2 if quick else 9)
    rows = {
        name: {
            "images_a_second": 1 / statistics.median(times[name]),
            "times_the_step_on_labels": ratio(times, name, "labels"),
        }
        for name in METHODS
    }
    steps = 3 if quick else 30
    parts = {
        "labels": _parts(_run(False, {}), steps),
        "plain, moved images": _parts(_run(True, {"augmentation": AugmentSpec(**_MOVES)}), steps),
    }
    return {"batch": BATCH, "methods": rows, "parts": parts}


def tables(result: dict[str, Any]) -> list[Table]:
    """The numbers as tables."""
    speeds = Table(title=f"Training step, batch {result['batch']}, one thread, CPU time")
    for title in ("method", "images a second", "times the step on labels"):
        speeds.add_column(title, justify="left" if title == "method" else "right")
    for name, row in result["methods"].items():
        speeds.add_row(name, f"{row['images_a_second']:.0f}", f"{row['times_the_step_on_labels']:.2f}")
    shares = Table(title="Where the time of a step goes, per cent")
    shares.add_column("part")
    names = list(result["parts"])
    for name in names:
        shares.add_column(name, justify="right")
    every = dict.fromkeys(part for name in names for part in result["parts"][name])
    for part in every:
        shown = []
        for name in names:
            found = result["parts"][name]
            shown.append(f"{100 * found[part] / sum(found.values()):.1f}" if part in found else "")
        shares.add_row(part, *shown)
    return [speeds, shares]
