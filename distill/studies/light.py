"""What cells share: the light. A camera's flaw does not change the field, and the light's level only scales it.

Cells whose benches differ in camera electronics and photons alone have one *optical bench*; its intensities are worked
out once, in units of full scale, for each state that the SLM ripples through. A draw of the ripple is a mixture of
those states (`optics.slm.ripple.state_weights`), so that no draw simulates the optics again. Of a staged
network all frames of a panel then ripple together: the mean is right, the spread by flicker is an upper bound.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from networks import Student
from networks.onbench.interface import Light
from networks.onbench.network import OnBench
from networks.students.parts import RealisationSpec
from optics.bench.spec import BenchSpec
from optics.camera.camera import CameraSpec
from optics.camera.summed_exposure import ExpectedSums, SummedExposure
from optics.devices import device_of
from optics.fourf.recorder import Recorder
from optics.slm.ripple import States, state_weights

_LOOKED_AT = (
    100_003  # pixels whose exposure is judged; a prime, so that no pattern of the sensor is met in step
)
PART = 500  # images whose light is held at once; part of what the seed means


def optical_bench(bench: BenchSpec) -> BenchSpec:
    """The bench with an ideal camera of the same pixels, its light in units of full scale."""
    c = bench.camera
    eye = CameraSpec(shape=c.shape, pitch=c.pitch, binning=c.binning)
    return bench.replace(name="", camera=eye, light=bench.light.replace(photons=None))


@dataclass(frozen=True, eq=False)
class Lit:
    """Part of the images on the camera, in units of full scale: one tensor (N, F, cy, cx) for each state."""

    images: slice
    states: tuple[Tensor, ...]


class SharedLight:
    """A network's optics on an optical bench.

    Args:
        student: the network.
        bench: an optical bench, see `optical_bench`.
        realisation: the way onto it.
        image_shape: (H, W).
    """

    def __init__(
        self, student: Student, bench: BenchSpec, realisation: RealisationSpec, image_shape: tuple[int, int]
    ) -> None:
        self.on_bench: OnBench = student.on(bench, image_shape=image_shape, **realisation.options()).eval()
        with torch.no_grad():
            self.light: Light = self.on_bench.light()
        self.states: States = self.on_bench.optics.states
        self.device = device_of(self.on_bench)

    def of(self, images: Tensor) -> Iterator[Lit]:
        """The light of images (N, C, H, W), part by part."""
        for start in range(0, len(images), PART):
            part = slice(start, min(start + PART, len(images)))
            shown = images[part].to(self.device)
            yield Lit(part, tuple(self._photons(shown, responses) for responses, _ in self.light.states))

    def _photons(self, images: Tensor, responses: tuple[Tensor, ...]) -> Tensor:
        with torch.no_grad():
            return self.on_bench.photons(images, Light(((responses, 1.0),), self.light.scales))

    @property
    def panels(self) -> int:
        """SLMs that ripple, one after another."""
        return len(self.states[0][0] or ())


@dataclass(frozen=True)
class Exposure:
    """How exposed the camera is: shares of its pixels, and counts.

    brightest: signal of the 99.9 % quantile of the pixels, counts of one unbinned sensor pixel; None without a
    converter. saturated: share of pixels whose mean is above the full well or the converter's ceiling. photons: mean of
    an unbinned pixel; None without a light budget. blind: the black level alone fills the converter's range.
    """

    brightest: float | None
    saturated: float
    photons: float | None
    blind: bool = False

    def notes(self) -> tuple[str, ...]:
        """What is wrong with it, in words."""
        if self.blind:
            return ("the black level alone is above the converter's range: lower camera.adc.black_level too",)
        said = []
        if self.brightest is not None and self.brightest < 1.0:
            said.append(
                f"below the converter's step: the brightest pixels collect {self.brightest:.2g} counts"
            )
        if self.saturated > 1e-4:
            said.append(f"above full well: {100 * self.saturated:.2g} % of the pixels saturate")
        return tuple(said)


class Eye:
    """The camera of one cell, looking at a shared light.

    Args:
        shared: the light.
        bench: the cell's bench.
        bins: (by, bx) of the read-out; None: every pixel.
    """

    def __init__(self, shared: SharedLight, bench: BenchSpec, bins: tuple[int, int] | None) -> None:
        self.shared, self.bench, self.bins = shared, bench, bins
        on = shared.on_bench
        self.recorders = [
            Recorder(bench, window, dtype=on.optics.dtype).to(shared.device) for window in on.optics.windows
        ]
        self.sides = [self._sides(recorder) for recorder in self.recorders]
        self.exposures = [
            SummedExposure(recorder.camera, sides[0][0], sides[1][0])
            for recorder, sides in zip(self.recorders, self.sides, strict=True)
        ]

    def _sides(self, recorder: Recorder) -> list[tuple[Tensor, Tensor]]:
        return [_groups(weights) for weights in recorder.bin_weights(self.bins)]

    @property
    def drawn(self) -> bool:
        """Whether two exposures of one image can differ."""
        camera = self.recorders[0].camera.chain()
        return camera.shot or camera.read > 0 or self.bench.slm.flicker > 0

    def expect(self, lit: Lit) -> tuple[list[ExpectedSums], Exposure]:
        """What exposures of these images are drawn from, one for each window; and how exposed the camera is."""
        full, weights = self.recorders[0].full_scale, [w for _, w in self.shared.states]
        states = [state * full for state in lit.states]
        n = len(self.recorders)
        sums = [eye.expect([s[:, k::n] for s in states], weights) for k, eye in enumerate(self.exposures)]
        return sums, self._exposure(states[0])

    def _exposure(self, photons: Tensor) -> Exposure:
        camera = self.bench.camera
        some = photons.flatten()
        some = some[:: max(1, some.numel() // _LOOKED_AT)].clamp(min=0).cpu()
        electrons = some * camera.quantum_efficiency + camera.dark_electrons
        limit = camera.saturation_photons * camera.quantum_efficiency + camera.dark_electrons
        bright = float(torch.quantile(some, 0.999)) * camera.quantum_efficiency / camera.binning**2
        converter = camera.adc.bits is not None
        budget = self.bench.light.photons is not None
        return Exposure(
            brightest=bright / camera.gain if converter else None,
            saturated=float((electrons >= limit).double().mean()),
            photons=float(some.double().mean()) / camera.binning**2 if budget else None,
            blind=camera.black >= camera.ceiling,
        )

    def features(
        self, sums: list[ExpectedSums], ripple: Tensor, generators: tuple[torch.Generator, torch.Generator]
    ) -> Tensor:
        """Features (N, maps, by, bx) of one exposure; `ripple` (frames of the SLM, panels) relative."""
        on, light = self.shared.on_bench, self.shared.light
        n, frames = len(self.recorders), sum(s.shape[1] for s in sums)
        masks, drives = len(light.scales), len(ripple)
        of_frame = (torch.arange(frames) % masks) * drives // masks
        mixture = state_weights(self.shared.states, ripple)[of_frame].mT
        parts = [
            self._readings(k, exposure.draw(sums[k], mixture[:, k::n], generators))
            for k, exposure in enumerate(self.exposures)
        ]
        readings = parts[0] if n == 1 else torch.stack(parts, 2).flatten(1, 2)
        return on.features_of_readings(readings, light)

    def _readings(self, k: int, counts: Tensor) -> Tensor:
        recorder = self.recorders[k]
        relative = recorder.reader.photons_of(counts) / recorder.full_scale
        (_, left), (_, right) = self.sides[k]
        return left.to(relative) @ relative @ right.to(relative).mT


def _groups(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Camera lines that lie in the same bins by the same share, as groups.

    Args:
        matrix: (bins, lines) share of each line in each bin.

    Returns:
        Group of each line, (lines,) int64, -1 where it lies in no bin; and (bins, groups) share of each group.
    """
    rounded = (matrix / matrix.max() * 1e6).round()
    _, group = torch.unique(rounded, dim=1, return_inverse=True)
    used = rounded.any(0)
    names = group[used].unique()
    found = torch.full_like(group, -1)
    for i, name in enumerate(names):
        found[(group == name) & used] = i
    shares = matrix @ (found[:, None] == torch.arange(len(names))[None, :]).to(matrix)
    return found, shares
