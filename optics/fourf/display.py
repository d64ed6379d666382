"""What the display emits for the image that it is sent: its light, its contrast, its gamma.

    |u|^2 -> (1/C + (1 - 1/C) |u|^(2 gamma)) P(y, x)

with `|u|` the amplitude asked for, `C` the contrast of full scale to black (no limit: no light leaks), `gamma` the
display's own, and `P` the profile of the beam that lights it, 1 where `light.photons` is counted.
"""

from __future__ import annotations

import torch
from torch import Tensor

from optics.bench.spec import BenchSpec
from optics.conventions import axis, cis

_BLACK = 1e-6  # amplitude from which the gamma's gradient is taken: at 0 it may be infinite


def illumination_profile(bench: BenchSpec, shape: tuple[int, int]) -> Tensor | None:
    """Relative intensity of the light on the display's pixels, (H, W) float64; None where it is even.

    A Gaussian beam of radius w is `exp(-2 r^2 / w^2)` about its centre; a map covers the image from edge to edge, its
    values at the centres of equal cells, read linearly between and as the nearest beyond.
    """
    light, profile = bench.light, None
    if light.beam_radius is not None:
        y, x = (axis(n, bench.input.pitch) - c for n, c in zip(shape, light.beam_centre, strict=True))
        profile = torch.exp(-2 * (y[:, None] ** 2 + x[None, :] ** 2) / light.beam_radius**2)
    if light.beam_map:
        cells = torch.tensor(light.beam_map, dtype=torch.float64)[None, None]
        shown = torch.nn.functional.interpolate(cells, size=shape, mode="bilinear", align_corners=False)[0, 0]
        profile = shown if profile is None else profile * shown
    return profile


def emitted(bench: BenchSpec, images: Tensor) -> Tensor:
    """Amplitudes that leave the display, (B, H, W), for those that it is sent, real or complex; the same if ideal."""
    spec = bench.input
    if spec.gamma != 1.0 or spec.contrast is not None:
        black = 0.0 if spec.contrast is None else 1 / spec.contrast
        asked = images.abs().clamp(min=_BLACK)
        shown = (black + (1 - black) * asked ** (2 * spec.gamma)).sqrt()
        images = shown * cis(images.angle()) if images.is_complex() else shown
    profile = illumination_profile(bench, (images.shape[-2], images.shape[-1]))
    if profile is None:
        return images
    return images * profile.sqrt().to(images.real.dtype if images.is_complex() else images.dtype).to(
        images.device
    )
