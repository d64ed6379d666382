"""Targets by name: kernels that people ask for often, as point-spread functions on the display's grid.

    sobel                            two kernels, horizontal and vertical derivative, 3 x 3 taps
    laplace                          one, 3 x 3 taps
    gabor:count=16,size=9,period=4   even (real) Gabor kernels, turned in equal steps over half a circle
    donut:radius=3,charge=1          a bright ring, its phase turning `charge` times: a Laguerre-Gauss beam
    line:length=9,angle=0,width=1    a bright line, `angle` degrees from +x towards +y
    gaussian:sigma=1.5               a soft spot
    identity                         one bright pixel: the image itself
    random:count=1,size=5,seed=0     complex kernels of normal numbers

Lengths are display pixels. An option that is left out has the value shown.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from optics.conventions import cis
from optics.errors import OpticsError
from optics.reading import quoted

Options = dict[str, float]
_MOST = 255  # taps a side
_SOBEL = [[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]]


def _grid(size: int) -> tuple[Tensor, Tensor]:
    """(size, size) coordinates y and x in pixels, origin in the middle."""
    line = torch.arange(size, dtype=torch.float64) - size // 2
    y, x = torch.meshgrid(line, line, indexing="ij")
    return y, x


def _odd(least: float) -> int:
    """The smallest odd number of taps that holds `least` pixels."""
    return 2 * math.ceil(max(least - 1, 0) / 2) + 1


def _sobel(o: Options) -> Tensor:
    across = torch.tensor(_SOBEL, dtype=torch.float64) / 8
    return torch.stack([across, across.mT])


def _laplace(o: Options) -> Tensor:
    return torch.tensor([[[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]]], dtype=torch.float64) / 4


def _gabor(o: Options) -> Tensor:
    count, size = int(o["count"]), _odd(o["size"])
    y, x = _grid(size)
    envelope = torch.exp(-(x**2 + y**2) / (2 * (size / 5) ** 2))
    made = []
    for i in range(count):
        angle = math.pi * i / count
        wave = torch.cos(2 * math.pi * (x * math.cos(angle) + y * math.sin(angle)) / o["period"])
        kernel = envelope * wave
        kernel = kernel - envelope * (kernel.sum() / envelope.sum())  # answers nothing to an even image
        made.append(kernel / kernel.abs().sum())
    return torch.stack(made)


def _donut(o: Options) -> Tensor:
    radius, charge = o["radius"], int(o["charge"])
    y, x = _grid(_odd(4 * radius + 3))
    order = max(1, abs(charge))
    rho2 = (x**2 + y**2) / radius**2
    ring = (rho2 * torch.exp(1 - rho2)) ** (order / 2)  # brightest at rho = 1
    return (ring * cis(charge * torch.atan2(y, x)))[None]


def _line(o: Options) -> Tensor:
    length, width, angle = o["length"], o["width"], math.radians(o["angle"])
    y, x = _grid(_odd(length + 2 * width + 2))
    along = x * math.cos(angle) + y * math.sin(angle)
    across = y * math.cos(angle) - x * math.sin(angle)
    beyond = (along.abs() - length / 2 + 0.5).clamp(0.0, 1.0)  # the ends are soft over a pixel
    return ((1 - beyond) * torch.exp(-4 * math.log(2) * (across / width) ** 2 / 2))[None]


def _gaussian(o: Options) -> Tensor:
    y, x = _grid(_odd(6 * o["sigma"] + 1))
    return torch.exp(-(x**2 + y**2) / (2 * o["sigma"] ** 2))[None]


def _identity(o: Options) -> Tensor:
    return torch.ones(1, 1, 1, dtype=torch.float64)


def _random(o: Options) -> Tensor:
    size, generator = _odd(o["size"]), torch.Generator().manual_seed(int(o["seed"]))
    return torch.randn(int(o["count"]), size, size, dtype=torch.complex128, generator=generator)


_MADE: dict[str, tuple[Callable[[Options], Tensor], Options]] = {
    "sobel": (_sobel, {}),
    "laplace": (_laplace, {}),
    "gabor": (_gabor, {"count": 16, "size": 9, "period": 4}),
    "donut": (_donut, {"radius": 3, "charge": 1}),
    "line": (_line, {"length": 9, "angle": 0, "width": 1}),
    "gaussian": (_gaussian, {"sigma": 1.5}),
    "identity": (_identity, {}),
    "random": (_random, {"count": 1, "size": 5, "seed": 0}),
}
NAMES = tuple(_MADE)
_WHOLE = ("count", "charge", "seed")
_SPANS: dict[str, tuple[float, float]] = {
    "count": (1, 1024),
    "size": (1, _MOST),
    "period": (1e-3, 1e4),
    "radius": (0.1, (_MOST - 4) / 4),
    "charge": (-100, 100),
    "length": (0.1, _MOST / 2),
    "angle": (-1e6, 1e6),
    "width": (0.1, _MOST / 8),
    "sigma": (0.05, (_MOST - 2) / 6),
    "seed": (0, 2**53 - 1),
}
"""What each option may be: no kernel is wider than `_MOST` taps, and all fit into memory."""


def is_builtin(text: str) -> bool:
    """Whether a target's text begins with the name of one of these."""
    return text.partition(":")[0] in _MADE


def built_in(text: str) -> Tensor:
    """Kernels (M, ky, kx), real or complex, centred, of a text such as "gabor:count=8,period=6".

    Raises:
        OpticsError: an unknown name or option, or a value that cannot be.
    """
    name, _, rest = text.partition(":")
    if name not in _MADE:
        raise OpticsError(f"there is no built-in target {quoted(name)}; choose one of {', '.join(NAMES)}.")
    make, usual = _MADE[name]
    options = dict(usual)
    for part in filter(None, rest.split(",")):
        key, _, value = (p.strip() for p in part.partition("="))
        if key not in usual:
            known = ", ".join(usual) or "none"
            raise OpticsError(f"{quoted(text)}: {name} has no option {quoted(key)}; its options: {known}.")
        try:
            options[key] = float(value)
        except (ValueError, OverflowError):
            raise OpticsError(
                f"{quoted(text)}: {key} is {quoted(value)}, expected a number as in {key}={usual[key]:g}."
            ) from None
        _check(text, key, options[key])
    kernels = make(options)
    return kernels.to(torch.complex64 if kernels.is_complex() else torch.float32)


def _check(text: str, key: str, value: float) -> None:
    low, high = _SPANS[key]
    if not low <= value <= high:
        raise OpticsError(f"{quoted(text)}: {key} is {value:g}, expected {low:g} to {high:g}.")
    if key in _WHOLE and value != int(value):
        raise OpticsError(f"{quoted(text)}: {key} is {value:g}, expected a whole number.")
