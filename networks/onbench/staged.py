"""A cascade built as it is written: one 4f stage per layer, each with its own SLM masks, the camera behind the last.

Every (output, input) pair of a layer has a mask of its own, a bank of 4f systems whose outputs of one channel are
brought together; the light goes from stage to stage without being detected. What the stages share is the bench's
description. Collapsed (`networks.onbench.collapsed.OnBench`) the same network needs one stage; staged it pays with
light and with every stage's flaws, which this makes measurable. Source of the staged system: Xiang et al., Applied
Optics 61, 2173 (2022), figure 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from networks.cascade.cascade import Cascade
from networks.cascade.layer import SpectralConv2d
from networks.onbench.collapsed import OnBench
from networks.onbench.masks import design_masks, fit_to_modulator, order_phase
from networks.readouts.readouts import Readout
from optics.bench.spec import BenchSpec
from optics.checks import OpticsError, SpecError
from optics.conventions import abs2
from optics.fourf.system import FourF
from optics.slm.panel import SLM
from optics.slm.ripple import Ripple, States, ripple_states

_AT_ONCE = 32  # masks that pass the device model together


class Staged(OnBench):
    """A network's optics on `bench`, one 4f stage per layer; arguments as of `OnBench`.

    Masks of one stage share one divisor, so that the channels keep their ratios: `scales` is the product over stages.

    Raises:
        SpecError: the boundary is circular, the layers are no plain convolutions, or the input channels do not add
            coherently.
    """

    def __init__(
        self, cascade: Cascade, readout: Readout, backend: nn.Module, bench: BenchSpec, **options: Any
    ) -> None:
        super().__init__(cascade, readout, backend, bench, **options)
        if cascade.boundary != "zero":
            raise SpecError("a staged cascade lies in darkness; build it with boundary 'zero'.")
        if self.sequential and self.in_channels > 1:
            raise SpecError("a staged cascade adds its channels as fields; use channel_sum 'coherent'.")
        self.layers = [layer for layer in cascade.layers if isinstance(layer, SpectralConv2d)]
        if len(self.layers) != len(cascade.layers):
            raise SpecError("only spectral convolutions can be staged; collapse the cascade instead.")
        if bench.slm.modulation == "phase" and bench.encoding.method == "direct":
            raise SpecError(
                "the direct encoding designs one collapsed mask a frame; stage with another encoding."
            )
        inner = bench.replace(
            **{
                "alignment.camera_axial": 0.0,
                "alignment.camera_shift": (0.0, 0.0),
                "alignment.magnification": 1.0,
            }
        )
        self.stages = nn.ModuleList()
        self.devices = nn.ModuleList()
        shape = self.image_shape
        for i, layer in enumerate(self.layers):
            last = i == len(self.layers) - 1
            spec = bench if last else inner
            if i > 0:
                spec = spec.replace(**{"alignment.input_axial": 0.0})
            grown = tuple(n + 2 * (layer.kernel_size // 2) for n in shape)
            stage = FourF(
                spec,
                shape,
                window_shape=self.image_shape if last else (grown[0], grown[1]),
                margin=2 if last else 0,
                oversampling=options.get("oversampling") if last else 1,
                pixelated=i == 0,
            )
            self.stages.append(stage)
            region = (stage.rows, stage.cols)
            self.devices.append(SLM(bench.slm, region=region, believed=options.get("believed_response")))
            shape = (grown[0], grown[1])
        self.gain = self.gain ** len(self.layers)

    def stage_targets(self, index: int) -> tuple[Tensor, Tensor]:
        """Masks of stage `index`, one per (output, input) pair, (out * in, ny, nx), and their common divisor (1,)."""
        taps = self.layers[index].taps().flatten(0, 1)[:, None]
        masks = design_masks(self._stage(index), taps, compensate=self.compensate)
        masks, scales = fit_to_modulator(masks, self._stage(index).pupil.abs() > 0, together=True)
        return masks, scales[:1]

    def stage_levels(self, index: int) -> Tensor:
        """Grey levels of stage `index` on its lit pixels, (out * in, ny, nx) int32, pairs ordered (output, input)."""
        stage, device = self._stage(index), self._device(index)
        with torch.no_grad():
            return device.levels(self.driven(self.stage_targets(index)[0], (stage.rows, stage.cols)))

    def levels(self) -> Tensor:
        """Refused: a staged network has one set of levels per stage."""
        raise OpticsError(
            "a staged network has levels per stage; use stage_levels(index), or collapse it to export."
        )

    def _stage(self, index: int) -> FourF:
        stage = self.stages[index]
        if not isinstance(stage, FourF):  # nn.ModuleList forgets the type
            raise OpticsError(f"stage {index} is {type(stage).__name__}, expected FourF.")
        return stage

    def _device(self, index: int) -> SLM:
        device = self.devices[index]
        if not isinstance(device, SLM):
            raise OpticsError(f"device {index} is {type(device).__name__}, expected SLM.")
        return device

    @property
    def states(self) -> States:
        """Each stage's panel ripples by itself."""
        return ripple_states(self.bench.slm.flicker, len(self.layers))

    def _stage_psfs(
        self, index: int, generator: torch.Generator | None, ripple: Ripple
    ) -> tuple[Tensor, Tensor]:
        """Point-spread functions (out, in, ly, lx) of one stage and the divisor of its masks (1,)."""
        stage, device, layer = self._stage(index), self._device(index), self.layers[index]
        targets, scale = self.stage_targets(index)
        own = None if ripple is None else (ripple[index],)
        parts = [
            stage.psf(device(self.driven(part, (stage.rows, stage.cols)), generator=generator, ripple=own))
            for part in targets.split(_AT_ONCE)
        ]
        return torch.cat(parts).unflatten(0, (layer.out_channels, layer.in_channels)), scale

    def _make_psfs(self, generator: torch.Generator | None, ripple: Ripple) -> tuple[Tensor, Tensor]:
        """All stages' point-spread functions in one row, (1, n), and the scales (out,)."""
        made = [self._stage_psfs(i, generator, ripple) for i in range(len(self.layers))]
        total = torch.stack([scale for _, scale in made]).prod(0)
        row = torch.cat([psfs.flatten() for psfs, _ in made])[None]
        return row, total.expand(self.layers[-1].out_channels)

    def _banks(self, row: Tensor) -> list[Tensor]:
        """Each stage's point-spread functions (out, in, ly, lx), from the row that `psfs` gives."""
        shapes = [
            (layer.out_channels, layer.in_channels, len(stage.to_psf_y), len(stage.to_psf_x))
            for layer, stage in zip(self.layers, map(self._stage, range(len(self.layers))), strict=True)
        ]
        parts = row[0].split([math.prod(shape) for shape in shapes])
        return [part.unflatten(0, shape) for part, shape in zip(parts, shapes, strict=True)]

    def _each_channel(self, see: Callable[[Tensor, Tensor], Tensor], x: Tensor, psfs: Tensor) -> Tensor:
        """Through all stages; `see` is not asked, since the fields of the input channels add before the camera."""
        fields = x
        for index, bank in enumerate(self._banks(psfs)):
            stage = self._stage(index)
            fields = torch.stack(
                [stage.convolve(fields[:, i], bank[:, i]) for i in range(bank.shape[1])]
            ).sum(0)
        return fields

    def _find_turns(self) -> list[complex]:
        """The product of what each stage does to the phase of a point of light."""
        phases = []
        for i in range(len(self.layers)):
            stage = self._stage(i)
            clear = self._encoded(torch.ones_like(stage.pupil)[None], (stage.rows, stage.cols))
            phases.append(order_phase(stage, self._device(i)(clear)[0]))
        return [math.prod(phases)]

    def _intensities(self, fourf: FourF, x: Tensor, psfs: Tensor, scales: Tensor) -> Tensor:
        made = super()._intensities(fourf, x, psfs, scales)
        return abs2(made) if made.is_complex() else made
