"""Recorded once in the laboratory, calibrated at home: the same numbers from a file. 15 s on a core.

    python examples/calibrate_from_a_recording.py

Frames are captured and saved; what follows knows the file and the data sheet alone (the command does the same: `sclc
calibrate --bench examples/small_bench.toml --rig recorded:frames.h5`). What is asserted: where the mask stands, to a
tenth of an SLM pixel.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from calibration import calibrate, load_recording, save_recording, simulated_rig
from calibration.rigs import default_region
from calibration.twin.probes import probe_candidates
from optics import load_bench

IMAGE = (9, 11)
MASK_SHIFT = (72e-6, -40e-6)  # metres (y, x), hidden


def record(path: Path, frames: int = 6) -> None:
    """The laboratory's part: show probes, keep what the camera counts."""
    nominal = load_bench(Path(__file__).with_name("small_bench.toml"))
    truth = nominal.replace(**{"alignment.mask_shift": MASK_SHIFT, "slm.response.range": 6.0})
    generator = torch.Generator().manual_seed(1)
    with simulated_rig(truth, nominal, generator=generator) as rig:
        probes = probe_candidates(nominal, IMAGE, frames, generator=generator)
        save_recording(rig.capture(probes, region=default_region(nominal, IMAGE)), path)


def main(say: bool = True) -> float:
    """How far the mask's place is off, SLM pixels."""
    nominal = load_bench(Path(__file__).with_name("small_bench.toml"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frames.h5"
        record(path)
        recording = load_recording(path, nominal)
    result = calibrate(recording, nominal, zernikes=())
    found = result.bench.alignment.mask_shift
    if say:
        print(
            f"mask at ({found[0] * 1e6:.2f}, {found[1] * 1e6:.2f}) um, range {result.bench.slm.response.range:.3f} rad"
        )
        print(f"{result.frames} frames: {result.verdict}")
    return max(abs(a - b) for a, b in zip(found, MASK_SHIFT, strict=True)) / nominal.slm.pitch


if __name__ == "__main__":
    print(f"error {main():.4f} SLM pixels")
