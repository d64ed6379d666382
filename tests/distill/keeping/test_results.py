"""Finished runs kept as small files: what is kept, what is refused, and the table over seeds against sums by hand."""

from __future__ import annotations

import json
import math
import shutil
import statistics

import pytest

from distill.cli.main import main
from distill.job.config import load
from distill.job.result import Result
from distill.keeping.kept_run import keep, read_kept
from distill.keeping.table import results
from distill.training.checkpoint import load as load_network
from optics.bench.files import BENCHES
from optics.errors import OpticsError


@pytest.fixture
def run(fast_run, tmp_path):
    shutil.copytree(fast_run, tmp_path / "run", ignore=shutil.ignore_patterns("export"))
    return tmp_path / "run"


def _changed(run, seed, shift):
    """The same run with another seed and other figures."""
    path = run / "result.json"
    data = json.loads(path.read_text())
    data["config"]["seed"] = seed
    for row in data["rows"].values():
        row["accuracy"] = row["accuracy"] - shift
    data["gain"]["mean"] += 3 * shift
    path.write_text(json.dumps(data))


def test_what_is_kept_is_small_whole_and_names_no_place_of_this_machine(run, tmp_path):
    kept = keep(run, tmp_path / "results")
    place = tmp_path / "results" / f"{kept.name}-seed0"
    names = {p.name for p in place.iterdir()}
    assert names == {
        "kept.json",
        "result.json",
        "config.toml",
        "history.csv",
        "network.safetensors",
        "rows.png",
    }
    assert set(kept.files) == names - {"kept.json"}
    assert sum(p.stat().st_size for p in place.iterdir()) < 2_000_000
    for name in ("kept.json", "result.json", "config.toml", "history.csv"):
        assert str(tmp_path) not in (place / name).read_text()
    assert Result.read(place / "result.json").rows == Result.read(run / "result.json").rows
    assert load(place / "config.toml").student == load(run / "config.toml").student
    network = load_network(place / "network.safetensors")
    electronics = sum(p.numel() for p in network.backend.parameters())
    optics = sum(p.numel() for p in network.cascade.parameters())
    assert kept.parameters["refit"] == (optics, electronics)
    lines = (place / "history.csv").read_text().splitlines()
    assert {line.split(",")[0] for line in lines[1:]} >= {
        "teacher",
        "linear",
        "linear_kd",
        "random_masks",
        "no_mask",
    }
    assert keep(run, tmp_path / "results") == kept  # the same once more changes nothing


def test_runs_that_differ_in_their_seed_are_one_line_and_others_are_not(run, tmp_path):
    folder = tmp_path / "results"
    figures, gains = [], []
    for seed, shift in enumerate((0.0, 0.01, 0.05)):
        _changed(run, seed, shift)
        keep(run, folder)
        result = Result.read(run / "result.json")
        figures.append(result.rows)
        gains.append((result.gain.mean, result.gain.sampling))
    (line,) = results(folder=folder).lines
    assert line.seeds == (0, 1, 2)
    for name, figure in line.rows.items():
        values = [getattr(rows, name).accuracy for rows in figures]
        assert figure.mean == pytest.approx(statistics.mean(values))
        assert figure.spread == pytest.approx(statistics.stdev(values))
    gain, error = line.gain
    assert gain == pytest.approx(statistics.mean(g[0] for g in gains))
    seeds = statistics.stdev(g[0] for g in gains) / math.sqrt(3)
    assert error == pytest.approx(math.hypot(statistics.mean(g[1] for g in gains), seeds))
    data = json.loads((run / "result.json").read_text())
    data["name"] = "wider"
    data["config"]["student"]["backend"]["hidden"] = [12]
    (run / "result.json").write_text(json.dumps(data))
    assert [line.name for line in results([run], folder=folder).lines] == [line.name, "wider"]


def test_a_run_without_controls_and_with_other_noise_draws_is_a_repeat_of_one_that_has_them(run, tmp_path):
    keep(run, tmp_path / "results")
    data = json.loads((run / "result.json").read_text())
    data["config"] |= {"seed": 1}
    data["config"]["student"]["controls"] = []
    data["config"]["evaluation"]["draws"] += 2
    data["rows"] |= {"random_masks": None, "no_mask": None}
    data["operations"] |= {"random_masks": None, "no_mask": None}
    (run / "result.json").write_text(json.dumps(data))
    (line,) = results([run], folder=tmp_path / "results").lines
    assert line.seeds == (0, 1)
    assert line.rows["linear"].seeds == 2
    first = Result.read(tmp_path / "results" / line.folders[0] / "result.json").rows
    assert line.rows["random_masks"].mean == first.random_masks.accuracy
    assert line.operations["random_masks"] == line.operations["linear"]


def test_controls_of_the_labels_alone_are_told_and_not_mixed_with_distilled_ones(run, tmp_path):
    folder, path = tmp_path / "results", run / "result.json"
    first = Result.read(path).rows

    def kept(seed, *, distilled, lens):
        data = json.loads(path.read_text())
        data["config"]["seed"] = seed
        data["config"]["student"]["distilled_controls"] = distilled
        data["rows"]["no_mask"] |= {"accuracy": lens, "spread": 0.0}
        path.write_text(json.dumps(data))
        (line,) = results([run], folder=folder).lines
        return line

    line = kept(0, distilled=False, lens=0.5)
    assert line.on_labels == ("random_masks", "no_mask")
    assert (
        line.cell("no_mask") == "50.0 ± 0.0 (labels)"
        and "50.0 ± 0.0 (labels)" in results(folder=folder).markdown()
    )
    assert "labels" not in line.cell("linear_kd") and line.cell("shuffled") is None
    line = kept(1, distilled=False, lens=0.7)
    assert line.rows["no_mask"].mean == pytest.approx(0.6)
    line = kept(2, distilled=True, lens=0.8)
    assert line.seeds == (0, 1, 2) and line.on_labels == ()
    assert line.cell("no_mask") == "80.0 ± 0.0 (seed 2)" and line.rows["linear_kd"].seeds == 3
    assert line.rows["random_masks"].mean == first.random_masks.accuracy


def _named(run, place, seed):
    """The same run with another seed and files of `place` in every key that names one."""
    place.mkdir()
    (place / "phase.csv").write_text("\n".join(str(1.1 * k / 256) for k in range(256)))
    (place / "config.toml").write_text((BENCHES / "pluto2-200mm.toml").read_text())
    data = json.loads((run / "result.json").read_text())
    response = {"response": {"file": str(place / "phase.csv"), "unit": "turns"}}
    data["config"]["seed"] = seed
    data["config"]["bench"] |= {"source": str(place / "config.toml"), "slm": response}
    data["config"]["data"]["unlabelled"] = str(place / "pictures")
    teacher = {"module": f"{place / 'my.py'}:Net", "weights": str(place / "net.safetensors")}
    data["config"]["teacher"] |= teacher
    (run / "result.json").write_text(json.dumps(data))


def test_files_of_two_places_are_one_recipe_and_those_of_the_bench_are_kept(run, tmp_path):
    for seed in (0, 1):
        _named(run, tmp_path / f"place{seed}", seed)
        (line,) = results([run], folder=tmp_path / "results").lines
    assert line.seeds == (0, 1)
    place = tmp_path / "results" / line.folders[1]
    for file in (p for p in place.iterdir() if p.suffix in (".json", ".toml", ".csv")):
        assert str(tmp_path) not in file.read_text(), file
    told = load(place / "config.toml")
    assert told.bench.source == str(place / "bench.source-config.toml")
    assert told.bench.slm["response"]["file"] == str(place / "phase.csv")
    assert (told.data.unlabelled, told.teacher.weights) == ("pictures", "net.safetensors")
    assert told.teacher.module == "my.py:Net"
    assert {"phase.csv", "bench.source-config.toml"} <= set(read_kept(place).files)


def test_a_seed_counts_once(run, tmp_path):
    keep(run, tmp_path / "results")
    data = json.loads((run / "result.json").read_text())
    data |= {"name": "again", "finished": "2999-01-01T00:00:00Z"}
    data["config"]["name"] = "again"
    data["rows"]["linear"]["accuracy"] = 0.25
    (run / "result.json").write_text(json.dumps(data))
    (line,) = results([run], folder=tmp_path / "results").lines
    assert (line.seeds, line.folders) == ((0,), ("again-seed0",))
    assert line.rows["linear"].mean == 0.25


def test_what_cannot_be_kept_or_was_changed_is_named(run, tmp_path):
    folder = tmp_path / "results"
    with pytest.raises(OpticsError, match="holds no kept runs; name finished ones"):
        results(folder=folder)
    place = folder / f"{keep(run, folder).name}-seed0"
    with (place / "history.csv").open("a") as file:
        file.write("linear,99,0,1,0,1,0,0\n")
    with pytest.raises(OpticsError, match=r"history\.csv was changed: its sha256"):
        results(folder=folder)
    keep(run, folder, overwrite=True)
    data = json.loads((run / "result.json").read_text())
    (run / "result.json").write_text(json.dumps(data | {"finished": "2030-01-01T00:00:00Z"}))
    with pytest.raises(OpticsError, match="is there already; add --overwrite"):
        keep(run, folder)
    (place / "rows.png").unlink()
    with pytest.raises(OpticsError, match=r"rows\.png is missing"):
        read_kept(place)
    (run / "result.json").unlink()
    with pytest.raises(
        OpticsError, match=rf"finish the run first: sclc run {run}/config.toml --output {run} --resume"
    ):
        keep(run, folder)
    (run / "steps.json").unlink()
    with pytest.raises(OpticsError, match="holds no run"):
        keep(run, folder)


def test_the_command_keeps_and_shows(run, tmp_path, capsys):
    folder = tmp_path / "results"
    assert main(["results", str(run), "-o", str(folder)]) == 0
    assert "distilled less labels alone" in capsys.readouterr().out
    assert main(["results", "-o", str(folder), "--markdown"]) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].startswith("| set | figure |") and len(table) == 3
    assert main(["results", "-o", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["lines"][0]["seeds"] == [0]
    assert main(["results", str(tmp_path / "nowhere"), "-o", str(folder)]) == 2
    assert "nowhere holds no run" in capsys.readouterr().err
