"""Closed forms that the physics tests compare with; fields as energy per sample, SI units, exp(-i omega t)."""

from __future__ import annotations

import math

import torch
from scipy.special import j1
from torch import Tensor


def airy_field(y: Tensor, x: Tensor, *, wavelength: float, focal_length: float, diameter: float) -> Tensor:
    """Amplitude in the focal plane of a unit plane wave through a circular stop, (ny, nx), without its phase.

    `pi D^2 / (4 lambda f) * 2 J1(v) / v`, v = pi D r / (lambda f): as a density per area; multiply by
    `far pitch / near pitch` for samples. Source: Goodman, 3rd ed., equation 4-31.
    """
    r = torch.hypot(y[:, None], x[None, :])
    v = math.pi * diameter * r / (wavelength * focal_length)
    safe = torch.where(v == 0, torch.ones_like(v), v)
    ratio = torch.where(v == 0, torch.ones_like(v), 2 * torch.from_numpy(j1(safe.numpy())) / safe)
    return math.pi * diameter**2 / (4 * wavelength * focal_length) * ratio


def gaussian_beam(
    y: Tensor,
    x: Tensor,
    z: float,
    *,
    wavelength: float,
    waist: float,
    centre: tuple[float, float] = (0.0, 0.0),
    tilt: tuple[float, float] = (0.0, 0.0),
) -> Tensor:
    """A paraxial Gaussian beam `z` behind its waist, (ny, nx) complex, peak 1 in the waist.

    `centre` (y, x) in the waist; `tilt` (y, x): angles, radians. Source: Saleh & Teich, section 3.1; the tilt by the
    paraxial shift theorem. The phase `k z` is included.
    """
    k = 2 * math.pi / wavelength
    q = complex(z, -math.pi * waist**2 / wavelength)
    ty, tx = tilt
    dy, dx = y - centre[0] - ty * z, x - centre[1] - tx * z
    r2 = dy[:, None] ** 2 + dx[None, :] ** 2
    envelope = torch.exp(1j * k * r2 / (2 * q)) * (complex(0.0, q.imag) / q)
    plane = k * (ty * y[:, None] + tx * x[None, :]) + k * z - k * z * (ty * ty + tx * tx) / 2
    return envelope * torch.polar(torch.ones_like(plane), plane)


def rayleigh_sommerfeld(
    u: Tensor, y: Tensor, x: Tensor, points: list[tuple[float, float]], z: float, *, wavelength: float
) -> Tensor:
    """The diffraction integral summed over the samples of `u` at some points (y, x) of the plane `z` away.

    Source: Goodman, 3rd ed., equation 3-41: `1/(2 pi) z/r (1/r - i k) exp(i k r) / r`, energy per sample of one area.
    """
    k = 2 * math.pi / wavelength
    area = float((y[1] - y[0]) * (x[1] - x[0]))
    out = []
    for py, px in points:
        r = torch.sqrt((py - y[:, None]) ** 2 + (px - x[None, :]) ** 2 + z * z)
        kernel = z / (2 * math.pi * r * r) * (1 / r - 1j * k) * torch.polar(torch.ones_like(r), k * r)
        out.append((u * kernel).sum() * area)
    return torch.stack(out)


def on_axis_behind_disc(fresnel_number: float) -> complex:
    """Field on the axis behind a lit disc, relative to the free wave, paraxial: `1 - exp(i pi N)`."""
    return 1 - complex(math.cos(math.pi * fresnel_number), math.sin(math.pi * fresnel_number))
