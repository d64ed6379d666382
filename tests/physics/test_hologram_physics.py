"""Complex masks on amplitude panels and mirror arrays: the right mask on the right order, its twin and zero order.

The far field is summed here in numpy, not with the package's own transforms.
"""

import math

import numpy as np
import pytest
import torch

from optics.bench.files import load_bench
from optics.bench.spec import BenchSpec
from optics.fourf.camera_window import CameraWindow
from optics.fourf.system import FourF
from optics.slm.diffraction_order import measure_order
from optics.slm.direct_design import encoding_table
from optics.slm.encoding import EncodingSpec, encode, methods
from optics.slm.panel import SLM, SLMSpec

pytestmark = pytest.mark.physics
SHAPE = (160, 224)
ORIGIN = (80, 112)
PANELS = {"interferogram": "amplitude", "lee": "dmd"}
# taps (cycles over the whole panel, y and x) and complex weights: no symmetry of any kind
TAPS = {(0, 0): 0.4, (2, -1): 0.25j, (-1, 3): -0.2, (1, 2): 0.1 - 0.1j}
CARRIERS = [(24 / 160, 9 / 224), (7 / 160, -30 / 224), (-24 / 160, 11 / 224)]


def pixels():
    return np.meshgrid(np.arange(SHAPE[0]) - ORIGIN[0], np.arange(SHAPE[1]) - ORIGIN[1], indexing="ij")


def mask():
    y, x = pixels()
    m = sum(a * np.exp(2j * np.pi * (fy * y / SHAPE[0] + fx * x / SHAPE[1])) for (fy, fx), a in TAPS.items())
    assert np.abs(m).max() < 1
    return torch.tensor(m)


def tap(shown, carrier, fy, fx):
    """Far field at the carrier plus (fy, fx) cycles over the panel."""
    y, x = pixels()
    wave = np.exp(-2j * np.pi * (carrier[0] * y + carrier[1] * x + fy * y / SHAPE[0] + fx * x / SHAPE[1]))
    return complex((shown.numpy() * wave).mean())


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("method", PANELS)
def test_the_order_carries_every_tap_and_the_other_its_conjugate(method, carrier):
    spec = EncodingSpec(method=method, carrier=carrier)
    shown = encode(mask(), spec, origin=ORIGIN)
    tolerance = 1e-9 if method == "interferogram" else 0.02 * spec.gain
    for (fy, fx), a in TAPS.items():
        assert tap(shown, carrier, fy, fx) == pytest.approx(spec.gain * a, abs=tolerance)
        twin = tap(shown, (-carrier[0], -carrier[1]), -fy, -fx)
        assert twin == pytest.approx(spec.gain * np.conj(a), abs=tolerance)
        if (fy, fx) != (0, 0):
            assert abs(tap(shown, carrier, -fy, -fx)) < tolerance


def test_gains_are_those_of_the_papers():
    assert EncodingSpec(method="interferogram").gain == 0.25
    assert EncodingSpec(method="lee").gain == pytest.approx(1 / math.pi)


@pytest.mark.parametrize("a", [0.0, 0.3, 0.7, 1.0])
def test_mirrors_are_on_for_asin_of_the_amplitude(a):
    """A grating on for the share d of its period sends sin(pi d) / pi into its first order, d into its zero order."""
    n = torch.arange(4000, dtype=torch.float64)
    on = encode(
        torch.full((1, 4000), a + 0j, dtype=torch.complex128),
        EncodingSpec(method="lee", carrier=(0.0, 1 / 1000)),
        origin=(0, 0),
    )
    duty = math.asin(a) / math.pi
    assert set(on.unique().tolist()) <= {0.0, 1.0}
    assert float(on.mean()) == pytest.approx(duty, abs=2e-3)
    for order in (1, 2, 3):
        wanted = math.sin(math.pi * order * duty) / (math.pi * order)
        got = complex((on * torch.exp(-2j * math.pi * order * n / 1000)).mean())
        assert got == pytest.approx(wanted, abs=2e-3)


def test_zero_orders():
    carrier = CARRIERS[0]
    m = mask()
    shown = {k: encode(m, EncodingSpec(method=k, carrier=carrier), origin=ORIGIN) for k in PANELS}
    assert float(shown["interferogram"].mean()) ** 2 == pytest.approx(0.25, rel=1e-6)
    duty = float(torch.asin(m.abs()).mean()) / math.pi
    assert float(shown["lee"].mean()) == pytest.approx(duty, rel=0.02)


@pytest.mark.parametrize("device", ["amplitude", "dmd"])
def test_the_device_shows_what_was_encoded(device):
    """Fill factor and reflectivity take their share; 8 bits hardly add to the interferogram, the mirrors need none."""
    method = methods(device)[0]
    spec = EncodingSpec(method=method, carrier=CARRIERS[0])
    panel = SLMSpec(shape=SHAPE, pitch=8e-6, modulation=device, fill_factor=0.9, reflectivity=0.64)
    if device == "amplitude":
        panel = panel.replace(bits=8)
    shown = SLM(panel, dtype=torch.float64)(encode(mask(), spec, origin=ORIGIN))
    q = measure_order(shown, mask(), spec.carrier, origin=ORIGIN, half=(0.04, 0.04))
    assert complex(q.gain) == pytest.approx(0.9 * 0.8 * spec.gain, rel=3e-3)
    assert float(q.error) < {"amplitude": 0.01, "dmd": 0.08}[device]


def test_a_straight_carrier_is_too_coarse_for_mirrors_and_an_oblique_one_is_not():
    error = {}
    for carrier in ((0.125, 0.0), (0.15, 0.04)):
        shown = encode(mask(), EncodingSpec(method="lee", carrier=carrier), origin=ORIGIN)
        error[carrier] = float(
            measure_order(shown + 0j, mask(), carrier, origin=ORIGIN, half=(0.04, 0.04)).error
        )
    assert error[(0.15, 0.04)] < 0.08 < 0.15 < error[(0.125, 0.0)]


@pytest.mark.parametrize("method", PANELS)
def test_the_image_lands_where_the_bench_says(method):
    """A one-tap kernel, off-centre: the image shifted by it, at the offset; nothing of it at the twin's place."""
    bench = BenchSpec(
        name="hologram",
        light={"wavelength": 532e-9},
        input={"pitch": 64e-6},
        lens1={"focal_length": 0.2},
        stop={"width": (532e-9 * 0.2 / 64e-6, 532e-9 * 0.2 / 64e-6)},
        slm={"shape": (400, 500), "pitch": 8e-6, "modulation": PANELS[method]},
        encoding={"method": method, "carrier": (0.14, 0.05)},
        lens2={"focal_length": 0.2},
        camera={"shape": (2000, 2000), "pitch": 5e-6},
    )
    assert bench.image_offset == pytest.approx((-0.14 * bench.scale / 8e-6, -0.05 * bench.scale / 8e-6))
    system = FourF(bench, CameraWindow((6, 9), oversampling=1, margin=0), dtype=torch.float64)
    xi = [system.slm_axis(k) for k in (0, 1)]
    tilt = torch.exp(-2j * math.pi * (1 * xi[0][:, None] - 2 * xi[1][None, :]) * 64e-6 / bench.scale)
    origin = (200 - system.rows.start, 250 - system.cols.start)
    slm = SLM(bench.slm, region=(system.rows, system.cols), dtype=torch.float64)
    shown = slm(encode(0.6 * tilt[None], bench.encoding, origin=origin))
    image = torch.zeros(1, 6, 9, dtype=torch.float64)
    image[0, 1, 4], image[0, 3, 6] = 1.0, 0.5
    got = system.wave(image, shown)[0, 0].abs()
    flat = got.flatten().topk(2)
    assert [divmod(int(i), 9) for i in flat.indices] == [(2, 2), (4, 4)]  # moved by (+1, -2) pixels
    envelope = math.prod(float(torch.sinc(torch.tensor(c))) for c in (0.14, 0.05))
    edge = 0.8727**2  # the display pixel's own transform, averaged over its band, per axis
    assert float(flat.values[0]) == pytest.approx(0.6 * bench.encoding.gain * envelope * edge, rel=0.03)
    twin = FourF(
        bench, CameraWindow((6, 9), offset=tuple(-o for o in bench.image_offset), oversampling=1, margin=0)
    )
    conjugate = twin.wave(image, shown.to(torch.complex64))[0, 0].abs()
    assert [divmod(int(i), 9) for i in conjugate.flatten().topk(1).indices] == [(0, 6)]  # moved the other way


def test_the_table_compares_what_belongs_to_the_device():
    mirrors = SLMSpec(shape=(200, 300), pitch=8e-6, modulation="dmd")
    (row,) = encoding_table(mask()[None], mirrors, carrier=(0.15, 0.04), half=(0.04, 0.04))
    assert row.method == "lee"
    assert row.gain == pytest.approx(1 / math.pi, rel=0.02)
    assert row.relative == pytest.approx(1 / math.pi**2, rel=0.04)
    grey = mirrors.replace(modulation="amplitude", bits=8)
    (row,) = encoding_table(mask()[None], grey, carrier=(0.15, 0.04), half=(0.04, 0.04))
    assert row.method == "interferogram"
    assert row.gain == pytest.approx(0.25, rel=2e-3)
    assert row.error < 0.01
    assert row.zero_order == pytest.approx(0.25, rel=2e-2)


def test_the_shipped_mirror_bench_is_the_catalogues_device():
    bench = load_bench("dmd-200mm")
    assert bench.slm.modulation == "dmd"
    assert bench.slm.bits == 1
    assert bench.slm.pitch == 7.56e-6
    assert bench.image_offset[0] == pytest.approx(-0.15 * 532e-9 * 0.2 / 7.56e-6)
