"""The 512 x 512 4f scene in other packages: image, lens, phase mask, lens, intensity, as their users build it.

Each function takes the image (n, n) and the mask's phase (n, n), builds everything that can be kept between steps, and
returns jobs: "forward..." and, where the package differentiates, "train..." (gradient of the mask's phase). It raises
ImportError where its package is absent.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

N, PITCH, WAVELENGTH = 512, 8e-6, 532e-9
FOCAL = N * PITCH**2 / WAVELENGTH  # the far pitch is the near one: 61.6 mm
Jobs = dict[str, Callable[[], object]]


def lightpipes(image: Tensor, phase: Tensor) -> Jobs:
    import LightPipes as lp

    start = lp.Begin(N * PITCH, WAVELENGTH, N)
    start.field = image.numpy().astype(np.complex128)
    factor = np.exp(1j * phase.numpy())

    def masked(field):
        field.field = field.field * factor
        return field

    def transforms():
        far = masked(lp.PipFFT(start, 1))
        return lp.Intensity(lp.PipFFT(far, 1))

    def steps():
        field = lp.Forvard(lp.Lens(lp.Forvard(start, FOCAL), FOCAL), FOCAL)
        field = masked(field)
        return lp.Intensity(lp.Forvard(lp.Lens(lp.Forvard(field, FOCAL), FOCAL), FOCAL))

    return {"forward, PipFFT": transforms, "forward, Forvard and Lens": steps}


def torchoptics(image: Tensor, phase: Tensor) -> Jobs:
    import torchoptics as to
    from torchoptics.elements import Lens, PhaseModulator

    options = {"spacing": PITCH}
    field = to.Field(image.to(torch.complex64), WAVELENGTH, z=0, **options)
    trained = torch.nn.Parameter(phase.clone())
    system = to.System(
        Lens((N, N), FOCAL, z=FOCAL, **options),
        PhaseModulator(trained, z=2 * FOCAL, **options),
        Lens((N, N), FOCAL, z=3 * FOCAL, **options),
    )

    def forward():
        with torch.no_grad():
            return system.measure_at_z(field, 4 * FOCAL).intensity()

    def train():
        system.zero_grad()
        system.measure_at_z(field, 4 * FOCAL).intensity().sum().backward()

    return {"forward": forward, "train": train}


def prysm(image: Tensor, phase: Tensor) -> Jobs:
    from prysm.propagation import Wavefront

    start = Wavefront.from_amp_and_phase(image.numpy(), None, WAVELENGTH * 1e6, PITCH * 1e3)
    factor = np.exp(1j * phase.numpy())

    def forward():
        far = start.focus(FOCAL * 1e3, Q=1)
        far.data = far.data * factor
        return far.unfocus(FOCAL * 1e3, Q=1).intensity.data

    return {"forward": forward}


def chromatix(image: Tensor, phase: Tensor) -> Jobs:
    import chromatix.functional as cf
    import jax
    import jax.numpy as jnp

    start = cf.plane_wave((N, N), PITCH, WAVELENGTH, power=None)
    amplitude, start_phase = jnp.asarray(image.numpy()), jnp.asarray(phase.numpy())

    def intensity(phase):
        field = cf.ff_lens(cf.amplitude_change(start, amplitude), FOCAL, 1.0)
        return cf.ff_lens(cf.phase_change(field, phase), FOCAL, 1.0).intensity

    run = jax.jit(intensity)
    gradient = jax.jit(jax.value_and_grad(lambda phase: intensity(phase).sum()))
    return {
        "forward, jit": lambda: run(start_phase).block_until_ready(),
        "train, jit": lambda: jax.block_until_ready(gradient(start_phase)),
    }


def svetlanna(image: Tensor, phase: Tensor) -> Jobs:
    import svetlanna as sv

    line = (torch.arange(N) - N // 2) * PITCH
    parameters = sv.SimulationParameters(x=line, y=line, wavelength=WAVELENGTH)
    start = sv.Wavefront(image.to(torch.complex64))

    def space():
        return sv.elements.FreeSpace(parameters, distance=FOCAL, method="ASM")

    def lens():
        return sv.elements.ThinLens(parameters, focal_length=FOCAL)

    mask = sv.elements.DiffractiveLayer(parameters, mask=sv.Parameter(phase.clone()))
    setup = sv.LinearOpticalSetup([space(), lens(), space(), mask, space(), lens(), space()])

    def forward():
        with torch.no_grad():
            return setup(start).intensity

    def train():
        setup(start).intensity.sum().backward()

    return {"forward": forward, "train": train}


PEERS: dict[str, Callable[[Tensor, Tensor], Jobs]] = {
    "LightPipes": lightpipes,
    "torchoptics": torchoptics,
    "prysm": prysm,
    "chromatix": chromatix,
    "svetlanna": svetlanna,
}
