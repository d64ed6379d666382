"""Frames that a bench's description predicts, and how they change with each of its numbers.

The prediction is the package's own: `optics.slm.SLM`, `optics.fourf.FourF` and `Recorder` of the bench, its wave path.
The derivatives use that a frame is made in stages, each linear in what the one before hands over. With the reflectance
`R` of a frame's levels, turned with the mask, the pupil `P`, the input `u` with its chirp `C`, and the matrices of the
two lenses `A` and `B` along each axis,

    S = Ay (u C) Ax^T,    o = By (S R P) Bx^T,    counts = rows |o|^2 cols^T * photons ...

Each stage's own derivative is a central difference of the stage as the bench builds it, in double precision: so every
number of a bench, and every one that it will get, has a derivative without a line here. What is expensive, the light of
each frame through the lenses, is one product for each number and frame.

The four Gauss nodes over an SLM pixel's area (see `optics.fourf.system`) are replaced in the derivatives by their best
product of one factor for each plane; that is good to some tenths of a per cent of a derivative.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from calibration.rigs.recording import Recording
from calibration.rigs.simulated import simulate
from calibration.twin.light import Change, Light, Stages, aligned, centre_on, difference, node_factors, turned
from calibration.twin.parameters import Parameter
from optics.bench.spec import BenchSpec
from optics.checks import present
from optics.conventions import abs2
from optics.devices import CPU, device_of, doubles
from optics.fourf.pupil import lens_centres, pupil
from optics.fourf.recorder import Recorder
from optics.fourf.system import FourF
from optics.slm.fringing_exact import exact_reflectance
from optics.slm.panel import SLM
from optics.slm.ripple import Ripple, ripple_states
from optics.wave.aperture import polar_coordinates
from optics.wave.zernike_polynomials import zernike


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
        self._refined = False
        self._missed: dict[bool, Tensor] = {}
        self._polar: tuple[object, tuple[Tensor, Tensor]] = (None, (torch.empty(0), torch.empty(0)))

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
            chirp=fourf.chirp_in if fourf.chirped else None,
        )

    def predict(self, bench: BenchSpec) -> Frames:
        """Mean counts of every probe on the recording's region, without saturation or rounding."""
        shape, region = self.recording.probes.image_shape, self.recording.region
        fourf, recorder = simulate(bench, shape, region, device=self.device)
        intensity = torch.zeros(len(self.images), *fourf.window, device=self.device)
        for ripple, weight in ripple_states(bench.slm.flicker):
            field = self._fields(fourf, self.masks(bench, fourf.rows, fourf.cols, ripple))
            intensity += weight * abs2(field)
        return Frames(self._counts(bench, recorder, intensity), intensity)

    def refine(self, bench: BenchSpec) -> None:
        """Take the fringing field exactly from here on, by what the quick rule misses at this bench.

        What it misses is small and changes slowly, so that it is worth its time once in a few steps; where another of
        the quick rules takes over, it is worked out there.
        """
        self._refined, self._missed = True, {}

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
        flat = SLM(bench.slm.replace(curvature={}), region=(rows, cols)).to(self.device)
        found = flat.of_levels(self.recording.probes.on_panel(rows, cols).to(self.device), ripple=ripple)
        if self._refined:
            missed = self._correction(flat, bench)
            corner = self.recording.probes.corner
            inside, outside = [], []
            for part, c, n in zip((rows, cols), corner, missed.shape[1:], strict=True):
                low = max(part.start, c)
                high = max(low, min(part.stop, c + n))
                inside.append(slice(low - c, high - c))
                outside.append(slice(low - part.start, high - part.start))
            found[:, outside[0], outside[1]] += missed[:, inside[0], inside[1]]
        return found * _curved(bench, rows, cols).to(self.device)

    def _fields(self, fourf: FourF, masks: Tensor) -> Tensor:
        """Each image through its own mask, (n, oy, ox) complex64."""
        return torch.stack(
            [fourf.wave(u[None], m[None])[0, 0] for u, m in zip(self.images, masks, strict=True)]
        )

    def _counts(self, bench: BenchSpec, recorder: Recorder, intensity: Tensor) -> Tensor:
        seen = recorder.photons(intensity.to(device_of(recorder))).cpu().double()
        photons = seen * (self.recording.exposure / bench.camera.exposure)
        return self._part(recorder, photons) * signal_scale(bench) + offset_counts(bench)

    def _part(self, recorder: Recorder, frames: Tensor) -> Tensor:
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
        whole = base.pupil * _curved(bench, base.fourf.rows, base.fourf.cols)
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

    # ------------------------------------------------------------------ derivatives

    def linearise(
        self, bench: BenchSpec, parameters: Sequence[Parameter], frames: Frames | None = None
    ) -> tuple[Frames, Tensor]:
        """Predicted frames and their derivatives.

        Args:
            bench: where.
            parameters: which numbers.
            frames: `predict(bench)`, if it is known.

        Returns:
            The frames, and (n, p, cy, cx) float32: derivative of the counts by each parameter's own variable.
        """
        at = self.predict(bench) if frames is None else frames
        base = self.stages(bench)
        changes = [self._change(bench, base, p, at) for p in parameters]
        out = torch.zeros(len(self.images), len(parameters), *self.recording.counts.shape[1:])
        masks = self.masks(bench, base.fourf.rows, base.fourf.cols)
        turn = (bench.alignment.mask_rotation, base.fourf.axis_index)
        light, where = Light(base, self.device), doubles(self.device)
        recorder = copy.deepcopy(base.recorder).to(where)
        gain = signal_scale(bench) * self.recording.exposure / bench.camera.exposure
        for i in range(len(self.images)):
            image = self.recording.probes.inputs[i : i + 1].float()
            light.shine(base.fourf.emitted(image)[0], turned(masks[i], turn))
            for k, change in enumerate(changes):
                tangent = light.tangent(change, change.mask(masks[i]))
                if tangent is not None:
                    rise = 2 * (light.field.conj() * tangent).real
                    counts = self._part(recorder, recorder.photons(rise.to(where).double()))
                    out[i, k] = (counts * gain).float().cpu()
                if change.counts is not None:
                    out[i, k] += change.counts[i]
        return at, out

    def _change(self, bench: BenchSpec, base: Stages, p: Parameter, at: Frames) -> Change:
        """How the stages change with one parameter, for each of its own variable's units."""
        if p.stage == "phase":
            return Change(pupil=base.pupil * self._phase_map(bench, base, p))
        if p.stage == "frames":
            beside, width = p.beside(bench)
            return Change(counts=((self.predict(beside).counts - at.counts) / width).float())
        high, low, width = p.around(bench)
        if p.stage == "camera":
            counts = [self._counts(b, base.recorder, at.intensity) for b in (high, low)]
            return Change(counts=((counts[0] - counts[1]) / width).float())
        # the Zernike phases are left out where they do not move, which saves most of the time
        up, down = (self.stages(b if p.moves else _without_phases(b)) for b in (high, low))
        counts = [self._counts(b, s.recorder, at.intensity) for b, s in ((high, up), (low, down))]
        ay, ax, by, bx, stop, chirp = (
            difference(aligned(up, name, base), aligned(down, name, base), width)
            for name in ("ay", "ax", "by", "bx", "pupil", "chirp")
        )
        if stop is not None and not p.moves:
            stop = stop * self._phases(base)
        turns = [
            (b.alignment.mask_rotation, centre_on(s.fourf, base.fourf)) for b, s in ((high, up), (low, down))
        ]
        turning = turns[0][0] != turns[1][0] or (turns[0] != turns[1] and turns[0][0] != 0.0)
        return Change(
            ay=ay,
            ax=ax,
            by=by,
            bx=bx,
            pupil=stop,
            chirp=chirp,
            counts=None if torch.equal(*counts) else ((counts[0] - counts[1]) / width).float(),
            turns=(turns[0], turns[1], width) if turning else None,
        )

    def _phases(self, base: Stages) -> Tensor:
        """The Zernike phases of the lenses, as a factor of the pupil (ny, nx) complex128."""
        bench = base.fourf.bench
        if not bench.lens1.zernike and not bench.lens2.zernike:
            return torch.ones((), dtype=torch.complex128)
        bare = pupil(_without_phases(bench).replace(stop=None), *self._lit(base), base.fourf.offset)
        return pupil(bench.replace(stop=None), *self._lit(base), base.fourf.offset) / bare

    def _lit(self, base: Stages) -> tuple[Tensor, Tensor]:
        bench = base.fourf.bench
        y, x = (
            base.fourf.slm_axis(k) + bench.alignment.mask_shift[k] - bench.lens1.decentre[k] for k in (0, 1)
        )
        return y, x

    def _phase_map(self, bench: BenchSpec, base: Stages, p: Parameter) -> Tensor:
        """`i Z` of a Zernike coefficient at the lit pixels, (ny, nx) complex128."""
        part, _, index = p.name.rpartition(".")
        shape = (len(base.ay), len(base.ax))
        pitch = bench.slm.pitch
        if part == "slm.curvature":
            corner = (base.fourf.rows.start, base.fourf.cols.start)
            y, x = (
                (n // 2 - c - m // 2) * pitch for n, c, m in zip(bench.slm.shape, corner, shape, strict=True)
            )
            diameter: float | None = math.hypot(*bench.slm.shape) * pitch
        else:
            lit = self._lit(base)
            middle = (float(lit[0][shape[0] // 2]), float(lit[1][shape[1] // 2]))
            which = 0 if part == "lens1.zernike" else 1
            y, x = lens_centres(bench, middle, base.fourf.offset)[which]
            diameter = (bench.lens1, bench.lens2)[which].diameter
        diameter = present(diameter, "the diameter of an aberration's disc")
        key = (shape, y, x, diameter)
        if self._polar[0] != key:
            self._polar = (key, polar_coordinates(shape, pitch, diameter, centre=(y, x)))
        return 1j * zernike(int(index), *self._polar[1])


def _without_phases(bench: BenchSpec) -> BenchSpec:
    return bench.replace(**{"lens1.zernike": {}, "lens2.zernike": {}, "slm.curvature": {}})


def _curved(bench: BenchSpec, rows: slice, cols: slice) -> Tensor:
    """The phase factor of the backplane's curvature on a region of the panel."""
    if not bench.slm.curvature:
        return torch.ones((), dtype=torch.complex64)
    bare = bench.slm.replace(reflectivity=1.0, beam_splitter=1.0, stuck=0.0, dead=0.0)
    return present(SLM(bare, region=(rows, cols)).surface, "the backplane's curvature")
