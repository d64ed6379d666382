"""Frames that a bench's description predicts.

The prediction is the package's own: `optics.slm.SLM`, `optics.fourf.FourF` and `Recorder` of the bench, its PSF path.
How frames change with each of a bench's numbers is for `calibration.twin.derivatives`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from calibration.rigs.recording import Recording
from calibration.rigs.simulated import simulate
from calibration.twin.light import Light, Stages, mask_turn, node_factors
from optics.bench.spec import BenchSpec
from optics.checks import present
from optics.conventions import abs2
from optics.devices import CPU, device_of, doubles
from optics.fourf.recorder import Recorder
from optics.fourf.system import FourF
from optics.slm.fringing_exact import exact_reflectance
from optics.slm.panel import SLM
from optics.slm.ripple import Ripple, States, ripple_states
from optics.slm.spec import SLMSpec


class Frames(NamedTuple):
    """What is predicted: mean counts (n, cy, cx), and the intensity on the camera plane's samples (n, oy, ox)."""

    counts: Tensor
    intensity: Tensor


def signal_scale(bench: BenchSpec) -> float:
    """Counts for each photon on a binned pixel."""
    return bench.camera.quantum_efficiency / bench.camera.gain


def offset_counts(bench: BenchSpec) -> float:
    """Counts of a binned pixel in the dark."""
    camera = bench.camera
    stray = camera.binning**2 * camera.background * camera.quantum_efficiency
    return camera.black + (camera.dark_electrons + stray) / camera.gain


class Model:
    """What a bench does with the probes of a recording.

    Args:
        recording: probes, and the region of the sensor that was read.
        device: carries the light of the frames; operators are built on the CPU, and counts come back to it.
    """

    def __init__(self, recording: Recording, device: torch.device = CPU) -> None:
        self.recording, self.device = recording, device
        self.images = recording.probes.inputs.float().to(device)
        self._refined_at: SLMSpec | None = None
        self._missed: dict[bool, Tensor] = {}

    # ------------------------------------------------------------------ frames

    def stages(self, bench: BenchSpec) -> Stages:
        """The bench's operators for this recording's window."""
        fourf, recorder = simulate(
            bench, self.recording.probes.image_shape, self.recording.region, dtype=torch.float64
        )
        return self._stages(fourf, recorder)

    def _stages(self, fourf: FourF, recorder: Recorder) -> Stages:
        a, b = zip(*(node_factors(fourf, k) for k in "yx"), strict=True)
        return Stages(
            fourf=fourf,
            recorder=recorder,
            ay=fourf.to_slm_y * a[0],
            ax=fourf.to_slm_x * a[1],
            by=b[0][:, None] * fourf.to_camera_y,
            bx=b[1][:, None] * fourf.to_camera_x,
            pupil=fourf.pupil,
            chirp=fourf.chirp_in,
        )

    def predict(self, bench: BenchSpec) -> Frames:
        """Mean counts of every probe on the recording's region, without saturation or rounding."""
        shape, region = self.recording.probes.image_shape, self.recording.region
        fourf, recorder = simulate(bench, shape, region, device=self.device)
        intensity = torch.zeros(len(self.images), *fourf.window, device=self.device)
        states = ripple_states(bench.slm.flicker)
        for masks, (_, weight) in zip(self._states(bench, fourf, states), states, strict=True):
            psf = fourf.psf(masks)
            for total, image, each in zip(intensity, self.images, psf, strict=True):
                total += weight * fourf.intensity(image[None], each[None])[0, 0]
        return Frames(self.counts(bench, recorder, intensity), intensity)

    def about(self, bench: BenchSpec) -> Tensor:
        """Mean counts (n, cy, cx) float64 as `predict` gives them, quicker and less exactly: for their differences.

        The nodes over an SLM pixel's area are those of the derivatives, the ripple has two states.
        """
        stages = self.stages(bench)
        fourf, light = stages.fourf, Light(stages, self.device)
        states = ripple_states(bench.slm.flicker, most=2)
        recorder = copy.deepcopy(stages.recorder).to(doubles(self.device))
        turn = mask_turn(fourf, self.device)
        emitted = fourf.emitted(self.recording.probes.inputs.double())
        intensity = torch.zeros(len(self.images), *fourf.window, device=self.device)
        for masks, (_, weight) in zip(self._states(bench, fourf, states), states, strict=True):
            for total, image, mask in zip(intensity, emitted, masks, strict=True):
                light.enter(image)
                total += weight * abs2(light.leave(turn(mask)))
        return self.counts(bench, recorder, intensity.to(doubles(self.device)).double())

    def refine(self, bench: BenchSpec) -> bool:
        """Take the fringing field exactly from here on, by what the quick rule misses at this bench.

        What it misses is small and changes slowly: where the panel is much as it was, nothing is worked out anew. Where
        another of the quick rules takes over, it is worked out there.

        Returns:
            Whether predictions change by it.
        """
        if self._refined_at is not None and _alike(bench.slm, self._refined_at):
            return False
        self._refined_at, self._missed = bench.slm, {}
        return True

    def _correction(self, slm: SLM, bench: BenchSpec) -> Tensor:
        """What the quick rule that `slm` uses misses on the probes' window, (n, ly, lx) complex."""
        rule = slm.fringing is not None and slm.fringing.narrow is not None
        if rule not in self._missed:
            probes = self.recording.probes
            rows, cols = (
                slice(c, c + n) for c, n in zip(probes.corner, probes.levels.shape[1:], strict=True)
            )
            whole = SLM(bench.slm.replace(curvature={}), region=(rows, cols))
            levels = probes.levels.to(torch.int32)
            missed = exact_reflectance(whole, levels) - whole.of_levels(levels, ripple=(0.0,))
            self._missed[rule] = missed.to(self.device)
        return self._missed[rule]

    def masks(self, bench: BenchSpec, rows: slice, cols: slice, ripple: Ripple = None) -> Tensor:
        """Reflectance (n, ny, nx) complex64 of every probe's levels on a region of the panel.

        ripple: of one state of the panel; None is the mean field.
        """
        return next(self._masks(bench, rows, cols, (ripple,)))

    def _states(self, bench: BenchSpec, fourf: FourF, states: States) -> Iterator[Tensor]:
        return self._masks(bench, fourf.rows, fourf.cols, [ripple for ripple, _ in states])

    def _masks(
        self, bench: BenchSpec, rows: slice, cols: slice, ripples: Sequence[Ripple]
    ) -> Iterator[Tensor]:
        """`masks` for several ripples in turn."""
        flat = SLM(bench.slm.replace(curvature={}), region=(rows, cols)).to(self.device)
        levels = self.recording.probes.on_panel(rows, cols).to(self.device)
        curved = _curved(bench, rows, cols)
        missed = self._correction(flat, bench) if self._refined_at is not None else None
        for ripple in ripples:
            found = flat.of_levels(levels, ripple=ripple)
            if missed is not None:
                inside, outside = [], []
                for part, c, n in zip(
                    (rows, cols), self.recording.probes.corner, missed.shape[1:], strict=True
                ):
                    low = max(part.start, c)
                    high = max(low, min(part.stop, c + n))
                    inside.append(slice(low - c, high - c))
                    outside.append(slice(low - part.start, high - part.start))
                found[:, outside[0], outside[1]] += missed[:, inside[0], inside[1]]
            yield found if curved is None else found * curved.to(self.device)

    def counts(self, bench: BenchSpec, recorder: Recorder, intensity: Tensor) -> Tensor:
        """Counts (n, cy, cx) float64 of intensities on the camera plane's samples (n, oy, ox)."""
        seen = recorder.photons(intensity.to(device_of(recorder))).cpu().double()
        photons = seen * (self.recording.exposure / bench.camera.exposure)
        return self.part(recorder, photons) * signal_scale(bench) + offset_counts(bench)

    def part(self, recorder: Recorder, frames: Tensor) -> Tensor:
        """What the recording's region has of a recorder's frames (..., cy, cx)."""
        rows, cols = (
            slice(want.start - have.start, want.stop - have.start)
            for want, have in zip(self.recording.region, recorder.region, strict=True)
        )
        return frames[..., rows, cols]

    def wavefront(self, bench: BenchSpec) -> tuple[Tensor, Tensor]:
        """Phase of the light in the Fourier plane, where the panel is flat: aberrations, focus and the backplane.

        Returns:
            (ny, nx) radians with piston and tilt taken out over the stop, and the stop's transmission, both float64.
        """
        base = self.stages(bench)
        lit = base.pupil.abs()
        curved = _curved(bench, base.fourf.rows, base.fourf.cols)
        whole = base.pupil if curved is None else base.pupil * curved
        # unwrapped by its own slopes from the middle outwards, where there is light; it is smooth, a fraction of a turn
        # from pixel to pixel
        middle = [n // 2 for n in lit.shape]
        down = torch.nn.functional.pad((whole[1:] * whole[:-1].conj()).angle().cumsum(0), (0, 0, 1, 0))
        line = whole[middle[0]]
        along = torch.nn.functional.pad((line[1:] * line[:-1].conj()).angle().cumsum(0), (1, 0))
        phase = down - down[middle[0]] + (along - along[middle[1]])
        y, x = torch.meshgrid(
            *(torch.linspace(-1, 1, n, dtype=torch.float64) for n in lit.shape), indexing="ij"
        )
        inside = lit > 0.5 * lit.max()
        plane = torch.stack((torch.ones_like(x), y, x), -1)
        known = torch.linalg.lstsq(plane[inside], phase[inside][:, None]).solution
        return phase - (plane @ known)[..., 0], lit / lit.max()


def _curved(bench: BenchSpec, rows: slice, cols: slice) -> Tensor | None:
    """The phase factor of the backplane's curvature on a region of the panel, (ny, nx) complex64; None is 1."""
    if not bench.slm.curvature:
        return None
    bare = bench.slm.replace(reflectivity=1.0, beam_splitter=1.0, stuck=0.0, dead=0.0)
    return present(SLM(bare, region=(rows, cols)).surface, "the backplane's curvature")


def _alike(a: SLMSpec, b: SLMSpec) -> bool:
    """Whether what a quick rule misses of two panels' fringing fields is the same for all that a frame shows."""
    if a.bits is None or b.bits is None or (a.response.sections is None) != (b.response.sections is None):
        return False
    widths = max(abs(v - w) / max(v, w, 0.1) for v, w in zip(a.crosstalk, b.crosstalk, strict=True))
    phases = (a.response.table(a.bits) - b.response.table(b.bits)).abs().max()
    parts = [torch.tensor(x.response.sections or ((1.0,),), dtype=torch.float64) for x in (a, b)]
    apart = [widths / 0.02, abs(a.fill_factor - b.fill_factor) / 0.005, float(phases) / 0.03]
    return (
        parts[0].shape == parts[1].shape and max(*apart, float((parts[0] - parts[1]).abs().max()) / 0.005) < 1
    )
