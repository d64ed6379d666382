"""The Airy pattern at a lens's focus against its closed form: ours by every path, other packages as users write them.

Scene: 512 x 512 samples of 8 um, a circular stop of 2 mm, f = 100 mm, 532 nm. Each intensity is compared on the very
samples that its package returns, after the factor that suits it best (packages scale fields differently): relative L2
error. `absolute` is the error of the intensity as it stands, for fields that keep energy per sample as ours do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from rich.table import Table
from scipy.special import j1

from benchmarks.airy_peers import PEERS, Focus
from optics.conventions import abs2
from optics.wave.aperture import circular_aperture
from optics.wave.lens import thin_lens
from optics.wave.propagation import (
    band_limited_angular_spectrum,
    fresnel_pitch,
    fresnel_transform,
    lens_transform,
    propagate,
)

SAMPLES, PITCH, DIAMETER, FOCAL, WAVELENGTH = 512, 8e-6, 2e-3, 0.1, 532e-9
GRID: dict[str, Any] = {"wavelength": WAVELENGTH, "pitch": PITCH}


def airy(y: np.ndarray, x: np.ndarray, pitch: float) -> np.ndarray:
    """Intensity per sample of pitch `pitch` where each input sample has energy 1."""
    v = math.pi * DIAMETER * np.hypot(y[:, None], x[None, :]) / (WAVELENGTH * FOCAL)
    safe = np.where(v == 0, 1.0, v)
    shape = np.where(v == 0, 1.0, 2 * j1(safe) / safe)
    peak = math.pi * DIAMETER**2 / (4 * WAVELENGTH * FOCAL) * pitch / PITCH
    return (peak * shape) ** 2


def _error(intensity: np.ndarray, want: np.ndarray) -> float:
    return float(np.linalg.norm(intensity - want) / np.linalg.norm(want))


def _compare(focus: Focus) -> tuple[float, float]:
    """Relative L2 error of an intensity: after the best common factor, and as it stands."""
    intensity = np.asarray(focus.intensity, dtype=np.float64)
    y, x = (
        (np.arange(n) - (n // 2 if focus.on_sample else (n - 1) / 2)) * focus.pitch for n in intensity.shape
    )
    want = airy(y, x, focus.pitch)
    factor = np.vdot(intensity, want) / np.vdot(intensity, intensity)
    return _error(factor * intensity, want), _error(intensity, want)


def _ours(dtype: torch.dtype) -> dict[str, Focus]:
    shape = (SAMPLES, SAMPLES)
    stop = circular_aperture(shape, PITCH, DIAMETER).to(dtype)
    lens = thin_lens(torch.ones(shape, dtype=dtype), focal_length=FOCAL, diameter=DIAMETER, **GRID)
    far = fresnel_pitch(shape, distance=FOCAL, **GRID)[0]
    fields = {
        "2f lens transform": (lens_transform(stop, focal_length=FOCAL, **GRID), far),
        "2f, matrix transform, 2 um": (
            lens_transform(stop, focal_length=FOCAL, out_pitch=2e-6, out_shape=(128, 128), **GRID),
            2e-6,
        ),
        "thin lens, propagate": (propagate(lens, distance=FOCAL, **GRID)[0], PITCH),
        "thin lens, Fresnel transform": (
            fresnel_transform(lens, distance=FOCAL, out_pitch=PITCH, **GRID),
            PITCH,
        ),
        "thin lens, exact band-limited": (
            band_limited_angular_spectrum(lens, distance=FOCAL, **GRID),
            PITCH,
        ),
    }
    return {name: Focus(abs2(field).numpy(), pitch) for name, (field, pitch) in fields.items()}


def _measured(run: Callable[[], dict[str, Focus]]) -> dict[str, dict[str, float]]:
    rows = {}
    for label, focus in run().items():
        error, absolute = _compare(focus)
        rows[label] = {"error": error, "absolute": absolute}
    return rows


def measure(*, peers: bool = False, quick: bool = False) -> dict:
    """Errors of ours and, always, of LightPipes; with `peers`, of every other package that can be imported."""
    ours: dict[str, Any] = {}
    for precision, dtype in (("single", torch.float32), ("double", torch.float64)):
        rows = _measured(partial(_ours, dtype))
        ours |= {f"{label} ({precision})": row for label, row in rows.items()}
    theirs: dict[str, dict[str, dict[str, float]]] = {}
    missing: dict[str, str] = {}
    for name, run in PEERS.items():
        if not peers and name != "LightPipes":
            continue
        try:
            theirs[name] = _measured(run)
        except ImportError as error:
            missing[name] = f"not installed ({error.name or error})"
    scene = {
        "samples": SAMPLES,
        "pitch": PITCH,
        "diameter": DIAMETER,
        "focal_length": FOCAL,
        "wavelength": WAVELENGTH,
    }
    return {"scene": scene, "goal": 5e-5, "ours": ours, "peers": theirs, "not_measured": missing}


def tables(result: dict) -> list[Table]:
    """One table: package, path, error."""
    table = Table(title="Airy pattern, relative L2 error of the intensity (goal for ours: 5e-5)")
    table.add_column("package")
    table.add_column("path")
    table.add_column("best factor", justify="right")
    table.add_column("as it stands", justify="right")
    for label, row in result["ours"].items():
        table.add_row("spectral-cascade", label, f"{row['error']:.2e}", f"{row['absolute']:.2e}")
    for name, rows in result["peers"].items():
        for label, row in rows.items():
            scaled = row["absolute"] > 0.1
            table.add_row(name, label, f"{row['error']:.2e}", "-" if scaled else f"{row['absolute']:.2e}")
    for name, reason in result["not_measured"].items():
        table.add_row(name, reason, "-", "-")
    return [table]
