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
from networks.onbench.arrangement import Arrangement, StageArrangement, arranged
from networks.onbench.collapsed import check_coherent
from networks.onbench.drive import MaskSource, Tiles, check_precision, encoded, panel_levels, shown
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


class DesignedStage(MaskSource):
    """MaskSource of one layer: every (output, input) pair has a mask, and all share one divisor.

    Args:
        layer: of the cascade.
        compensate: see `networks.onbench.drive.DesignedMasks`.
    """

    def __init__(self, layer: SpectralConv2d, *, compensate: bool = True) -> None:
        super().__init__()
        self.layer, self.compensate = layer, compensate

    def drive(self, fourf: FourF, slm: SLM, tiles: Tiles | None = None) -> Drive:
        """See `MaskSource.drive`; differentiable in the taps."""
        taps = self.layer.taps().flatten(0, 1)[:, None]
        check_precision(taps, fourf.dtype)
        masks = design_masks(fourf, taps, compensate=self.compensate)
        designed, scales = fit_to_modulator(masks, fourf.pupil.abs() > 0, together=True)
        return Drive(encoded(fourf.bench, designed, fourf), scales, designed)


class Staged(CoherentOptics):
    """One 4f stage per layer, in coherent light of one wavelength.

    Masks of one stage share one divisor, so that the channels keep their ratios: `scales` is the product over the
    stages.

    Args:
        setup: bench, read-out and display.
        arrangements: of each stage.
        sources: where the frames of each stage come from, pairs ordered (output, input).

    Raises:
        SpecError: the input channels do not add coherently.
    """

    def __init__(
        self, setup: Setup, arrangements: tuple[StageArrangement, ...], sources: tuple[MaskSource, ...]
    ) -> None:
        super().__init__()
        check_coherent(setup)
        if setup.display.one_by_one:
            raise SpecError("a staged cascade adds its channels as fields; use channel_sum 'coherent'.")
        self.setup, self.arrangements = setup, arrangements
        self.sources = ModuleTuple(sources)
        bench, shape, stages, last = setup.bench, setup.display.image_shape, [], len(arrangements) - 1
        for i, stage in enumerate(arrangements):
            grown = (shape[0] + 2 * stage.reach, shape[1] + 2 * stage.reach)
            if i < last:
                view = CameraWindow(shape, grown, margin=0, oversampling=1)
            else:
                view = CameraWindow(shape, setup.display.image_shape, oversampling=setup.oversampling)
            spec = _stage_bench(bench, first=i == 0, last=i == last)
            stages.append(FourF(spec, view, pixelated=i == 0, dtype=setup.dtype))
            shape = grown
        self.stages = ModuleTuple(stages)
        self.devices = ModuleTuple(
            SLM(bench.slm, region=(s.rows, s.cols), assumed=setup.assumed_response, dtype=setup.dtype)
            for s in stages
        )
        self.windows = (stages[-1].view,)
        self.gain = order_gain(bench, bench.image_offset) ** len(stages)

    @classmethod
    def of(cls, setup: Setup, cascade: Cascade, *, compensate: bool = True) -> Staged:
        """The cascade's layers, one per stage.

        Args:
            setup: bench, read-out and display.
            cascade: the network's optics.
            compensate: see `networks.onbench.drive.DesignedMasks`.

        Raises:
            SpecError: the boundary is circular, there are pools or free masks before the last layer, or the input
                channels do not add coherently.
        """
        _check_cascade(setup, cascade)
        layers = [layer for layer in cascade.layers if isinstance(layer, SpectralConv2d)]
        arrangements = (
            StageArrangement(outputs=k.out_channels, inputs=k.in_channels, reach=k.kernel_size // 2)
            for k in layers
        )
        sources = tuple(DesignedStage(layer, compensate=compensate) for layer in layers)
        return cls(setup, tuple(arrangements), sources)

    @property
    def arrangement(self) -> Arrangement:
        """A mask for each pair of channels of each stage."""
        return arranged(self.setup.display, stages=self.arrangements)

    @property
    def systems(self) -> tuple[FourF, ...]:
        """One per stage."""
        return tuple(self.stages)

    @property
    def dtype(self) -> torch.dtype:
        """The working precision."""
        return self.stages[0].dtype

    def drives(self) -> tuple[Drive, ...]:
        """One per stage: a mask per (output, input) pair, (out * in, ny, nx), all with the same divisor."""
        parts = zip(self.sources, self.stages, self.devices, strict=True)
        return tuple(source.drive(stage, device) for source, stage, device in parts)

    @property
    def states(self) -> States:
        """Each stage's panel ripples by itself."""
        return ripple_states(self.setup.bench.slm.flicker, len(self.stages))

    def responses(
        self, drives: tuple[Drive, ...], *, generator: torch.Generator | None = None, ripple: Ripple = None
    ) -> Responses:
        """Point-spread functions (out, in, ly, lx) of every stage."""
        banks = []
        parts_of = zip(self.arrangements, self.stages, self.devices, strict=True)
        for i, (pairs, stage, device) in enumerate(parts_of):
            own = None if ripple is None else (ripple[i],)
            parts = [
                stage.psf(shown(device, part, generator=generator, ripple=own))
                for part in drives[i].asked.split(_AT_ONCE)
            ]
            banks.append(torch.cat(parts).unflatten(0, (pairs.outputs, pairs.inputs)))
        return tuple(banks)

    def scales(self, drives: tuple[Drive, ...]) -> Tensor:
        """The product over the stages, the same for every mask of the last."""
        total = torch.stack([drive.scales[:1] for drive in drives]).prod(0)
        return total.expand(self.arrangements[-1].outputs)

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

    def sent(self, drives: tuple[Drive, ...]) -> tuple[Tensor, ...]:
        """See `BenchOptics.sent`: one stage after another, pairs ordered (output, input)."""
        parts = zip(self.devices, drives, self.stages, strict=True)
        return tuple(panel_levels(device, drive, stage) for device, drive, stage in parts)


def _check_cascade(setup: Setup, cascade: Cascade) -> None:
    bench = setup.bench
    if cascade.boundary != "zero":
        raise SpecError("a staged cascade lies in darkness; build it with boundary 'zero'.")
    if any(cascade.pool or ()):
        raise SpecError("the stops of pools stand in no stage; collapse the cascade instead.")
    if any(isinstance(layer, SpectralConv2d) and layer.is_free for layer in cascade.layers[:-1]):
        raise SpecError(
            "free masks before the last layer spread light past a stage; collapse the cascade instead."
        )
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
