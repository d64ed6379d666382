"""What can go wrong between the computer and the lab, each named in one line by `verify`: a table.

Kinds: the files are not what the manifest says (hashes), they agree with the manifest but not with each other, or they
are whole and show something else, which only light can tell. The last fail by the counts of both engines.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from distill.export.manifest import entry
from distill.export.write import export
from distill.verify.verification import verify
from optics.checks import OpticsError
from tests.distill.exportbench import BENCH, dataset, network


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("damage") / "out"
    export(network(), folder, inputs=dataset(), count=3)
    return folder


@pytest.fixture
def copy(exported, tmp_path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "copy"))


def manifest_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "manifest.json").read_text())


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    (folder / "manifest.json").write_text(json.dumps(manifest))


def rehash(folder: Path) -> None:
    """As a tool would that knows the format: the manifest agrees with what is there."""
    manifest = manifest_of(folder)
    for name in manifest["files"]:
        manifest["files"][name] = entry((folder / name).read_bytes()).model_dump()
    write_manifest(folder, manifest)


def pixels(folder: Path, name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    with Image.open(folder / "slm" / name) as image:
        values = np.array(image)
    Image.fromarray(change(values)).save(folder / "slm" / name)


def one_pixel(values: np.ndarray) -> np.ndarray:
    values = values.copy()
    values[60, 70] ^= 1
    return values


def a_changed_pixel(folder: Path) -> None:
    pixels(folder, "frame-001.png", one_pixel)


def a_changed_pixel_that_was_hashed(folder: Path) -> None:
    a_changed_pixel(folder)
    rehash(folder)


def a_missing_frame(folder: Path) -> None:
    (folder / "slm" / "frame-002.png").unlink()


def a_frame_left_out(folder: Path) -> None:
    manifest = manifest_of(folder)
    manifest["slm_frames"].pop()
    manifest["scales"].pop()
    manifest["mask_scales"].pop()
    manifest["exposures"].pop()
    write_manifest(folder, manifest)


def swapped_files(folder: Path) -> None:
    one, other = (folder / "slm" / f"frame-00{i}.png" for i in (0, 3))
    kept = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(kept)


def swapped_files_that_were_hashed(folder: Path) -> None:
    swapped_files(folder)
    rehash(folder)


def a_swapped_order(folder: Path) -> None:
    manifest = manifest_of(folder)
    manifest["slm_frames"][:2] = reversed(manifest["slm_frames"][:2])
    write_manifest(folder, manifest)


def another_device(folder: Path) -> None:
    manifest = manifest_of(folder)
    manifest["device"] |= {"shape": [1080, 1920], "catalogue": "holoeye-pluto-2"}
    write_manifest(folder, manifest)


def another_device_everywhere(folder: Path) -> None:
    """Manifest and bench agree on a panel of another size; the files do not."""
    manifest = manifest_of(folder)
    manifest["device"]["shape"] = manifest["bench"]["slm"]["shape"] = [128, 160]
    write_manifest(folder, manifest)


def another_wavelength(folder: Path) -> None:
    write_manifest(folder, manifest_of(folder) | {"wavelength": 633e-9})


def a_newer_manifest(folder: Path) -> None:
    write_manifest(folder, manifest_of(folder) | {"schema_version": 5, "package_version": "9.1"})


def a_key_of_another_time(folder: Path) -> None:
    write_manifest(folder, manifest_of(folder) | {"colour_of_the_laser": "green"})


def more_stages_than_frames(folder: Path) -> None:
    manifest = manifest_of(folder)
    manifest["arrangement"]["stages"] = [{"outputs": 2, "inputs": 1, "reach": 1}]
    write_manifest(folder, manifest)


def other_scales(folder: Path) -> None:
    write_manifest(folder, manifest_of(folder) | {"mask_scales": [1.0]})


NAMED: dict[str, tuple[Callable[[Path], None], tuple[str, ...]]] = {
    f.__name__.replace("_", " "): (f, words)
    for f, words in (
        (a_changed_pixel, ("frame-001.png", "altered")),
        (a_changed_pixel_that_was_hashed, ("masks.h5", "1 pixels", "frame 1 at row 60, column 70")),
        (a_missing_frame, ("frame-002.png", "there is no file")),
        (a_frame_left_out, ("masks.h5", "a frame is missing")),
        (swapped_files, ("frame-000.png", "altered")),
        (swapped_files_that_were_hashed, ("the same frames in another order (3, 1, 2, 0",)),
        (a_swapped_order, ("the same frames in another order (1, 0, 2, 3",)),
        (another_device, ("manifest.json", "device.shape is (1080, 1920)", "its bench says (120, 150)")),
        (another_device_everywhere, ("frame-000.png", "120 x 150 pixels", "the SLM 128 x 160")),
        (another_wavelength, ("manifest.json", "wavelength")),
        (a_newer_manifest, ("schema_version is 5", "reads 1 to 4", "9.1")),
        (a_key_of_another_time, ("manifest.json", "colour_of_the_laser")),
        (more_stages_than_frames, ("manifest.json", "arrangement", "4 frames for stages of 2 masks")),
        (other_scales, ("manifest.json", "1 mask_scales for 4 masks")),
    )
}


@pytest.mark.parametrize("damage", NAMED)
def test_what_is_not_whole_is_named_in_one_line(damage, copy):
    change, words = NAMED[damage]
    change(copy)
    with pytest.raises(OpticsError) as error:
        verify(copy, wave_images=1, lightpipes_images=0)
    text = str(error.value)
    assert "\n" not in text
    for word in words:
        assert word in text, text


def test_the_command_says_it_in_one_line(copy):
    from distill.cli.main import app

    a_swapped_order(copy)
    outcome = CliRunner().invoke(app, ["verify", str(copy)])
    assert outcome.exit_code != 0
    assert "another order" in outcome.output + str(outcome.exception)


# ---------------------------------------------------------------------- whole, but something else is shown


def levels_everywhere(folder: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Files, their copy and the manifest agree."""
    names = manifest_of(folder)["slm_frames"]
    with h5py.File(folder / "masks.h5", "a") as file:
        levels = change(file["levels"][()])
        file["levels"][...] = levels
    for name, frame in zip(names, levels, strict=True):
        pixels(folder, Path(name).name, lambda _, frame=frame: frame)
    rehash(folder)


SHOWN = {
    "frames in another order": lambda levels: levels[[1, 0, 2, 3]],
    "a dark patch": lambda levels: np.where(np.indices(levels.shape)[1] < 60, 0, levels).astype(levels.dtype),
    "one level more": lambda levels: (levels + np.indices(levels.shape)[2] // 2).astype(levels.dtype),
}


@pytest.mark.parametrize("case", SHOWN)
def test_what_is_whole_and_shows_something_else_fails_in_both_engines(case, copy):
    levels_everywhere(copy, SHOWN[case])
    verdict = verify(copy, wave_images=3, lightpipes_images=1, processes=1).judged()
    assert not verdict.passed
    assert {(f.engine, f.what) for f in verdict.failures} >= {
        ("wave path", "counts"),
        ("LightPipes", "counts"),
    }
    assert "another bench, order, orientation or response" in verdict.line


def test_a_bench_that_is_not_the_one_of_the_counts_fails(copy):
    manifest = manifest_of(copy)
    manifest["bench"]["alignment"]["mask_shift"] = [s + 2e-5 for s in BENCH.alignment.mask_shift]
    write_manifest(copy, manifest)
    assert not verify(copy, wave_images=3, lightpipes_images=0).judged().passed
