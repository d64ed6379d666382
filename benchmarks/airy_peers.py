"""The Airy scene in other packages, as their documentation has a user write it: a stop, a lens, the way to the focus.

Each function returns `{path: Focus}` and raises ImportError where its package is absent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

SAMPLES, PITCH, DIAMETER, FOCAL, WAVELENGTH = 512, 8e-6, 2e-3, 0.1, 532e-9


@dataclass(frozen=True)
class Focus:
    """Intensity around the axis, its pitch (metres), and whether the axis lies on sample n // 2 or between samples."""

    intensity: np.ndarray
    pitch: float
    on_sample: bool = True


Result = dict[str, Focus]


def lightpipes() -> Result:
    import LightPipes as lp

    field = lp.CircAperture(lp.Begin(SAMPLES * PITCH, WAVELENGTH, SAMPLES), DIAMETER / 2)
    field = lp.Lens(field, FOCAL)
    return {
        name: Focus(np.abs(step(field, FOCAL).field) ** 2, PITCH)
        for name, step in (("Lens, Forvard", lp.Forvard), ("Lens, Fresnel", lp.Fresnel))
    }


def torchoptics() -> Result:
    import torchoptics as to
    from torchoptics.elements import Lens
    from torchoptics.profiles import circle

    out = {}
    for name, dtype in (("single", torch.float32), ("double", torch.float64)):
        to.set_default_dtype(dtype) if hasattr(to, "set_default_dtype") else torch.set_default_dtype(dtype)
        data = circle((SAMPLES, SAMPLES), DIAMETER / 2, spacing=PITCH).to(
            torch.complex128 if dtype is torch.float64 else torch.complex64
        )
        field = to.Field(data, WAVELENGTH, spacing=PITCH)
        lens = Lens((SAMPLES, SAMPLES), FOCAL, spacing=PITCH)
        focus = lens(field).propagate_to_z(FOCAL)
        out[f"Lens, propagate_to_z ({name})"] = Focus(
            focus.intensity().detach().numpy(), PITCH, on_sample=False
        )
    return out


def prysm() -> Result:
    from prysm.coordinates import cart_to_polar, make_xy_grid
    from prysm.geometry import circle
    from prysm.propagation import Wavefront

    # millimetres, and micrometres for the wavelength and the focal plane
    x, y = make_xy_grid(SAMPLES, dx=PITCH * 1e3)
    r, _ = cart_to_polar(x, y)
    pupil = Wavefront.from_amp_and_phase(circle(DIAMETER / 2 * 1e3, r), None, WAVELENGTH * 1e6, PITCH * 1e3)
    fine = pupil.focus_fixed_sampling(FOCAL * 1e3, 2.0, 128)
    whole = pupil.focus(FOCAL * 1e3, Q=1)
    return {
        "focus": Focus(np.abs(whole.data) ** 2, whole.dx * 1e-6),
        "focus_fixed_sampling, 2 um": Focus(np.abs(fine.data) ** 2, 2e-6),
    }


def chromatix() -> Result:
    import chromatix.functional as cf

    field = cf.plane_wave((SAMPLES, SAMPLES), PITCH, WAVELENGTH, power=None)
    na = DIAMETER / (2 * FOCAL)
    focus = cf.ff_lens(field, FOCAL, 1.0, NA=na)
    lens = cf.thin_lens(field, FOCAL, 1.0, NA=na)
    out = cf.transfer_propagate(lens, FOCAL, 1.0, pad_width=SAMPLES, mode="same")
    return {
        "ff_lens": Focus(np.asarray(focus.intensity).squeeze(), float(np.asarray(focus.dx).ravel()[0])),
        "thin_lens, transfer_propagate": Focus(np.asarray(out.intensity).squeeze(), PITCH),
    }


def svetlanna() -> Result:
    import svetlanna as sv

    # its documentation's grids: linspace over the whole width, so that the axis lies between two samples
    half = SAMPLES * PITCH / 2
    line = torch.linspace(-half, half, SAMPLES)
    on_axis = (torch.arange(SAMPLES) - SAMPLES // 2) * PITCH
    out = {}
    for name, x in (("linspace grid", line), ("grid through the axis", on_axis)):
        parameters = sv.SimulationParameters(x=x, y=x, wavelength=WAVELENGTH)
        field = sv.Wavefront.plane_wave(parameters)
        for element in (
            sv.elements.RoundAperture(parameters, radius=DIAMETER / 2),
            sv.elements.ThinLens(parameters, focal_length=FOCAL),
            sv.elements.FreeSpace(parameters, distance=FOCAL, method="zpASM"),
        ):
            field = element(field)
        out[f"ThinLens, FreeSpace zpASM, {name}"] = Focus(
            field.intensity.numpy(), float(x[1] - x[0]), on_sample=x is on_axis
        )
    return out


PEERS: dict[str, Callable[[], Result]] = {
    "LightPipes": lightpipes,
    "torchoptics": torchoptics,
    "prysm": prysm,
    "chromatix": chromatix,
    "svetlanna": svetlanna,
}
