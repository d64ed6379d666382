"""The digital twin on random simulated benches: how far it is off, and whether its error bars hold.

Each bench has every flaw at once, uniform over the ranges below; the twin sees noisy frames and a data sheet without
flaws. `small` is a bench of 83 x 75 lit SLM pixels and 9 x 11 inputs, seconds each; `full` one of 413 x 375 pixels and
22 x 31 inputs.
"""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import torch
from rich.table import Table
from torch import Tensor

from calibration.rigs.recording import Recording
from calibration.rigs.rig import default_region
from calibration.rigs.simulated import simulated_rig
from calibration.twin.calibrate import calibrate
from calibration.twin.model import Model
from calibration.twin.parameters import Tolerances
from calibration.twin.probes import choose_probes, probe_candidates
from calibration.twin.result import TwinResult
from calibration.twin.values import get_value, set_values
from optics.bench.files import bench_from_dict
from optics.bench.spec import BenchSpec
from optics.checks import SpecError
from optics.files import write_json

ZERNIKES = tuple(range(4, 16))
RANGES = {  # centre and half width
    "alignment.mask_shift.0": (0.0, 100e-6),
    "alignment.mask_shift.1": (0.0, 100e-6),
    "alignment.camera_shift.0": (0.0, 100e-6),
    "alignment.camera_shift.1": (0.0, 100e-6),
    "alignment.mask_rotation": (0.0, math.radians(1)),
    "alignment.magnification": (1.0, 0.02),
    "alignment.input_axial": (0.0, 1e-3),
    "alignment.mask_axial": (0.0, 1e-3),
    "slm.crosstalk.0": (0.55, 0.45),
    "slm.crosstalk.1": (0.55, 0.45),
    "slm.fill_factor": (0.915, 0.045),
    "slm.response.range": (2 * math.pi, 0.9),
    "slm.response.gamma": (1.1, 0.4),
    "slm.flicker": (0.2, 0.2),
    "camera.adc.black_level": (16.0, 3.0),
    "camera.read_noise": (2.3, 0.4),
}
TOLERANCES = Tolerances(
    mask_shift=58e-6,
    camera_shift=58e-6,
    mask_rotation=0.0101,
    magnification=0.0115,
    axial=0.58e-3,
    zernike=0.3 / math.sqrt(3),
    curvature=0.3 / math.sqrt(3),
    crosstalk=0.5,
    fill_factor=0.03,
    range=0.1,
    gamma=0.25,
    flicker=0.3,
    light=0.2,
    black_level=1.75,
)
GAIN, LIGHT, WAVEFRONT = 0.2, 0.3, 0.3


def nominal_bench(full: bool) -> BenchSpec:
    """The bench as its data sheets describe it."""
    f = 0.2 if full else 0.05
    return bench_from_dict(
        {
            "name": "full" if full else "small",
            "light": {"wavelength": 633e-9, "photons": 1.1e4 if full else 3e4},
            "input": {"pitch": 36e-6},
            "lens1": {"focal_length": f, "diameter": 25.4e-3 if full else 6e-3},
            "stop": {"width": [3.3e-3, 3.0e-3] if full else [0.66e-3, 0.6e-3]},
            "slm": {
                "shape": [1080, 1920] if full else [240, 320],
                "pitch": 8e-6,
                "modulation": "phase",
                "bits": 8,
                "fill_factor": 0.93,
            },
            "encoding": {"carrier": [0.115, -0.06] if full else [0.125, -0.0625]},
            "lens2": {"focal_length": 0.75 * f, "diameter": 25.4e-3 if full else 6e-3},
            "camera": {
                "shape": [2048, 2448] if full else [512, 640],
                "pitch": 3.45e-6,
                "binning": 4,
                "quantum_efficiency": 0.65,
                "shot_noise": True,
                "read_noise": 2.3,
                "full_well": 10500.0,
                "adc": {"bits": 12, "black_level": 16.0, "gain": 2.56},
            },
        },
        source="benchmark",
    )


def random_bench(nominal: BenchSpec, generator: torch.Generator) -> BenchSpec:
    """One bench with every flaw, uniform over the ranges."""

    def draw() -> float:
        return 2 * float(torch.rand((), generator=generator, dtype=torch.float64)) - 1

    values = {name: centre + half * draw() for name, (centre, half) in RANGES.items()}
    values["slm.flicker"] = abs(values["slm.flicker"])
    values["camera.adc.gain"] = nominal.camera.gain * (1 + GAIN * draw())
    values["light.photons"] = (nominal.light.photons or 1.0) * math.exp(LIGHT * draw())
    for part in ("lens1.zernike", "lens2.zernike", "slm.curvature"):
        values |= {f"{part}.{j}": WAVEFRONT * draw() for j in ZERNIKES}
    return set_values(nominal, values)


def run_one(
    nominal: BenchSpec, image: tuple[int, int], frames: int, candidates: int, seed: int
) -> dict[str, Any]:
    """One random bench, captured and calibrated; what came of it."""
    generator = torch.Generator().manual_seed(seed)
    truth = random_bench(nominal, generator)
    probes = probe_candidates(nominal, image, max(frames + 2, candidates), generator=generator)
    if candidates > frames + 2:
        probes = probes[choose_probes(nominal, probes, frames + 2, tolerances=TOLERANCES)[0]]
    recording = simulated_rig(truth, nominal, generator=generator).capture(
        probes, region=default_region(nominal, image)
    )
    begun = time.process_time()
    result = calibrate(recording, nominal, tolerances=TOLERANCES, zernikes=ZERNIKES, hold_back=(-2, -1))
    seconds = time.process_time() - begun
    return {"seed": seed, "seconds": seconds} | judge(result, truth, recording)


def judge(result: TwinResult, truth: BenchSpec, recording: Recording) -> dict[str, Any]:
    """Errors of a result against the truth."""
    away = {}
    for p, e, variance in zip(
        result.parameters, result.estimates, result.covariance.diagonal().tolist(), strict=True
    ):
        sigma = math.sqrt(max(variance, 1e-300))
        away[e.name] = (p.own(e.value) - p.own(get_value(truth, e.name))) / sigma
    pitch = truth.slm.pitch
    error, noise = result.held_back or (result.residual, result.noise)
    shift = [
        a - b for a, b in zip(result.bench.alignment.mask_shift, truth.alignment.mask_shift, strict=True)
    ]
    return {
        "away": away,
        "learnt": {e.name: e.learnt for e in result.estimates},
        "wavefront": wavefront_error(recording, result.bench, truth),
        "mask_shift": math.hypot(*shift) / pitch,
        "error": error,
        "noise": noise,
        "nominal": result.nominal_residual,
        "verdict": result.verdict,
    }


def wavefront_error(recording: Recording, found: BenchSpec, truth: BenchSpec) -> float:
    """Rms difference of two benches' phases in the Fourier plane, waves; piston and tilt taken out."""
    model = Model(recording[:1])
    true = truth.alignment
    placed = found.alignment.replace(mask_shift=true.mask_shift, mask_rotation=true.mask_rotation)
    same = found.replace(alignment=placed)  # the same pixels
    (a, lit), (b, _) = model.wavefront(same), model.wavefront(truth)
    inside = lit > 0.5
    return float((a - b)[inside].pow(2).mean().sqrt()) / (2 * math.pi)


def measure(
    *,
    quick: bool = False,
    full: bool = False,
    benches: int = 20,
    first: int = 0,
    frames: int = 14,
    candidates: int = 0,
    save: Path | None = None,
) -> dict[str, Any]:
    """Calibrate `benches` random benches, their seeds from `first`; what `save` holds already is not run again."""
    nominal = nominal_bench(full)
    image = (22, 31) if full else (9, 11)
    asked = {"full": full, "frames": frames, "candidates": candidates}
    done = _kept(save, asked)
    for seed in range(first, first + (2 if quick else benches)):
        if seed in done:
            continue
        done[seed] = run_one(nominal, image, frames, candidates, seed)
        if save is not None:
            write_json(save, asked | {"runs": list(done.values())})
    runs = [done[seed] for seed in sorted(done)]
    return asked | {"runs": runs, "summary": summary(runs)}


def _kept(save: Path | None, asked: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """Runs by seed that a file holds of the same settings."""
    if save is None or not save.exists():
        return {}
    kept = json.loads(save.read_text(encoding="utf-8"))
    if {key: kept.get(key) for key in asked} != asked:
        raise SpecError(f"{save} holds runs of other settings; give another file.")
    return {run["seed"]: run for run in kept["runs"]}


def summary(runs: list[dict[str, Any]]) -> dict[str, float]:
    """Figures over all runs."""
    away = torch.tensor([v for r in runs for v in r["away"].values()]).abs()
    learnt = torch.tensor([v for r in runs for v in r["learnt"].values()])
    known = away[learnt > 0.5]

    def middle(key: str) -> tuple[float, float]:
        values = torch.tensor([float(r[key]) for r in runs])
        return float(values.median()), float(values.max())

    ratio = torch.tensor([r["error"] / r["noise"] for r in runs])
    over = torch.tensor([r["error"] / r["nominal"] for r in runs])
    out = {
        "within 1 sigma, all": _share(away, 1),
        "within 2 sigma, all": _share(away, 2),
        "within 1 sigma, learnt by half or more": _share(known, 1),
        "within 2 sigma, learnt by half or more": _share(known, 2),
        "error / noise, median": float(ratio.median()),
        "error / noise, worst": float(ratio.max()),
        "error / data sheet's, worst": float(over.max()),
    }
    for key, name in (
        ("wavefront", "wavefront, waves rms"),
        ("mask_shift", "mask shift, SLM pixels"),
        ("seconds", "CPU s"),
    ):
        out[f"{name}, median"], out[f"{name}, worst"] = middle(key)
    return out


def _share(values: Tensor, limit: float) -> float:
    return float((values < limit).double().mean())


def tables(result: dict[str, Any]) -> list[Table]:
    """The summary."""
    size = "full" if result["full"] else "small"
    table = Table(title=f"{len(result['runs'])} random {size} benches, {result['frames']} frames each")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name, value in result["summary"].items():
        table.add_row(name, f"{value:.1%}" if "within" in name else f"{value:.4g}")
    return [table]
