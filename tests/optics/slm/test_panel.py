import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from optics.checks import OpticsError, ShapeError, SpecError
from optics.slm.panel import SLM, SLMSpec
from optics.slm.response import ResponseSpec
from tests.scenes import generator

PLAIN = SLMSpec(shape=(12, 17), pitch=8e-6, modulation="phase")


def phases(*shape, seed=0, dtype=torch.float32, span=9.0, low=-3.0):
    draws = generator(seed)
    return torch.rand(*shape, generator=draws, dtype=dtype) * span + low


def test_level_and_phase_at_two_known_points():
    slm = SLM(PLAIN.replace(bits=8))
    target = torch.full((12, 17), math.pi / 2)
    target[3, 5] = 3 * math.pi / 2
    levels = slm.levels(target)
    assert levels.dtype == torch.int32
    assert levels[0, 0] == 64 and levels[3, 5] == 192
    shown = slm.of_levels(levels)
    assert shown[0, 0] == pytest.approx(1j, abs=1e-6)
    assert shown[3, 5] == pytest.approx(-1j, abs=1e-6)


def test_the_level_after_the_last_is_level_zero():
    slm = SLM(PLAIN.replace(bits=4))
    target = torch.full((12, 17), 2 * math.pi - 0.01)
    assert torch.equal(slm.levels(target), torch.zeros(12, 17, dtype=torch.int32))
    assert torch.equal(
        slm.levels(-torch.full((12, 17), 2 * math.pi / 16)), torch.full((12, 17), 15, dtype=torch.int32)
    )


UNKNOWN = {"assumed_response": ResponseSpec()}  # levels are computed as if the response were nominal
DEVICES = {
    "phase": PLAIN.replace(bits=6, crosstalk=(0.3, 0.6), fill_factor=0.9, flicker=0.1),
    "response": PLAIN.replace(bits=6, **{"response.range": 5.5, "response.gamma": 1.3}),
    "lut": PLAIN.replace(bits=2, **{"response.lut": (0.1, 1.4, 3.0, 4.9)}),
    "sections": PLAIN.replace(bits=6, **{"response.sections": ((1.0, 0.9), (1.1, 1.05))}),
    "defects": PLAIN.replace(bits=6, stuck=0.1, dead=0.1, reflectivity=0.8, curvature={4: 0.5, 7: 0.2}),
    "amplitude": PLAIN.replace(modulation="amplitude", bits=5, crosstalk=(0.4, 0.0), fill_factor=0.9),
    "dmd": PLAIN.replace(modulation="dmd", fill_factor=0.9, reflectivity=0.88, stuck=0.1),
}


@pytest.mark.parametrize("name", DEVICES)
@pytest.mark.parametrize("assumed", [None, "own"])
def test_forward_equals_of_levels_bit_for_bit(name, assumed):
    spec = DEVICES[name]
    slm = SLM(spec, assumed=spec.response if assumed else None)
    target = phases(3, 12, 17)
    if spec.modulation in ("amplitude", "dmd"):
        target = (target + 3) / 9
    assert torch.equal(slm(target), slm.of_levels(slm.levels(target)))
    again = generator(5), generator(5)
    sampled = slm(target, generator=again[0]), slm.of_levels(slm.levels(target), generator=again[1])
    assert torch.equal(*sampled)


@settings(max_examples=40, deadline=None)
@given(
    bits=st.integers(1, 10), seed=st.integers(0, 10**6), gamma=st.floats(0.7, 1.5), span=st.floats(4.5, 7.5)
)
def test_quantising_twice_changes_nothing(bits, seed, gamma, span):
    spec = PLAIN.replace(bits=bits, response=ResponseSpec(range=span, gamma=gamma))
    for assumed in (None, spec.response):
        slm = SLM(spec, assumed=assumed, dtype=torch.float64)
        levels = slm.levels(phases(12, 17, seed=seed, dtype=torch.float64))
        assert int(levels.min()) >= 0 and int(levels.max()) < 2**bits
        shown = slm.assumed_table[levels.long()]
        again = slm.levels(shown)
        # a level beyond a full turn is another way to write a lower one
        turn = torch.remainder(slm.assumed_table[again.long()] - shown + math.pi, 2 * math.pi) - math.pi
        assert float(turn.abs().max()) <= 2 * math.pi / 2**bits
        assert torch.equal(slm.levels(slm.assumed_table[again.long()]), again)


def test_the_nearest_level_is_the_nearest_on_the_circle():
    response = ResponseSpec(range=5.0, gamma=1.4)
    slm = SLM(PLAIN.replace(bits=3, response=response), assumed=response, dtype=torch.float64)
    target = phases(12, 17, dtype=torch.float64, span=20, low=-10)
    table = response.table(3)
    distance = torch.remainder(target[..., None] - table + math.pi, 2 * math.pi) - math.pi
    assert torch.equal(slm.levels(target).long(), distance.abs().argmin(-1))


def test_ideal_complex_modulator_returns_the_mask_itself():
    slm = SLM(DEVICES["defects"].ideal())
    mask = torch.polar(torch.rand(2, 12, 17), phases(2, 12, 17))
    assert torch.equal(slm(mask), mask)


FLAWS = {
    "bits": (None, 3),
    "fill_factor": (1.0, 0.9),
    "reflectivity": (1.0, 0.7),
    "response": (ResponseSpec(), ResponseSpec(range=5.0)),
    "assumed_response": (None, ResponseSpec(range=7.0)),
    "crosstalk": ((0.0, 0.0), (0.0, 0.4)),
    "flicker": (0.0, 0.4),
    "curvature": ({}, {6: 0.4}),
    "stuck": (0.0, 0.1),
    "dead": (0.0, 0.1),
    "zero_order": (0.0, 0.05),
    "beam_splitter": (1.0, 0.25),
}


@pytest.mark.parametrize("name", FLAWS)
@pytest.mark.parametrize("modulation", ["phase", "complex"])
def test_each_flaw_at_its_ideal_value_is_the_ideal_modulator_and_beyond_it_is_not(name, modulation):
    ideal, real = FLAWS[name]
    plain = PLAIN.replace(modulation=modulation)
    target = phases(2, 12, 17)
    if modulation == "complex":
        target = torch.polar(torch.full_like(target, 0.8), target)
    perfect = SLM(plain)(target)
    expected = target if modulation == "complex" else torch.complex(torch.cos(target), torch.sin(target))
    assert torch.equal(perfect, expected)
    assert torch.equal(SLM(plain.replace(**{name: ideal}))(target), perfect)
    assert float((SLM(plain.replace(**{name: real}))(target) - perfect).abs().max()) > 1e-2


def test_every_flaw_has_a_case_above():
    assert set(SLMSpec.flaws()) - {"modulation"} | {"response"} == set(FLAWS)


def test_region_is_the_part_of_the_panel():
    spec = PLAIN.replace(
        bits=6,
        stuck=0.3,
        curvature={2: 0.3, 3: 0.5},
        **{"response.sections": ((1.0, 0.8, 0.9), (0.7, 1.1, 1.0))},
    )
    region = (slice(2, 9), slice(5, None))
    target = phases(12, 17)
    whole = SLM(spec)(target)[region]
    torch.testing.assert_close(SLM(spec, region=region)(target[region]), whole, rtol=0, atol=1e-6)


@pytest.mark.parametrize("bits", [None, 8])
def test_gradient_passes_straight_through_with_the_slope_of_the_response(bits):
    """With the range a quarter too small, the phase moves a quarter less than asked."""
    slm = SLM(PLAIN.replace(bits=bits, **UNKNOWN, **{"response.range": 1.5 * math.pi}), dtype=torch.float64)
    target = phases(12, 17, dtype=torch.float64, span=6.0, low=0.1).requires_grad_(True)
    slm(target).angle().sum().backward()
    torch.testing.assert_close(target.grad, torch.full_like(target, 0.75))


def test_gradcheck_through_every_continuous_flaw():
    spec = SLMSpec(
        shape=(4, 5),
        pitch=8e-6,
        modulation="phase",
        crosstalk=(0.3, 0.8),
        fill_factor=0.9,
        reflectivity=0.8,
        curvature={5: 0.3},
        flicker=0.4,
        stuck=0.05,
        response=ResponseSpec(range=5.5, gamma=1.2, sections=((1.0, 0.9), (0.95, 1.0))),
    )
    slm = SLM(spec, dtype=torch.float64)
    target = phases(1, 4, 5, dtype=torch.float64, span=4.0, low=0.2).requires_grad_(True)
    assert torch.autograd.gradcheck(slm, (target,))
    draws = torch.Generator()
    assert torch.autograd.gradcheck(lambda t: slm(t, generator=draws.manual_seed(3)), (target,))


def test_gradcheck_of_complex_and_amplitude_devices():
    spec = SLMSpec(shape=(4, 6), pitch=8e-6, crosstalk=(0.5, 0.2), fill_factor=0.9)
    mask = torch.polar(
        torch.rand(4, 6, dtype=torch.float64) * 0.8 + 0.1, phases(4, 6, dtype=torch.float64, span=3, low=0.1)
    )
    assert torch.autograd.gradcheck(SLM(spec, dtype=torch.float64), (mask.requires_grad_(True),))
    grey = (torch.rand(4, 6, dtype=torch.float64) * 0.8 + 0.1).requires_grad_(True)
    slm = SLM(spec.replace(modulation="amplitude", **{"response.gamma": 1.8}), dtype=torch.float64)
    assert torch.autograd.gradcheck(slm, (grey,))


def test_stuck_pixels_hold_and_dead_pixels_show_nothing():
    spec = SLMSpec(shape=(60, 70), pitch=8e-6, modulation="phase", bits=8, dead=0.2)
    a, b = SLM(spec)(torch.full((60, 70), 1.0)), SLM(spec)(torch.full((60, 70), 2.0))
    same = torch.isclose(a, b)
    assert float(same.float().mean()) == pytest.approx(0.2, abs=0.03)
    assert torch.allclose(a[same], torch.ones(1, dtype=a.dtype))
    stuck = SLM(spec.replace(dead=0.0, stuck=0.2))(torch.full((60, 70), 1.0))
    level = torch.exp(1j * torch.round(torch.tensor(1.0) * 256 / (2 * math.pi)) * 2 * math.pi / 256)
    assert float(stuck[~torch.isclose(stuck, level)].angle().std()) > 1.5
    other = SLM(spec.replace(seed=1))(torch.full((60, 70), 1.0))
    assert not torch.equal(a, other)


def test_flicker_draws_one_ripple_a_frame():
    slm = SLM(PLAIN.replace(flicker=0.5), dtype=torch.float64)
    target = torch.full((4, 12, 17), 0.5, dtype=torch.float64)
    shown = slm(target, generator=generator()).angle()
    assert float((shown - shown[:, :1, :1]).abs().max()) == 0.0
    assert float(shown[:, 0, 0].std()) > 0.01
    mid = slm(torch.full_like(target, math.pi), generator=generator())
    torch.testing.assert_close(mid, -torch.ones_like(mid))


def test_amplitude_and_mirror_devices_are_dark_between_pixels():
    spec = PLAIN.replace(fill_factor=0.9)
    grey = SLM(spec.replace(modulation="amplitude", bits=1))(torch.full((12, 17), 0.4))
    assert torch.equal(grey, torch.zeros_like(grey))
    on = SLM(spec.replace(modulation="dmd"))(torch.full((12, 17), 0.6))
    torch.testing.assert_close(on, torch.full_like(on, 0.9))


BAD = [
    (PLAIN, torch.full((12, 17), float("nan")), OpticsError, r"nan at index \(0, 0\)"),
    (PLAIN, torch.zeros(12, 17, dtype=torch.complex64), OpticsError, "complex64.*radians"),
    (PLAIN, torch.zeros(12, 17, dtype=torch.int32), OpticsError, "int32.*radians"),
    (PLAIN, torch.zeros(12, 16), ShapeError, r"\(12, 16\), expected \(12, 17\)"),
    (PLAIN, torch.zeros(12, 17, dtype=torch.float64), OpticsError, "float64.*float32"),
    (PLAIN.ideal(), torch.zeros(12, 17), OpticsError, "expected complex"),
    (PLAIN.ideal(), torch.full((12, 17), 1.2 + 0j), OpticsError, "modulus up to 1.2"),
    (PLAIN.replace(modulation="amplitude"), torch.full((12, 17), -0.2), OpticsError, "negative"),
    (PLAIN.replace(modulation="dmd"), torch.full((12, 17), math.inf), OpticsError, "inf"),
]


@pytest.mark.parametrize(("spec", "target", "error", "words"), BAD)
def test_bad_targets_give_one_clear_line(spec, target, error, words):
    with pytest.raises(error, match=words) as caught:
        SLM(spec)(target)
    assert "\n" not in str(caught.value)


def test_bad_levels_give_one_clear_line():
    slm = SLM(PLAIN.replace(bits=4))
    with pytest.raises(OpticsError, match=r"levels span 0 \.\. 16, expected 0 \.\. 15"):
        slm.of_levels(torch.arange(17).expand(12, 17))
    with pytest.raises(OpticsError, match="float32, expected integers"):
        slm.of_levels(torch.zeros(12, 17))
    with pytest.raises(ShapeError, match="levels has shape"):
        slm.of_levels(torch.zeros(17, 12, dtype=torch.int32))
    with pytest.raises(OpticsError, match="no levels"):
        SLM(PLAIN).levels(torch.zeros(12, 17))
    with pytest.raises(OpticsError, match="no levels"):
        SLM(PLAIN.ideal()).of_levels(torch.zeros(12, 17, dtype=torch.int32))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"pitch": -8e-6}, "pitch"),
        ({"fill_factor": 1.2}, "fill_factor"),
        ({"bits": 0}, "bits"),
        ({"crosstalk": (0.0, 5.0)}, "between 0 and 4"),
        ({"stuck": 0.7, "dead": 0.7}, "their sum is above 1"),
        ({"response.lut": (0.0, 1.0)}, r"2\*\*bits"),
        ({"response.lut": (1.0, 0.0, 0.5)}, "never rising"),
        ({"response.sections": ((1.0, 1.0), (1.0,))}, "equal length"),
        ({"modulation": "dmd", "bits": 8}, "no meaning"),
        ({"modulation": "amplitude", "flicker": 0.1}, "flicker has no meaning"),
    ],
)
def test_impossible_devices_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        PLAIN.replace(**changes)


def test_one_number_of_crosstalk_is_for_both_axes():
    assert PLAIN.replace(crosstalk=0.3).crosstalk == (0.3, 0.3)


@pytest.mark.parametrize(
    "region", [(slice(0, 13), slice(None)), (slice(4, 4), slice(None)), (slice(0, 8, 2), slice(None))]
)
def test_a_region_off_the_panel_is_refused(region):
    with pytest.raises(SpecError, match="region along y"):
        SLM(PLAIN, region=region)
