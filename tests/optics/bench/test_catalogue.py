import math
import re
from itertools import pairwise

import pytest

from optics.bench import catalogue
from optics.bench.files import bench_from_dict, load_bench
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
    figures = {key for key, _ in catalogue.dotted(device.figures)}
    figures |= {f"at_wavelength.{key}" for key in device.tables}
    assert figures == set(device.source)


DOCUMENTS = ("data sheet", "flyer", "evaluation module", "documentation", "driver", "Proc. SPIE")
DATED = re.compile(
    r"revision not recorded|\(20\d\d\)|rev\. ?\w+|Assumed|default table|physics|documentation", re.I
)


@pytest.mark.parametrize("name", catalogue.names())
def test_every_source_names_a_document_and_its_date_or_says_that_it_is_assumed(name):
    for key, text in catalogue.load(name).source.items():
        assert text.startswith(("Assumed", "Physics")) or any(d in text for d in DOCUMENTS), (name, key, text)
        assert DATED.search(text), (name, key, text)


@pytest.mark.parametrize("name", sorted(set(SLMS) - {"ti-plm-dlp6750"}))
def test_a_liquid_crystal_panel_loses_light_by_default(name):
    spec = catalogue.load(name).spec()
    assert 0.5 < spec.reflectivity < 1.0 and 0.0 < spec.zero_order < 0.05
    assert spec.timing.settling > 0.0


@pytest.mark.parametrize("name", catalogue.names("camera"))
def test_quantum_efficiency_follows_the_wavelength_of_the_bench(name):
    device = catalogue.load(name)
    assert device.at(532e-9)["quantum_efficiency"] == pytest.approx(
        device.figures["quantum_efficiency"], abs=0.01
    )
    rows = device.tables["quantum_efficiency"]
    assert len(rows) >= 10 and all(0 < value < 1 for _, value in rows)
    at = {}
    for wavelength in (532e-9, 800e-9):
        tables = load_bench("ideal-200mm").model_dump(mode="json")
        tables["light"]["wavelength"] = wavelength
        tables["camera"] = {"device": name}
        at[wavelength] = bench_from_dict(tables, source="test").camera.quantum_efficiency
    assert at[800e-9] == pytest.approx(dict(rows)[800e-9])
    assert at[800e-9] < 0.7 * at[532e-9]
    tables["camera"]["quantum_efficiency"] = 0.11
    assert bench_from_dict(tables, source="test").camera.quantum_efficiency == 0.11
    tables["light"]["wavelength"] = 1.3e-6
    assert bench_from_dict(tables, source="test").camera.quantum_efficiency == 0.11  # given beside the device
    del tables["camera"]["quantum_efficiency"]
    with pytest.raises(SpecError, match=r"quantum_efficiency from 4e-07 to 9e-07 m, not at 1\.3e-06 m"):
        bench_from_dict(tables, source="test")


def test_a_table_reads_linearly_into_nested_figures(tmp_path):
    text = (catalogue.DEVICES / "holoeye-pluto-2.toml").read_text()
    rows = '[at_wavelength]\n"response.range" = [[500e-9, 6.6], [600e-9, 5.4]]\n\n[source]'
    (tmp_path / "mine.toml").write_text(text.replace("[source]", rows, 1))
    device = catalogue.load("mine", search=tmp_path)
    assert device.at(525e-9)["response"] == {"range": pytest.approx(6.3)}
    (tmp_path / "mine.toml").write_text(text.replace("[source]", rows.replace("600e-9", "400e-9"), 1))
    with pytest.raises(SpecError, match=r"two or more .* rows of rising wavelength"):
        catalogue.load("mine", search=tmp_path)


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
