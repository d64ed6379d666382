"""`sclc run` end to end, at tiny sizes, on whatever `student.on(bench)` can do: a table of runs, each proved."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
import torch

from distill import load
from distill.cli.main import main
from distill.export.read import read_export
from distill.job import config
from distill.job import toml as settings
from distill.pipeline import main_job
from distill.pipeline.single_steps import open_run
from tests.distill.exportbench import BENCH

SMALL = BENCH.replace(
    **{
        "slm.flicker": 0.0,
        "slm.crosstalk": (0.0, 0.0),
        "encoding.carrier": (0.25, 0.0),
        "lens1.zernike": {},
        "lens2.zernike": {},
        "lens1.diameter": None,
        "lens2.diameter": None,
        "camera.shape": (600, 600),
    }
)
RUN = """
[data]
source = "{data}"
[teacher.training]
epochs = 1
[student]
channels = [1, 2, 2]
bins = [4, 4]
[student.training]
epochs = 1
[refit]
epochs = 1
[bench]
source = "{bench}"
[calibration]
levels = 5
exposures = 2
[evaluation]
draws = 2
[export]
count = 3
[verify]
wave_images = 3
lightpipes_images = 1
processes = 1
"""
RUNS: dict[str, tuple[int, tuple[str, ...]]] = {  # channels of the images, and what the run says beside `RUN`
    "colours side by side": (3, ("student.cascade.channels=[3, 2]",)),
    "colours one by one": (
        3,
        ("student.cascade.channels=[3, 2]", 'student.readout.channel_sum="incoherent"'),
    ),
    "tiles": (1, ('student.realisation.kind="tiled"', "student.realisation.tiles=2")),
    "stages of fields": (1, ('student.realisation.kind="staged"', 'student.readout.kind="homodyne"')),
    "two wavelengths": (1, ("bench.light.spectrum=[[560e-9, 0.4]]",)),
    "an embedder": (1, ('student.backend.kind="embedder"',)),
    "a class per pixel": (1, ('student.backend.kind="segmenter"', 'teacher.name="unet"')),
}


def images(path, channels: int, *, pixels: bool = False):
    rng = np.random.default_rng(0)
    shape = (16, 16) if channels == 1 else (16, 16, channels)
    with h5py.File(path, "w") as file:
        for part in ("train", "test"):
            labels = np.arange(36) % 3
            shown = rng.integers(0, 60, (36, *shape))
            for i, label in enumerate(labels):  # a bright bar whose place is the class
                shown[i, 2 + 4 * label : 5 + 4 * label, 3:12] += 150
            file[f"{part}/images"] = shown.astype(np.uint8)
            if pixels:
                file[f"{part}/masks"] = (shown > 120).astype(np.uint8) * (1 + labels[:, None, None] % 2)
            else:
                file[f"{part}/labels"] = labels
    return path


@pytest.mark.parametrize("case", RUNS)
def test_a_run_is_exported_proved_and_taken_to_a_bench(case, tmp_path, capsys):
    channels, sets = RUNS[case]
    bench = tmp_path / "bench.toml"
    bench.write_text(settings.dump(SMALL.model_dump(mode="json")))
    file = tmp_path / "run.toml"
    data = images(tmp_path / "data.h5", channels, pixels=case == "a class per pixel")
    file.write_text(RUN.format(data=data, bench=bench))
    result = main_job.run(config.load(file, sets=sets), tmp_path / "run")
    assert result["verdict"]["passed"], result["verdict"]
    assert json.loads((tmp_path / "run" / "result.json").read_text())["verify"]["lightpipes"]["images"] == 1
    manifest = read_export(tmp_path / "run" / "export").manifest
    assert manifest.arranged.channels == channels
    wanted = {"a class per pixel": "pixels", "an embedder": "embeddings"}.get(case, "classes")
    assert manifest.kind == result["verify"]["wave"]["answers"] == wanted
    assert (tmp_path / "run" / "report.html").stat().st_size > 1000
    capsys.readouterr()
    _to_a_bench(tmp_path / "run", bench, tmp_path / "captures.h5", capsys)


def _to_a_bench(run, bench, file, capsys):
    """Captures of training images on that bench, and a back end fitted to them: for whatever a rig can show."""
    command = ["capture", str(run), "--rig", f"sim:{bench}", "--part", "train", "--images", "25"]
    if read_export(run / "export").manifest.arranged.way == "staged":
        assert main([*command, "-o", str(file)]) == 2
        assert "a rig drives one panel" in capsys.readouterr().err
        return
    assert main([*command, "-o", str(file), "--json"]) == 0
    captured, (job, out) = (
        json.loads(capsys.readouterr().out),
        (open_run(run, ()), file.with_suffix(".safetensors")),
    )
    assert captured["images"] == 25
    for options in ([], ["--own-answers"]):
        assert main(["refit", str(run), str(file), "-o", str(out), "--json", *options]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["images"] == 20 and told["held"] == 5 and told["of_test"] == 0
        assert told["metric"] == ("mean IoU" if job.splits.train.segmentation else "accuracy")
        assert 0 <= told["before"] <= 1 and 0 <= told["after"] <= 1
        before, after = (dict(n.backend.state_dict()) for n in (job.student("refit"), load(out)))
        assert any(not torch.equal(before[name], after[name]) for name in before)
    loop = [
        "loop",
        str(run),
        "--rig",
        f"sim:{bench}",
        "--images",
        "4",
        "--held",
        "2",
        "--epochs",
        "1",
        "--batch",
        "4",
    ]
    assert main([*loop, "--test", "2", "-o", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    frames = captured["patterns"]
    assert told["images"] == 6 and told["frames"] == 6 * frames and 0 <= told["after"] <= 1
