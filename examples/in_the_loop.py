"""A network learns on a bench whose flaws nobody told it: the bench counts, a wrong twin gives the gradient. 10 s.

Bars up or across, on a bench whose mask stands aside and whose panel answers otherwise than its data sheet says. The
network that was trained off the bench guesses there. Trained with the bench in the loop (physics-aware training, Wright
et al., Nature 601, 549, 2022) it tells them apart, though the gradient comes from the data sheet's bench.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from calibration.rigs.simulated import simulated_rig
from distill import Dataset, TrainSpec, train
from distill.training.in_the_loop import InTheLoop, train_in_the_loop
from distill.training.teaching import logits
from networks import Student
from optics.bench.files import bench_from_dict
from optics.bench.spec import BenchSpec

SIDE = 8
SHEET = bench_from_dict(
    {
        "name": "data sheet",
        "light": {"wavelength": 633e-9, "photons": 2e4},
        "input": {"pitch": 72e-6},
        "lens1": {"focal_length": 0.05},
        "stop": {"width": [0.44e-3, 0.44e-3]},
        "slm": {"shape": [120, 128], "pitch": 8e-6, "modulation": "phase", "bits": 8, "fill_factor": 0.93},
        "encoding": {"carrier": [0.2, -0.2]},
        "lens2": {"focal_length": 0.05},
        "camera": {
            "shape": [800, 800],
            "pitch": 3.45e-6,
            "binning": 8,
            "shot_noise": True,
            "full_well": 10500.0,
            "adc": {"bits": 12, "black_level": 16.0},
        },
    },
    source="example",
)
HIDDEN = {
    "alignment.mask_shift": (60e-6, -40e-6),
    "alignment.camera_shift": (50e-6, 40e-6),
    "slm.response.gamma": 1.25,
}


def bars(count: int, seed: int) -> Dataset:
    """Noisy bars that run up (0) or across (1), somewhere in the image."""
    draws = torch.Generator().manual_seed(seed)
    images = 0.5 * torch.rand(count, 1, SIDE, SIDE, generator=draws)
    labels = torch.arange(count) % 2
    for image, label in zip(images, labels.tolist(), strict=True):
        k, first = torch.randint(0, SIDE - 3, (2,), generator=draws).tolist()
        part = (slice(first, first + 4), slice(k, k + 1))
        image[0][part if label == 0 else part[::-1]] += 0.5
    return Dataset(images, labels, class_names=("up", "across"), source="drawn here")


def right(network: torch.nn.Module, data: Dataset) -> float:
    """Share of images that a network tells right."""
    return float((logits(network, data.images).argmax(1) == data.labels).double().mean())


def main(truth: BenchSpec | None = None) -> tuple[float, float]:
    """Accuracy on the bench before and after training in the loop."""
    hidden = SHEET.replace(**HIDDEN) if truth is None else truth
    student = Student.build(
        (1, 4), image_shape=(SIDE, SIDE), classes=2, bins=(2, 2), generator=torch.Generator().manual_seed(0)
    )
    rig = simulated_rig(hidden, SHEET, generator=torch.Generator().manual_seed(1))
    with tempfile.TemporaryDirectory() as folder:
        off, loop = Path(folder) / "off", Path(folder) / "loop"
        train(student, bars(600, 1), bars(100, 2), TrainSpec(epochs=15, learning_rate=1e-2), directory=off)
        test = bars(100, 3)
        before = right(InTheLoop(student, SHEET, rig), test)
        spec = TrainSpec(epochs=6, batch_size=10, learning_rate=5e-3)
        train_in_the_loop(student, SHEET, rig, bars(60, 4), bars(20, 5), spec, directory=loop)
        after = right(InTheLoop(student, SHEET, rig), test)
    return before, after


if __name__ == "__main__":
    print("on the bench: {:.0%} as it comes, {:.0%} after training in the loop".format(*main()))
