"""What is exported comes back bit for bit, and what is not whole is refused with one line that names it."""

from __future__ import annotations

import errno
import io
import json
import os
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image
from safetensors.torch import save as empty_weights

from distill.export import write as exporting
from distill.export.frames import decode_frame, encode_frame
from distill.export.manifest import entry, read_manifest
from distill.export.write import export, read_export
from networks import Student
from optics.errors import FileError, OpticsError
from optics.fourf.stored_psf import point_spread
from tests.distill.exportbench import BENCH, SHAPE, dataset, network


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "out"
    on_bench = network()
    manifest = export(on_bench, folder, inputs=dataset(), count=6, bmp=True)
    return on_bench, folder, manifest


@pytest.fixture
def copy(made, tmp_path) -> Path:
    """A copy of the exported directory, to be damaged."""
    import shutil

    return Path(shutil.copytree(made[1], tmp_path / "copy"))


def replace_file(folder: Path, name: str, data: bytes) -> None:
    """Put another file in place and let the manifest agree, as a tool would that knows the format."""
    (folder / name).write_bytes(data)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] = entry(data).model_dump()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def edit_manifest(folder: Path, **changes) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | changes))


def refused(folder: Path, *words: str) -> None:
    with pytest.raises(OpticsError) as error:
        read_export(folder)
    text = str(error.value)
    assert "\n" not in text
    for word in words:
        assert word in text, text


# ---------------------------------------------------------------------- whole


def test_everything_comes_back_bit_for_bit(made):
    on_bench, folder, manifest = made
    back = read_export(folder)
    chosen = torch.arange(6) * 2
    images, labels = dataset().images[chosen], dataset().labels[chosen]
    assert back.manifest == manifest == read_manifest(folder)
    assert back.bench == BENCH
    assert torch.equal(back.levels, on_bench.optics.levels())
    with torch.no_grad():
        (drive,) = on_bench.drives()
        (psfs,) = on_bench.optics.responses((drive,))
    assert torch.equal(back.masks, drive.masks)
    assert torch.equal(back.scales, drive.scales)
    assert torch.equal(back.psfs, point_spread(on_bench.optics.fourf, psfs).samples)
    assert torch.equal(back.inputs, images)
    assert torch.equal(back.labels, labels)
    with torch.no_grad():
        assert torch.equal(back.camera_counts, on_bench.frames(images))
        assert torch.equal(back.logits, on_bench(images))
        features = on_bench.features(images)
        assert torch.equal(back.backend(features), on_bench.backend(features))
    assert torch.equal(back.predictions, back.logits.argmax(1))
    assert back.readout.config() == on_bench.readout.config()


def test_an_export_of_version_1_is_read_as_the_same(made, copy):
    """There "frames" meant the SLM's files and the camera's counts, "targets" the masks."""
    for name, old, new in (("masks.h5", "targets", "masks"), ("reference.h5", "frames", "camera_counts")):
        with h5py.File(copy / name, "r+") as file:
            file.move(new, old)
        replace_file(copy, name, (copy / name).read_bytes())
    manifest = json.loads((copy / "manifest.json").read_text())
    for old, new in (("frames", "slm_frames"), ("frame_bits", "slm_frame_bits")):
        manifest[old] = manifest.pop(new)
    (copy / "manifest.json").write_text(json.dumps(manifest | {"schema_version": 1}))
    old, new = read_export(copy), read_export(made[1])
    for key in ("levels", "masks", "psfs", "scales", "inputs", "labels", "camera_counts", "logits"):
        assert torch.equal(getattr(old, key), getattr(new, key)), key
    assert old.manifest.slm_frames == new.manifest.slm_frames
    edit_manifest(copy, schema_version=2)
    refused(copy, "manifest.json", "frames")


def test_frames_are_native_greyscale_images_of_the_levels(made):
    on_bench, folder, manifest = made
    levels = on_bench.optics.levels().numpy()
    assert len(manifest.slm_frames) == len(levels) == 4
    for name, level in zip(manifest.slm_frames, levels, strict=True):
        for path in (folder / name, (folder / name).with_suffix(".bmp")):
            with Image.open(path) as image:
                assert (image.mode, image.size) == ("L", (150, 120))
                assert np.array_equal(np.array(image), level)


def test_manifest_says_what_everything_is(made):
    _, folder, manifest = made
    data = json.loads((folder / "manifest.json").read_text())
    assert data["schema_version"] == 4
    assert data["wavelength"] == 532e-9
    assert data["device"]["shape"] == [120, 150]
    assert data["device"]["catalogue"] is None
    assert set(data["files"]) == {str(p.relative_to(folder)) for p in folder.rglob("*.*")} - {"manifest.json"}
    assert manifest.image_shape == SHAPE
    with h5py.File(folder / "masks.h5") as file:
        assert {key: "units" in file[key].attrs for key in file} == dict.fromkeys(
            ("levels", "masks", "psfs", "scales"), True
        )


def test_ten_bit_devices_get_sixteen_bit_files_with_unscaled_levels(tmp_path):
    on_bench = network(BENCH.replace(**{"slm.bits": 10}))
    manifest = export(on_bench, tmp_path / "ten", inputs=dataset(), count=2)
    assert manifest.slm_frame_bits == 16
    levels = on_bench.optics.levels()
    assert 255 < int(levels.max()) < 1024
    assert torch.equal(read_export(tmp_path / "ten").levels, levels)
    with pytest.raises(OpticsError, match="BMP"):
        export(on_bench, tmp_path / "bmp", inputs=dataset(), count=2, bmp=True)


def test_the_device_is_named_where_the_catalogue_has_it():
    from optics.bench.files import load_bench

    assert exporting._catalogue_name(load_bench("pluto2-200mm").slm) == "holoeye-pluto-2"


def test_images_that_are_no_multiples_of_a_grey_value_are_kept_as_floats(tmp_path):
    data = dataset()
    data = data.with_images(data.images * 0.7301)
    export(network(), tmp_path / "float", inputs=data, count=12)
    assert torch.equal(read_export(tmp_path / "float").inputs, data.images)


@settings(max_examples=30, deadline=None)
@given(npst.arrays(np.int32, npst.array_shapes(min_dims=2, max_dims=2), elements=st.integers(0, 255)))
def test_eight_bit_levels_survive_the_file(levels):
    for kind in ("PNG", "BMP"):
        data = encode_frame(torch.from_numpy(levels), 8, file_format=kind)
        assert np.array_equal(decode_frame(data, bits=8, shape=levels.shape, name="frame"), levels)


@settings(max_examples=30, deadline=None)
@given(npst.arrays(np.int32, npst.array_shapes(min_dims=2, max_dims=2), elements=st.integers(0, 2**16 - 1)))
def test_sixteen_bit_levels_survive_the_file(levels):
    data = encode_frame(torch.from_numpy(levels), 16)
    assert np.array_equal(decode_frame(data, bits=16, shape=levels.shape, name="frame"), levels)


# ---------------------------------------------------------------------- written whole or not at all


def test_an_export_is_not_replaced_unless_asked(made, tmp_path):
    on_bench = made[0]
    export(on_bench, tmp_path / "a", inputs=dataset(), count=2)
    before = (tmp_path / "a" / "manifest.json").read_bytes()
    with pytest.raises(OpticsError, match="overwrite"):
        export(on_bench, tmp_path / "a", inputs=dataset(), count=3)
    assert (tmp_path / "a" / "manifest.json").read_bytes() == before
    export(on_bench, tmp_path / "a", inputs=dataset(), count=3, overwrite=True)
    assert read_export(tmp_path / "a").manifest.images == 3
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_folder_that_is_no_export_is_never_replaced(made, tmp_path):
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "chapter.txt").write_text("years of work")
    with pytest.raises(OpticsError, match="not replaced"):
        export(made[0], folder, inputs=dataset(), count=2, overwrite=True)
    assert (folder / "chapter.txt").read_text() == "years of work"


def test_a_failure_leaves_nothing_behind(made, tmp_path, monkeypatch):
    def broken(*args, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(exporting, "hdf5_bytes", broken)
    with pytest.raises(FileError, match=r"/a cannot be written \(No space left on device\); make room"):
        export(made[0], tmp_path / "a", inputs=dataset(), count=2)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_exported_is_refused(made, tmp_path):
    on_bench = made[0]
    with pytest.raises(OpticsError, match="count is 13"):
        export(on_bench, tmp_path / "a", inputs=dataset(), count=13)
    with pytest.raises(OpticsError, match=r"slm\.bits"):
        export(network(BENCH.replace(**{"slm.bits": None})), tmp_path / "a", inputs=dataset(), count=2)
    with pytest.raises(OpticsError, match="complex"):
        export(network(BENCH.ideal()), tmp_path / "a", inputs=dataset(), count=2)
    colour = Student.build((3, 4), image_shape=SHAPE, classes=3, bins=(3, 3), generator=torch.Generator())
    with pytest.raises(OpticsError, match="built for"):  # a network of colours and grey images
        export(colour.on(BENCH, image_shape=SHAPE), tmp_path / "a", inputs=dataset(), count=2)
    pixels = Student.build(
        (1, 2), image_shape=SHAPE, classes=3, bins=(3, 3), head="segmenter", generator=torch.Generator()
    )
    with pytest.raises(OpticsError, match=r"one class per image and the back end answers with one per pixel"):
        export(pixels.on(BENCH, image_shape=SHAPE), tmp_path / "a", inputs=dataset(), count=2)
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------------- damaged


def test_a_truncated_image_is_named(copy):
    path = copy / "slm/frame-001.png"
    path.write_bytes(path.read_bytes()[:-40])
    refused(copy, "frame-001.png", "truncated")


def test_a_truncated_image_with_a_matching_hash_is_named(copy):
    replace_file(copy, "slm/frame-001.png", (copy / "slm/frame-001.png").read_bytes()[:-40])
    refused(copy, "frame-001.png", "a whole PNG")


def test_an_altered_byte_is_named(copy):
    path = copy / "backend.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    refused(copy, "backend.safetensors", "sha256")


def test_a_missing_file_is_named(copy):
    (copy / "reference.h5").unlink()
    refused(copy, "reference.h5", "there is no file")


def test_a_pipe_in_a_file_s_place_is_named(copy):
    (copy / "slm" / "frame-000.png").unlink()
    os.mkfifo(copy / "slm" / "frame-000.png")
    refused(copy, "frame-000.png", "a pipe or a device")


@pytest.mark.parametrize("shape", [(2**20, 2**20), (2**33,)])
def test_an_array_that_says_it_is_huge_is_not_read(copy, shape):
    data = io.BytesIO((copy / "masks.h5").read_bytes())
    with h5py.File(data, "a") as file:
        del file["psfs"]
        file.create_dataset("psfs", shape, "c8", chunks=tuple(64 for _ in shape))
    replace_file(copy, "masks.h5", data.getvalue())
    refused(copy, "masks.h5", "psfs", "at most")


def test_an_image_of_another_size_is_named(copy):
    replace_file(copy, "slm/frame-000.png", encode_frame(torch.zeros(150, 120, dtype=torch.int32), 8))
    refused(copy, "frame-000.png", "150 x 120", "120 x 150")


@pytest.mark.parametrize("mode", ["RGB", "P", "1", "LA", "I;16"])
def test_an_image_of_another_mode_is_named(copy, mode):
    out = io.BytesIO()
    Image.new(mode, (150, 120)).save(out, "PNG")
    replace_file(copy, "slm/frame-000.png", out.getvalue())
    refused(copy, "frame-000.png", "8-bit greyscale")


def test_a_level_above_the_device_is_named(tmp_path):
    export(network(BENCH.replace(**{"slm.bits": 6})), tmp_path / "six", inputs=dataset(), count=2)
    replace_file(tmp_path / "six", "slm/frame-002.png", encode_frame(torch.full((120, 150), 64), 8))
    refused(tmp_path / "six", "frame-002.png", "level 64", "0 to 63")


def test_levels_that_differ_from_the_images_are_named(copy):
    frames = [(copy / f"slm/frame-{i:03d}.png").read_bytes() for i in (0, 1)]
    replace_file(copy, "slm/frame-000.png", frames[1])
    refused(copy, "masks.h5", "levels")


@pytest.mark.parametrize(("name", "key"), [("masks.h5", "psfs"), ("reference.h5", "logits")])
def test_a_missing_key_is_named(copy, name, key):
    path = copy / name
    with h5py.File(path, "a") as file:
        del file[key]
    replace_file(copy, name, path.read_bytes())
    refused(copy, name, key)


def test_an_array_of_the_wrong_shape_is_named(copy):
    path = copy / "reference.h5"
    with h5py.File(path, "a") as file:
        labels = file["labels"][:3]
        del file["labels"]
        file["labels"] = labels
    replace_file(copy, "reference.h5", path.read_bytes())
    refused(copy, "reference.h5", "labels", "(6)")


@pytest.mark.parametrize("name", ["masks.h5", "backend.safetensors"])
def test_a_file_that_is_something_else_is_named(copy, name):
    replace_file(copy, name, b"not what you think")
    refused(copy, name, "a whole")


def test_weights_of_another_back_end_are_named(copy):
    replace_file(copy, "backend.safetensors", empty_weights({}))
    refused(copy, "backend.safetensors", "manifest.json")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schema_version": 7}, ("schema_version", "7")),
        ({"format": "other"}, ("format",)),
        ({"surprise": 1}, ("surprise",)),
        ({"scales": [1.0]}, ("scales",)),
        ({"wavelength": 633e-9}, ("wavelength",)),
        ({"files": {"../../etc/passwd": {"sha256": "0" * 64, "bytes": 1}}}, ("passwd",)),
        ({"bench": {"name": "x"}}, ("manifest.json", "light")),
        ({"readout": {"name": "telepathy"}}, ("readout", "telepathy")),
        ({"assumed_camera": {"pitch": -1}}, ("assumed_camera",)),
    ],
)
def test_a_wrong_key_of_the_manifest_is_named(copy, changes, words):
    edit_manifest(copy, **changes)
    refused(copy, "manifest.json", *words)


def test_a_wrong_level_of_detail_in_the_bench_is_named(copy):
    bench = json.loads((copy / "manifest.json").read_text())["bench"]
    bench["slm"]["bitz"] = 8
    edit_manifest(copy, bench=bench)
    refused(copy, "manifest.json", "bitz")


def test_no_manifest_and_no_directory_are_named(copy, tmp_path):
    (copy / "manifest.json").write_text("{")
    refused(copy, "manifest.json", "not JSON")
    (copy / "manifest.json").unlink()
    refused(copy, "manifest.json")
    refused(tmp_path / "absent", "absent")


# ---------------------------------------------------------------------- nonsense


def edit_reference(folder: Path, key: str, change) -> None:
    with h5py.File(folder / "reference.h5", "a") as file:
        values, attributes = change(file[key][()]), dict(file[key].attrs)
        del file[key]
        file.create_dataset(key, data=values).attrs.update(attributes)
    replace_file(folder, "reference.h5", (folder / "reference.h5").read_bytes())


def put(value, at=1):
    def change(values):
        values = values.astype(np.result_type(values.dtype, type(value)))
        values[at] = value
        return values

    return change


NONSENSE = [
    ("logits", put(np.nan), ("logits", "nan", "image 1", "finite")),
    ("camera_counts", put(np.inf), ("camera_counts", "inf")),
    ("camera_counts", put(-5), ("camera_counts", "-5", "0 to")),
    ("camera_counts", put(10**6), ("camera_counts", "1e+06")),
    ("camera_counts", lambda v: np.full_like(v, 1280), ("camera_counts", "black level")),
    ("labels", put(7), ("labels", "7", "0 to 2")),
    ("labels", put(-100), ("labels", "-100")),
    ("labels", lambda v: v + 0.5, ("labels", "float64", "whole numbers")),
    ("predictions", put(3), ("predictions", "3", "0 to 2")),
    ("predictions", lambda v: (v + 1) % 3, ("predictions", "largest of logits")),
    ("logits", lambda v: v[:, :2], ("logits", "(6, 2)", "(6, 3)")),
    ("inputs", lambda v: v.astype(np.float32) / 255 * 1.01, ("inputs", "1.01", "0 to 1")),
    ("inputs", lambda v: v.astype(np.float32) / 255 - 0.01, ("inputs", "-0.01")),
    ("inputs", lambda v: np.full(v.shape, np.nan, np.float32), ("inputs", "nan")),
]


@pytest.mark.parametrize(("key", "change", "words"), NONSENSE, ids=[f"{k} {w[1]}" for k, _, w in NONSENSE])
def test_a_reference_that_proves_nothing_is_refused_when_it_is_read(copy, key, change, words):
    edit_reference(copy, key, change)
    refused(copy, "reference.h5", *words)


@pytest.mark.parametrize(
    ("names", "words"), [(["a", "b"], ("2 names", "3 classes")), (["a", "b", "a"], ("'a'", "more than once"))]
)
def test_other_class_names_are_refused(copy, names, words):
    edit_manifest(copy, class_names=names)
    refused(copy, "manifest.json", "class_names", *words)


def test_nonsense_is_refused_when_it_is_written(tmp_path):
    def broken(change, data=None, bench=BENCH):
        made = network(bench)
        with torch.no_grad():
            change(made)
        with pytest.raises(OpticsError) as error:
            export(made, tmp_path / "out", inputs=data or dataset(), count=3)
        assert list(tmp_path.iterdir()) == []
        return str(error.value)

    def nothing(made):
        pass

    assert "nan" in broken(lambda made: made.backend.classifier[0].bias.fill_(float("nan")))
    assert "no light reaches the camera" in broken(nothing, bench=BENCH.replace(**{"light.photons": 1e-6}))
    few = dataset()
    assert "2 names" in broken(nothing, data=type(few)(few.images, few.labels % 2, ("a", "b"), source="few"))
