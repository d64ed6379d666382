"""A network on a bench whose light is not simply coherent: incoherent, partially coherent, or of several wavelengths.

Intensities add: over the display's pixels (incoherent), over the points of the source (partial), over the wavelengths.
The incoherent read-out shows non-negative point-spread functions: its masks' amplitude kernels are their square roots.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from networks.cascade.cascade import Cascade
from networks.onbench.collapsed import OnBench
from networks.readouts.readouts import Incoherent, Intensity, Readout
from optics.bench.spec import BenchSpec
from optics.checks import SpecError
from optics.fourf.illumination import Illumination, panels
from optics.fourf.system import FourF
from optics.slm.panel import SLM
from optics.slm.ripple import Ripple

_DARK = 1e-12  # keeps the slope of the square root of a kernel's tap finite


class Illuminated(OnBench):
    """A network's optics on `bench` in the light that `bench.light` describes; arguments as `OnBench` has them.

    Images are amplitudes for the intensity read-out, and intensities (the display's brightness) for the incoherent one.

    Raises:
        SpecError: the read-out does not fit the light.
    """

    def __init__(
        self, cascade: Cascade | None, readout: Readout, backend: nn.Module, bench: BenchSpec, **options: Any
    ) -> None:
        super().__init__(cascade, readout, backend, bench, **options)
        if options.get("believed_response") is not None and bench.light.spectrum:
            raise SpecError(
                "a measured response holds for one wavelength; leave out light.spectrum or the response."
            )
        self.light = Illumination(
            bench,
            self.fourf.image_shape,
            window_shape=self.image_shape,
            oversampling=self.fourf.oversampling[0],
        )
        self.panels = nn.ModuleList(panels(bench, (self.fourf.rows, self.fourf.cols)))

    def _check(self) -> None:
        light = self.bench.light.coherence
        fits = (
            isinstance(self.readout, Incoherent)
            if light == "incoherent"
            else isinstance(self.readout, Intensity)
        )
        if not fits:
            right = "the incoherent read-out" if light == "incoherent" else "the intensity read-out"
            raise SpecError(
                f"bench {self.bench.name!r} has {light} light of {len(self.bench.light.lines)} wavelength(s), which "
                f"needs {right}, not {self.readout.name!r}."
            )

    def _kernels(self) -> Tensor:
        kernels = super()._kernels()
        if isinstance(self.readout, Incoherent):
            return (self.readout.psfs(kernels) + _DARK).sqrt()
        return kernels

    def _make_psfs(self, generator: torch.Generator | None, ripple: Ripple) -> tuple[Tensor, Tensor]:
        """Reflectances of the panel at every wavelength, (M, lines, ny, nx), in place of point-spread functions."""
        if self._fixed_levels is not None:
            levels, scales = self._fixed_levels
            shown = [
                panel.of_levels(levels, generator=generator, ripple=ripple)
                for panel in self.panels
                if isinstance(panel, SLM)
            ]
            return torch.stack(shown, 1), scales
        targets, scales = self.targets()
        driven = self.driven(targets, (self.fourf.rows, self.fourf.cols))
        shown = [panel(driven, generator=generator, ripple=ripple) for panel in self.panels]
        return torch.stack(shown, 1), scales

    def _intensities(self, fourf: FourF, x: Tensor, psfs: Tensor, scales: Tensor) -> Tensor:
        shine: Callable[[Tensor, Tensor], Tensor]
        if isinstance(self.readout, Incoherent):

            def shine(images: Tensor, masks: Tensor) -> Tensor:
                return self.light((images + _DARK).sqrt(), masks.unbind(1))
        else:

            def shine(images: Tensor, masks: Tensor) -> Tensor:
                return self.light(images, masks.unbind(1))

        return self._each_channel(shine, x, psfs)
