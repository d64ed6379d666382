import math
from itertools import pairwise

import pytest

from optics.bench import catalogue
from optics.bench.spec import InputSpec
from optics.camera.camera import CameraSpec
from optics.checks import SpecError
from optics.slm.panel import SLMSpec

SLMS = {  # shape (y, x), pitch, bits, fill factor: what the makers publish
    "holoeye-pluto-2": ((1080, 1920), 8.0e-6, 8, 0.93),
    "holoeye-gaea-2": ((2160, 3840), 3.74e-6, 8, 0.90),
    "holoeye-leto-2": ((1080, 1920), 6.4e-6, 8, 0.93),
    "holoeye-leto-3": ((1080, 1920), 6.4e-6, 8, 0.93),
    "meadowlark-1920x1152": ((1152, 1920), 9.2e-6, 8, 0.957),
    "hamamatsu-x13138": ((1024, 1272), 12.5e-6, 8, 0.96),
    "santec-slm-200": ((1200, 1920), 8.0e-6, 10, 0.95),
    "ti-plm-dlp6750": ((800, 1358), 10.8e-6, 4, 0.95),
}


@pytest.mark.parametrize("name", SLMS)
def test_published_figures(name):
    spec = catalogue.load(name, kind="slm").spec()
    assert isinstance(spec, SLMSpec)
    assert (spec.shape, spec.pitch, spec.bits, spec.fill_factor) == SLMS[name]
    assert spec.modulation == "phase"


@pytest.mark.parametrize("name", catalogue.names())
def test_every_figure_has_a_source_and_every_source_a_figure(name):
    device = catalogue.load(name)
    assert device.title
    figures = set()
    for key, value in device.figures.items():
        figures |= {f"{key}.{inner}" for inner in value} if isinstance(value, dict) else {key}
    assert figures == set(device.source)
    assert all(len(text) > 8 for text in device.source.values())


def test_kinds():
    assert set(SLMS) | {"ti-dlp6500"} == set(catalogue.names("slm"))
    assert len(catalogue.names("camera")) == 3
    assert len(catalogue.names("display")) == 1
    assert set(catalogue.names()) == {n for k in catalogue.KINDS for n in catalogue.names(k)}
    for name in catalogue.names("camera"):
        spec = catalogue.load(name).spec()
        assert isinstance(spec, CameraSpec)
        assert spec.shot_noise
        assert spec.full_well / spec.read_noise > 4000
    assert isinstance(catalogue.load("oled-microdisplay").spec(), InputSpec)


def test_uneven_heights_of_the_mirror_device():
    """Sixteen heights of a full turn, at most 15/16 of it; far from evenly spaced."""
    lut = catalogue.load("ti-plm-dlp6750").spec().response.lut
    assert len(lut) == 16
    assert lut[0] == 0.0
    assert lut[-1] == pytest.approx(0.9375 * 2 * math.pi, abs=1e-3)
    steps = [b - a for a, b in pairwise(lut)]
    assert max(steps) > 10 * min(steps)


def test_unknown_devices_get_the_nearest_names():
    with pytest.raises(SpecError, match=r"unknown device 'pluto2'\. Nearest: holoeye-pluto-2"):
        catalogue.load("pluto2")
    with pytest.raises(SpecError, match="unknown kind of device 'slms'"):
        catalogue.names("slms")
    with pytest.raises(SpecError, match="in quotes"):
        catalogue.load(3)
    with pytest.raises(SpecError, match="unknown device"):
        catalogue.load("../benches/pluto2-200mm")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kind = 1", r":1: kind is 1, expected one of slm, camera, display"),
        ('kind = "slm"\ncolour = 3', r":2: unknown key 'colour'"),
        ('kind = "slm"', r"needs the tables \[figures\] and \[source\]"),
        ('kind = "slm"\n[figures]\nshape = [2, 2]', r":2: \[figures\] needs the key 'pitch'"),
        ('kind = "slm"\n[figures]\nshape = [2, 2]\npitch = 8', r":4: pitch = 8"),
        ("kind = ", r":1: not valid TOML"),
    ],
)
def test_broken_device_files_give_one_clear_line(tmp_path, text, words):
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SpecError, match=words) as caught:
        catalogue.load("mine.toml", search=tmp_path)
    assert "\n" not in str(caught.value)
