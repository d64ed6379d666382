"""The training step of a dilated depthwise convolution on a CPU, in each order of summing, against the library's.

`networks.backends.depthwise` chooses among them by the size of the maps; here the sizes are those of the shipped
configurations and of what lies between. One step is an answer and the gradients of maps, taps and biases. Then whole
back ends of shipped configurations: the channels of their maps innermost in memory, against maps as torch makes them.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from rich.table import Table
from torch import Tensor

from benchmarks.clock import Job, in_turns, ratio
from distill.job.config import load
from networks import Student
from networks.backends import classifier, segmenter_embedder
from networks.backends.depthwise import Depthwise

LIBRARY, OURS, FLAT = "library", "ours", "library, not dilated"
SIZES = [  # maps, bins a side, images, dilation
    (16, 8, 500, 2),
    (64, 8, 500, 4),
    (64, 8, 500, 8),
    (32, 14, 50, 2),
    (32, 16, 50, 4),
    (24, 40, 8, 2),
    (24, 40, 8, 8),
    (24, 40, 8, 16),
]
AS_MADE, INNERMOST = "channels outermost", "channels innermost"
BACKENDS = {  # a shipped configuration: image shape of its data, classes
    "cifar10": ((32, 32), 10),
    "cifar10-large": ((32, 32), 10),
    "cifar10-linear": ((32, 32), 10),
    "cats-dogs": ((128, 128), 2),
    "cars": ((72, 96), 1),
}
_CONFIGS = Path(__file__).parents[1] / "examples" / "configs"


class _Library(Depthwise):
    """The library's own order, whatever the size."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.nn.Conv2d.forward(self, x)


def _step(kind: type[Depthwise], maps: int, bins: int, images: int, dilation: int) -> Job:
    draws = torch.Generator().manual_seed(0)
    convolution = kind(maps, dilation=dilation)
    x = torch.randn(images, maps, bins, bins, generator=draws, requires_grad=True)
    upstream = torch.randn(images, maps, bins, bins, generator=draws)
    wanted = [x, *convolution.parameters()]
    return Job(lambda: torch.autograd.grad(convolution(x), wanted, upstream), images=images)


def _whole(name: str) -> dict[str, Job]:
    """A step of the back end of a shipped configuration, in both orders of its maps."""
    told = load(_CONFIGS / f"{name}.toml").student
    backend: Any = Student.from_spec(
        told.spec(*BACKENDS[name]), generator=torch.Generator().manual_seed(0)
    ).backend
    images = told.training.batch_size
    x = torch.rand(images, *backend.features, generator=torch.Generator().manual_seed(1))

    def step() -> None:
        torch.autograd.grad(backend(x).square().sum(), list(backend.parameters()))

    def as_made() -> None:
        with (
            mock.patch.object(classifier, "innermost", lambda maps: maps),
            mock.patch.object(segmenter_embedder, "innermost", lambda maps: maps),
        ):
            step()

    return {AS_MADE: Job(as_made, images=images), INNERMOST: Job(step, images=images)}


def measure(*, quick: bool = False) -> dict[str, Any]:
    """CPU time an image of each and its ratio to the library's, for each of `SIZES`; then of each of `BACKENDS`."""
    rows = []
    for maps, bins, images, dilation in SIZES[:2] if quick else SIZES:
        size = (maps, bins, images)
        jobs = {
            LIBRARY: _step(_Library, *size, dilation),
            OURS: _step(Depthwise, *size, dilation),
            FLAT: _step(_Library, *size, 1),
        }
        times = in_turns(jobs, rounds=2 if quick else 15)
        rows.append(
            {
                "maps": maps,
                "bins": bins,
                "images": images,
                "dilation": dilation,
                "library_us_an_image": 1e6 * statistics.median(times[LIBRARY]),
                "times_faster": ratio(times, LIBRARY, OURS),
                "times_faster_not_dilated": ratio(times, LIBRARY, FLAT),
            }
        )
    backends = {}
    for name in list(BACKENDS)[:1] if quick else BACKENDS:
        times = in_turns(_whole(name), rounds=2 if quick else 9)
        backends[name] = {
            "as_made_us_an_image": 1e6 * statistics.median(times[AS_MADE]),
            "times_faster": ratio(times, AS_MADE, INNERMOST),
        }
    return {"reference": LIBRARY, "rows": rows, "reference_of_backends": AS_MADE, "backends": backends}


def tables(result: dict[str, Any]) -> list[Table]:
    """A line a size, then a line a back end."""
    table = Table(title="Training step of a depthwise 3x3 convolution, one thread, CPU time")
    for name in (
        "maps",
        "bins",
        "images",
        "dilation",
        "library, us an image",
        "ours, faster",
        "not dilated, faster",
    ):
        table.add_column(name, justify="right")
    for row in result["rows"]:
        table.add_row(
            *(str(row[key]) for key in ("maps", "bins", "images", "dilation")),
            f"{row['library_us_an_image']:.1f}",
            f"{row['times_faster']:.2f} x",
            f"{row['times_faster_not_dilated']:.2f} x",
        )
    whole = Table(title="Training step of a back end, one thread, CPU time")
    for name in ("configuration", f"{AS_MADE}, us an image", f"{INNERMOST}, faster"):
        whole.add_column(name, justify="right")
    for name, row in result["backends"].items():
        whole.add_row(name, f"{row['as_made_us_an_image']:.0f}", f"{row['times_faster']:.2f} x")
    return [table, whole]
