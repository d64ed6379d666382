"""Numbers of a bench that are tensors: what a network on it gives has their gradient, by every way onto a bench."""

from __future__ import annotations

import pytest
import torch

from optics.checks import SpecError
from tests.scenes import REAL, SHAPE, lopsided, student

RESPONSE = {"slm.response.range": 5.9, "slm.response.gamma": 1.1}
BENCHES = {
    "flawed": REAL.replace(
        **{
            "slm.shape": (60, 64),
            "slm.pitch": 30e-6,
            "slm.response.sections": ((1.0, 1.05), (0.96, 1.0)),
            "slm.curvature": {4: 0.3, 5: 0.2},
            "lens1.zernike": {4: 0.05, 6: 0.2},
            "lens2.zernike": {7: 0.2, 8: -0.1},
            "alignment.mask_axial": 1e-4,
            **RESPONSE,
        }
    )
}
BENCHES["still, behind a round stop"] = BENCHES["flawed"].replace(
    **{"alignment.mask_rotation": 0.0, "alignment.mask_axial": 0.0, "stop.shape": "circle"}
)
# name: a step whose difference quotient float64 can tell, in the number's own unit
NUMBERS = {
    "alignment.mask_shift": 1e-9,
    "alignment.camera_shift": 1e-9,
    "alignment.mask_rotation": 1e-7,
    "alignment.magnification": 1e-6,
    "alignment.mask_axial": 1e-7,
    "alignment.input_axial": 1e-7,
    "alignment.camera_axial": 1e-7,
    "lens1.defocus": 1e-7,
    "lens2.defocus": 1e-7,
    "lens1.decentre": 1e-8,
    "lens2.decentre": 1e-8,
    "lens1.zernike": 1e-3,
    "lens2.zernike": 1e-5,
    "slm.curvature": 1e-5,
    "slm.response.range": 1e-5,
    "slm.response.gamma": 1e-5,
    "slm.response.sections": 1e-5,
}
MODEL = student((1, 2)).double()
X = lopsided(2, 1, *SHAPE, dtype=torch.float64)


def value(bench, name):
    part = bench
    for key in name.split("."):
        part = getattr(part, key)
    return part


def moved(given, change):
    """A number, or each of several, with what `change` makes of it added."""
    if isinstance(given, dict):
        return {k: v + change(i) for i, (k, v) in enumerate(given.items())}
    if isinstance(given, tuple) and isinstance(given[0], tuple):
        weights = torch.stack([change(i).reshape(()) for i in range(4)]).reshape(2, 2)
        return torch.tensor(given, dtype=torch.float64) + weights
    if isinstance(given, tuple):
        return tuple(v + change(i) for i, v in enumerate(given))
    return given + change(0)


def seen(bench, name, change, readout="intensity", channels=1, **options):
    """Photons on the camera, weighed so that a flip shows, of a bench with one number moved; levels stay the same."""
    usual = readout == "intensity" and channels == 1
    model = MODEL if usual else student((channels, 2), readout=readout).double()
    live = bench.replace(**{name: moved(value(bench, name), change)})
    net = model.on(live, assumed_response=bench.slm.response, **options)
    photons = net.expected(X if channels == 1 else lopsided(2, channels, *SHAPE, dtype=torch.float64))
    return (photons * torch.linspace(0.2, 1.0, photons.numel()).double().reshape(photons.shape)).sum()


def check(bench, name, **options):
    direction = torch.tensor([0.7, -0.4, 0.5, 0.9, 0.3]).double()
    at = torch.zeros((), dtype=torch.float64, requires_grad=True)
    out = seen(bench, name, lambda i: at * direction[i], **options)
    (got,) = torch.autograd.grad(out, at)
    step = NUMBERS[name]
    with torch.no_grad():
        high, low = (seen(bench, name, lambda i, s=s: s * step * direction[i], **options) for s in (1, -1))
    quotient = float((high - low) / (2 * step))
    assert abs(quotient) * step > 1e-9 * abs(float(out.detach()))  # it moves something
    assert float(got) == pytest.approx(quotient, rel=2e-4)


@pytest.mark.parametrize("bench", BENCHES.values(), ids=BENCHES)
@pytest.mark.parametrize("name", NUMBERS)
def test_gradient_is_the_difference_quotient(name, bench):
    check(bench, name)


WAYS = {
    "homodyne": {"readout": "homodyne"},
    "tiled": {"realisation": "tiled", "tiles": 2},
    "staged": {"realisation": "staged"},
    "two channels side by side": {"channels": 2},
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize(
    "name", ["alignment.mask_shift", "lens1.zernike", "lens1.decentre", "slm.response.gamma"]
)
def test_gradient_by_every_way(name, way):
    check(BENCHES["flawed"], name, **way)


def test_gradient_goes_on_to_what_the_number_was_made_from_and_to_the_kernels():
    angle = torch.tensor(2e-3, dtype=torch.float64, requires_grad=True)
    net = MODEL.on(REAL.replace(**{"alignment.mask_rotation": 2 * angle}))
    net(X).square().sum().backward()
    assert angle.grad is not None and float(angle.grad) != 0
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in MODEL.cascade.parameters())
    MODEL.zero_grad(set_to_none=True)


@pytest.mark.parametrize("name", ["alignment.mask_rotation", "slm.response.gamma", "lens1.zernike"])
def test_values_of_tensors_are_those_of_plain_numbers(name):
    bench = BENCHES["flawed"]
    plain = MODEL.on(bench).expected(X)
    given = value(bench, name)
    made = moved(given, lambda _: torch.zeros((), dtype=torch.float64))
    live = bench.replace(**{name: made})
    assert live.without_tensors() == bench and bench.without_tensors() is bench
    with torch.no_grad():
        assert torch.allclose(MODEL.on(live).expected(X), plain, rtol=1e-5, atol=1e-3 * float(plain.max()))


def test_a_tensor_elsewhere_is_refused_and_so_is_one_out_of_range():
    with pytest.raises(SpecError, match="pitch is a tensor"):
        REAL.replace(**{"slm.pitch": torch.tensor(8e-6)})
    with pytest.raises(SpecError, match="magnification"):
        REAL.replace(**{"alignment.magnification": torch.tensor(3.0)})
    with pytest.raises(SpecError, match="metres"):
        REAL.replace(**{"alignment.mask_axial": torch.tensor(3.0)})
