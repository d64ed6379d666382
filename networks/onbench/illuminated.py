"""Optics on a bench whose light is not simply coherent: incoherent, partially coherent, or of several wavelengths.

Intensities add: over the display's pixels (incoherent), over the points of the source (partial), over the wavelengths.
The incoherent read-out shows non-negative point-spread functions: its masks' amplitude kernels are their square roots.
"""

from __future__ import annotations

import torch
from torch import Tensor

from networks.onbench.arrangement import Arrangement, arranged
from networks.onbench.drive import MaskSource, panel_levels, shown
from networks.onbench.interface import Drive, FramedOptics, Responses, Setup
from optics.bench.geometry import order_gain
from optics.checks import SpecError
from optics.fourf.illumination import Illumination, panels
from optics.fourf.system import FourF
from optics.modules import ModuleTuple
from optics.slm.ripple import Ripple, States


class Illuminated(FramedOptics):
    """One mask a frame in the light that `bench.light` describes.

    Args:
        setup: bench, read-out and display.
        source: where the frames come from.

    Raises:
        SpecError: the read-out does not fit the light.
    """

    def __init__(self, setup: Setup, source: MaskSource) -> None:
        super().__init__()
        _check_light(setup)
        self.setup, self.source = setup, source
        bench, display = setup.bench, setup.display
        view = display.window(setup.oversampling)
        self.illumination = Illumination(bench, view, dtype=setup.dtype)
        region = (self.fourf.rows, self.fourf.cols)
        assumed = setup.assumed_response
        self.panels = ModuleTuple(panels(bench, region, assumed=assumed, dtype=setup.dtype))
        self.windows = (self.illumination.view,)
        self.gain = order_gain(bench, bench.image_offset)

    @property
    def fourf(self) -> FourF:
        """The 4f system of the main wavelength, for which masks are designed."""
        return self.illumination.lines[0]

    @property
    def dtype(self) -> torch.dtype:
        """The working precision."""
        return self.fourf.dtype

    @property
    def arrangement(self) -> Arrangement:
        """One mask a frame, whatever the light."""
        return arranged(self.setup.display)

    @property
    def systems(self) -> tuple[FourF, ...]:
        """That of each ray's wavelength."""
        return tuple(self.illumination.lines[line] for line, _, _ in self.illumination.rays)

    def drives(self) -> tuple[Drive, ...]:
        """One: the same levels are sent whatever the wavelength."""
        return (self.source.drive(self.fourf, self.panels[0]),)

    @property
    def states(self) -> States:
        """What the panel ripples through in an exposure."""
        return self.panels[0].states

    def responses(
        self, drives: tuple[Drive, ...], *, generator: torch.Generator | None = None, ripple: Ripple = None
    ) -> Responses:
        """Point-spread functions (M, ly, lx) of every wavelength and source point; one draw of the panel for all."""
        (drive,) = drives
        start = None if generator is None else generator.get_state()
        reflectances = []
        for panel in self.panels:
            if generator is not None and start is not None:
                generator.set_state(start)
            reflectances.append(shown(panel, drive.asked, generator=generator, ripple=ripple))
        return self.illumination.psfs(reflectances)

    def scales(self, drives: tuple[Drive, ...]) -> Tensor:
        """The masks' own."""
        return drives[0].scales

    def intensity(self, x: Tensor, responses: Responses) -> Tensor:
        """See `BenchOptics.intensity`."""
        return self.setup.display.each(self.illumination.intensity, x, responses)

    def levels(self, drives: tuple[Drive, ...] | None = None) -> Tensor:
        """See `FramedOptics.levels`."""
        return panel_levels(self.panels[0], (drives or self.drives())[0], self.fourf)


def _check_light(setup: Setup) -> None:
    bench, readout, light = setup.bench, setup.readout, setup.bench.light.coherence
    apart = light == "incoherent"
    if readout.incoherent_light != apart or readout.needs_field:
        right = "the incoherent read-out" if apart else "the intensity read-out"
        raise SpecError(
            f"bench {bench.name!r} has {light} light of {len(bench.light.lines)} wavelength(s), which needs {right}, "
            f"not {readout.name!r}."
        )
