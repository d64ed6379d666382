"""A small bench, a small network on it and lopsided images: what the tests of the export share."""

from __future__ import annotations

import torch

from distill.data.dataset import Dataset
from networks import Student
from networks.onbench.network import OnBench
from optics.bench.spec import BenchSpec
from tests.scenes import REAL, generator

SHAPE = (10, 12)
WIDTH = 532e-9 * 0.05 / 32e-6  # one band of the display's pixels: 104 SLM pixels
LENS = {"focal_length": 0.05, "diameter": 10e-3}
BENCH = REAL.replace(
    **{
        "input.pitch": 32e-6,
        "lens1": {**LENS, "zernike": {4: 0.05, 7: 0.08}},
        "stop.width": (WIDTH, WIDTH),
        "slm.shape": (120, 150),
        "slm.flicker": 0.06,
        "slm.reflectivity": 0.8,
        "lens2": {**LENS, "zernike": {5: 0.06}},
        "camera.shape": (400, 300),
        "camera.pitch": 4e-6,
        "camera.binning": 8,
    }
)


def dataset(n: int = 12) -> Dataset:
    """Images with a bright stroke each, all off the centre and lopsided; their grey values are multiples of 1/255."""
    draws = generator(3)
    images = torch.zeros(n, 1, *SHAPE)
    for i in range(n):
        row, column = (int(v) for v in torch.randint(1, 5, (2,), generator=draws))
        images[i, 0, row : row + 4, column : column + 2] = 1.0
        images[i, 0, row : row + 2, column + 2 : column + 2 + i % 4] = 0.6
    return Dataset(
        (images * 255).round() / 255, torch.arange(n) % 3, ("a", "b", "c"), source="made for the tests"
    )


def network(
    bench: BenchSpec = BENCH,
    *,
    readout: str = "intensity",
    channels: tuple[int, ...] = (1, 4, 4),
    **options: float,
) -> OnBench:
    """A network whose answers differ from image to image: its normalisation has seen the images."""
    draws = generator(1)
    student = Student.build(
        channels, image_shape=SHAPE, classes=3, bins=(3, 3), readout=readout, generator=draws, **options
    )
    made = student.on(bench, image_shape=SHAPE).eval()
    with torch.no_grad():
        features = made.features(dataset().images)
        norm = student.backend.norm
        rooted = student.backend.root(features).flatten(1)
        norm.running_mean.copy_(rooted.mean(0))
        norm.running_var.copy_(rooted.var(0))
    return made
