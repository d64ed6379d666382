"""A network's way onto a bench, put together from the systems of a simulator: levels and images in, photons out.

The same bookkeeping as `networks.onbench`, written a second time over whole fields: no point-spread function and no
convolution. One class for each way; `SCENES` says which.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from distill.verify.simulators import ON_AXIS, Simulator, System
from networks.onbench.collapsed import Collapsed
from networks.onbench.illuminated import Illuminated
from networks.onbench.interface import BenchOptics
from networks.onbench.network import OnBench
from networks.onbench.staged import Staged
from networks.onbench.tiled import Tiled
from optics.bench.spec import BenchSpec
from optics.checks import OpticsError
from optics.conventions import Point, abs2
from optics.fourf.camera_window import CameraWindow
from optics.fourf.recorder import Recorder

DARKEST = 1e-9  # of the brightest display pixel's intensity: what emits less is left out of incoherent light
_AT_ONCE = 64  # display pixels that shine alone in one call
Recorders = Callable[[CameraWindow, tuple[Tensor, Tensor]], Recorder]


class Scene(ABC):
    """A network on its bench, as a simulator sees it.

    Args:
        simulator: builds the systems.
        network: rebuilt from levels.
        levels: (F, NY, NX) of all frames in the order of the arrangement.
        recorder: the camera that looks at a window through samples at given axes.
    """

    def __init__(self, simulator: Simulator, network: OnBench, levels: Tensor, recorder: Recorders) -> None:
        self.simulator, self.network, self.levels = simulator, network, levels
        self.setup = network.optics.setup
        self.bench: BenchSpec = self.setup.bench
        self.display = self.setup.display
        self.systems = self._systems()
        windows = network.optics.windows
        axes = [system.axes for system in self._seen_through(len(windows))]
        self.recorders = [recorder(window, each) for window, each in zip(windows, axes, strict=True)]
        self._panels: dict[tuple[int, float], Any] = {}

    @abstractmethod
    def _systems(self) -> tuple[System, ...]:
        """Every system that light goes through."""

    def _seen_through(self, windows: int) -> tuple[System, ...]:
        """The systems whose samples the camera sees, one for each window."""
        return self.systems[-windows:]

    @abstractmethod
    def intensity(self, x: Tensor, ripple: tuple[float, ...]) -> Tensor:
        """Camera-plane intensity (B, readings, oy, ox) of what is displayed, (B, C, H, W), in one state."""

    def panel(self, index: int, ripple: float, levels: Tensor | None = None) -> Any:
        """What system `index` shows for its levels (all when absent), made once for each ripple."""
        if (index, ripple) not in self._panels:
            shown = self.levels if levels is None else levels
            self._panels[index, ripple] = self.systems[index].shown(shown, ripple)
        return self._panels[index, ripple]

    def photons(self, x: Tensor) -> Tensor:
        """Expected photons (B, readings, cy, cx) of images (B, C, H, W), averaged over the panels' ripple."""
        shown, n = self.setup.readout.displayed(x), len(self.recorders)
        total = torch.zeros(())
        for ripple, weight in self.simulator.states(self.bench.slm, self._count()):
            seen = self.intensity(shown, ripple)
            parts = [recorder.photons(seen[:, k::n]) for k, recorder in enumerate(self.recorders)]
            total = total + weight * torch.stack(parts, 2).flatten(1, 2)
        return total

    def _count(self) -> int:
        """Panels that light meets one after another."""
        return 1

    def exposures(self, field: Tensor) -> Tensor:
        """All exposures of fields (B, masks, oy, ox), with the reference beam where the read-out has one."""
        return self.setup.readout.exposures(field, self.network.reference_beam())

    @property
    def borrowed(self) -> tuple[str, ...]:
        """What the systems took from the models that they are meant to check."""
        return tuple(dict.fromkeys(name for system in self.systems for name in system.borrowed))


class _OneMaskAFrame(Scene):
    def _systems(self) -> tuple[System, ...]:
        return (self.simulator.system(self.bench, self.network.optics.windows[0]),)

    def intensity(self, x: Tensor, ripple: tuple[float, ...]) -> Tensor:
        panel, (system,) = self.panel(0, ripple[0]), self.systems
        shown = self.display.exposures(x)
        seen = [system.field(system.emitted(u), panel[i :: len(shown)]) for i, u in enumerate(shown)]
        return self.exposures(torch.stack(seen, 2).flatten(1, 2))


class _Tiles(Scene):
    def _systems(self) -> tuple[System, ...]:
        return tuple(self.simulator.system(self.bench, view) for view in self.network.optics.windows)

    def intensity(self, x: Tensor, ripple: tuple[float, ...]) -> Tensor:
        (canvas,) = self.display.exposures(x)
        seen = [
            system.field(system.emitted(canvas), self.panel(i, ripple[0]))
            for i, system in enumerate(self.systems)
        ]
        return self.exposures(torch.stack(seen, 2).flatten(1, 2))


class _Stages(Scene):
    def _optics(self) -> Staged:
        optics = self.network.optics
        if not isinstance(optics, Staged):  # by the table below
            raise OpticsError(f"{type(optics).__name__} has no stages.")
        return optics

    def _systems(self) -> tuple[System, ...]:
        return tuple(
            self.simulator.system(stage.bench, stage.view, pixelated=stage.pixelated)
            for stage in self._optics().stages
        )

    def _count(self) -> int:
        return len(self.systems)

    def intensity(self, x: Tensor, ripple: tuple[float, ...]) -> Tensor:
        optics, field = self._optics(), x
        sizes = self.network.optics.arrangement.split(len(self.levels))
        parts = zip(optics.arrangements, optics.stages, self.systems, self.levels.split(sizes), strict=True)
        for i, (stage, fourf, system, levels) in enumerate(parts):
            panel = self.panel(i, ripple[i], levels)
            seen = [
                system.field(system.emitted(field[:, k]), panel[k :: stage.inputs])
                for k in range(stage.inputs)
            ]
            field = torch.stack(seen).sum(0)
            if (
                i < len(self.systems) - 1
            ):  # what stands between the stages is read at the network's own samples
                field = system.at(field, (fourf.camera_axis(0), fourf.camera_axis(1)))
        return self.exposures(field)


class _ManyRays(Scene):
    """Light that is not simply coherent: intensities add over wavelengths, source points, display pixels."""

    def _systems(self) -> tuple[System, ...]:
        light, view = self.bench.light, self.network.optics.windows[0]
        points: list[tuple[Point, float]] = [(ON_AXIS, 1.0)]
        if light.coherence == "partial":
            angles, shares = light.source()
            points = [((y, x), w) for (y, x), w in zip(angles.tolist(), shares.tolist(), strict=True)]
        self.weights, made = [], []
        for wavelength, weight in light.lines:
            for angle, share in points:
                made.append(self.simulator.system(self.bench, view, wavelength=wavelength, angle=angle))
                self.weights.append(weight * share)
        same = [
            all(torch.allclose(a, b, rtol=0, atol=1e-12) for a, b in zip(s.axes, made[0].axes, strict=True))
            for s in made
        ]
        if not all(same):
            raise OpticsError("the wavelengths' samples of the camera plane differ.")
        return tuple(made)

    def intensity(self, x: Tensor, ripple: tuple[float, ...]) -> Tensor:
        see = self._pixel_by_pixel if self.bench.light.coherence == "incoherent" else self._together
        shown, total = self.display.exposures(x), torch.zeros(())
        for i, (system, weight) in enumerate(zip(self.systems, self.weights, strict=True)):
            panel = self.panel(i, ripple[0])
            seen = [see(system, system.emitted(u), panel[k :: len(shown)]) for k, u in enumerate(shown)]
            total = total + weight * torch.stack(seen, 2).flatten(1, 2)
        return total

    @staticmethod
    def _together(system: System, left: Tensor, panel: Any) -> Tensor:
        return abs2(system.field(left, panel))

    @staticmethod
    def _pixel_by_pixel(system: System, left: Tensor, panel: Any) -> Tensor:
        """Every display pixel shines alone: its intensity behind a mask, times its own, summed."""
        power = abs2(left)
        lit = (power.amax(0) > DARKEST * power.max()).nonzero()
        total = torch.zeros(())
        for some in lit.split(_AT_ONCE):
            points = torch.zeros(len(some), *left.shape[-2:])
            points[torch.arange(len(some)), some[:, 0], some[:, 1]] = 1.0
            alone = abs2(system.field(points, panel))
            total = total + torch.einsum("bp,pmyx->bmyx", power[:, some[:, 0], some[:, 1]], alone)
        return total


def check_layout(simulator: Simulator, network: OnBench) -> None:
    """Raise OpticsError unless the simulator can lay out the network's bench: each system is built, and let go."""
    optics = network.optics
    bench = optics.setup.bench
    if isinstance(optics, Staged):
        for stage in optics.stages:
            simulator.system(stage.bench, stage.view, pixelated=stage.pixelated)
        return
    for wavelength, _ in bench.light.lines:
        for view in optics.windows:
            simulator.system(bench, view, wavelength=wavelength)


SCENES: dict[type[BenchOptics], type[Scene]] = {
    Collapsed: _OneMaskAFrame,
    Tiled: _Tiles,
    Staged: _Stages,
    Illuminated: _ManyRays,
}


def scene(simulator: Simulator, network: OnBench, levels: Tensor, recorder: Recorders) -> Scene:
    """The scene of a network's way onto its bench; arguments as of `Scene`."""
    return SCENES[type(network.optics)](simulator, network, levels, recorder)
