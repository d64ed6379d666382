"""Several masks side by side in one frame: each kernel's image lands at a place of its own on the camera.

A frame holds the sum of its masks, each times a carrier of its own, so that the camera sees their images as tiles. It
saves frames and costs light: the sum of T masks is divided by its largest modulus, up to T times that of one.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from networks.cascade.cascade import Cascade
from networks.onbench.collapsed import OnBench
from networks.onbench.masks import design_masks, fit_to_modulator
from networks.readouts.readouts import Readout
from optics.bench.geometry import order_gain, tile_positions
from optics.bench.spec import BenchSpec
from optics.checks import SpecError
from optics.conventions import Point
from optics.fourf.recorder import Recorder
from optics.fourf.system import FourF
from optics.slm.ripple import Ripple
from optics.wave.fourier import dft_matrix


class Tiled(OnBench):
    """A network's optics on `bench`, several masks in each frame; other arguments as `OnBench` has them.

    Tiles stand where the planner puts them (`optics.bench.geometry.tile_positions`). Camera frames are given per mask,
    (B, masks, cy, cx), each the part of its frame that shows its tile.

    Args:
        tiles: masks in each frame, a divisor of their number; None: as many as fit, at most four.

    Raises:
        SpecError: a frame has no room for so many, or they do not fill their frames.
    """

    def __init__(
        self,
        cascade: Cascade,
        readout: Readout,
        backend: nn.Module,
        bench: BenchSpec,
        *,
        tiles: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(cascade, readout, backend, bench, **options)
        if self.sequential and self.in_channels > 1:
            raise SpecError("tiles need channels that add as fields; use channel_sum 'coherent'.")
        # a display of several channels has ghosts as far as its channels stand apart
        places = tile_positions(
            bench, self.fourf.image_shape, cascade.kernel_size, kernels=cascade.out_channels, tiles=tiles
        )
        self.per_frame = len(places)
        self.windows = nn.ModuleList()
        self.recorders = nn.ModuleList()
        base = bench.image_offset
        self.shifts: list[Point] = [(y - base[0], x - base[1]) for y, x in places]
        for offset in places:
            window = FourF(
                bench,
                self.fourf.image_shape,
                window_shape=self.image_shape,
                oversampling=options.get("oversampling"),
                offset=offset,
            )
            self.windows.append(window)
            self.recorders.append(
                Recorder(
                    bench,
                    self.image_shape,
                    window.camera_axis(0),
                    window.camera_axis(1),
                    offset=offset,
                    believed=options.get("believed_camera"),
                )
            )

    def tiles(self) -> list[tuple[FourF, Recorder]]:
        """One 4f window and one part of the camera per tile, row by row."""
        return [
            (window, recorder)
            for window, recorder in zip(self.windows, self.recorders, strict=True)
            if isinstance(window, FourF) and isinstance(recorder, Recorder)
        ]

    def targets(self) -> tuple[Tensor, Tensor]:
        """One complex mask per frame, the sum of its tiles' (frames, ny, nx), and their scales (frames,)."""
        kernels = self._kernels()
        positions = self._channel_offsets() if kernels.shape[1] > 1 else None
        masks = design_masks(self.fourf, kernels, positions=positions, compensate=self.compensate)
        summed = (masks.unflatten(0, (-1, self.per_frame)) * self._clear().to(masks.dtype)).sum(1)
        return fit_to_modulator(summed, self.fourf.pupil.abs() > 0)

    def _clear(self) -> Tensor:
        """Masks that send the whole display to each tile: its carrier beside the encoding's, (tiles, ny, nx)."""
        carriers = []
        for shift in self.shifts:
            y, x = (
                dft_matrix(
                    torch.tensor([s], dtype=torch.float64), self.fourf.slm_axis(k), scale=self.bench.scale
                )[0]
                for k, s in enumerate(shift)
            )
            carriers.append(torch.outer(y, x).to(self.fourf.pupil.dtype))
        return torch.stack(carriers)

    def _make_psfs(self, generator: torch.Generator | None, ripple: Ripple) -> tuple[Tensor, Tensor]:
        targets, scales = self.targets()
        shown = self.shown_by_slm(targets, generator=generator, ripple=ripple)
        psfs = torch.stack([window.psf(shown) for window, _ in self.tiles()], 1).flatten(0, 1)
        # the electronics divides by the gain at the bench's own carrier
        gains = torch.tensor([order_gain(self.bench, window.offset) for window, _ in self.tiles()]).to(scales)
        return psfs, (scales[:, None] * (self.gain / gains)).flatten()
