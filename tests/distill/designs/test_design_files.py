"""What is wrong with a design's directory is named, by the reader and by the command; a good one passes there."""

from __future__ import annotations

import json
import shutil

import h5py
import numpy as np
import pytest

from distill import design, read_export
from distill.cli.main import main
from distill.export.design_files import read_design
from distill.export.manifest import entry
from distill.export.write import check_directory
from distill.verify.point_sources import prove_points
from optics.bench.write import bench_text
from optics.errors import OpticsError
from optics.files import image_bytes
from tests.distill.designs.bench import PANEL, SHAPE, bench

BENCH = bench()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    where = tmp_path_factory.mktemp("designs") / "whole"
    design(
        "gabor:count=2,size=5",
        bench=BENCH,
        directory=where,
        image_shape=SHAPE,
        pictures=0,
        compare=False,
        prove=False,
        lab=False,
    )
    return where


@pytest.fixture
def copy(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "copy")


def _edit(folder, change):
    path = folder / "manifest.json"
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def _replace(folder, name, data):
    """Another file, and its hash in the manifest: a change that no hash betrays."""
    (folder / name).write_bytes(data)
    _edit(folder, lambda m: m["files"].update({name: entry(data).model_dump()}))


def _changed_pixel(folder):
    path = folder / "slm/frame-000.png"
    levels = read_design(folder)[2].levels[0].numpy().astype(np.uint8)
    levels[PANEL[0] // 2, PANEL[1] // 2] += 1
    path.write_bytes(image_bytes(levels))


def _changed_pixel_and_hash(folder):
    levels = read_design(folder)[2].levels[0].numpy().astype(np.uint8)
    levels[PANEL[0] // 2, PANEL[1] // 2] += 1
    _replace(folder, "slm/frame-000.png", image_bytes(levels))


def _turned_device(manifest):
    manifest["device"]["shape"] = [PANEL[1], PANEL[0]]


def _other_levels(folder):
    with h5py.File(folder / "masks.h5", "r+") as file:
        file["psfs"][...] = np.nan
    _replace(folder, "masks.h5", (folder / "masks.h5").read_bytes())


WRONG = {
    "changed pixel": (_changed_pixel, r"frame-000.png (has \d+ bytes|has another sha256)"),
    "changed pixel and hash": (_changed_pixel_and_hash, "frame-000.png differs from frame 0 of key levels"),
    "missing frame": (lambda d: (d / "slm/frame-001.png").unlink(), "frame-001.png"),
    "missing frame, unlisted": (
        lambda d: _edit(d, lambda m: m["files"].pop("slm/frame-001.png")),
        "frame-001.png' is not among the files",
    ),
    "one frame less": (
        lambda d: _edit(d, lambda m: (m["slm_frames"].pop(), m["scales"].pop())),
        "key levels has shape",
    ),
    "swapped order": (
        lambda d: _edit(d, lambda m: m["slm_frames"].reverse()),
        "frame-001.png differs from frame 0 of key levels in masks.h5; it shows frame 1",
    ),
    "twice the same": (
        lambda d: _edit(d, lambda m: m["slm_frames"].__setitem__(1, m["slm_frames"][0])),
        "names a file twice",
    ),
    "wrong device": (lambda d: _edit(d, _turned_device), "device.shape is .* the wrong device"),
    "wrong wavelength": (
        lambda d: _edit(d, lambda m: m.update(wavelength=633e-9)),
        "wavelength is 6.33e-07 and its bench says",
    ),
    "newer manifest": (
        lambda d: _edit(d, lambda m: m.update(schema_version=9)),
        "schema_version is 9, this package reads 1",
    ),
    "unknown key": (lambda d: _edit(d, lambda m: m.update(colour="red")), "colour"),
    "a point beside the display": (
        lambda d: _edit(d, lambda m: m["points"].__setitem__(0, [99, 0])),
        "does not lie on the display",
    ),
    "a file outside": (
        lambda d: _edit(d, lambda m: m["files"].update({"../x": {"sha256": "0" * 64, "bytes": 1}})),
        "does not lie inside",
    ),
    "not finite": (_other_levels, "key psfs holds numbers that are not finite"),
    "no manifest": (lambda d: (d / "manifest.json").unlink(), "has no manifest.json"),
    "no JSON": (lambda d: (d / "manifest.json").write_text("{"), "is not JSON"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named(copy, name):
    spoil, said = WRONG[name]
    spoil(copy)
    with pytest.raises(OpticsError, match=said) as told:
        read_design(copy)
    assert "\n" not in str(told.value)


def test_a_design_is_no_networks_export(whole, copy):
    with pytest.raises(OpticsError, match="holds a spectral-cascade design, no spectral-cascade export"):
        check_directory(copy, True)
    _edit(copy, lambda m: m.update(format="spectral-cascade export"))
    with pytest.raises(OpticsError, match="no spectral-cascade design, so it is not replaced"):
        design("identity", bench=BENCH, directory=copy, overwrite=True, pictures=0, compare=False, lab=False)
    with pytest.raises(OpticsError, match="another kind of"):
        read_export(whole)


def test_frames_of_another_design_fail_in_both_engines(copy):
    """Levels turned upside down, everything hashed anew: the reader cannot know, the engines do."""
    levels = read_design(copy)[2].levels.flip(1).numpy().astype(np.uint8)
    with h5py.File(copy / "masks.h5", "r+") as file:
        file["levels"][...] = levels
    _replace(copy, "masks.h5", (copy / "masks.h5").read_bytes())
    for i, frame in enumerate(levels):
        _replace(copy, f"slm/frame-{i:03d}.png", image_bytes(frame))
    proof = prove_points(copy, processes=1)
    verdict = proof.judged()
    assert not verdict.passed
    assert proof.wave.worst_psf_error > 0.3 and proof.lightpipes.worst_psf_error > 0.3
    assert len(verdict.failures) == 2 and "Both engines differ" in verdict.notes[-1]


def test_lightpipes_may_be_given_some_of_the_frames(whole):
    proof = prove_points(whole, lightpipes_frames=1, processes=1)
    assert (proof.wave.masks, proof.lightpipes.masks) == (2, 1)
    verdict = proof.judged()
    assert verdict.passed and "LightPipes was given 1 of 2 masks" in verdict.notes[0]
    with pytest.raises(OpticsError, match="give 1 or more"):
        prove_points(whole, lightpipes_frames=0)


def test_the_commands(tmp_path, capsys):
    (tmp_path / "bench.toml").write_text(bench_text(BENCH))
    where = tmp_path / "out"
    call = ["design", "donut:radius=2", "--bench", str(tmp_path / "bench.toml"), "-o", str(where)]
    call += ["--image", "10x12", "--pictures", "0", "--no-compare", "--no-lab"]
    assert main([*call, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["verdict"]["passed"] and told["target"] == "donut:radius=2"
    assert main(call) == 2
    told = capsys.readouterr().err
    assert "holds an export already" in told and "--overwrite" in told  # the option, as one types it
    assert main([*call, "--overwrite", "--no-prove", "--carrier", "0.25,0.1"]) == 0
    assert "zero order" in capsys.readouterr().out
    assert main(["verify", str(where), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["lightpipes"]["masks"] == 1
    assert main(["verify", str(where), "--lightpipes-counts-error", "1e-6"]) == 1
    assert "Failed: LightPipes: the field of a point behind mask 0" in capsys.readouterr().out
    assert main([*call[:-4], "--origin", "left"]) == 2


def test_a_folder_of_other_things_is_told_before_anything_is_designed(tmp_path, monkeypatch):
    (tmp_path / "mine.txt").write_text("mine")
    monkeypatch.setattr("distill.designs.designer.lay_out", None)  # nothing is designed
    with pytest.raises(OpticsError, match="is not empty and holds no export"):
        design("identity", bench=BENCH, directory=tmp_path, pictures=0, compare=False, lab=False)
