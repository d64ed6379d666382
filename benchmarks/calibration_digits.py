"""Pictures through random benches with every flaw: what calibration, refits and the bench in the loop win back.

Each bench is a random one of `benchmarks.calibration`; whoever trains knows its data sheet, and what its camera gave.
Masks are levels worked out from the description that is assumed; the truth shows them, and the electronics reads its
counts by that same description. Images are 16 x 16, masks 8, in the order of the table:

    ideal            the network on a bench without flaws, levels or noise
    as it comes      designed by the data sheet
    refitted         the same masks; back end fitted to `captures` images
    calibrated       masks, levels and electronics by the twin that 14 frames gave
    retrained        masks and back end trained on the twin; no image captured
    ... refitted     then the back end fitted to `captures` images
    in the loop      trained from there with the bench in the loop, `captures` images in all
    sheet, in the loop   the same from the data sheet's network with the data sheet as its twin

An image is captured through all masks, one frame each. Pictures are the digits, or those of any set of
`distill.data.sources` with ten classes, in grey and made that small: CIFAR-10 is then a hard task for so small a
network, and what a bench costs is the same question.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.table import Table
from torch import Tensor

from benchmarks.calibration import TOLERANCES, ZERNIKES, nominal_bench, random_bench
from calibration.rigs.rig import default_region
from calibration.rigs.simulated import simulated_rig
from calibration.twin.calibrate import calibrate
from calibration.twin.probes import probe_candidates
from distill.data import sources
from distill.data.dataset import Dataset
from distill.training.in_the_loop import train_in_the_loop
from distill.training.spec import TrainSpec
from distill.training.teaching import logits
from distill.training.train_loop import fit, train
from networks.onbench.network import OnBench
from networks.students.noise_aware import NoiseAware
from networks.students.student import Student
from optics.bench.spec import BenchSpec
from optics.checks import SpecError
from optics.files import write_json

SIZE, MASKS, FRAMES = 16, 8, 14
IMAGES = 3000
LIMIT = 4000  # images at most of another set's training and test parts
CURVE = (50, 100, 200, 500, 1000, 2000, 5000)
ROWS = (
    "ideal",
    "as it comes",
    "refitted",
    "calibrated",
    "calibrated, refitted",
    "calibrated, retrained",
    "calibrated, retrained, refitted",
    "calibrated, retrained, in the loop",
    "data sheet, in the loop",
)
_REFIT = TrainSpec(epochs=40, batch_size=32, learning_rate=3e-3)


def digits_bench() -> BenchSpec:
    """The small bench's data sheet, its carrier wide enough for 16 x 16 images."""
    return nominal_bench(False).replace(**{"name": "digits", "encoding.carrier": (0.1875, -0.125)})


def seen(
    student: Student, assumed: BenchSpec, truth: BenchSpec, x: Tensor, seed: int
) -> tuple[OnBench, Tensor]:
    """The network as its maker believes it, and the features that one exposure on the true bench gives it."""
    network = student.on(assumed, image_shape=(SIZE, SIZE)).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        levels = network.optics.levels()  # type: ignore[operator]
        really = OnBench.from_levels(
            levels,
            network.scales,
            bench=truth.replace(assumed_alignment=assumed.assumed_alignment),
            image_shape=(SIZE, SIZE),
            readout=student.readout,
            backend=student.backend,
        )
        parts = [network.features_of(really.frames(part, generator=generator)) for part in x.split(500)]
    return network, torch.cat(parts)


def accuracy(student: Student, assumed: BenchSpec, truth: BenchSpec, data: Dataset) -> float:
    """Share of images that are told right on the true bench, one exposure each."""
    network, features = seen(student, assumed, truth, data.images, 99)
    return _right(network, features, data)


def _right(network: Any, features: Tensor, data: Dataset) -> float:
    return float((logits(network.backend, features).argmax(1) == data.labels).double().mean())


def refitted(
    student: Student, assumed: BenchSpec, truth: BenchSpec, train_part: Dataset, data: Dataset, count: int
) -> float:
    """The same with a back end fitted to one exposure of each of `count` training images."""
    network, features = seen(student, assumed, truth, train_part.images[:count], 7)
    own = count - max(1, count // 5)
    backend = _copy(student).backend
    fit(
        backend,
        (features[:own], train_part.labels[:own]),
        (features[own:], train_part.labels[own:count]),
        _REFIT,
        directory=None,
    )
    return _right(network.with_backend(backend), seen(student, assumed, truth, data.images, 99)[1], data)


def trained(splits: Any) -> Student:
    """The network by its data sheet: trained off the bench."""
    student = _fresh()
    spec = TrainSpec(epochs=30, batch_size=50, learning_rate=4e-3, light=0.02)
    with tempfile.TemporaryDirectory() as folder:
        train(student, _first(splits.train, IMAGES), splits.validation, spec, directory=Path(folder))
    return student.eval()


def _fresh() -> Student:
    return Student.build(
        (1, MASKS),
        image_shape=(SIZE, SIZE),
        bins=(4, 4),
        kernel_size=5,
        generator=torch.Generator().manual_seed(1),
    )


def _copy(student: Student) -> Student:
    made = Student.from_spec(student.spec)
    made.load_state_dict(student.state_dict())
    return made.eval()


def _first(data: Dataset, count: int) -> Dataset:
    return replace(data, images=data.images[:count], labels=data.labels[:count])


def retrained(student: Student, twin: BenchSpec, splits: Any) -> Student:
    """Masks and back end trained on the twin, its noise drawn anew in each step."""
    made = _copy(student)
    spec = TrainSpec(epochs=10, batch_size=50, learning_rate=4e-3)
    with tempfile.TemporaryDirectory() as folder:
        aware = NoiseAware(made, twin, image_shape=(SIZE, SIZE))
        train(
            aware,
            _first(splits.train, IMAGES),
            splits.validation,
            spec,
            directory=Path(folder),
        )
    return made.eval()


def in_the_loop(
    student: Student, twin: BenchSpec, truth: BenchSpec, splits: Any, captures: int, seed: int
) -> Student:
    """Trained with the bench in the loop: four passes, a fifth of the captured images to choose one of them."""
    made, passes = _copy(student), 4
    each = captures // passes
    spec = TrainSpec(epochs=passes, batch_size=25, learning_rate=1.5e-3)
    rig = simulated_rig(truth, digits_bench(), generator=torch.Generator().manual_seed(seed))
    with tempfile.TemporaryDirectory() as folder:
        train_in_the_loop(
            made,
            twin,
            rig,
            _first(splits.train, each - each // 5),
            _first(splits.validation, each // 5),
            spec,
            directory=Path(folder),
            image_shape=(SIZE, SIZE),
            oversampling=1,
        )
    return made.eval()


def run_one(student: Student, splits: Any, seed: int, captures: int, curve: bool) -> dict[str, Any]:
    """One random bench: every row, and what few or many captures are worth to the network as it comes."""
    sheet, image = digits_bench(), (SIZE, SIZE)
    generator = torch.Generator().manual_seed(seed)
    truth = random_bench(sheet, generator)
    probes = probe_candidates(sheet, image, FRAMES, generator=generator)
    rig = simulated_rig(truth, sheet, generator=generator)
    recording = rig.capture(probes, region=default_region(sheet, image))
    result = calibrate(recording, sheet, tolerances=TOLERANCES, zernikes=ZERNIKES)
    # masks and bins laid out for the alignment that was found
    twin = result.bench.replace(assumed_alignment=result.bench.alignment)
    test, part = splits.test, splits.train
    new = retrained(student, twin, splits)
    rows = {
        "ideal": _on_ideal(student, test),
        "as it comes": accuracy(student, sheet, truth, test),
        "refitted": refitted(student, sheet, truth, part, test, captures),
        "calibrated": accuracy(student, twin, truth, test),
        "calibrated, refitted": refitted(student, twin, truth, part, test, captures),
        "calibrated, retrained": accuracy(new, twin, truth, test),
        "calibrated, retrained, refitted": refitted(new, twin, truth, part, test, captures),
        "calibrated, retrained, in the loop": accuracy(
            in_the_loop(new, twin, truth, splits, captures, seed), twin, truth, test
        ),
        "data sheet, in the loop": accuracy(
            in_the_loop(student, sheet, truth, splits, captures, seed), sheet, truth, test
        ),
    }
    everything = Dataset(
        torch.cat((part.images, splits.validation.images)),
        torch.cat((part.labels, splits.validation.labels)),
        class_names=part.class_names,
        source=part.source,
    )
    points = {n: refitted(student, sheet, truth, everything, test, n) for n in CURVE} if curve else {}
    return {
        "seed": seed,
        "rows": rows,
        "curve": points,
        "verdict": result.verdict,
        "residual": [result.residual, result.noise],
    }


def _on_ideal(student: Student, data: Dataset) -> float:
    network = student.on(digits_bench().ideal(), image_shape=(SIZE, SIZE)).eval()
    return float((logits(network, data.images).argmax(1) == data.labels).double().mean())


def measure(
    *,
    quick: bool = False,
    benches: int = 3,
    first: int = 0,
    captures: int = 300,
    save: Path | None = None,
    data: str = "digits",
) -> dict[str, Any]:
    """Every row on `benches` random benches; what `save` holds already is not run again."""
    splits = sources.load(
        data, size=(SIZE, SIZE), grey=data != "digits", limit=None if data == "digits" else LIMIT
    )
    asked = {"captures": captures, "images": len(splits.test), "data": Path(data).stem}
    done: dict[int, dict[str, Any]] = {}
    if save is not None and save.exists():
        kept = {"data": "digits"} | json.loads(save.read_text(encoding="utf-8"))
        if {key: kept.get(key) for key in asked} != asked:
            raise SpecError(f"{save} holds runs of other settings; give another file.")
        done = {run["seed"]: run for run in kept["runs"]}
    student = trained(splits)
    for seed in range(first, first + (1 if quick else benches)):
        if seed in done:
            continue
        done[seed] = run_one(student, splits, seed, captures, curve=not quick and data == "digits")
        if save is not None:
            write_json(save, asked | {"runs": list(done.values())})
    return asked | {"digits": True, "runs": [done[seed] for seed in sorted(done)]}


def tables(result: dict[str, Any]) -> list[Table]:
    """Accuracy by row and bench, and the learning curve."""
    runs = result["runs"]
    table = Table(
        title=f"{result['data']}, {result['images']} test images, {result['captures']} captured where any, % right"
    )
    curve = Table(title="back end refitted, masks by the data sheet: captured images, % right")
    for made, name in ((table, "network"), (curve, "captured")):
        made.add_column(name)
        for run in runs:
            made.add_column(f"bench {run['seed']}", justify="right")
        made.add_column("mean", justify="right")
    for row in ROWS:
        _add(table, row, [run["rows"][row] for run in runs])
    for n in CURVE:
        values = [run["curve"][key] for run in runs for key in run["curve"] if int(key) == n]
        if len(values) == len(runs):
            _add(curve, str(n), values)
    return [table, curve] if curve.row_count else [table]


def _add(table: Table, name: str, values: list[float]) -> None:
    table.add_row(name, *(f"{100 * v:.1f}" for v in [*values, sum(values) / len(values)]))
