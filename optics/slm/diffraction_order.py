"""What one diffraction order of a panel carries: how much light, and how faithful to the mask.

Around a carrier the far field of a reflectance `r` is compared with that of the mask `m` it should carry, in a window
of `half` cycles per SLM pixel to each side (the image on the camera):

    R(f) = sum_n r_n exp(-2 pi i (carrier + f) . n) / sqrt(N),    T(f) likewise of m and carrier 0
    gain = <T, R> / <T, T>,   error = |R - gain T| / |gain T|,   efficiency = |gain|^2 <T, T> / N

`efficiency` is the share of the light on the mask that carries it, `|gain|^2` the same relative to an ideal complex
modulator. The sums are two small matrix products, so carriers need not lie on the grid of a transform.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from optics.checks import OpticsError, check_finite, check_shape
from optics.conventions import Point, abs2, cis, complex_dtype, real_dtype


@dataclass(frozen=True)
class OrderQuality:
    """What an order carries, one value for each mask: (...,) tensors.

    gain: complex amplitude relative to the mask. efficiency: share of the light on the mask. error: relative rms of the
    far field in the window. zero_order: share of the light in the un-modulated order on the axis.
    """

    gain: Tensor
    efficiency: Tensor
    error: Tensor
    zero_order: Tensor


class Window:
    """The far field of planes around one carrier.

    Args:
        shape: (ny, nx) pixels of the planes.
        carrier: centre of the window, (y, x) cycles per pixel.
        origin: index of the pixel that carriers are counted from, (y, x).
        half: half width (y, x), cycles per pixel.
        dtype: float32 or float64.

    Raises:
        OpticsError: a window wider than the whole far field, or empty.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        carrier: Point,
        *,
        origin: tuple[int, int],
        half: Point,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.shape = shape
        rows = []
        for name, n, c, o, h in zip("yx", shape, carrier, origin, half, strict=True):
            if not 0.0 < h <= 0.5:
                raise OpticsError(
                    f"half along {name} is {h:g}, expected cycles per pixel above 0 and at most 0.5."
                )
            k = math.floor(h * n)
            f = (
                torch.arange(-k, k + 1, dtype=torch.float64) / n
                if 2 * k + 1 <= n
                else torch.fft.fftfreq(n).double()
            )
            pixel = torch.arange(n, dtype=torch.float64) - o
            phase = torch.remainder((f + c)[:, None] * pixel, 1.0) * (-2 * math.pi)
            rows.append((cis(phase) / math.sqrt(n)).to(complex_dtype(dtype)))
        self.to_y, self.to_x = rows

    def __call__(self, plane: Tensor) -> Tensor:
        """Far field (..., ky, kx) complex of planes (..., ny, nx) complex; differentiable."""
        check_shape(
            plane,
            (*plane.shape[:-2], *self.shape),
            name="plane",
            fix="Use the region's shape, (..., ny, nx).",
        )
        return self.to_y.to(plane.device) @ (plane @ self.to_x.mT.to(plane.device))


def measure_order(
    reflectance: Tensor, mask: Tensor, carrier: Point, *, origin: tuple[int, int], half: Point | None = None
) -> OrderQuality:
    """How much light an order carries and how faithful to the mask it is.

    Args:
        reflectance: what the panel does, (..., ny, nx) complex.
        mask: what the order should carry, same shape, complex.
        carrier: (y, x) cycles per pixel.
        origin: index of the pixel that carriers are counted from.
        half: half width of the window (y, x), cycles per pixel; None is half the carrier's length for both, or 1/16
            on the axis: the image then ends half way to the zero order.

    Raises:
        ShapeError: the two shapes differ.
        OpticsError: one of them is real, or not finite.
    """
    check_shape(reflectance, tuple(mask.shape), name="reflectance", fix="Pass the mask of each frame.")
    for name, plane in (("reflectance", reflectance), ("mask", mask)):
        if not plane.is_complex():
            raise OpticsError(
                f"{name} has dtype {plane.dtype}, expected complex. A phase is shown by slm(phase)."
            )
        check_finite(plane, name=name)
    half = half or default_half(carrier)
    shape = (mask.shape[-2], mask.shape[-1])
    dtype = real_dtype(mask.dtype)
    r = Window(shape, carrier, origin=origin, half=half, dtype=dtype)(reflectance)
    t = Window(shape, (0.0, 0.0), origin=origin, half=half, dtype=dtype)(mask)
    energy = abs2(t).sum((-2, -1))
    gain = (t.conj() * r).sum((-2, -1)) / energy
    carried = abs2(gain) * energy
    lost = abs2(r - gain[..., None, None] * t).sum((-2, -1))
    return OrderQuality(
        gain=gain,
        efficiency=carried / (shape[0] * shape[1]),
        error=torch.sqrt(lost / carried),
        zero_order=abs2(reflectance.mean((-2, -1))),
    )


def default_half(carrier: Point) -> Point:
    """Half the carrier's length along both axes, or 1/16 on the axis, cycles per pixel."""
    length = math.hypot(*carrier)
    return (length / 2, length / 2) if length else (0.0625, 0.0625)
