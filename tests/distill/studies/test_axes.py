"""`--vary` as text, and values at a path."""

from __future__ import annotations

import pytest

from distill.studies.axes import bench_with, flaw_with, flaws, parse, student_with, value_at
from optics.bench.files import load_bench
from optics.bench.spec import BenchSpec
from optics.checks import SpecError
from tests.distill.exportbench import BENCH
from tests.distill.studies.studybench import student


@pytest.mark.parametrize(
    ("text", "path", "values", "log"),
    [
        ("slm.bits=1..8", "slm.bits", (1, 2, 3, 4, 5, 6, 7, 8), False),
        ("bench.slm.bits = 4..2", "slm.bits", (4, 3, 2), False),
        ("light.photons=1e1..1e5:log:5", "light.photons", (10.0, 100.0, 1000.0, 10000.0, 100000.0), True),
        ("light.photons=10..1000:3:log", "light.photons", (10, 100, 1000), True),
        ("slm.crosstalk=0..1:5", "slm.crosstalk", (0.0, 0.25, 0.5, 0.75, 1.0), False),
        ("slm.crosstalk=0.0..1:5", "slm.crosstalk", (0.0, 0.25, 0.5, 0.75, 1.0), False),
        ("slm.crosstalk=0.25..0.75:2", "slm.crosstalk", (0.25, 0.75), False),
        ("alignment.camera_axial=-1e-3..1e-3:3", "alignment.camera_axial", (-1e-3, 0.0, 1e-3), False),
        ("camera.read_noise=1,2.5,10", "camera.read_noise", (1, 2.5, 10), False),
        ("alignment.mask_shift=[0, 0],[1e-5, 0]", "alignment.mask_shift", ([0, 0], [1e-5, 0]), False),
        ("encoding.method=blazed,double_phase", "encoding.method", ("blazed", "double_phase"), False),
        ("student.backend.hidden=[],[16]", "student.backend.hidden", ([], [16]), False),
    ],
)
def test_what_is_varied(text, path, values, log):
    axis = parse(text)
    assert (axis.path, axis.values, axis.log) == (path, values, log)


def test_a_range_without_a_number_of_values_has_eight():
    assert len(parse("light.photons=1e1..1e5:log").values) == 8
    assert parse("light.photons=1e1..1e5:log").values[::7] == (10.0, 1e5)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("slm.bits", "PATH=VALUES"),
        ("=1..3", "PATH=VALUES"),
        ("slm.bits=1..8:cubic", "'cubic'"),
        ("light.photons=0..5:log", "positive"),
        ("slm.bits=3..3", "differ"),
        ("slm.bits=a..8", "'a'"),
        ("slm.bits=1..100000", "add a number of them"),
        ("slm.bits=1,[2", "values are"),
    ],
)
def test_a_mistake_is_told_with_what_would_be_right(text, part):
    with pytest.raises(SpecError, match="--vary") as caught:
        parse(text)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "value", "read"),
    [
        ("slm.bits", 4, 4),
        ("alignment.mask_shift.y", 5e-6, 5e-6),
        ("alignment.mask_shift.x", 5e-6, 5e-6),
        ("lens1.zernike.11", 0.2, 0.2),
        ("camera.adc.bits", 10, 10),
        ("slm.crosstalk", 0.4, (0.4, 0.4)),
    ],
)
def test_a_value_at_a_path_is_set_and_nothing_else(path, value, read):
    made = bench_with(BENCH, path, value)
    assert value_at(made, path) == read
    assert bench_with(made, path, value_at(BENCH, path)).lens2 == BENCH.lens2
    if path.endswith(".y"):
        assert made.alignment.mask_shift[1] == BENCH.alignment.mask_shift[1]
    if "zernike" in path:
        assert made.lens1.zernike == {**BENCH.lens1.zernike, 11: 0.2}


@pytest.mark.parametrize(
    ("path", "part"),
    [("slm.bitz", "'bitz'"), ("laser.power", "'laser'"), ("slm.bits.x", "'x'"), ("slm.pitch", "metres")],
)
def test_a_path_or_value_that_the_bench_does_not_take(path, part):
    with pytest.raises(SpecError, match=part):
        bench_with(BENCH, path, 8.0)


def test_of_a_student_only_the_electronics():
    spec = student().spec
    assert student_with(spec, "readout.bins", (2, 2)).readout.bins == (2, 2)
    with pytest.raises(SpecError, match="electronics alone"):
        student_with(spec, "cascade.kernel_size", 5)


def test_the_flaws_of_a_bench_are_what_ideal_takes_away():
    found = flaws(BENCH)
    assert {"slm.bits", "slm.modulation", "camera.adc.black_level", "alignment.mask_shift"} <= set(found)
    assert "light.photons" not in found
    assert "alignment.magnification" not in found
    mended = BENCH
    ideal = BENCH.ideal()
    for path in sorted(found, key=lambda p: p != "slm.response.lut"):
        mended = bench_with(mended, path, value_at(ideal, path))
    assert mended == ideal
    assert flaws(load_bench("ideal-200mm")) == {}


@pytest.mark.parametrize("start", ["alone", "mended"])
def test_a_flaw_alone_leaves_the_converters_step_and_nothing_else(start):
    """A converter without a well would else count single electrons, and end at 2^bits of them."""
    bench = BENCH.replace(**{"camera.adc.gain": None, "camera.full_well": 10500.0, "camera.adc.bits": 12})
    ideal = bench.ideal()
    for path, value in flaws(bench).items():
        alone = start == "alone"
        made = (
            flaw_with(ideal, path, value, bench)
            if alone
            else flaw_with(bench, path, value_at(ideal, path), bench)
        )
        plain = bench_with(ideal, path, value) if alone else bench_with(bench, path, value_at(ideal, path))
        if made.camera.adc.bits is not None:
            assert made.camera.gain == bench.camera.gain, path
        if path not in ("camera.adc.bits", "camera.full_well"):
            assert made == plain, path
    told = bench.replace(**{"camera.adc.gain": 0.5})  # one that the bench names is a flaw of its own
    assert flaw_with(told.ideal(), "camera.adc.bits", 12, told).camera.adc.gain is None


_KNOWN = "known"
#: what a bench assumes, its flaw alone on the ideal bench and mended on its own: (put there, mended), by path
ASSUMED = {
    "a known shift": (
        {"assumed_alignment": _KNOWN},
        "alignment.mask_shift",
        "assumed_alignment.mask_shift",
        (0.0, 0.0),
    ),
    "another shift": (
        {"assumed_alignment": {"mask_shift": [3e-6, 0.0]}},
        "alignment.mask_shift",
        "assumed_alignment.mask_shift",
        (0.0, 0.0),
    ),
    "an efficiency": (
        {"assumed_camera": {"quantum_efficiency": 0.5}},
        "camera.quantum_efficiency",
        "assumed_camera.quantum_efficiency",
        None,
    ),
}


@pytest.mark.parametrize("case", ASSUMED)
def test_what_is_assumed_of_a_flaw_goes_with_it(case):
    told, path, assumed, mended = ASSUMED[case]
    own = BENCH.replace(**{"camera.quantum_efficiency": 0.7})
    bench = BenchSpec.model_validate(own.model_dump() | told)
    ideal, value = bench.ideal(), value_at(bench, path)
    assert path in flaws(bench)
    assert not any("assumed" in p for p in flaws(bench))
    alone = flaw_with(ideal, path, value, bench)
    assert value_at(alone, path) == value
    assert value_at(alone, assumed) == value_at(bench, assumed)
    without = flaw_with(bench, path, value_at(ideal, path), bench)
    assert value_at(without, path) == value_at(ideal, path)
    assert value_at(without, assumed) == mended


def test_a_figure_of_which_nothing_is_assumed_leaves_the_assumptions_alone():
    bench = BenchSpec.model_validate(BENCH.model_dump() | {"assumed_camera": {"dark_current": 7.0}})
    for path in ("camera.read_noise", "alignment.mask_shift", "slm.crosstalk"):
        made = flaw_with(bench, path, value_at(bench.ideal(), path), bench)
        assert made.assumed_camera == bench.assumed_camera and made.assumed_alignment is None
