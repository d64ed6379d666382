"""Single numbers of a bench by name; tolerances; probes that tell most."""

from __future__ import annotations

import pytest
import torch

from calibration.twin.parameters import Tolerances, bench_parameters
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
    information = frame_information(expected_bench(bench, parameters), candidates, parameters)

    def told(which):
        return float(torch.linalg.slogdet(information[which].sum(0) + torch.eye(len(parameters)).double())[1])

    assert told(chosen) > told([0, 1])
    with pytest.raises(SpecError, match="cannot be chosen"):
        choose_probes(bench, candidates, 9)
    with pytest.raises(SpecError, match="no levels"):
        probe_candidates(bench.ideal(), small.IMAGE, 2, generator=small.generator())


def test_tables_and_sections_come_back_too(tmp_path):
    bench = small.bench(**{"slm.response.sections": ((1.0, 1.1), (0.9, 1.0)), "slm.curvature": {4: 0.1}})
    (tmp_path / "bench.toml").write_text(bench_text(bench))
    assert load_bench(tmp_path / "bench.toml") == bench
