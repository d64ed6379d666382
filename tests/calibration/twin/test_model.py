"""What the twin predicts is what a noiseless rig shows; each derivative is the difference quotient of its frames."""

from __future__ import annotations

import pytest
import torch

from calibration.rigs.recording import Probes, Recording
from calibration.rigs.simulated import simulated_rig
from calibration.twin.derivatives import linearise
from calibration.twin.gradient import counts_of
from calibration.twin.model import Model
from calibration.twin.parameters import Tolerances, bench_parameters
from calibration.twin.values import get_value, set_values
from tests.calibration import benches as small

NOMINAL = small.bench()
ZERNIKES = (5, 7, 8, 11)
FLAWS = {
    "alignment.mask_shift": (21e-6, -13e-6),
    "alignment.mask_rotation": 0.006,
    "alignment.camera_shift": (17e-6, 9e-6),
    "alignment.magnification": 1.012,
    "alignment.input_axial": 3e-4,
    "alignment.mask_axial": -2e-4,
    "slm.response.gamma": 1.12,
    "slm.response.range": 6.0,
    "slm.crosstalk": (0.5, 0.3),
    "slm.flicker": 0.2,
    "slm.curvature": {5: 0.2, 7: -0.1, 8: 0.1, 11: 0.1},
    "light.beam_radius": 4e-4,
    "input.gamma": 1.1,
    "input.contrast": 200.0,
    "slm.zero_order": 0.01,
    "camera.background": 100.0,
    "lens1.zernike": {5: 0.5, 7: 0.5, 8: -0.3, 11: 0.2},
    "lens2.zernike": {5: -0.5, 7: 0.2, 8: 0.3, 11: -0.2},
}
BENCH = small.bench(**FLAWS)
ALSO = {"input.gamma": 0.1, "light.beam_radius": 1e-4, "slm.zero_order": 0.01, "camera.background": 50.0}
PARAMETERS = bench_parameters(BENCH, Tolerances(also=ALSO), zernikes=ZERNIKES)
# steps, in the own variable, at which single precision and curvature both stay below the tolerance
STEPS = {"slm.flicker": 4e-3, "slm.fill_factor": 4e-3, "light.photons": 0.01, "camera.adc.black_level": 1.0}
STEPS |= {f"alignment.{name}.{k}": 5e-7 for name in ("mask_shift", "camera_shift") for k in (0, 1)}


def blank(count: int = 2) -> Recording:
    region = small.region(NOMINAL)
    shape = [part.stop - part.start for part in region]
    corner = (region[0].start, region[1].start)
    found = small.probes(count)
    grey = Probes(found.levels, 0.2 + 0.6 * found.inputs, found.corner)
    return Recording(grey, torch.ones(count, *shape).double(), corner, binning=4)


@pytest.fixture(scope="module")
def linear():
    model = Model(blank())
    frames, jacobian = linearise(model, BENCH, PARAMETERS)
    return model, frames, jacobian


def test_prediction_is_what_a_noiseless_rig_counts():
    model = Model(blank())
    model.refine(BENCH)
    rig = simulated_rig(BENCH, NOMINAL)
    seen = rig.capture(model.recording.probes, region=small.region(NOMINAL)).counts
    error = (model.predict(BENCH).counts.clamp(max=NOMINAL.camera.ceiling) - seen).abs()
    assert float(error.max()) < 0.51 + 2e-4 * float(
        seen.max()
    )  # rounding, and the ripple's part of the fringing
    assert float(seen.max()) > 5000


@pytest.mark.parametrize("k", range(len(PARAMETERS)), ids=[p.name for p in PARAMETERS])
def test_derivative_is_the_difference_quotient(k, linear):
    model, frames, jacobian = linear
    p = PARAMETERS[k]
    at, step = p.own(get_value(BENCH, p.name)), STEPS.get(p.name, 0.02 * p.sigma)
    high, low = (set_values(BENCH, {p.name: p.number(at + s * step)}) for s in (1, -1))
    quotient = (model.predict(high).counts - model.predict(low).counts) / (2 * step)
    error = float((jacobian[:, k] - quotient).norm())
    # single precision limits what a weak number's quotient can say
    floor = 2e-6 * float(frames.counts.norm()) / step
    assert error < 0.01 * float(quotient.norm()) + floor
    assert float(jacobian[:, k].norm()) * p.sigma > 1


def test_the_quicker_frames_are_nearly_those_predicted():
    model = Model(blank())
    seen, quick = model.predict(BENCH).counts, model.about(BENCH)
    assert float((seen - quick).norm()) < 0.02 * float(seen.norm())
    assert not torch.equal(seen, quick)


def test_the_fringing_field_is_worked_out_again_only_where_the_panel_changed():
    model = Model(blank())
    assert model.refine(BENCH) and not model.refine(BENCH)
    assert not model.refine(BENCH.replace(**{"slm.flicker": 0.1, "alignment.mask_rotation": 0.0}))
    for name, value in (("crosstalk", (0.5, 0.4)), ("fill_factor", 0.9), ("response.gamma", 1.3)):
        assert model.refine(BENCH.replace(**{f"slm.{name}": value})), name


@pytest.mark.parametrize("turn", [0.0, 0.015])  # a turned mask has pixels beyond the stop, without light
def test_wavefront_is_what_was_put_in(turn):
    bench = NOMINAL.replace(**{"slm.curvature": {4: 5.0}, "alignment.mask_rotation": turn})
    phase, lit = Model(blank()).wavefront(bench)
    # defocus of 5 rad rms over the panel's circle: 2 sqrt(3) 5 rho^2, tilt and piston taken out
    radius = (240**2 + 320**2) ** 0.5 / 2
    middle = [float(lit.sum(1 - k) @ torch.arange(n).double() / lit.sum()) for k, n in enumerate(lit.shape)]
    y, x = ((torch.arange(n) - m) / radius for n, m in zip(phase.shape, middle, strict=True))
    wanted = 5 * 3**0.5 * 2 * (y[:, None] ** 2 + x[None, :] ** 2)
    inside = lit > 0.99
    left = (phase - wanted)[inside]  # the panel's middle lies half a pixel off the stop's: a tilt, taken out
    assert float(left.std()) < 0.02 * float(wanted[inside].std())


def test_frames_have_a_gradient_by_the_benchs_numbers(linear):
    model, frames, jacobian = linear
    own = torch.tensor([p.own(get_value(BENCH, p.name)) for p in PARAMETERS[:4]], dtype=torch.float64)
    own.requires_grad_()
    counts = counts_of(own, model, BENCH, PARAMETERS[:4])
    assert torch.allclose(counts, frames.counts)
    weights = torch.linspace(-1, 1, counts.numel(), dtype=torch.float64).reshape(counts.shape)
    (gradient,) = torch.autograd.grad((counts * weights).sum(), own)
    wanted = (jacobian[:, :4].double() * weights[:, None]).sum((0, 2, 3))
    assert torch.allclose(gradient, wanted, rtol=1e-4)
