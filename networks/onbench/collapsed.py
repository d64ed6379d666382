"""A network's optics collapsed: one mask and one exposure per camera frame, by the PSF path.

A multi-channel image whose channels add coherently is shown with its channels side by side on the display, and each
mask brings them to the same place; channels that add as intensities are shown one after another.
"""

from __future__ import annotations

import torch
from torch import Tensor

from networks.onbench.arrangement import Arrangement, arranged
from networks.onbench.drive import MaskSource, encoded, panel_levels, shown
from networks.onbench.interface import CoherentOptics, Drive, FramedOptics, Responses, Setup
from networks.onbench.masks import order_phase
from optics.bench.geometry import order_gain
from optics.checks import SpecError
from optics.fourf.system import FourF
from optics.slm.panel import SLM
from optics.slm.ripple import Ripple, States


class Collapsed(CoherentOptics, FramedOptics):
    """One mask a frame in coherent light of one wavelength.

    Args:
        setup: bench, read-out and display.
        source: where the frames come from.

    Raises:
        SpecError: the read-out does not fit the bench.
    """

    def __init__(self, setup: Setup, source: MaskSource) -> None:
        super().__init__()
        check_coherent(setup)
        self.setup, self.source = setup, source
        bench, display = setup.bench, setup.display
        view = display.window(setup.oversampling)
        self.fourf = FourF(bench, view, dtype=setup.dtype)
        region = (self.fourf.rows, self.fourf.cols)
        self.slm = SLM(bench.slm, region=region, assumed=setup.assumed_response, dtype=setup.dtype)
        self.windows = (view,)
        self.gain = order_gain(bench, bench.image_offset)

    @property
    def dtype(self) -> torch.dtype:
        """The working precision."""
        return self.fourf.dtype

    @property
    def arrangement(self) -> Arrangement:
        """One mask a frame."""
        return arranged(self.setup.display)

    @property
    def systems(self) -> tuple[FourF, ...]:
        """One."""
        return (self.fourf,)

    def drives(self) -> tuple[Drive, ...]:
        """One."""
        return (self.source.drive(self.fourf, self.slm),)

    @property
    def states(self) -> States:
        """What the panel ripples through in an exposure."""
        return self.slm.states

    def responses(
        self, drives: tuple[Drive, ...], *, generator: torch.Generator | None = None, ripple: Ripple = None
    ) -> Responses:
        """One point-spread function per mask, (M, ly, lx)."""
        (drive,) = drives
        return (self.fourf.psf(shown(self.slm, drive.asked, generator=generator, ripple=ripple)),)

    def scales(self, drives: tuple[Drive, ...]) -> Tensor:
        """The masks' own."""
        return drives[0].scales

    def intensity(self, x: Tensor, responses: Responses) -> Tensor:
        """See `BenchOptics.intensity`."""
        return self.setup.display.each(lambda u, psfs: self.fourf.intensity(u, psfs[0]), x, responses)

    def field(self, x: Tensor, responses: Responses) -> Tensor:
        """See `CoherentOptics.field`."""
        return self.setup.display.each(lambda u, psfs: self.fourf.convolve(u, psfs[0]), x, responses)

    def reference_turns(self) -> Tensor:
        """See `CoherentOptics.reference_turns`."""
        clear = encoded(self.setup.bench, torch.ones_like(self.fourf.pupil)[None], self.fourf)
        return order_phase(self.fourf, self.slm(clear)[0])[None]

    def levels(self, drives: tuple[Drive, ...] | None = None) -> Tensor:
        """See `FramedOptics.levels`."""
        return panel_levels(self.slm, (drives or self.drives())[0], self.fourf)


def check_coherent(setup: Setup) -> None:
    """Raise SpecError where the read-out needs incoherent light."""
    if setup.readout.incoherent_light:
        raise SpecError(
            f"bench {setup.bench.name!r} has coherent light; the {setup.readout.name!r} read-out needs "
            "light.coherence 'incoherent'. Choose intensity or homodyne, or change the light."
        )
