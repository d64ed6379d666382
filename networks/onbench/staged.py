"""A cascade built as it is written: one 4f stage per layer, each with its own SLM masks, the camera behind the last.

Every (output, input) pair of a layer has a mask of its own, a bank of 4f systems whose outputs of one channel are
brought together; the light goes from stage to stage without being detected. What the stages share is the bench's
description. Collapsed (`networks.onbench.collapsed`) the same network needs one stage; staged it pays with light and
with every stage's flaws, which this makes measurable. Source of the staged system: Xiang et al., Applied Optics 61,
2173 (2022), figure 1.
"""

from __future__ import annotations

import torch
from torch import Tensor

from networks.cascade.cascade import Cascade
from networks.cascade.layer import SpectralConv2d
from networks.onbench.collapsed import check_coherent
from networks.onbench.drive import check_precision, encoded, shown
from networks.onbench.interface import CoherentOptics, Drive, Responses, Setup
from networks.onbench.masks import design_masks, fit_to_modulator, order_phase
from optics.bench.geometry import order_gain
from optics.bench.spec import BenchSpec
from optics.checks import SpecError
from optics.conventions import abs2
from optics.fourf.camera_window import CameraWindow
from optics.fourf.system import FourF
from optics.modules import ModuleTuple
from optics.slm.panel import SLM
from optics.slm.ripple import Ripple, States, ripple_states

_AT_ONCE = 32  # masks that pass the device model together


class Staged(CoherentOptics):
    """One 4f stage per layer, in coherent light of one wavelength.

    MaskSource of one stage share one divisor, so that the channels keep their ratios: `scales` is the product over the
    stages.

    Args:
        setup: bench, read-out and display.
        cascade: the network's optics.
        compensate: see `networks.onbench.drive.DesignedMasks`.

    Raises:
        SpecError: the boundary is circular, the layers are no plain convolutions, or the input channels do not add
            coherently.
    """

    def __init__(self, setup: Setup, cascade: Cascade, *, compensate: bool = True) -> None:
        super().__init__()
        check_coherent(setup)
        _check_cascade(setup, cascade)
        self.setup, self.cascade, self.compensate = setup, cascade, compensate
        bench, shape, stages = setup.bench, setup.display.image_shape, []
        for i, layer in enumerate(self.layers):
            grown = (shape[0] + 2 * (layer.kernel_size // 2), shape[1] + 2 * (layer.kernel_size // 2))
            if i < len(self.layers) - 1:
                view = CameraWindow(shape, grown, margin=0, oversampling=1)
            else:
                view = CameraWindow(shape, setup.display.image_shape, oversampling=setup.oversampling)
            spec = _stage_bench(bench, first=i == 0, last=i == len(self.layers) - 1)
            stages.append(FourF(spec, view, pixelated=i == 0, dtype=setup.dtype))
            shape = grown
        self.stages = ModuleTuple(stages)
        self.devices = ModuleTuple(
            SLM(bench.slm, region=(s.rows, s.cols), assumed=setup.assumed_response, dtype=setup.dtype)
            for s in stages
        )
        self.windows = (stages[-1].view,)
        self.gain = order_gain(bench, bench.image_offset) ** len(stages)

    @property
    def layers(self) -> list[SpectralConv2d]:
        """The cascade's layers, one per stage."""
        return [layer for layer in self.cascade.layers if isinstance(layer, SpectralConv2d)]

    @property
    def dtype(self) -> torch.dtype:
        """The working precision."""
        return self.stages[0].dtype

    def drives(self) -> tuple[Drive, ...]:
        """One per stage: a mask per (output, input) pair, (out * in, ny, nx), and their common divisor (1,)."""
        return tuple(self._drive(layer, stage) for layer, stage in zip(self.layers, self.stages, strict=True))

    def _drive(self, layer: SpectralConv2d, stage: FourF) -> Drive:
        taps = layer.taps().flatten(0, 1)[:, None]
        check_precision(taps, stage.dtype)
        masks = design_masks(stage, taps, compensate=self.compensate)
        designed, scales = fit_to_modulator(masks, stage.pupil.abs() > 0, together=True)
        return Drive(encoded(stage.bench, designed, stage), scales[:1], designed)

    @property
    def states(self) -> States:
        """Each stage's panel ripples by itself."""
        return ripple_states(self.setup.bench.slm.flicker, len(self.stages))

    def responses(
        self, drives: tuple[Drive, ...], *, generator: torch.Generator | None = None, ripple: Ripple = None
    ) -> Responses:
        """Point-spread functions (out, in, ly, lx) of every stage."""
        banks = []
        for i, (layer, stage, device) in enumerate(zip(self.layers, self.stages, self.devices, strict=True)):
            own = None if ripple is None else (ripple[i],)
            parts = [
                stage.psf(shown(device, part, generator=generator, ripple=own))
                for part in drives[i].asked.split(_AT_ONCE)
            ]
            banks.append(torch.cat(parts).unflatten(0, (layer.out_channels, layer.in_channels)))
        return tuple(banks)

    def scales(self, drives: tuple[Drive, ...]) -> Tensor:
        """The product over the stages, the same for every mask of the last."""
        total = torch.stack([drive.scales for drive in drives]).prod(0)
        return total.expand(self.layers[-1].out_channels)

    def intensity(self, x: Tensor, responses: Responses) -> Tensor:
        """See `BenchOptics.intensity`."""
        return abs2(self.field(x, responses))

    def field(self, x: Tensor, responses: Responses) -> Tensor:
        """Through all stages; the fields of the input channels add behind each."""
        for stage, bank in zip(self.stages, responses, strict=True):
            x = torch.stack([stage.convolve(x[:, i], bank[:, i]) for i in range(bank.shape[1])]).sum(0)
        return x

    def reference_turns(self) -> Tensor:
        """The product of what each stage does to the phase of a point of light."""
        phases = []
        for stage, device in zip(self.stages, self.devices, strict=True):
            clear = encoded(stage.bench, torch.ones_like(stage.pupil)[None], stage)
            phases.append(order_phase(stage, device(clear)[0]))
        return torch.stack(phases).prod()[None]

    def stage_levels(self, index: int, drives: tuple[Drive, ...] | None = None) -> Tensor:
        """Grey levels of stage `index` on its lit pixels, (out * in, ny, nx) int32, pairs ordered (output, input).

        Args:
            index: of the stage.
            drives: what `drives()` gave, to be spared working it out again.
        """
        with torch.no_grad():
            return self.devices[index].levels((drives or self.drives())[index].asked)


def _check_cascade(setup: Setup, cascade: Cascade) -> None:
    bench = setup.bench
    if cascade.boundary != "zero":
        raise SpecError("a staged cascade lies in darkness; build it with boundary 'zero'.")
    if setup.display.one_by_one:
        raise SpecError("a staged cascade adds its channels as fields; use channel_sum 'coherent'.")
    if not all(isinstance(layer, SpectralConv2d) for layer in cascade.layers):
        raise SpecError("only spectral convolutions can be staged; collapse the cascade instead.")
    if bench.slm.modulation == "phase" and bench.encoding.method == "direct":
        raise SpecError(
            "the direct encoding designs one collapsed mask a frame; stage with another encoding."
        )


def _stage_bench(bench: BenchSpec, *, first: bool, last: bool) -> BenchSpec:
    """The bench of one stage: the display stands before the first, the camera behind the last."""
    absent: dict[str, object] = {}
    tables = ("alignment",) if bench.assumed_alignment is None else ("alignment", "assumed_alignment")
    for table in tables:
        if not first:
            absent[f"{table}.input_axial"] = 0.0
        if not last:
            absent |= {
                f"{table}.camera_axial": 0.0,
                f"{table}.camera_shift": (0.0, 0.0),
                f"{table}.magnification": 1.0,
            }
    return bench.replace(**absent) if absent else bench
