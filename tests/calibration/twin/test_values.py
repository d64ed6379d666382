"""Single numbers of a bench by name; tolerances; probes that tell most."""

from __future__ import annotations

import pytest
import torch

from calibration.twin.parameters import Tolerances, as_fitted, bench_parameters
from calibration.twin.probes import choose_probes, expected_bench, frame_information, probe_candidates
from calibration.twin.values import get_value, set_values
from optics.bench.files import bench_names, load_bench
from optics.bench.write import bench_text
from optics.checks import SpecError
from tests.calibration import benches as small

NAMES = {
    "slm.response.gamma": 1.3,
    "alignment.mask_shift.1": 2e-5,
    "lens1.zernike.7": 0.2,
    "camera.adc.black_level": 12.0,
    "light.photons": 1e3,
}


@pytest.mark.parametrize(("name", "value"), NAMES.items())
def test_a_number_is_set_and_read_by_its_name_and_nothing_else_changes(name, value):
    bench = small.bench()
    changed = set_values(bench, {name: value})
    assert get_value(changed, name) == value
    back = set_values(changed, {name: get_value(bench, name)})
    assert back.replace(**{"lens1.zernike": {}}) == bench


@pytest.mark.parametrize("name", ["slm.shape.5", "slm.respons", "name", "alignment", "slm.modulation"])
def test_what_is_no_number_is_refused(name):
    with pytest.raises(SpecError, match="number"):
        get_value(small.bench(), name)


@pytest.mark.parametrize("name", bench_names())
def test_a_bench_is_written_and_read_back_the_same(name, tmp_path):
    bench = load_bench(name)
    (tmp_path / "bench.toml").write_text(bench_text(bench, notes={"slm.pitch": "measured"}, heading=["here"]))
    assert load_bench(tmp_path / "bench.toml") == bench


def test_parameters_are_those_that_the_bench_has():
    names = [p.name for p in bench_parameters(small.bench())]
    assert len(names) == len(set(names)) == 16 + 3 * 12
    amplitude = {"slm.modulation": "amplitude", "encoding.method": "interferogram", "lens1.diameter": None}
    fewer = [p.name for p in bench_parameters(small.bench(**amplitude))]
    assert "slm.response.range" not in fewer and "lens1.zernike.4" not in fewer
    for p in bench_parameters(small.bench(), Tolerances(gamma=0.5)):
        assert p.number(p.own(p.number(p.mean))) == pytest.approx(p.number(p.mean))
        if p.name == "slm.response.gamma":
            assert p.sigma == 0.5


def test_chosen_probes_tell_more_than_as_many_in_turn():
    bench = small.bench()
    candidates = probe_candidates(bench, small.IMAGE, 6, generator=small.generator())
    assert int(candidates.levels.max()) <= 255 and len({candidates.digest(i) for i in range(6)}) == 6
    chosen, gains = choose_probes(bench, candidates, 2, zernikes=(5,))
    assert len(set(chosen)) == 2 and gains == sorted(gains, reverse=True) and gains[-1] > 0
    parameters = bench_parameters(bench, zernikes=(5,))
    some = sorted({*chosen, 0, 1})
    information = frame_information(expected_bench(bench, parameters), candidates[some], parameters)

    def told(which):
        total = information[[some.index(k) for k in which]].sum(0) + torch.eye(len(parameters)).double()
        return float(torch.linalg.slogdet(total)[1])

    assert told(chosen) > told([0, 1])
    with pytest.raises(SpecError, match="cannot be chosen"):
        choose_probes(bench, candidates, 9)
    with pytest.raises(SpecError, match="no levels"):
        probe_candidates(bench.ideal(), small.IMAGE, 2, generator=small.generator())


def test_tables_and_sections_come_back_too(tmp_path):
    bench = small.bench(**{"slm.response.sections": ((1.0, 1.1), (0.9, 1.0)), "slm.curvature": {4: 0.1}})
    (tmp_path / "bench.toml").write_text(bench_text(bench))
    assert load_bench(tmp_path / "bench.toml") == bench


def test_a_knot_bends_the_table_to_its_neighbours_and_no_farther():
    lut = tuple(k * 0.02 for k in range(256))
    bench = small.bench(**{"slm.response.lut": lut})
    changed = set_values(bench, {"slm.response.lut.2of4": lut[128] + 0.3})
    new = changed.slm.response.lut
    assert get_value(changed, "slm.response.lut.2of4") == pytest.approx(lut[128] + 0.3)
    assert new[:65] == lut[:65] and new[191:] == lut[191:] and new[96] > lut[96]
    both = set_values(bench, {f"slm.response.lut.{k}of4": 0.1 + lut[round(k * 255 / 4)] for k in range(5)})
    assert both.slm.response.lut == pytest.approx([v + 0.1 for v in lut])


def test_a_knot_that_would_make_the_table_fall_stops_where_it_is_flat():
    bench = small.bench(**{"slm.response.lut": tuple(k * 0.02 for k in range(256))})
    low = set_values(bench, {"slm.response.lut.3of4": -1.0}).slm.response.lut
    assert list(low) == sorted(low)


def test_the_response_is_fitted_in_the_form_that_is_asked_for():
    bench, tolerances = small.bench(), Tolerances(knots=4, section_grid=(2, 3))
    fitted = as_fitted(bench, tolerances)
    names = {p.name for p in bench_parameters(fitted, tolerances)}
    assert {"slm.response.lut.0of4", "slm.response.lut.4of4", "slm.response.sections.1.2"} <= names
    assert "slm.response.range" not in names and as_fitted(bench, Tolerances()) is bench
    model_values = {n: get_value(fitted, n) for n in names if "response" in n}
    assert set_values(fitted, model_values) == fitted
    with pytest.raises(SpecError, match="2 x 3"):
        as_fitted(fitted, Tolerances(section_grid=(4, 4)))
