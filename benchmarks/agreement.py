"""One smooth, lopsided 4f scene through ours and through other packages: how far their intensities are apart.

An off-centre pair of spots, a phase mask that shifts and twists, f = 61.6 mm, 512 samples of 8 um. Theirs as
`fourf_peers` builds them; ours by two lens transforms, the second onto the samples that they return. Relative L2
difference of the intensities after the best common factor.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import torch
from torch import Tensor

from benchmarks.fourf_peers import FOCAL, PEERS, PITCH, WAVELENGTH, N
from optics.conventions import abs2, axis
from optics.wave.elements import phase_mask
from optics.wave.propagation import lens_transform

BETWEEN_SAMPLES = {"torchoptics"}
"""Packages whose axis lies between two samples."""


def _scene(offset: float) -> tuple[Tensor, Tensor]:
    """Amplitude on the display and phase of the mask, (n, n) float64, at samples `offset` metres from ours."""
    y, x = (axis(N, PITCH) + offset for _ in range(2))
    y, x = y[:, None], x[None, :]
    image = torch.exp(-((y - 96e-6) ** 2) / 80e-6**2 - (x + 64e-6) ** 2 / 120e-6**2)
    image = image + 0.6 * torch.exp(-((y + 160e-6) ** 2) / 70e-6**2 - (x - 240e-6) ** 2 / 60e-6**2)
    return image, 2 * math.pi * (2e3 * x + 1e3 * y) + 4e6 * x * y


def _ours(offset: float) -> np.ndarray:
    image, phase = _scene(0.0)
    transform = partial(
        lens_transform,
        wavelength=WAVELENGTH,
        pitch=PITCH,
        focal_length=FOCAL,
        out_pitch=PITCH,
        out_shape=(N, N),
    )
    far = phase_mask(transform(image), phase)
    return abs2(transform(far, out_centre=(offset, offset))).numpy()


def agreement(name: str) -> dict[str, float]:
    """Difference between ours and each forward path of the package `name`; ImportError where it is absent."""
    offset = PITCH / 2 if name in BETWEEN_SAMPLES else 0.0
    image, phase = _scene(offset)
    want = _ours(offset)
    out = {}
    for label, run in PEERS[name](image.float(), phase.float()).items():
        if not label.startswith("forward"):
            continue
        theirs = run()
        got = np.asarray(
            theirs.detach() if isinstance(theirs, Tensor) else theirs, dtype=np.float64
        ).squeeze()
        if name == "prysm":  # its way back is an inverse transform, which is upright
            got = np.roll(got[::-1, ::-1], (1, 1), (0, 1))
        factor = np.vdot(got, want) / np.vdot(got, got)
        out[label] = float(np.linalg.norm(factor * got - want) / np.linalg.norm(want))
    return out
