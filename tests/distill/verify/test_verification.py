"""The verification reads a directory alone, agrees with the network it came from, and sees a panel that is turned."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from distill.export.frames import encode_frame
from distill.export.manifest import entry
from distill.export.write import export, read_export
from distill.verify.verdict import Verification
from distill.verify.verification import verify
from optics.checks import OpticsError
from tests.distill.exportbench import BENCH, dataset, network
from tests.scenes import generator


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("verify") / "out"
    export(network(), folder, inputs=dataset(), count=12)
    return folder


@pytest.fixture(scope="module")
def found(exported) -> Verification:
    return verify(exported, wave_images=12, lightpipes_images=6)


def with_panels(folder: Path, to: Path, change) -> Path:
    """A copy whose frames (and their copy in masks.h5) are changed, with a manifest that agrees."""
    copy = Path(shutil.copytree(folder, to))
    levels = torch.stack([change(frame) for frame in read_export(folder).levels]).contiguous()
    manifest = json.loads((copy / "manifest.json").read_text())
    for name, frame in zip(manifest["slm_frames"], levels, strict=True):
        (copy / name).write_bytes(encode_frame(frame, 8))
    with h5py.File(copy / "masks.h5", "a") as file:
        file["levels"][...] = levels.numpy().astype(np.uint8)
    for name in (*manifest["slm_frames"], "masks.h5"):
        manifest["files"][name] = entry((copy / name).read_bytes()).model_dump()
    (copy / "manifest.json").write_text(json.dumps(manifest))
    return copy


def test_the_network_tells_its_images_apart(exported):
    assert len(read_export(exported).predictions.unique()) == 3  # else agreement would say nothing


def test_both_engines_agree_with_the_network(found):
    for engine, images in ((found.wave, 12), (found.lightpipes, 6)):
        assert engine.agreement == 1.0
        assert engine.images == images
        assert engine.borrowed == engine.unmodelled == ()
    assert found.wave.counts_error < 1e-3
    assert found.lightpipes.counts_error < 0.01
    assert found.lightpipes.worst_counts_error < 0.02


def test_accuracy_is_against_the_labels(exported, found):
    back = read_export(exported)
    right = (back.predictions == back.labels).double()
    assert found.wave.accuracy == pytest.approx(float(right.mean()))
    assert found.lightpipes.accuracy == pytest.approx(float(right[::2].mean()))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda frame: frame.flip(0), id="upside down"),
        pytest.param(lambda frame: frame.flip(1), id="mirrored"),
        pytest.param(lambda frame: (256 - frame) % 256, id="phase of the other sign"),
        pytest.param(lambda frame: torch.nn.functional.pad(frame[:, 15:135].mT, (15, 15)), id="transposed"),
    ],
)
def test_a_panel_that_is_turned_fails(exported, tmp_path, change):
    turned = verify(with_panels(exported, tmp_path / "turned", change), wave_images=12, lightpipes_images=3)
    for engine in (turned.wave, turned.lightpipes):
        assert engine.counts_error > 0.3
    assert turned.wave.agreement < 0.98


def test_frames_of_another_order_fail(exported, tmp_path):
    levels = iter(read_export(exported).levels.roll(1, 0))
    copy = with_panels(exported, tmp_path / "rolled", lambda _: next(levels))
    assert verify(copy, wave_images=12, lightpipes_images=0).wave.counts_error > 0.3


def test_homodyne_frames_agree_in_both_engines(tmp_path):
    bench = BENCH.replace(**{"alignment.mask_shift": (11e-6, -5e-6)})
    export(network(bench, readout="homodyne"), tmp_path / "out", inputs=dataset(), count=4)
    found = verify(tmp_path / "out", wave_images=4, lightpipes_images=2)
    assert found.wave.counts_error < 1e-3
    assert found.lightpipes.counts_error < 0.01
    assert found.wave.agreement == found.lightpipes.agreement == 1.0


def test_what_is_known_of_an_alignment_is_in_the_frames_for_both_engines(tmp_path):
    there = {
        "mask_rotation": 0.03,
        "mask_shift": (6e-5, -4e-5),
        "camera_shift": (4e-5, 9e-5),
        "magnification": 1.03,
    }
    bench = BENCH.replace(alignment=there)
    for name, told in (("unknown", None), ("known", "known")):
        export(network(bench.replace(assumed_alignment=told)), tmp_path / name, inputs=dataset(), count=4)
        found = verify(tmp_path / name, wave_images=4, lightpipes_images=2)
        assert found.wave.counts_error < 1e-3
        assert found.lightpipes.counts_error < 0.012
        assert found.wave.agreement == found.lightpipes.agreement == 1.0
    frames = [read_export(tmp_path / name).levels for name in ("unknown", "known")]
    assert not torch.equal(*frames)


def test_the_assumed_camera_travels_with_the_export(tmp_path):
    from networks import Student

    draws = generator(1)
    student = Student.build((1, 3), image_shape=(10, 12), classes=3, bins=(3, 3), generator=draws)
    assumed = BENCH.camera.replace(**{"full_well": 9000.0})
    on_bench = student.on(BENCH, image_shape=(10, 12), assumed_camera=assumed).eval()
    export(on_bench, tmp_path / "out", inputs=dataset(), count=4)
    back = read_export(tmp_path / "out")
    assert back.assumed_camera == assumed
    assert verify(tmp_path / "out", wave_images=4, lightpipes_images=0).wave.agreement == 1.0


def test_progress_counts_all_images_and_engines_can_be_left_out(exported):
    seen = []
    found = verify(
        exported, wave_images=50, lightpipes_images=1, progress=lambda *told: seen.append(told), processes=1
    )
    assert found.wave.images == 12  # there are no more
    assert seen[-1] == (13, 13, "LightPipes")
    assert [told[0] for told in seen] == sorted(told[0] for told in seen)
    only = verify(exported, wave_images=1, lightpipes_images=0)
    assert only.lightpipes is None
    assert only.wave.images == 1
    with pytest.raises(OpticsError, match="-1"):
        verify(exported, wave_images=-1)


def test_what_is_borrowed_from_our_own_model_is_reported(tmp_path):
    bench = BENCH.replace(**{"slm.stuck": 0.01})
    export(network(bench), tmp_path / "out", inputs=dataset(), count=2)
    found = verify(tmp_path / "out", wave_images=0, lightpipes_images=2)
    assert found.lightpipes.borrowed == ("slm.stuck",)
    assert found.lightpipes.counts_error < 0.01
    assert math.isfinite(found.lightpipes.seconds)


def test_decentred_lenses_move_the_image_in_both_engines(tmp_path):
    bench = BENCH.replace(**{"lens1.decentre": (-16e-6, 24e-6), "lens2.decentre": (40e-6, 0.0)})
    export(network(bench), tmp_path / "out", inputs=dataset(), count=2)
    found = verify(tmp_path / "out", wave_images=2, lightpipes_images=2)
    assert found.wave.counts_error < 1e-3
    assert found.lightpipes.counts_error < 0.01


@pytest.mark.parametrize(
    ("modulation", "method", "bits"), [("dmd", "lee", 1), ("amplitude", "interferogram", 8)]
)
def test_holograms_of_mirrors_and_grey_levels_are_proved_too(tmp_path, modulation, method, bits):
    changes = {"slm.modulation": modulation, "slm.bits": bits, "slm.flicker": 0.0, "slm.crosstalk": 0.0}
    bench = BENCH.replace(**changes, encoding={"method": method, "carrier": (0.15, 0.04)})
    export(network(bench), tmp_path, inputs=dataset(), count=12)
    found = verify(tmp_path, wave_images=12, lightpipes_images=2, processes=1)
    assert found.wave.agreement == 1.0
    assert found.wave.counts_error < 1e-4
    assert found.lightpipes.counts_error < 1e-2
    assert found.lightpipes.borrowed == (f"slm.modulation = {modulation!r}",)
