"""Several masks side by side in one frame: each kernel's image lands at a place of its own on the camera.

A frame holds the sum of its masks, each times a carrier of its own, so that the camera sees their images as tiles. It
saves frames and costs light: the sum of T masks is divided by its largest modulus, up to T times that of one.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from networks.cascade.cascade import Cascade
from networks.onbench.collapsed import OnBench
from networks.onbench.masks import design_masks, fit_to_modulator
from networks.readouts.readouts import Readout
from optics.bench.spec import BenchSpec, Point
from optics.checks import SpecError
from optics.fourf.recorder import Recorder
from optics.fourf.system import FourF
from optics.slm.ripple import Ripple
from optics.wave.fourier import dft_matrix


class Tiled(OnBench):
    """A network's optics on `bench`, `tiles` = (ty, tx) masks in each frame; other arguments as `OnBench` has them.

    Tiles stand around the place of the wanted order, at multiples of a camera pixel. Camera frames are given per mask,
    (B, masks, cy, cx), each the part of its frame that shows its tile.

    Args:
        guard: dark input pixels between a tile's outermost light and the next tile.

    Raises:
        SpecError: tiles overlap the un-modulated zero order, leave the sensor, or the lens vignettes them.
    """

    def __init__(
        self,
        cascade: Cascade,
        readout: Readout,
        backend: nn.Module,
        bench: BenchSpec,
        *,
        tiles: tuple[int, int] = (2, 2),
        guard: int = 4,
        **options: Any,
    ) -> None:
        super().__init__(cascade, readout, backend, bench, **options)
        if min(tiles) < 1:
            raise SpecError(f"tiles is {tiles}; expected (rows, columns), at least 1 each.")
        if self.sequential and self.in_channels > 1:
            raise SpecError("tiles need channels that add as fields; use channel_sum 'coherent'.")
        self.grid = tiles
        self.shifts = self._shifts(cascade.kernel_size, guard)
        self.windows = nn.ModuleList()
        self.recorders = nn.ModuleList()
        base = bench.image_offset
        for shift in self.shifts:
            offset = (base[0] + shift[0], base[1] + shift[1])
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
        self._check_zero_order(cascade.kernel_size)
        if cascade.out_channels % self.per_frame:
            raise SpecError(
                f"{cascade.out_channels} masks do not fill frames of {self.per_frame} tiles; choose tiles whose number "
                "divides them."
            )

    @property
    def per_frame(self) -> int:
        """Masks in one frame."""
        return self.grid[0] * self.grid[1]

    def tiles(self) -> list[tuple[FourF, Recorder]]:
        """One 4f window and one part of the camera per tile, row by row."""
        return [
            (window, recorder)
            for window, recorder in zip(self.windows, self.recorders, strict=True)
            if isinstance(window, FourF) and isinstance(recorder, Recorder)
        ]

    def _shifts(self, taps: int, guard: int) -> list[Point]:
        """Where each tile stands relative to the wanted order, (y, x) metres, whole camera pixels; row by row."""
        pixel, pitch = self.recorder.pixel, self.bench.input.pitch
        # a display of several channels has ghosts as far as its channels stand apart
        steps = [
            math.ceil((n + taps - 1 + guard) * pitch / pixel - 1e-9) * pixel for n in self.fourf.image_shape
        ]
        return [
            ((j - (self.grid[0] - 1) // 2) * steps[0], (i - (self.grid[1] - 1) // 2) * steps[1])
            for j in range(self.grid[0])
            for i in range(self.grid[1])
        ]

    def _check_zero_order(self, taps: int) -> None:
        if self.bench.slm.modulation == "complex":
            return
        reach = [(n + taps // 2) * self.bench.input.pitch for n in self.fourf.image_shape]
        base = self.bench.image_offset
        for shift in self.shifts:
            if all(abs(base[k] + shift[k]) < reach[k] for k in (0, 1)):
                carriers = [r * self.bench.slm.pitch / self.bench.scale for r in reach]
                raise SpecError(
                    f"bench {self.bench.name!r}: a tile at ({(base[0] + shift[0]) * 1e3:.3g}, "
                    f"{(base[1] + shift[1]) * 1e3:.3g}) mm overlaps the zero order. Move the carrier so that each tile "
                    f"is more than ({carriers[0]:.3g}, {carriers[1]:.3g}) cycles per SLM pixel away, along y or x."
                )

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
        return psfs, scales.repeat_interleave(self.per_frame)
