"""I have masks already. How do they get onto my SLM, and are the files right?

Planes:
    SLM          a PLUTO-2, 1080 x 1920 pixels of 8 um: an own phase mask for every one of them, an axicon
    camera       a point on the display becomes a ring

The phase shall reach the panel untouched, so it is written with the encoding "phase_only" and no carrier. What is read
back from the PNG file is compared with the phase that was asked for.
"""

import math
import tempfile
from pathlib import Path

import numpy as np
import torch

from distill import design
from distill.export.design_files import read_design
from optics import load_bench, plots

BENCH = load_bench("pluto2-200mm").replace(stop=None)  # light reaches the whole panel
SLOPE = 48e3  # radians a metre, by which the phase falls from the middle outwards


def main():
    """Largest distance of the written phase from the asked one, in levels, and the frame."""
    (ny, nx), pitch = BENCH.slm.shape, BENCH.slm.pitch
    y, x = np.mgrid[:ny, :nx]
    radius = np.hypot(y - ny // 2, x - nx // 2) * pitch  # metres
    phase = np.mod(-SLOPE * radius, 2 * math.pi).astype(np.float32)  # radians, (y, x)
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "mine.npy", phase)
        design(
            Path(folder) / "mine.npy",
            bench=BENCH,
            directory=Path(folder) / "out",
            kind="panel-phase",
            encoding="phase_only",
            carrier=(0.0, 0.0),
            image_shape=(96, 96),
            compare=False,
            lab=False,
            prove=False,
        )
        _manifest, _bench, files = read_design(Path(folder) / "out")
    levels = files.levels[0]  # as they stand in slm/frame-000.png
    step = 2 * math.pi / 2**BENCH.slm.bits
    apart = torch.remainder(levels * step - torch.from_numpy(phase) + math.pi, 2 * math.pi) - math.pi
    return {"levels apart": float(apart.abs().max() / step)}, plots.levels(
        levels, pitch=pitch, title="the frame for the SLM: an axicon"
    )


if __name__ == "__main__":
    found, figure = main()
    print({name: round(value, 3) for name, value in found.items()})
    figure.savefig("my_own_masks.png")
