"""Two ways to carry light through a 4f bench plane by plane: this project's wave path, and LightPipes.

A simulator builds *systems*: one 4f system for one window, one wavelength and one direction of the light. A system
takes fields that have left a display (or another stage) and levels of the panel, and gives fields on its own samples of
the camera plane. `distill.verify.scenes` puts systems together as a network's way onto the bench asks.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from torch import Tensor

from distill.verify.lightpipes import LightPipesBench
from distill.verify.lightpipes_grid import roomy
from distill.verify.reference_panel import reflectance, ripples
from optics.bench.spec import BenchSpec
from optics.conventions import Point
from optics.fourf.camera_window import CameraWindow
from optics.fourf.illumination import at_wavelength, dispersed, tilt, tilted_pupil
from optics.fourf.system import FourF
from optics.slm.panel import SLM, SLMSpec
from optics.slm.ripple import ripple_states

States = list[tuple[tuple[float, ...], float]]
ON_AXIS: Point = (0.0, 0.0)
_KEPT = 32  # images whose light at the panel LightPipes keeps: 6 MB each on a grid of 420 samples


class System(ABC):
    """A 4f system for images of one size in coherent light of one wavelength and direction.

    Attributes:
        axes: rows (oy,) and columns (ox,) of the samples that fields are given on, input units on the reported axes.
        borrowed: what it takes from the model that it is meant to check.
    """

    axes: tuple[Tensor, Tensor]
    borrowed: tuple[str, ...]

    @abstractmethod
    def shown(self, levels: Tensor, ripple: float) -> Any:
        """What `field` takes for levels (M, NY, NX) of the whole panel in one state of its ripple."""

    @abstractmethod
    def emitted(self, images: Tensor) -> Tensor:
        """Amplitudes that leave the display for images (B, H, W)."""

    @abstractmethod
    def field(self, left: Tensor, shown: Any) -> Tensor:
        """Field (B, M, oy, ox) of what has left the display (B, H, W) behind every mask."""

    @abstractmethod
    def at(self, field: Tensor, axes: tuple[Tensor, Tensor]) -> Tensor:
        """A field (B, M, oy, ox) at other coordinates within the window."""


class Simulator(ABC):
    """What builds systems. name: what people call it."""

    name: str

    @abstractmethod
    def system(
        self,
        bench: BenchSpec,
        view: CameraWindow,
        *,
        pixelated: bool = True,
        wavelength: float | None = None,
        angle: Point = ON_AXIS,
    ) -> System:
        """The system of a bench.

        Args:
            bench: the bench; its light's coherence and further wavelengths are not looked at.
            view: which images are shown, and where the camera looks.
            pixelated: the input is a display of square pixels, not samples of a field.
            wavelength: another than the bench's main one, metres.
            angle: (y, x) radians from which a plane wave lights the display.
        """

    @abstractmethod
    def states(self, spec: SLMSpec, panels: int) -> States:
        """Ripples of so many panels whose intensities, weighted, add up to an exposure's."""


def _coherent(bench: BenchSpec, wavelength: float | None) -> BenchSpec:
    """The bench in coherent light of one wavelength."""
    moved = at_wavelength(bench, wavelength or bench.light.wavelength)
    return moved.replace(**{"light.coherence": "coherent", "light.source_width": 0.0})


# ---------------------------------------------------------------------- this project's own


class WavePath(Simulator):
    """`optics.fourf.system.FourF.wave`; the networks on a bench were computed by point-spread functions."""

    name = "wave path"

    def system(
        self,
        bench: BenchSpec,
        view: CameraWindow,
        *,
        pixelated: bool = True,
        wavelength: float | None = None,
        angle: Point = ON_AXIS,
    ) -> System:
        """See `Simulator.system`."""
        return _WaveSystem(bench, view, pixelated, wavelength, angle)

    def states(self, spec: SLMSpec, panels: int) -> States:
        """See `Simulator.states`; by `optics.slm.ripple`."""
        return [
            (ripple or ON_AXIS[:1] * panels, weight) for ripple, weight in ripple_states(spec.flicker, panels)
        ]


class _WaveSystem(System):
    def __init__(
        self, bench: BenchSpec, view: CameraWindow, pixelated: bool, wavelength: float | None, angle: Point
    ) -> None:
        line = _coherent(bench, wavelength)
        pinned = replace(view, oversampling=view.samples_per_pixel(bench), offset=view.centre(bench))
        self.fourf, self.angle, self.borrowed = FourF(line, pinned, pixelated=pixelated), angle, ()
        ratio = bench.light.wavelength / line.light.wavelength
        self.slm = SLM(dispersed(bench.slm, ratio), region=(self.fourf.rows, self.fourf.cols))
        self.axes = (self.fourf.camera_axis(0), self.fourf.camera_axis(1))

    def shown(self, levels: Tensor, ripple: float) -> Tensor:
        lit = levels[:, self.fourf.rows, self.fourf.cols]
        return tilted_pupil(self.fourf, self.slm.of_levels(lit, ripple=(ripple,)), self.angle)

    def emitted(self, images: Tensor) -> Tensor:
        return self.fourf.emitted(images)

    def field(self, left: Tensor, shown: Tensor) -> Tensor:
        turned = left if self.angle == ON_AXIS else tilt(self.fourf, left, self.angle)
        return self.fourf.through(turned, shown)

    def at(self, field: Tensor, axes: tuple[Tensor, Tensor]) -> Tensor:
        return field  # stages are sampled where its own window is


# ---------------------------------------------------------------------- another physics engine


class LightPipesPath(Simulator):
    """`distill.verify.lightpipes.LightPipesBench`, with a panel that is worked out a second time.

    Args:
        processes: images at once; absent: one per core.
    """

    name = "LightPipes"

    def __init__(self, processes: int | None = None) -> None:
        self.processes = processes

    def system(
        self,
        bench: BenchSpec,
        view: CameraWindow,
        *,
        pixelated: bool = True,
        wavelength: float | None = None,
        angle: Point = ON_AXIS,
    ) -> System:
        """See `Simulator.system`."""
        line, place = _coherent(bench, wavelength), view.centre(bench)
        # tiles, stages and channels side by side: much light is about that is no image's own
        crowded = place != bench.image_offset or view.shape != view.image_shape or not pixelated
        engine = LightPipesBench(
            line,
            view.image_shape,
            window_shape=view.shape,
            samples=roomy(line, view.image_shape, view.shape, place) if crowded else None,
            offset=place,
            angle=angle,
            pixelated=pixelated,
        )
        return _LightPipesSystem(engine, bench, self.processes)

    def states(self, spec: SLMSpec, panels: int) -> States:
        """See `Simulator.states`; by a Gauss-Hermite rule for each panel."""
        found = []
        for each in product(ripples(spec), repeat=panels):
            found.append((tuple(e for e, _ in each), math.prod(weight for _, weight in each)))
        return found


class _LightPipesSystem(System):
    def __init__(self, engine: LightPipesBench, bench: BenchSpec, processes: int | None) -> None:
        self.engine, self.bench, self.processes = engine, bench, processes
        self._arrived: tuple[Tensor, list[NDArray[np.complex64]]] | None = None
        self.ratio = bench.light.wavelength / engine.bench.light.wavelength
        self.axes = (engine.y_axis, engine.x_axis)
        self.borrowed = ()

    def shown(self, levels: Tensor, ripple: float) -> NDArray[np.complex64]:
        region = (self.engine.rows, self.engine.cols)
        panel, self.borrowed = reflectance(levels, self.bench, region, ripple=ripple, ratio=self.ratio)
        return panel

    def emitted(self, images: Tensor) -> Tensor:
        if not self.engine.pixelated:
            return images
        return torch.from_numpy(np.stack([self.engine.emitted(image) for image in images.numpy()]))

    def field(self, left: Tensor, shown: NDArray[np.complex64]) -> Tensor:
        """The light at the panel is kept: it meets the same masks in every state of their ripple."""
        if len(left) > _KEPT:
            return self.engine.through(left, shown, processes=self.processes)
        if self._arrived is None or not torch.equal(self._arrived[0], left):
            self._arrived = left.clone(), self.engine.arriving(left, processes=self.processes)
        return self.engine.leaving(self._arrived[1], shown, processes=self.processes)

    def at(self, field: Tensor, axes: tuple[Tensor, Tensor]) -> Tensor:
        """By splines of fifth order: the samples are one SLM pixel apart."""
        index = [
            ((wanted - given[0]) / (given[1] - given[0])).numpy()
            for wanted, given in zip(axes, self.axes, strict=True)
        ]
        where = np.meshgrid(*index, indexing="ij")
        planes = [
            map_coordinates(plane, where, order=5, mode="nearest") for plane in field.flatten(0, 1).numpy()
        ]
        return torch.from_numpy(np.stack(planes)).unflatten(0, field.shape[:2])
