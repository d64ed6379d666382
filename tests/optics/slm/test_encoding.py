import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from optics.checks import OpticsError, SpecError
from optics.slm.encoding import EncodingSpec, carrier_phase, encode, methods
from optics.slm.panel import SLM, SLMSpec
from optics.slm.special_functions import J1_MAX, J1_PEAK, arccos, j1_inverse, polar_parts, sinc_inverse
from tests.scenes import generator

ALL = (*methods("phase"), *methods("amplitude"), *methods("dmd"))


def masks(*shape, seed=0, low=0.1, high=0.9):
    draws = generator(seed)
    a, p = (torch.rand(*shape, generator=draws, dtype=torch.float64) for _ in range(2))
    return torch.polar(low + (high - low) * a, 2 * math.pi * p)


@settings(max_examples=50, deadline=None)
@given(a=st.floats(0, 1))
def test_inverses_invert(a):
    x = sinc_inverse(torch.tensor([a], dtype=torch.float64))
    assert 0 <= float(x) <= math.pi
    assert float(torch.sinc(x / math.pi)) == pytest.approx(a, abs=1e-9)
    f = j1_inverse(torch.tensor([a], dtype=torch.float64))
    assert 0 <= float(f) <= J1_PEAK
    assert float(torch.special.bessel_j1(f)) / J1_MAX == pytest.approx(a, abs=1e-9)
    single = sinc_inverse(torch.tensor([a], dtype=torch.float32))
    assert float(single) == pytest.approx(float(x), abs=2e-3)
    assert float(torch.sinc(single / math.pi)) == pytest.approx(a, abs=2e-6)


def test_gradients_stay_finite_at_the_ends():
    for function in (sinc_inverse, j1_inverse, arccos):
        a = torch.tensor([0.0, 1.0, 1.0 - 1e-7], requires_grad=True)
        function(a).sum().backward()
        assert bool(torch.isfinite(a.grad).all())
    z = torch.zeros(3, dtype=torch.complex64, requires_grad=True)
    modulus, angle = polar_parts(z)
    (modulus + angle).sum().backward()
    assert torch.equal(z.grad, torch.zeros_like(z))


@pytest.mark.parametrize("method", methods())
@pytest.mark.parametrize("carrier", [(0.125, 0.0), (-0.0625, 0.21)])
def test_gradcheck(method, carrier):
    mask = masks(2, 4, 5).requires_grad_(True)
    spec = EncodingSpec(method=method, carrier=carrier)
    assert torch.autograd.gradcheck(lambda m: torch.sin(encode(m, spec, origin=(1, 3))), (mask,))


def test_gradcheck_of_the_interferogram():
    """Where the mask is 0 too."""
    mask = masks(2, 4, 5)
    mask[0, 1, 2] = 0
    spec = EncodingSpec(method="interferogram", carrier=(-0.0625, 0.21))
    assert torch.autograd.gradcheck(lambda m: encode(m, spec, origin=(1, 3)), (mask.requires_grad_(True),))


def test_mirrors_pass_the_gradient_of_the_order_they_make():
    """That of `(2 / pi) Re(mask exp(2 pi i carrier . n))`, through the device model as well."""
    mask = masks(1, 6, 9).requires_grad_(True)
    spec = EncodingSpec(method="lee", carrier=(0.125, -0.07))
    panel = SLM(SLMSpec(shape=(6, 9), pitch=8e-6, modulation="dmd", fill_factor=0.9), dtype=torch.float64)
    weight = torch.randn(1, 6, 9, generator=generator(1), dtype=torch.float64)
    shown = panel(encode(mask, spec, origin=(3, 4)))
    assert set((shown.real / 0.9).round(decimals=9).unique().tolist()) <= {0.0, 1.0}
    (got,) = torch.autograd.grad((shown.real * weight).sum(), mask)
    carrier = carrier_phase((6, 9), spec.carrier, (3, 4), dtype=torch.float64)
    order = (2 / math.pi) * 0.9 * weight * torch.exp(-1j * carrier)
    torch.testing.assert_close(got, order)


@pytest.mark.parametrize("method", ALL)
def test_what_is_shown_is_anchored_to_the_panel(method):
    """A region shows what the whole panel shows there."""
    mask = masks(9, 14)
    spec = EncodingSpec(method=method, carrier=(0.11, -0.07))
    whole = encode(mask, spec, origin=(4, 7))
    part = encode(mask[3:, 6:], spec, origin=(1, 1))
    torch.testing.assert_close(part, whole[3:, 6:])
    beyond = encode(mask[6:, 9:], spec, origin=(-2, -2))
    torch.testing.assert_close(beyond, whole[6:, 9:])


def test_carrier_is_exact_far_from_the_origin():
    far = carrier_phase((4000, 1), (0.125, 0.0), (0, 0), dtype=torch.float32)
    assert torch.equal(far[3992:, 0], far[:8, 0])
    assert float(far[1, 0]) == pytest.approx(2 * math.pi / 8)
    back = carrier_phase((1, 4), (0.0, 0.125), (0, 3), dtype=torch.float32)
    assert float(back[0, 2]) == pytest.approx(2 * math.pi * 7 / 8)


def test_offset_and_gain_are_stated():
    assert EncodingSpec().offset == (0.125, 0.0)
    assert EncodingSpec(method="phase_only", carrier=(0.0, 0.0)).offset == (0.0, 0.0)
    assert EncodingSpec(method="arrizon").gain == pytest.approx(0.5819, abs=1e-4)
    assert EncodingSpec(method="double_phase").gain == 1.0


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (torch.zeros(4, 4), "expected complex"),
        (torch.full((4, 4), complex("nan")), r"index \(0, 0\)"),
        (torch.full((4, 4), 1.5 + 0j), "modulus up to 1.5"),
    ],
)
def test_bad_masks_give_one_clear_line(mask, words):
    with pytest.raises(OpticsError, match=words):
        encode(mask, EncodingSpec(), origin=(2, 2))


def test_every_method_belongs_to_one_kind_of_panel():
    assert methods() == methods("phase")
    assert methods("complex") == ()
    for method in ALL:
        for modulation in ("complex", "phase", "amplitude", "dmd"):
            spec = EncodingSpec(method=method)
            if modulation == "complex" or method in methods(modulation):
                spec.check_modulation(modulation)
            else:
                with pytest.raises(
                    SpecError, match=f'"{method}" does not belong to slm.modulation "{modulation}"'
                ):
                    spec.check_modulation(modulation)
    assert [m for m in ALL if EncodingSpec(method=m).twin] == ["arrizon", "interferogram", "lee"]


def test_methods_that_need_a_carrier_say_so():
    for method in ("blazed", "davis", "arrizon", "interferogram", "lee"):
        with pytest.raises(ValueError, match="carrier"):
            EncodingSpec(method=method, carrier=(0.0, 0.0))
    with pytest.raises(ValueError, match=r"between -0.5 and 0.5"):
        EncodingSpec(carrier=(0.6, 0.0))
    with pytest.raises(ValueError, match="method"):
        EncodingSpec(method="bolduc")
