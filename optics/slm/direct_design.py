"""Direct design: the phase found by gradient through the whole device, and the table that compares all encodings.

The unknown is the phase of each SLM pixel; the device model (levels, response, fringing, fill factor ...) turns it into
a reflectance, and the far field in a window around the carrier should be a constant `gain` times the mask's:

    loss = sum over the window |R - gain e^{i theta} T|^2 / sum |gain T|^2,   theta free for each mask

Only a small part of the far field is asked for, so the light that must go elsewhere has room, and a few tens of steps
of gradient descent are enough (the curvature of the unscaled loss is at most 2). Started from the blaze, which fringing
disturbs least, it ends at the smallest error. Sources: Gerchberg & Saxton, Optik 35, 237 (1972) for the freedom outside
the window; Chakravarthula et al., ACM Trans. Graphics 38, 213 (2019) for gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from optics.checks import OpticsError
from optics.conventions import Point, abs2, real_dtype
from optics.slm.diffraction_order import Window, default_half, measure_order
from optics.slm.encoding import ON_AXIS, EncodingSpec, encode, methods
from optics.slm.panel import SLM
from optics.slm.spec import SLMSpec


def optimise_phase(
    mask: Tensor,
    slm: SLM,
    *,
    encoding: EncodingSpec,
    origin: tuple[int, int],
    centre: Point = (0.0, 0.0),
    half: Point | None = None,
    gain: float | None = None,
    steps: int = 40,
    rate: float = 0.5,
    progress: Callable[[int, float], None] | None = None,
) -> Tensor:
    """The phase whose order at the carrier carries the mask through the device itself.

    Args:
        mask: (..., ny, nx) complex, modulus at most 1, the region of `slm`.
        slm: the device; its flaws are what the phase learns to live with. No random draw is made.
        encoding: carrier, and the method that gives the first phase ("direct" starts as
            blazed, on the axis as double_phase).
        origin: index of the panel's centre pixel in this region, (y, x).
        centre: of the window beside the carrier (y, x), cycles per pixel.
        half: half width of the window (y, x), cycles per pixel; None as in
            `optics.slm.diffraction_order.measure_order`.
        gain: amplitude that the order shall have relative to the mask; None keeps what the first phase reaches.
        steps: of gradient descent with Nesterov's momentum.
        rate: step length; 0.5 is safe.
        progress: called with the step and the mean relative error.

    Returns:
        Phase (..., ny, nx) real, radians, without a gradient: the best one met on the way, frame by frame.

    Raises:
        OpticsError: the device is not a phase modulator.
    """
    if slm.spec.modulation != "phase":
        raise OpticsError(f'optimise_phase needs modulation "phase", this SLM has {slm.spec.modulation!r}.')
    half = half or default_half(encoding.carrier)
    shape, dtype = (mask.shape[-2], mask.shape[-1]), real_dtype(mask.dtype)
    with torch.no_grad():
        phase = encode(mask, encoding, origin=origin)
        wanted = Window(shape, centre, origin=origin, half=half, dtype=dtype)(mask)
        middle = (encoding.carrier[0] + centre[0], encoding.carrier[1] + centre[1])
        window = Window(shape, middle, origin=origin, half=half, dtype=dtype)
        energy = abs2(wanted).sum((-2, -1), keepdim=True)
        if gain is None:
            overlap = (wanted.conj() * window(slm(phase))).sum((-2, -1), keepdim=True)
            scale = overlap.abs() / energy
        else:
            scale = torch.full_like(energy, gain)
    best, lowest = phase.clone(), torch.full_like(energy, float("inf"))
    ahead, previous = phase, phase
    for step in range(steps + 1):
        x = ahead.detach().requires_grad_(True)
        with torch.enable_grad():
            field = window(slm(x))
            overlap = (wanted.conj() * field.detach()).sum((-2, -1), keepdim=True)
            target = wanted * (scale * overlap / overlap.abs().clamp(min=1e-30))
            loss = abs2(field - target).sum((-2, -1), keepdim=True)
            (slope,) = torch.autograd.grad(loss.sum(), x)
        better = loss.detach() < lowest
        best = torch.where(better, x.detach(), best)
        lowest = torch.where(better, loss.detach(), lowest)
        if progress is not None:
            progress(step, float((lowest / (scale**2 * energy)).sqrt().mean()))
        following = x.detach() - rate * slope
        ahead = following + step / (step + 3) * (following - previous)
        previous = following
    return best


@dataclass(frozen=True)
class EncodingRow:
    """One encoding on given masks through a given device; means over the masks.

    method, carrier: see EncodingSpec. gain: amplitude of the signal order relative to the mask. efficiency: share of
    the light on the mask that carries it. relative: the same, relative to an ideal complex modulator. error: relative
    rms in the window. zero_order: share of the light that stays un-modulated on the axis.
    """

    method: str
    carrier: Point
    gain: float
    efficiency: float
    relative: float
    error: float
    zero_order: float

    def as_dict(self) -> dict[str, object]:
        """The row as plain values, for JSON."""
        return asdict(self)


def encoding_table(
    masks: Tensor,
    slm: SLMSpec,
    *,
    carrier: Point = (0.125, 0.0),
    half: Point | None = None,
    names: Sequence[str] | None = None,
    steps: int = 40,
    centred: bool = True,
) -> list[EncodingRow]:
    """Efficiency and error of each encoding on the same masks, through the same device.

    Args:
        masks: (n, ny, nx) complex, modulus at most 1; they lie in the middle of the panel.
        slm: the device; a complex one is taken as a phase device. Its encodings are compared.
        carrier: of the signal order, (y, x) cycles per SLM pixel.
        half: half width of the window, cycles per pixel; None is half way to the zero order.
        names: encodings to compare; None is all that the carrier allows.
        steps: of the direct optimisation.
        centred: False takes the panel's first rows and columns instead of its middle.

    Returns:
        One row for each encoding, in the order of `names`.

    Raises:
        OpticsError: masks larger than the panel, or an unknown encoding.
    """
    if masks.ndim != 3 or not masks.is_complex():
        raise OpticsError(
            f"masks have shape {tuple(masks.shape)} and dtype {masks.dtype}, expected (n, ny, nx) complex."
        )
    ny, nx = masks.shape[-2:]
    if ny > slm.shape[0] or nx > slm.shape[1]:
        raise OpticsError(
            f"masks of {ny} x {nx} pixels do not fit a panel of {slm.shape[0]} x {slm.shape[1]}."
        )
    start = tuple((n // 2 - m // 2) if centred else 0 for n, m in zip(slm.shape, (ny, nx), strict=True))
    region = (slice(start[0], start[0] + ny), slice(start[1], start[1] + nx))
    origin = (slm.shape[0] // 2 - start[0], slm.shape[1] // 2 - start[1])
    spec = slm.replace(modulation="phase") if slm.modulation == "complex" else slm
    panel = SLM(spec, region=region, dtype=real_dtype(masks.dtype))
    rows = []
    known = methods(spec.modulation)
    possible = known if carrier != (0.0, 0.0) else tuple(m for m in known if m in ON_AXIS)
    for name in possible if names is None else names:
        if name not in possible:
            where = "" if name not in known else " on the axis (carrier 0, 0)"
            choice = ", ".join(possible) or "none; set a carrier"
            raise OpticsError(f"unknown encoding {name!r}{where}. Known: {choice}.")
        encoding = EncodingSpec(method=name, carrier=carrier)
        if name == "direct":
            shown = optimise_phase(masks, panel, encoding=encoding, origin=origin, half=half, steps=steps)
        else:
            shown = encode(masks, encoding, origin=origin)
        with torch.no_grad():
            q = measure_order(panel(shown), masks, carrier, origin=origin, half=half)
        rows.append(
            EncodingRow(
                method=name,
                carrier=carrier,
                gain=float(q.gain.abs().mean()),
                efficiency=float(q.efficiency.mean()),
                relative=float(abs2(q.gain).mean()),
                error=float(q.error.mean()),
                zero_order=float(q.zero_order.mean()),
            )
        )
    return rows
