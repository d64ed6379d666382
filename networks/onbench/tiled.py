"""Several masks side by side in one frame: each kernel's image lands at a place of its own on the camera.

A frame holds the sum of its masks, each times a carrier of its own, so that the camera sees their images as tiles. It
saves frames and costs light: the sum of T masks is divided by its largest modulus, up to T times that of one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from networks.cascade.cascade import Cascade
from networks.onbench.arrangement import Arrangement, arranged
from networks.onbench.collapsed import check_coherent
from networks.onbench.drive import DesignedMasks, MaskSource, Tiles, encoded, panel_levels, shown
from networks.onbench.interface import CoherentOptics, Drive, FramedOptics, Responses, Setup
from networks.onbench.masks import order_phase, tile_carriers
from optics.bench.geometry import order_gain, tile_positions
from optics.checks import SpecError
from optics.fourf.system import FourF
from optics.modules import ModuleTuple
from optics.slm.panel import SLM
from optics.slm.ripple import Ripple, States


class Tiled(CoherentOptics, FramedOptics):
    """Several masks in each frame, in coherent light of one wavelength.

    Tiles stand where the planner puts them (`optics.bench.geometry.tile_positions`). Camera frames are given per mask,
    (B, masks, cy, cx), each the part of its frame that shows its tile.

    Args:
        setup: bench, read-out and display.
        source: where the frames come from.
        places: where each tile of a frame stands, (y, x) metres in input units.

    Raises:
        SpecError: channels that do not add as fields, or a read-out that does not fit the light.
    """

    def __init__(self, setup: Setup, source: MaskSource, places: Tiles) -> None:
        super().__init__()
        check_coherent(setup)
        bench, display = setup.bench, setup.display
        if display.one_by_one:
            raise SpecError("tiles need channels that add as fields; use channel_sum 'coherent'.")
        self.setup, self.source = setup, source
        view = display.window(setup.oversampling)
        self.windows = tuple(replace(view, offset=place) for place in places)
        self.fourfs = ModuleTuple(FourF(bench, window, dtype=setup.dtype) for window in self.windows)
        first = self.fourfs[0]
        region = (first.rows, first.cols)
        self.slm = SLM(bench.slm, region=region, assumed=setup.assumed_response, dtype=setup.dtype)
        self.gain = order_gain(bench, bench.image_offset)

    @property
    def dtype(self) -> torch.dtype:
        """The working precision."""
        return self.fourfs[0].dtype

    @classmethod
    def of(
        cls, setup: Setup, cascade: Cascade, *, compensate: bool = True, tiles: int | None = None
    ) -> Tiled:
        """The cascade's masks as tiles.

        Args:
            setup: bench, read-out and display.
            cascade: the network's optics.
            compensate: see `networks.onbench.drive.DesignedMasks`.
            tiles: masks in each frame, a divisor of their number; None: as many as fit, at most four.

        Raises:
            SpecError: a frame has no room for so many, or they do not fill their frames.
        """
        # a display of several channels has ghosts as far as its channels stand apart
        places = tile_positions(
            setup.bench.without_tensors(),
            setup.display.canvas_shape,
            setup.taps,
            kernels=cascade.out_channels,
            tiles=tiles,
        )
        return cls(setup, DesignedMasks(cascade, setup, compensate=compensate), places)

    @property
    def arrangement(self) -> Arrangement:
        """Several masks a frame."""
        return arranged(self.setup.display, tiles=self.places)

    @property
    def systems(self) -> tuple[FourF, ...]:
        """One per tile."""
        return tuple(self.fourfs)

    @property
    def per_frame(self) -> int:
        """Masks in one frame."""
        return len(self.windows)

    @property
    def places(self) -> Tiles:
        """Where each tile of a frame stands."""
        return tuple(fourf.offset for fourf in self.fourfs)

    def drives(self) -> tuple[Drive, ...]:
        """One: a frame's mask is the sum of its tiles'."""
        return (self.source.drive(self.fourfs[0], self.slm, self.places),)

    @property
    def states(self) -> States:
        """What the panel ripples through in an exposure."""
        return self.slm.states

    def responses(
        self, drives: tuple[Drive, ...], *, generator: torch.Generator | None = None, ripple: Ripple = None
    ) -> Responses:
        """Point-spread functions (F, ly, lx) of every frame, by tile."""
        (drive,) = drives
        reflectance = shown(self.slm, drive.asked, generator=generator, ripple=ripple)
        return tuple(fourf.psf(reflectance) for fourf in self.fourfs)

    def scales(self, drives: tuple[Drive, ...]) -> Tensor:
        """The frames', for each of their tiles; the electronics divides by the gain at the bench's own carrier."""
        frames, bench = drives[0].scales, self.setup.bench
        gains = torch.tensor([order_gain(bench, fourf.offset) for fourf in self.fourfs]).to(frames)
        return (frames[:, None] * (self.gain / gains)).flatten()

    def intensity(self, x: Tensor, responses: Responses) -> Tensor:
        """See `BenchOptics.intensity`."""
        return self._each(FourF.intensity, x, responses)

    def field(self, x: Tensor, responses: Responses) -> Tensor:
        """See `CoherentOptics.field`."""
        return self._each(FourF.convolve, x, responses)

    def _each(
        self, see: Callable[[FourF, Tensor, Tensor], Tensor], x: Tensor, responses: Responses
    ) -> Tensor:
        (canvas,) = self.setup.display.exposures(x)
        seen = [see(fourf, canvas, psfs) for fourf, psfs in zip(self.fourfs, responses, strict=True)]
        return torch.stack(seen, 2).flatten(1, 2)

    def reference_turns(self) -> Tensor:
        """See `CoherentOptics.reference_turns`."""
        first = self.fourfs[0]
        clear = self.slm(encoded(self.setup.bench, tile_carriers(first, self.places), first))
        return torch.stack([order_phase(fourf, mask) for fourf, mask in zip(self.fourfs, clear, strict=True)])

    def levels(self, drives: tuple[Drive, ...] | None = None) -> Tensor:
        """See `FramedOptics.levels`."""
        return panel_levels(self.slm, (drives or self.drives())[0], self.fourfs[0])
