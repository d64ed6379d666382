"""What the SLM is asked for, from a cascade's kernels or from levels alone; and what it then shows."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from networks.cascade.cascade import Cascade
from networks.onbench.interface import Drive, Setup
from networks.onbench.masks import design_masks, fit_to_modulator, optimised_phases, tile_carriers
from optics.bench.spec import BenchSpec
from optics.checks import OpticsError, check_shape
from optics.conventions import Point, real_dtype
from optics.fourf.system import FourF
from optics.slm.encoding import encode
from optics.slm.panel import SLM
from optics.slm.ripple import Ripple

Tiles = tuple[Point, ...]
"""Where each mask of a frame sends its image, (y, x) metres in input units; it gets a carrier of its own."""


class MaskSource(nn.Module, ABC):
    """Where the frames of an SLM come from."""

    @abstractmethod
    def drive(self, fourf: FourF, slm: SLM, tiles: Tiles | None = None) -> Drive:
        """What the SLM is asked for.

        Args:
            fourf: the geometry.
            slm: the device.
            tiles: masks are shown so many at a time; None is one at a time.
        """


class DesignedMasks(MaskSource):
    """Masks of a cascade's collapsed kernels, designed for the bench.

    Args:
        cascade: the network's optics.
        setup: read-out and display.
        compensate: pre-emphasise the masks by the inverse of the display pixel's transform, so that the field
            at the pixel centres is the digital convolution's.
    """

    def __init__(self, cascade: Cascade, setup: Setup, *, compensate: bool = True) -> None:
        super().__init__()
        self.cascade, self.readout = cascade, setup.readout
        self.display, self.compensate = setup.display, compensate

    def drive(self, fourf: FourF, slm: SLM, tiles: Tiles | None = None) -> Drive:
        """See `MaskSource.drive`; differentiable in the kernels."""
        kernels = self.readout.amplitudes(self.display.per_mask(self.cascade.kernels()))
        check_precision(kernels, fourf.dtype)
        across = [] if tiles is None else [x for _, x in tiles] * (len(kernels) // len(tiles))
        masks = design_masks(
            fourf,
            kernels,
            positions=self.display.positions(),
            compensate=self.compensate,
            landing=torch.tensor(across, dtype=torch.float64) if across else None,
        )
        if tiles is not None:
            masks = (masks.unflatten(0, (-1, len(tiles))) * tile_carriers(fourf, tiles)).sum(1)
        designed, scales = fit_to_modulator(masks, fourf.pupil.abs() > 0)
        bench = fourf.bench
        direct = bench.slm.modulation != "complex" and bench.encoding.method == "direct"
        if direct and not (torch.is_grad_enabled() and designed.requires_grad):
            asked = optimised_phases(
                designed,
                slm,
                bench,
                self.display.canvas_shape,
                self.display.image_shape,
                origin=panel_middle(fourf),
                places=tiles or (),
            )
            return Drive(asked, scales, designed)
        return Drive(encoded(bench, designed, fourf), scales, designed)


class LevelMasks(MaskSource):
    """Frames given as levels, as an exported directory holds them.

    Args:
        levels: (F, NY, NX) integer levels of the whole panel.
        scales: (F,) each mask's largest modulus, as `Drive.scales` gave it.
        bench: the bench whose panel it is.
        dtype: float32 or float64, of the scales.

    Raises:
        ShapeError: the levels are not the panel's, or not one scale per frame.
    """

    levels: Tensor
    scales: Tensor

    def __init__(self, levels: Tensor, scales: Tensor, bench: BenchSpec, *, dtype: torch.dtype) -> None:
        super().__init__()
        fix = "Give the whole panel, one per frame: (F, NY, NX)."
        check_shape(levels, (None, *bench.slm.shape), name="levels", fix=fix)
        check_shape(scales, (len(levels),), name="scales", fix="One number per frame.")
        self.register_buffer("levels", levels)
        self.register_buffer("scales", scales.to(dtype))

    def drive(self, fourf: FourF, slm: SLM, tiles: Tiles | None = None) -> Drive:
        """The lit part of the levels; the tiles' carriers are in them already."""
        return Drive(self.levels[:, fourf.rows, fourf.cols], self.scales)


def check_precision(kernels: Tensor, dtype: torch.dtype) -> None:
    """Raise OpticsError unless kernels and optics have one precision."""
    if real_dtype(kernels.dtype) != dtype:
        raise OpticsError(
            f"the kernels are {kernels.dtype} and the optics on the bench compute in {dtype}; convert the network on "
            "the bench as a whole, by .double() or .float()."
        )


def panel_middle(fourf: FourF) -> tuple[int, int]:
    """Index of the panel's centre pixel within the lit part, (y, x); may lie outside it."""
    ny, nx = fourf.bench.slm.shape
    return ny // 2 - fourf.rows.start, nx // 2 - fourf.cols.start


def encoded(bench: BenchSpec, masks: Tensor, fourf: FourF) -> Tensor:
    """Masks (F, ny, nx) as they are on a complex device, encoded on any other; differentiable."""
    if bench.slm.modulation == "complex":
        return masks
    return encode(masks, bench.driven_encoding, origin=panel_middle(fourf))


def shown(
    slm: SLM, asked: Tensor, *, generator: torch.Generator | None = None, ripple: Ripple = None
) -> Tensor:
    """Complex reflectance (F, ny, nx) of what an SLM is asked for (see `Drive.asked`), as `SLM.forward` takes it."""
    if asked.is_floating_point() or asked.is_complex():
        return slm(asked, generator=generator, ripple=ripple)
    return slm.of_levels(asked, generator=generator, ripple=ripple)


def panel_levels(slm: SLM, drive: Drive, fourf: FourF) -> Tensor:
    """Grey levels of the whole panel, (F, NY, NX) int32; unlit pixels show level 0."""
    with torch.no_grad():
        asked = drive.asked
        lit = slm.levels(asked) if asked.is_floating_point() or asked.is_complex() else asked
        panel = torch.zeros(len(lit), *slm.spec.shape, dtype=torch.int32, device=lit.device)
        panel[:, fourf.rows, fourf.cols] = lit.to(torch.int32)
    return panel
