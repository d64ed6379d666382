import math
import re
from pathlib import Path

import pytest

from optics.bench import catalogue
from optics.bench.files import BENCHES, bench_from_dict, bench_names, load_bench
from optics.bench.spec import BenchSpec
from optics.checks import SpecError
from optics.toml_errors import Lines, model_at

GOOD = """name = "mine"
[light]
wavelength = 532e-9
[input]
pitch = 32e-6
[lens1]
focal_length = 0.2
diameter = 25.4e-3
zernike = { 4 = 0.05 }
[slm]
device = "holoeye-pluto-2"
crosstalk = 0.3
[slm.response]
range = 6.0
[lens2]
focal_length = 0.2
[camera]
device = "machine-vision-5mp"
binning = 8
adc.bits = 10
"""


def write(folder, text, name="bench.toml"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def message(folder, text):
    with pytest.raises(SpecError) as caught:
        load_bench(write(folder, text))
    said = str(caught.value)
    assert "\n" not in said
    return said.replace(str(folder), "")


def test_a_bench_takes_its_devices_figures_and_overrides_them(tmp_path):
    bench = load_bench(write(tmp_path, GOOD))
    assert bench.slm.shape == (1080, 1920)
    assert bench.slm.fill_factor == 0.93
    assert bench.slm.crosstalk == (0.3, 0.3)
    assert bench.slm.response.range == 6.0
    assert bench.lens1.zernike == {4: 0.05}
    assert bench.camera.binning == 8
    assert bench.camera.adc.bits == 10
    assert bench.camera.adc.black_level == 16.0
    assert bench.stop is None


def test_shipped_benches_load_by_name():
    assert {"pluto2-200mm", "ideal-200mm", "gaea2-150mm", "dmd-200mm"} <= set(bench_names())
    for name in bench_names():
        assert isinstance(load_bench(name), BenchSpec)
    demo = load_bench("pluto2-200mm")
    assert demo.slm.bits == 8
    assert demo.light.photons == 3e4
    assert demo.stop.width[0] == pytest.approx(demo.band, rel=1e-3)
    assert load_bench("pluto2-200mm.toml") == demo == load_bench(BENCHES / "pluto2-200mm.toml")


def test_a_bench_survives_a_dictionary():
    demo = load_bench("pluto2-200mm")
    assert bench_from_dict(demo.model_dump(mode="json"), source="manifest.json") == demo


def test_ideal_bench_has_no_flaw():
    bench = load_bench("ideal-200mm")
    assert bench.ideal() == bench


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        (
            "crosstalk = 0.3",
            "crostalk = 0.3",
            12,
            "unknown key 'slm.crostalk', did you mean 'crosstalk'? Known keys of [slm]",
        ),
        ("[lens2]", "[lense2]", 15, "unknown key 'lense2', did you mean 'lens2'?"),
        ("range = 6.0", "rnage = 6.0", 14, "unknown key 'slm.response.rnage', did you mean 'range'?"),
        (
            "adc.bits = 10",
            "adc.bit = 10",
            20,
            "'camera.adc.bit', did you mean 'bits'? Known keys of [camera.adc]",
        ),
        (
            "adc.bits = 10",
            "bits = 10",
            20,
            "unknown key 'camera.bits', did you mean 'adc.bits'? Known keys of [camera]",
        ),
        (
            '"holoeye-pluto-2"',
            '"holoeye-pluto2"',
            11,
            "unknown slm 'holoeye-pluto2'. Nearest: holoeye-pluto-2",
        ),
        ('"machine-vision-5mp"', '"holoeye-pluto-2"', 18, "is a slm, expected a camera: machine-vision-5mp"),
        (
            "pitch = 32e-6",
            "pitch = 32",
            5,
            "input.pitch = 32: expected metres, 1e-07 to 0.01; if 32 um was meant, write 3.2e-05",
        ),
        ("pitch = 32e-6", "pitch = -32e-6", 5, "input.pitch = -3.2e-05: expected metres, 1e-07 to 0.01"),
        ("wavelength = 532e-9", "wavelength = 0", 3, "light.wavelength = 0: expected metres"),
        ("wavelength = 532e-9", 'wavelength = "green"', 3, "light.wavelength = 'green'"),
        ("wavelength = 532e-9", "wavelength = nan", 3, "light.wavelength = nan"),
        ("pitch = 32e-6", "fill_factor = 0.5", 4, "[input] needs the key 'pitch'"),
        ("zernike = { 4 = 0.05 }", "zernike = { four = 0.05 }", 9, "lens1.zernike.four"),
        ("crosstalk = 0.3", "crosstalk = [0.3, 9]", 12, "between 0 and 4"),
        ("pitch = 32e-6", "pitch = 32e-6 um", 5, "not valid TOML"),
        (
            "crosstalk = 0.3",
            'crosstalk = 0.3\n[encoding]\nmethod = "lee"',
            14,
            'encoding.method "lee" does not belong to slm.modulation "phase"; use',
        ),
        ('name = "mine"', "", 1, "the top of the file needs the key 'name'"),
        ("[light]\nwavelength = 532e-9", 'light = "green"', 2, "light is 'green', expected a table [light]"),
    ],
)
def test_mistakes_are_named_with_file_line_and_key(tmp_path, old, new, line, words):
    assert old in GOOD
    said = message(tmp_path, GOOD.replace(old, new, 1))
    where = said.split(": ")[0]
    assert words in said
    if line == 1 and not new:
        assert where == "/bench.toml"
    elif words == "between 0 and 4":
        assert where in ("/bench.toml:10", "/bench.toml:12")
    else:
        assert where == f"/bench.toml:{line}"


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(SpecError, match=r"unknown bench 'pluto-200'\. Nearest: pluto2-200mm"):
        load_bench("pluto-200")
    with pytest.raises(SpecError, match=r"cannot read .*none\.toml: No such file"):
        load_bench(tmp_path / "none.toml")
    with pytest.raises(SpecError, match="cannot read"):
        load_bench(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"name = \xff\xfe")
    with pytest.raises(SpecError, match="UTF-8"):
        load_bench(tmp_path / "binary.toml")


def test_own_device_beside_the_bench_comes_before_the_catalogue(tmp_path):
    device = 'kind = "slm"\ntitle = "ours"\n[figures]\nshape = [100, 120]\npitch = 9e-6\n[source]\nshape = "counted"\n'
    write(tmp_path, device, "our-slm.toml")
    bench = load_bench(write(tmp_path, GOOD.replace("holoeye-pluto-2", "our-slm")))
    assert bench.slm.shape == (100, 120)
    assert load_bench(write(tmp_path, GOOD.replace("holoeye-pluto-2", "our-slm.toml"))).slm.pitch == 9e-6
    said = message(tmp_path, GOOD.replace("holoeye-pluto-2", "our-slmm"))
    assert "Nearest: our-slm" in said
    broken = write(tmp_path, device.replace("pitch", "pich"), "our-slm.toml")
    with pytest.raises(SpecError) as caught:
        catalogue.load("our-slm", search=tmp_path)
    assert str(caught.value).startswith(f"{broken}:5: unknown key 'pich', did you mean 'pitch'?")


def test_lines_of_keys():
    text = '# x = 1\na = [\n  1, # b = 2\n]\n"q r" = 3\n[t]\nb.c = 1\ntext = """\nd = 4\n"""\n[t.u]\ne = 5\n[[w]]\n'
    lines = Lines(text)
    assert lines.of(("a",)) == 2
    assert lines.of(("q r",)) == 5
    assert lines.of(("t", "b", "c")) == 7
    assert lines.of(("t", "d")) == 6
    assert lines.of(("t", "u", "e")) == 12
    assert lines.of(("b",)) is None


def keys(model=BenchSpec, path=()):
    for name, field in model.model_fields.items():
        part = model_at(BenchSpec, (*path, name))
        if part is None:
            yield ".".join((*path, name)), field
        else:
            yield from keys(part, (*path, name))


def shown(field):
    default = field.get_default(call_default_factory=True)
    if field.is_required():
        return "required"
    if default is None:
        return "absent"
    if default in ({}, ()):
        return "none"
    if default == 2 * math.pi:
        return "2 pi"
    if isinstance(default, tuple):
        return "[" + ", ".join(f"{v:g}" for v in default) + "]"
    return {bool: lambda: str(default).lower(), str: lambda: f'`"{default}"`'}.get(
        type(default), lambda: f"{default:g}"
    )()


def test_the_documentation_lists_every_key_with_its_ideal_value():
    text = (Path(__file__).parents[3] / "docs" / "benches.md").read_text(encoding="utf-8")
    rows = {m[1]: m for m in re.finditer(r"^\| `([\w.]+)` \| ([^|]+) \| ([^|]+) \| ([^\n]+) \|$", text, re.M)}
    fields = dict(keys())
    assert set(rows) == set(fields)
    for key, field in fields.items():
        assert rows[key][3] == shown(field), key
        is_flaw = isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("flaw")
        assert ("(*flaw*)" in rows[key][4]) == bool(is_flaw), key
    for name in bench_names():
        assert f"`{name}`" in text
