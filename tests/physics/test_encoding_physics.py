"""Encodings against what they promise: an off-centre, asymmetric kernel on the signal order, right sign and axis.

The far field is summed here in numpy, not with the package's own transforms.
"""

import itertools
import math

import numpy as np
import pytest
import torch

from optics.checks import OpticsError
from optics.slm.diffraction_order import measure_order
from optics.slm.direct_design import encoding_table, optimise_phase
from optics.slm.encoding import EncodingSpec, encode, methods
from optics.slm.panel import SLM, SLMSpec
from optics.slm.response import ResponseSpec
from optics.slm.special_functions import J1_MAX

pytestmark = pytest.mark.physics
SHAPE = (96, 160)
ORIGIN = (48, 80)
# taps (cycles over the whole panel, y and x) and complex weights: no symmetry of any kind
TAPS = {(0, 0): 0.4, (2, -1): 0.25j, (-1, 3): -0.2, (1, 2): 0.1 - 0.1j}


def pixels():
    return np.meshgrid(np.arange(SHAPE[0]) - ORIGIN[0], np.arange(SHAPE[1]) - ORIGIN[1], indexing="ij")


def mask():
    y, x = pixels()
    m = sum(a * np.exp(2j * np.pi * (fy * y / SHAPE[0] + fx * x / SHAPE[1])) for (fy, fx), a in TAPS.items())
    assert np.abs(m).max() < 1
    return torch.tensor(m)


def tap(reflectance, carrier, fy, fx):
    """Far field at the carrier plus (fy, fx) cycles over the panel."""
    y, x = pixels()
    wave = np.exp(-2j * np.pi * (carrier[0] * y + carrier[1] * x + fy * y / SHAPE[0] + fx * x / SHAPE[1]))
    return complex((reflectance.numpy() * wave).mean())


TOLERANCE = {
    "phase_only": 0.4,
    "double_phase": 0.02,
    "blazed": 0.06,
    "davis": 0.12,
    "arrizon": 0.02,
    "direct": 0.06,
}


@pytest.mark.parametrize("carrier", [(0.125, 0.0), (0.0, 0.125), (-0.125, 0.0625)])
@pytest.mark.parametrize("method", methods())
def test_the_order_carries_every_tap_where_it_belongs(method, carrier):
    spec = EncodingSpec(method=method, carrier=carrier)
    phase = encode(mask(), spec, origin=ORIGIN)
    field = torch.exp(1j * phase)
    got = {k: tap(field, carrier, *k) for k in TAPS}
    gain = sum(np.conj(TAPS[k]) * got[k] for k in TAPS) / sum(abs(a) ** 2 for a in TAPS.values())
    if method not in ("phase_only", "davis"):
        assert gain == pytest.approx(spec.gain, abs=0.02)
    assert abs(np.angle(gain)) < 0.05
    for k, a in TAPS.items():
        assert abs(got[k] - gain * a) < TOLERANCE[method] * 0.45
        mirrored = abs(tap(field, carrier, -k[0], -k[1]))
        if k != (0, 0) and method != "phase_only":
            assert mirrored < 0.3 * abs(gain * a)


def test_davis_order_is_sinc_of_the_missing_depth():
    """A constant amplitude A gives sinc(1 - A), where the exact encoding gives A."""
    for a in (0.2, 0.5, 0.8):
        m = torch.full((8, 512), a + 0j, dtype=torch.complex128)
        for method, expected in (
            ("davis", np.sinc(1 - a)),
            ("blazed", a),
            ("arrizon", J1_MAX * a),
            ("double_phase", a),
        ):
            spec = EncodingSpec(method=method, carrier=(0.0, 1 / 256))
            field = torch.exp(1j * encode(m, spec, origin=(4, 256)))
            n = torch.arange(512, dtype=torch.float64) - 256
            order = (field * torch.exp(-2j * math.pi * n / 256)).mean()
            assert complex(order) == pytest.approx(expected, abs=5e-3)


def test_measures_of_an_order_agree_with_the_sums():
    m = mask()
    carrier = (0.125, 0.0)
    perfect = 0.7j * m * torch.exp(2j * math.pi * 0.125 * torch.tensor(pixels()[0] * 1.0))
    q = measure_order(perfect, m, carrier, origin=ORIGIN)
    assert complex(q.gain) == pytest.approx(0.7j, abs=1e-9)
    assert float(q.error) < 1e-9
    energy = sum(abs(a) ** 2 for a in TAPS.values())
    assert float(q.efficiency) == pytest.approx(0.49 * energy, rel=1e-9)
    noisy = measure_order(
        perfect + 0.05 * torch.exp(2j * math.pi * 0.14 * torch.tensor(pixels()[0] * 1.0)),
        m,
        carrier,
        origin=ORIGIN,
    )
    assert float(noisy.error) == pytest.approx(0.05 / (0.7 * math.sqrt(energy)), rel=0.1)


PANEL = SLMSpec(
    shape=(200, 300),
    pitch=8e-6,
    modulation="phase",
    bits=8,
    fill_factor=0.93,
    crosstalk=(0.3, 0.3),
    flicker=0.06,
)


def test_one_table_of_all_encodings_through_one_device():
    rows = encoding_table(mask()[None].to(torch.complex64), PANEL)
    by_name = {row.method: row for row in rows}
    assert tuple(by_name) == methods()
    for row in rows:
        assert 0 < row.efficiency < 1
        assert row.relative == pytest.approx(row.gain**2, rel=1e-4)
    # the theory: gain 1 on an ideal panel, 0.58 for Arrizon; the gap and the fringes only take light away
    assert 0.7 < by_name["blazed"].gain < 0.93
    assert 0.4 < by_name["arrizon"].gain < 0.62
    assert by_name["phase_only"].error > 0.3
    assert by_name["direct"].error < 0.35 * min(r.error for n, r in by_name.items() if n != "direct")


def test_ideal_panel_gives_the_encodings_own_figures():
    ideal = PANEL.ideal().replace(modulation="phase")
    rows = {
        r.method: r
        for r in encoding_table(mask()[None], ideal, names=["double_phase", "blazed", "arrizon", "davis"])
    }
    light = sum(abs(a) ** 2 for a in TAPS.values())
    assert rows["double_phase"].efficiency == pytest.approx(light, rel=0.02)
    assert rows["blazed"].efficiency == pytest.approx(light, rel=0.02)
    assert rows["arrizon"].efficiency == pytest.approx(J1_MAX**2 * light, rel=0.02)
    assert rows["double_phase"].zero_order < 1e-4
    assert rows["arrizon"].error < rows["blazed"].error < rows["davis"].error


def test_direct_design_reaches_the_gain_that_is_asked_for():
    slm = SLM(PANEL, region=(slice(52, 148), slice(70, 230)))
    m = mask().to(torch.complex64)
    spec = EncodingSpec(method="direct", carrier=(0.125, 0.0))
    seen = []
    phase = optimise_phase(
        m, slm, encoding=spec, origin=ORIGIN, gain=0.95, steps=60, progress=lambda i, e: seen.append(e)
    )
    with torch.no_grad():
        q = measure_order(slm(phase), m, spec.carrier, origin=ORIGIN)
    assert abs(complex(q.gain)) == pytest.approx(0.95, rel=0.02)
    assert float(q.error) < 0.03
    assert seen[-1] < 0.2 * seen[0]
    assert seen == sorted(seen, reverse=True)


def test_comparison_refuses_what_it_cannot_compare():
    with pytest.raises(OpticsError, match="do not fit a panel"):
        encoding_table(torch.zeros(1, 300, 10, dtype=torch.complex64), PANEL)
    with pytest.raises(OpticsError, match="unknown encoding 'bolduc'"):
        encoding_table(mask()[None], PANEL, names=["bolduc"])
    with pytest.raises(OpticsError, match=r"unknown encoding 'blazed' on the axis"):
        encoding_table(mask()[None], PANEL, carrier=(0.0, 0.0), names=["blazed"])
    with pytest.raises(OpticsError, match="expected \\(n, ny, nx\\) complex"):
        encoding_table(mask(), PANEL)
    with pytest.raises(OpticsError, match='modulation "phase"'):
        slm = SLM(PANEL.ideal(), region=(slice(0, 96), slice(0, 160)))
        optimise_phase(mask().to(torch.complex64), slm, encoding=EncodingSpec(), origin=ORIGIN)


MORE = {
    "bits": (8, 6, 4, 3),
    "fill_factor": (1.0, 0.95, 0.9, 0.8),
    "reflectivity": (1.0, 0.9, 0.7),
    "crosstalk": ((0.0, 0.0), (0.1, 0.1), (0.3, 0.3), (0.6, 0.6)),
    "flicker": (0.0, 0.2, 0.4, 0.8),
    "curvature": ({}, {4: 0.1}, {4: 0.3}, {4: 0.6}),
    "stuck": (0.0, 0.02, 0.1, 0.3),
    "dead": (0.0, 0.02, 0.1, 0.3),
    "response.range": (2 * math.pi, 1.9 * math.pi, 1.7 * math.pi, 1.5 * math.pi),
    "response.gamma": (1.0, 1.1, 1.3, 1.6),
}


@pytest.mark.parametrize("name", MORE)
def test_more_of_a_flaw_never_helps(name):
    """Distance of the signal order from the mask on one scene; each step up the list makes it larger, to 2 %."""
    ideal = SLMSpec(shape=SHAPE, pitch=8e-6, modulation="phase", assumed_response=ResponseSpec())
    spec = EncodingSpec(method="double_phase", carrier=(0.0625, 0.0))
    phase = encode(mask(), spec, origin=ORIGIN)
    distance = []
    for value in MORE[name]:
        shown = SLM(ideal.replace(**{name: value}), dtype=torch.float64)(phase)
        q = measure_order(shown, mask(), spec.carrier, origin=ORIGIN)
        distance.append(float(torch.hypot((q.gain - 1).abs(), q.error * q.gain.abs())))
    assert all(b > 0.98 * a for a, b in itertools.pairwise(distance)), distance
    assert distance[-1] > 1.5 * distance[0], distance


def test_knowing_the_sections_gives_their_light_back():
    """The range differs by a third over the panel; levels computed with the map put the order right again."""
    response = ResponseSpec(range=2.3 * math.pi, sections=((0.9, 1.0, 1.1), (1.0, 1.15, 1.2)))
    panel = SLMSpec(shape=SHAPE, pitch=8e-6, modulation="phase", bits=8, response=response)
    spec = EncodingSpec(method="double_phase", carrier=(0.0625, 0.0))
    phase = encode(mask(), spec, origin=ORIGIN)
    quality = [
        measure_order(SLM(panel, assumed=b, dtype=torch.float64)(phase), mask(), spec.carrier, origin=ORIGIN)
        for b in (None, ResponseSpec())
    ]
    assert float(quality[0].error) < 0.01
    assert abs(complex(quality[0].gain)) == pytest.approx(1.0, abs=0.01)
    assert float(quality[1].error) > 0.1
