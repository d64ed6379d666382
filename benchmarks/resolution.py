"""The paper's claim: how the cost at equal accuracy grows with resolution, of linear optics and a nonlinear network.

One data set that has the resolution, reduced to each of several. At each a ladder of nonlinear convolutional networks
of rising width is trained, then the linear 4f network, distilled from the best of them; the cost of the nonlinear way
is that of the narrowest rung which reaches the linear network's accuracy *on the validation images* (between rungs:
linear in the logarithm of the operations). Both accuracies are then told on the test images.

What an image costs in exposures, light, time and energy, linear, nonlinear on the same bench and nonlinear in
electronics, is `benchmarks.resolution_cost`, which says what is assumed. The ladder's first layers keep the image's
resolution up to 64 pixels a side and reduce it to a quarter from there on (both at 64): whatever is cheaper counts. So
it is with the linear network's bins: 8 x 8 up to 64 pixels, 16 x 16 from there on, and what counts is the better one on
the validation images. A step of its training sees about 32 x 32 samples of an exposure, but for the last fiftieth of
the steps, which see all (`distill.training.thinning`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from rich.table import Table

from benchmarks.kept import Kept
from benchmarks.resolution_cost import as_good, at_accuracy, bench_of, of_converted, of_electronic, of_linear
from distill.data import sources
from distill.data.augmentation import AugmentSpec
from distill.data.dataset import Splits
from distill.metrics.confusion import accuracy
from distill.training.distillation import DistillationSpec
from distill.training.spec import StepSpec, TrainSpec
from distill.training.teaching import logits
from distill.training.train_loop import fit
from networks import Student, multiply_accumulates
from networks.teachers.resnet import ResNet
from optics.errors import OpticsError

SETS = {"cats_vs_dogs": (32, 48, 64, 96, 128), "high10_imagenette224": (32, 64, 96, 128, 224)}
WIDTHS = (2, 4, 8, 16)
STEMS = {
    "full": range(1, 65),
    "quarter": range(64, 1025),
}  # resolution of the first layers, at which pixels a side
BINS = {8: range(1, 65), 16: range(64, 1025)}  # of the linear network, a side, at which pixels a side
SEEN = 32  # samples a side of an exposure in a step of training, or somewhat more
MASKS, TAPS = 24, (5, 5)  # taps of the two layers at 32 pixels; they grow with the image
MIX, CONTEXT, AVERAGE, HIDDEN, OVERSAMPLING = 16, 3, (2, 2), 32, 2
BENCH = "pluto2-200mm"
FIGURES = ("validation", "test", "operations")


def measure(
    *,
    data: Path,
    name: str = "cats_vs_dogs",
    resolutions: Sequence[int] = (),
    widths: Sequence[int] = WIDTHS,
    epochs: int = 20,
    seeds: int = 1,
    save: Path | None = None,
    quick: bool = False,
) -> dict[str, Any]:
    """Accuracy and cost at each resolution.

    Args:
        data: directory of the data sets.
        name: one of `SETS`.
        resolutions: pixels a side; those of `SETS` by default. More than the file holds is no new information and is
            refused.
        widths: of the ladder's nonlinear networks, each with every stem that suits the resolution (`STEMS`).
        epochs: of every training.
        seeds: trainings of each network.
        save: JSON file that receives every training when it is done; the same command goes on there.
        quick: few images, one epoch, to see that it works.

    Raises:
        OpticsError: no such set, or a resolution that it does not have.
    """
    if name not in SETS:
        raise OpticsError(f"no set is called {name!r}; choose from {', '.join(SETS)}.")
    sizes, epochs = tuple(resolutions) or SETS[name], 1 if quick else epochs
    if max(sizes) > max(SETS[name]):
        raise OpticsError(f"{name} has {max(SETS[name])} pixels a side; {max(sizes)} would be made up.")
    widths = tuple(widths[:2]) if quick else tuple(widths)
    kept = Kept(save, {"name": name, "epochs": epochs, "quick": quick})
    rows = []
    for size in sizes[:1] if quick else sizes:
        splits = sources.load(data / f"{name}.h5", size=(size, size), limit=60 if quick else None)
        runs = [_one_seed(kept, splits, size, widths, epochs, seed) for seed in range(seeds)]
        rows.append(_summary(size, splits, widths, runs))
    return {"set": name, "epochs": epochs, "seeds": seeds, "bench": BENCH, "rows": rows}


def _one_seed(
    kept: Kept, splits: Splits, size: int, widths: Sequence[int], epochs: int, seed: int
) -> dict[str, dict[str, float]]:
    """Scores of every rung and of the linear network, at one seed."""
    spec = TrainSpec(
        epochs=epochs,
        batch_size=50,
        learning_rate=4e-3,
        weight_decay=2e-2,
        augmentation=AugmentSpec(crop=max(1, size // 12), flip=True),
        distillation=DistillationSpec(temperature=2.0, alpha=0.7),
        step=StepSpec(every=_every(size), precision="bf16"),
        seed=seed,
    )
    nonlinear = {rung: _ladder(splits, *rung, seed) for rung in _rungs(size, widths)}
    found = {
        _called(*rung): _trained(kept, model, splits, spec, f"{size}/{_called(*rung)}/{seed}")
        for rung, model in nonlinear.items()
    }
    wanted = [bins for bins in _bins(size) if f"{size}/{_linear(bins)}/{seed}" not in kept.done]
    if wanted:
        best = max(
            nonlinear, key=lambda r: (found[_called(*r)]["validation"], -found[_called(*r)]["operations"])
        )
        teacher, name = nonlinear[best], _called(*best)
        if not getattr(teacher, "is_trained", False):  # kept from an earlier call: only its figures are
            kept.done.pop(f"{size}/{name}/{seed}")
            found[name] = _trained(kept, teacher, splits, spec, f"{size}/{name}/{seed}")
        for bins in wanted:
            _trained(
                kept,
                linear(splits, bins, seed),
                splits,
                spec,
                f"{size}/{_linear(bins)}/{seed}",
                teacher=teacher,
            )
    return found | {_linear(bins): kept.done[f"{size}/{_linear(bins)}/{seed}"] for bins in _bins(size)}


def _rungs(size: int, widths: Sequence[int]) -> list[tuple[str, int]]:
    """(stem, width) of every nonlinear network at a resolution."""
    return [(stem, width) for stem, sizes in STEMS.items() if size in sizes for width in widths]


def _bins(size: int) -> list[int]:
    """Bins a side of every linear network at a resolution."""
    return [bins for bins, sizes in BINS.items() if size in sizes]


def _every(size: int) -> int:
    """The thinnest sampling of whole pixels that every linear network's bins hold whole groups of."""
    samples = OVERSAMPLING * size
    fitting = range(OVERSAMPLING, samples // SEEN + 1, OVERSAMPLING)
    return max((n for n in fitting if all(samples % (n * bins) == 0 for bins in _bins(size))), default=1)


def _linear(bins: int) -> str:
    return f"linear, {bins} x {bins} bins"


def _called(stem: str, width: int) -> str:
    return f"{stem}, width {width}"


def _ladder(splits: Splits, stem: str, width: int, seed: int) -> ResNet:
    train = splits.train
    return ResNet(
        train.channels,
        train.classes,
        widths=(width, 2 * width, 4 * width, 8 * width),
        blocks=1,
        large_images=stem == "quarter",
        generator=torch.Generator().manual_seed(seed),
    )


def linear(splits: Splits, bins: int, seed: int) -> Student:
    """The linear network: as many masks at every resolution, kernels that grow with the image."""
    train = splits.train
    scale = min(train.image_shape) / 32
    return Student.build(
        (train.channels, 12, MASKS),
        kernel_size=[1 + 2 * max(1, round((taps - 1) / 2 * scale**0.5)) for taps in TAPS],
        bins=(bins, bins),
        mix=MIX,
        context=CONTEXT,
        average=AVERAGE,
        hidden=(HIDDEN,),
        oversampling=OVERSAMPLING,
        image_shape=train.image_shape,
        classes=train.classes,
        generator=torch.Generator().manual_seed(seed),
    )


def _trained(
    kept: Kept, model: Any, splits: Splits, spec: TrainSpec, key: str, teacher: Any = None
) -> dict[str, float]:
    if key in kept.done:
        return kept.done[key]
    train, check = ((p.images, p.labels) for p in (splits.train, splits.validation))
    history = fit(model, train, check, spec, directory=None, teacher=teacher)
    model.is_trained = True  # its weights, which a kept score does not have, can teach
    answers = logits(model, splits.test.images, 50).argmax(1)
    x = splits.test.images[:1]
    operations = model.operations(x) if isinstance(model, Student) else multiply_accumulates(model, x)
    kept.keep(
        key,
        {
            "validation": history.best.validation_accuracy,
            "test": accuracy(answers, splits.test.labels, splits.test.classes),
            "operations": operations,
        },
    )
    return kept.done[key]


def _summary(
    size: int, splits: Splits, widths: Sequence[int], runs: Sequence[dict[str, dict[str, float]]]
) -> dict[str, Any]:
    def mean(name: str, what: str) -> float:
        return sum(run[name][what] for run in runs) / len(runs)

    rungs = [_called(*rung) for rung in _rungs(size, widths)]
    linears = {bins: {k: mean(_linear(bins), k) for k in FIGURES} for bins in _bins(size)}
    chosen = max(linears, key=lambda bins: (linears[bins]["validation"], -bins))
    optics = linears[chosen]
    ladder = [(mean(rung, "validation"), mean(rung, "operations")) for rung in rungs]
    equal = at_accuracy(ladder, [operations for _, operations in ladder], optics["validation"])
    bench, shape = bench_of(BENCH), (splits.train.channels, size, size)
    networks = [_ladder(splits, *rung, 0) for rung in _rungs(size, widths)]
    costs = {
        "linear": of_linear(linear(splits, chosen, 0), bench),
        "converted": as_good(ladder, [of_converted(n, shape, bench) for n in networks], optics["validation"]),
        "electronic": as_good(ladder, [of_electronic(n, shape) for n in networks], optics["validation"]),
    }
    return {
        "resolution": size,
        "linear": {"bins": chosen, **optics},
        "linears": {_linear(bins): figures for bins, figures in linears.items()},
        "ladder": {r: {k: mean(r, k) for k in FIGURES} for r in rungs},
        "equal_operations": equal,
        "ratio": None if equal is None else equal / optics["operations"],
        "costs": {
            way: cost._asdict() | {"seconds": cost.seconds, "joules": cost.joules(bench)}
            for way, cost in costs.items()
        },
        "images": len(splits.test),
    }


def tables(result: dict[str, Any]) -> list[Table]:
    """One line a resolution."""
    table = Table(
        title=f"{result['set']}, {result['epochs']} epochs, {result['seeds']} seeds, {result['bench']}"
    )
    for name in (
        "pixels a side", "bins", "linear: test %", "operations", "ladder: test % (operations)",
        "equal accuracy, nonlinear",
        "ratio", "exposures", "converted", "s an image", "converted", "electronic", "photons an image", "converted",
    ):  # fmt: skip
        table.add_column(name, justify="right")
    for row in result["rows"]:
        ladder = ", ".join(f"{100 * r['test']:.1f} ({r['operations']:.2g})" for r in row["ladder"].values())
        table.add_row(
            str(row["resolution"]),
            str(row["linear"]["bins"]),
            f"{100 * row['linear']['test']:.1f}",
            f"{row['linear']['operations']:,.0f}",
            ladder,
            "above the ladder" if row["equal_operations"] is None else f"{row['equal_operations']:,.0f}",
            "-" if row["ratio"] is None else f"{row['ratio']:.1f}",
            *(f"{row['costs'][way]['exposures']:.0f}" for way in ("linear", "converted")),
            *(f"{row['costs'][way]['seconds']:.2g}" for way in ("linear", "converted", "electronic")),
            *(f"{row['costs'][way]['photons']:.2g}" for way in ("linear", "converted")),
        )
    return [table]
