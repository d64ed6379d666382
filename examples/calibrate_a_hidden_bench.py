"""A bench that is not as its data sheets say: examined, then fitted, then predicted to its noise. 20 s on a core.

    python examples/calibrate_a_hidden_bench.py

The truth is hidden behind a rig, as a laboratory's is: shown frames, it returns counts. `examine` names what is wrong
and which number to mend first; `calibrate` fits all numbers at once. What is asserted: frames that took no part in the
fit are predicted to their noise.
"""

from __future__ import annotations

from pathlib import Path

import torch

from calibration import calibrate, simulated_rig
from calibration.doctor import examine
from calibration.rigs import default_region
from calibration.twin.probes import probe_candidates
from optics import load_bench

IMAGE = (9, 11)
HIDDEN = {
    "alignment.mask_shift": (60e-6, -30e-6),  # metres (y, x)
    "alignment.camera_shift": (40e-6, -25e-6),
    "alignment.mask_rotation": 0.006,  # radians
    "slm.response.gamma": 1.15,
    "slm.crosstalk": (0.5, 0.3),  # SLM pixels
    "light.photons": 3.4e4,
}


def main(frames: int = 8, say: bool = True) -> float:
    """Error over noise of the frames held back; 1 is all that the noise allows."""
    nominal = load_bench(Path(__file__).with_name("small_bench.toml"))
    generator = torch.Generator().manual_seed(0)
    with simulated_rig(nominal.replace(**HIDDEN), nominal, generator=generator) as rig:
        found = examine(rig, ["orientation", "display", "panel"])
        probes = probe_candidates(nominal, IMAGE, frames, generator=generator)
        recording = rig.capture(probes, region=default_region(nominal, IMAGE))
    result = calibrate(recording, nominal, zernikes=(), hold_back=[frames // 2])
    assert result.held_back is not None
    error, noise = result.held_back
    if say:
        print(found.first)
        for e in result.estimates:
            if not e.left_open:
                print(f"{e.name:28} {e.nominal:11.5g} -> {e.value:11.5g} ± {e.uncertainty:.2g}")
        print(f"data sheet errs by {result.nominal_residual:.0%}, calibrated {error:.2%}, noise {noise:.2%}")
    return error / noise


if __name__ == "__main__":
    print(f"error over noise {main():.2f}")
