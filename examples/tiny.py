"""A configuration of `examples/configs` made tiny: a minute or two. `python examples/tiny.py cars`.

What it tries is kept: the form of its data, task, read-out, back end, moves of the images, distillation and bench. What
only takes time is made small: images, channels, epochs, noise draws, files of the export. Its figures say nothing.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from distill.cli.main import main

CONFIGS = Path(__file__).parent / "configs"
EVERY = (
    "data.limit=400",
    "teacher.training.epochs=1",
    "teacher.check=false",
    "student.training.epochs=1",
    "refit.epochs=1",
    "evaluation.draws=2",
    "calibration.levels=5",
    "calibration.exposures=2",
    "bench.camera.shape=[1600,600]",  # the sensor around the image
    "export.count=1",
    "verify.wave_images=1",
    "verify.processes=1",
    "student.controls=[]",
    "flaws.images=0",
)
# fewer, larger pixels behind the longer first lens: lambda f1 / pitch is half as wide, on a quarter of the panel
COARSE = ("bench.input.pitch=64e-6", "bench.stop.width=[3.325e-3,3.325e-3]")
COLOURS = ("student.channels=[3,2,3,2]",)
SMALLER: dict[str, tuple[str, ...]] = {
    "mnist": ("student.channels=[1,2,2]", "verify.lightpipes_images=1"),
    "fashion-mnist": ("student.channels=[1,2,2]",),
    "cifar10-grey": ("student.channels=[1,2,3,2]",),
    "cifar10-small": COLOURS,
    "cifar10": COLOURS,
    "cifar10-large": COLOURS,
    "cifar10-linear": COLOURS,
    "cifar100": COLOURS,
    "cats-dogs": ("data.size=[32,32]", "student.bins=[8,8]", "student.channels=[3,2,2]", *COARSE),
    "imagenette": ("data.size=[28,28]", "student.bins=[7,7]", "student.channels=[3,2,2]", *COARSE),
    "cars": ("data.size=[24,32]", "student.bins=[12,16]", "student.channels=[3,2,2]", *COARSE),
    "faces": ("data.size=[32,28]", "student.bins=[16,14]", "student.channels=[3,2,2]", *COARSE),
    "voc2012": ("data.size=[24,24]", "student.bins=[6,6]", "student.channels=[3,2,2]", *COARSE),
    "carvana": ("data.size=[24,36]", "student.bins=[6,9]", "student.channels=[3,2,2]", *COARSE),
    "people": ("data.size=[28,23]", "student.channels=[1,2,2]"),
    "strangers": ("data.size=[28,23]", "student.channels=[1,2,2]"),
}


def sets(name: str) -> list[str]:
    """What `--set` takes to make a configuration tiny."""
    proved = () if any("lightpipes" in told for told in SMALLER[name]) else ("verify.lightpipes_images=0",)
    return [*EVERY, *SMALLER[name], *proved]


def arguments(name: str) -> list[str]:
    """Of `sclc`: the run of a configuration, tiny, into runs/tiny-NAME."""
    file = os.path.relpath(CONFIGS / f"{name}.toml")
    return ["run", file, "--output", f"runs/tiny-{name}", *(f"--set={told}" for told in sets(name))]


def run(told: list[str]) -> int:
    """`NAME`, then what else `sclc run` takes, such as --set or --fresh; `--show NAME` only shows the command."""
    show, told = "--show" in told, [word for word in told if word != "--show"]
    if not told or told[0] not in SMALLER:
        print(
            f"usage: python examples/tiny.py [--show] NAME [--set KEY=VALUE] ...; NAME: {', '.join(SMALLER)}"
        )
        return 2
    command = [*arguments(told[0]), *told[1:]]
    if show:
        print(shlex.join(["sclc", *command]))
        return 0
    return main(command)


if __name__ == "__main__":
    raise SystemExit(run(sys.argv[1:]))
