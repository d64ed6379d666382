"""Do the optics earn their place? Real data, every control behind the same back end and the same schedule.

`intensity` is the student; `linear` sees the field itself (homodyne), half as many kernels since each gives a real and
an imaginary map. The controls: optics frozen at random, a plain lens, the raw image, an electronic convolution. The
number of maps and bins, hence the back end, is the same for all; the lens and the raw image get finer bins whose
neighbours are stacked as maps.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from rich.table import Table
from torch import nn

from benchmarks.controls_tasks import TASKS, Task, digest
from distill.data.dataset import Splits
from distill.training.train_loop import fit
from networks.backends.space_to_depth import Stacked
from networks.cascade.cascade import Cascade
from networks.operations import multiply_accumulates
from networks.readouts import readouts
from networks.students.controls import ElectronicConvolution, RawImage
from networks.students.student import Student
from optics.files import write_text

ROWS = {
    "intensity": "optics, intensity",
    "linear": "optics, homodyne",
    "random_masks": "random masks",
    "no_mask": "no mask, plain lens",
    "raw_image": "raw image",
    "electronic": "electronic convolution",
}


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def networks(task: Task, splits: Splits, seed: int) -> dict[str, Callable[[], nn.Module]]:
    """The makers of all rows' networks by the rows' names; values drawn from `seed`."""
    train = splits.train

    def student(kind: str = "build", **options: Any) -> Student:
        make = Student.build if kind == "build" else Student.random_masks
        sizes: dict[str, Any] = {
            "image_shape": train.image_shape,
            "classes": train.classes,
            "bins": task.bins,
        }
        sizes |= {
            "channels": task.channels,
            "kernel_size": task.kernel_size,
            "head": task.head,
        } | task.options
        return make(**(sizes | options), generator=_generator(seed))

    backend = student().backend

    def lens() -> Student:
        stacked = Stacked.matching(backend, train.channels, square_root=True, generator=_generator(seed))
        eye = readouts.create("intensity", stacked.bins)
        return Student(
            Cascade.identity(train.channels), eye, stacked, image_shape=train.image_shape, control="no_mask"
        )

    half = (*task.channels[:-1], task.channels[-1] // 2)
    return {
        "intensity": student,
        "linear": lambda: student(readout="homodyne", channels=half),
        "random_masks": lambda: student("random_masks"),
        "no_mask": lens,
        "raw_image": lambda: RawImage.matching(backend, train.channels, generator=_generator(seed)),
        "electronic": lambda: ElectronicConvolution.matching(
            backend, train.channels, task.taps, generator=_generator(seed)
        ),
    }


def _backend_operations(network: Any, x: torch.Tensor) -> int:
    """Of the back end alone: what must be the same in all rows."""
    if isinstance(network, Student):
        return network.operations(x)
    if isinstance(network, RawImage):
        return network.operations(x)
    return multiply_accumulates(network.backend, (1, *network.backend.features))


def _exposures(network: Any) -> int:
    if not isinstance(network, Student):
        return 0
    return network.readout.frame_count(network.cascade.out_channels)


def _one(task: Task, splits: Splits, network: Any, seed: int, epochs: int | None) -> dict[str, Any]:
    spec = task.spec.replace(seed=seed, **({} if epochs is None else {"epochs": epochs}))
    start = time.process_time()
    history = fit(
        network,
        (splits.train.images, splits.train.labels),
        (splits.validation.images, splits.validation.labels),
        spec,
        directory=None,
    )
    x = splits.test.images[:1]
    return {
        "score": task.score(network, splits),
        "validation": history.best.validation_accuracy,
        "epoch": history.best.epoch,
        "operations": network.operations(x),
        "backend_operations": _backend_operations(network, x),
        "exposures": _exposures(network),
        "seconds": time.process_time() - start,
    }


def _summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """One row of the table from its runs, one per seed."""
    names = list(dict.fromkeys(name for run in runs for name in run["score"]))
    each = {name: [run["score"][name] for run in runs if name in run["score"]] for name in names}
    return {
        "mean": {name: statistics.mean(values) for name, values in each.items()},
        "spread": {name: statistics.stdev(v) if len(v) > 1 else 0.0 for name, v in each.items()},
        "each": each[names[0]],
        "validation": [run["validation"] for run in runs],
        "epoch": [run["epoch"] for run in runs],
        "seconds": sum(run["seconds"] for run in runs),
    } | {name: runs[0][name] for name in ("operations", "backend_operations", "exposures")}


def _task(name: str, path: Path, seeds: Iterable[int], epochs: int | None, quick: bool) -> dict[str, Any]:
    task = TASKS[name]
    runs: dict[str, list[dict[str, Any]]] = {row: [] for row in ROWS}
    sizes: dict[str, int] = {}
    for seed in seeds:
        splits = task.load(path, seed, quick)
        sizes = {k: len(getattr(splits, k)) for k in ("train", "validation", "test")}
        makers = networks(task, splits, seed)
        for row, done in runs.items():
            done.append(_one(task, splits, makers[row](), seed, epochs))
            note = ", ".join(f"{k} {100 * v:.1f}" for k, v in done[-1]["score"].items())
            print(
                f"{name}, seed {seed}, {row}: {note} ({done[-1]['seconds']:.0f} s)",
                file=sys.stderr,
                flush=True,
            )
    return {
        "title": task.title,
        "about": task.about,
        "file": task.file or "shipped with the package",
        "sha256": digest(path if task.file else None),
        "images": sizes,
        "seeds": list(seeds),
        "optics": {
            "channels": task.channels,
            "kernel_size": task.kernel_size,
            "taps": task.taps,
            "bins": task.bins,
        },
        "backend": {"head": task.head} | task.options,
        "training": task.spec.model_dump(mode="json") | ({} if epochs is None else {"epochs": epochs}),
        "rows": {row: _summary(done) for row, done in runs.items()},
    }


def measure(
    *,
    tasks: Iterable[str] = (),
    seeds: int = 3,
    epochs: int | None = None,
    data: Path = Path("../shared/data"),
    quick: bool = False,
    save: Path | None = None,
) -> dict[str, Any]:
    """Train everything and score it.

    Args:
        tasks: names from TASKS; none is all.
        seeds: how many trainings of each row, seeds 0, 1, ...
        epochs: in place of the tasks' own.
        data: directory of the data sets; a task whose file is not there is skipped, and says so.
        quick: one seed, two epochs, few images.
        save: a JSON file that holds earlier tasks; each task is put into it when it is done.
    """
    seeds, epochs = (1, epochs or 2) if quick else (seeds, epochs)
    result: dict[str, Any] = {"threads": torch.get_num_threads(), "quick": quick, "tasks": {}, "skipped": {}}
    for name in tasks or TASKS:
        file = TASKS[name].file
        path = data / (file or "")
        if file is not None and not path.is_file():
            result["skipped"][name] = f"{file} is not in {data}"
            continue
        result["tasks"][name] = _task(name, path, range(seeds), epochs, quick)
        if save is not None:
            _put(save, name, result)
    return result


def _put(save: Path, name: str, result: dict[str, Any]) -> None:
    kept: dict[str, Any] = (
        json.loads(save.read_text()) if save.is_file() else {"benchmark": "controls", "tasks": {}}
    )
    kept |= {"torch": torch.__version__, "threads": result["threads"]}
    tasks: dict[str, Any] = kept["tasks"] | {name: result["tasks"][name]}
    kept["tasks"] = {k: tasks[k] for k in TASKS if k in tasks}
    write_text(save, json.dumps(_rounded(kept), indent=1) + "\n")


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    return [_rounded(v) for v in value] if isinstance(value, list | tuple) else value


def tables(result: dict[str, Any]) -> list[Table]:
    """One table a task: every row's score, spread over seeds, multiply-accumulates, exposures; one more for classes."""
    made = []
    for task in result["tasks"].values():
        rows = task["rows"]
        main, *others = dict.fromkeys(name for values in rows.values() for name in values["mean"])
        images = ", ".join(f"{k} {n}" for k, n in task["images"].items())
        about = f"{task['about']}; {images}; {len(task['seeds'])} seeds, {task['training']['epochs']} epochs"
        table = Table(title=task["title"], caption=about)
        table.add_column("row")
        for column in (f"{main}, %", "spread", "operations", "exposures"):
            table.add_column(column, justify="right")
        for row, values in rows.items():
            mean, spread = (f"{100 * values[k][main]:.1f}" for k in ("mean", "spread"))
            table.add_row(
                ROWS[row], mean, spread, f"{values['operations']:,}", str(values["exposures"] or "-")
            )
        made.append(table)
        if others:
            more = Table("row", *others, title=f"{task['title']}: more figures, %")
            for row, values in rows.items():
                more.add_row(
                    ROWS[row],
                    *(f"{100 * values['mean'][k]:.1f}" if k in values["mean"] else "-" for k in others),
                )
            made.append(more)
    if result.get("skipped"):
        missing = Table("task", "skipped because", title="Not measured")
        for name, reason in result["skipped"].items():
            missing.add_row(name, reason)
        made.append(missing)
    return made
