"""From a target to what the panel shows, and to the fields that the bench makes of it.

A frame holds one mask, or several as tiles: their sum, each times a carrier of its own, as
`networks.onbench.tiled.Tiled` shows them. The masks are designed for the nominal places of the SLM's pixels; the
prediction has the whole bench in it: levels, response, fringing, misalignment, aberrations.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from distill.designs.targets import Target
from distill.verify.point_sources import point_images
from networks.onbench.drive import encoded, panel_middle
from networks.onbench.masks import design_masks, fit_to_modulator, optimised_phases, tile_carriers
from optics.bench.geometry import tile_positions
from optics.bench.spec import BenchSpec
from optics.checks import SpecError
from optics.conventions import Point
from optics.errors import OpticsError
from optics.fourf.camera_window import CameraWindow
from optics.fourf.system import FourF
from optics.slm.panel import SLM

Size = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Layout:
    """Where the masks of a design stand, and the optics that looks there.

    Attributes:
        bench: the bench, encoding included.
        target: what is to be shown.
        places: where each tile of a frame lands, (y, x) metres in input units.
        fourfs: the bench as each of them sees it.
        slm: the lit part of the panel.
    """

    bench: BenchSpec
    target: Target
    places: tuple[Point, ...]
    fourfs: tuple[FourF, ...]
    slm: SLM

    @property
    def frames(self) -> int:
        """SLM frames."""
        return self.target.count // len(self.places)

    @property
    def points(self) -> tuple[Size, ...]:
        """Point sources (row, column): the middle, and one aside, so that a turned or mirrored frame shows."""
        (h, w) = self.target.image_shape
        middle = (h // 2, w // 2)
        aside = (h // 2 - h // 6, w // 2 + w // 5)
        return (middle,) if aside == middle else (middle, aside)


@dataclass(frozen=True, eq=False)
class Shown:
    """What a panel is sent for a design, and what is predicted of it.

    F frames of T tiles show M = F T masks.

    Attributes:
        masks: (F, ny, nx) complex masks of modulus at most 1 on the lit pixels.
        scales: (F,) what they were divided by.
        levels: (F, ny, nx) int32 on the lit pixels.
        reflectance: (F, ny, nx) complex, what the panel does, the mean over an exposure.
    """

    masks: Tensor
    scales: Tensor
    levels: Tensor
    reflectance: Tensor


def lay_out(bench: BenchSpec, target: Target, tiles: int) -> Layout:
    """Where the masks stand.

    Args:
        bench: the bench; coherent light of one wavelength, a panel with levels.
        target: what is to be shown.
        tiles: masks in each frame, a divisor of their number.

    Raises:
        OpticsError: light that a design is not made for, a panel without levels, or no room for so many tiles.
    """
    light, slm, name = bench.light, bench.slm, bench.name
    if not light.simple:
        raise SpecError(
            f'bench {name!r}: a design is for coherent light of one wavelength; set light.coherence = "coherent" and '
            "leave light.spectrum out."
        )
    if slm.bits is None or slm.modulation == "complex":
        raise OpticsError(
            f"bench {name!r}: an SLM with slm.bits {slm.bits} and slm.modulation {slm.modulation!r} has no levels to "
            'write; set slm.bits and slm.modulation = "phase", or slm.device.'
        )
    if slm.correction is not None:
        raise OpticsError(
            f"bench {name!r}: a design's frames are written without slm.correction; leave it out and let the SLM's "
            "driver add it."
        )
    if tiles > 1 and target.taps is None:
        raise OpticsError(
            "masks over the panel fill their frames and cannot stand side by side; use tiles 1."
        )
    places = tile_positions(bench, target.image_shape, target.reach, kernels=target.count, tiles=tiles)
    fourfs = tuple(FourF(bench, CameraWindow(target.image_shape, offset=place)) for place in places)
    return Layout(bench, target, places, fourfs, SLM(slm, region=(fourfs[0].rows, fourfs[0].cols)))


def masks_on(fourf: FourF, target: Target) -> Tensor:
    """(M, ny, nx) complex masks of a target on the lit pixels of a bench, not yet limited to what a panel can do."""
    if target.panel is not None:
        return target.panel[:, fourf.rows, fourf.cols]
    if target.taps is None:
        raise OpticsError("a target has taps or a panel's masks.")  # one of them by construction
    return design_masks(fourf, target.taps, pitch=target.pitch)


def show(layout: Layout, method: str | None = None, first: int | None = None) -> Shown:
    """Encode the masks for the panel.

    Args:
        layout: where they stand.
        method: another encoding than the bench's.
        first: only that many frames; None: all.
    """
    bench, fourf, tiles = layout.bench, layout.fourfs[0], len(layout.places)
    if method is not None:
        bench = bench.replace(**{"encoding.method": method})
    masks = masks_on(fourf, layout.target)[: None if first is None else first * tiles]
    if tiles > 1:
        masks = (masks.unflatten(0, (-1, tiles)) * tile_carriers(fourf, layout.places)).sum(1)
    if layout.target.panel is None:
        masks, scales = fit_to_modulator(masks, fourf.pupil.abs() > 0)
    else:  # asked for pixel by pixel: shown as it is
        masks, scales = masks / masks.abs().clamp(min=1.0), torch.ones(len(masks))
    if bench.encoding.method == "direct":
        size = layout.target.image_shape
        asked = optimised_phases(
            masks, layout.slm, bench, size, size, origin=panel_middle(fourf), places=layout.places
        )
    else:
        asked = encoded(bench, masks, fourf)
    levels = layout.slm.levels(asked)
    return Shown(masks, scales, levels, layout.slm.of_levels(levels))


def point_fields(layout: Layout, reflectance: Tensor) -> Tensor:
    """(P, M, oy, ox) complex: what the point sources make in the window of each mask, by point-spread functions."""
    points = point_images(layout.points, layout.target.image_shape)
    seen = [fourf.convolve(points, fourf.psf(reflectance)) for fourf in layout.fourfs]
    return torch.stack(seen, 2).flatten(1, 2)


def asked_fields(layout: Layout) -> Tensor:
    """(M, oy, ox) complex: what a point in the middle makes behind the target itself, on a bench without flaws.

    The modulator is complex and stands on the axis; the field stop is the bench's.
    """
    real = layout.fourfs[0]
    view = CameraWindow(layout.target.image_shape, oversampling=real.oversampling, offset=(0.0, 0.0))
    ideal = FourF(layout.bench.ideal(), view)
    masks = masks_on(ideal, layout.target)
    masks, _ = fit_to_modulator(masks, ideal.pupil.abs() > 0)
    point = point_images(layout.points[:1], layout.target.image_shape)
    return ideal.convolve(point, ideal.psf(masks))[0]
