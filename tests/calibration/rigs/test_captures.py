"""Images through patterns: in order, kept while they are taken, taken up again; the file is a recording, too."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import torch

from calibration.rigs.captures import Captures, capture_images, load_captures
from calibration.rigs.files import load_recording, save_recording
from calibration.rigs.recording import RigError
from calibration.rigs.rig import Rig
from calibration.rigs.simulated import Faults, simulated_rig
from calibration.rigs.store import FrameStore
from optics.checks import OpticsError, ShapeError
from tests.calibration import benches as small

BENCH = small.bench()
PROBES = small.probes(2)
INPUTS = small.probes(3, seed=5).inputs.float()


def rig(faults: Faults | None = None) -> Rig:
    return simulated_rig(BENCH, BENCH, generator=small.generator(2), faults=faults)


def taken(bench: Rig, **options: object) -> Captures:
    return capture_images(
        bench,
        PROBES.levels,
        INPUTS,
        region=small.region(BENCH),
        panel_corner=PROBES.corner,
        labels=torch.tensor([4, 0, 2]),
        **options,
    )


def test_every_image_goes_through_every_pattern_and_the_file_is_a_recording(tmp_path):
    found = taken(rig())
    assert found.counts.shape[:2] == (3, 2) and len(found) == 3 and float(found.times.max()) > 0
    found.save(tmp_path / "captures.h5")
    back = load_captures(tmp_path / "captures.h5")
    for name in ("levels", "inputs", "counts", "times", "labels"):
        assert torch.equal(getattr(back, name), getattr(found, name)), name
    assert (back.region, back.panel_corner, back.bench) == (small.region(BENCH), PROBES.corner, "small")
    frames = load_recording(tmp_path / "captures.h5", BENCH)
    assert torch.equal(frames.counts.float(), found.counts.flatten(0, 1))
    noiseless = simulated_rig(BENCH, BENCH).capture(frames.probes, region=small.region(BENCH)).counts
    error = (noiseless - frames.counts).flatten(1).norm(dim=1) / (noiseless - 16).flatten(1).norm(dim=1)
    assert float(error.max()) < 0.05  # another order of frames would be far off


def test_after_a_failure_the_same_call_goes_on_and_gives_the_same_frames(tmp_path):
    whole = taken(rig())
    with pytest.raises(RigError, match=r"4 of 6 frames are in .*captures.part"):
        taken(rig(Faults(silent_after=4)), store=tmp_path / "captures.part")
    asked = []
    bench = rig()
    again = taken(bench, store=tmp_path / "captures.part", progress=lambda done, total: asked.append(done))
    assert torch.equal(again.counts, whole.counts) and torch.equal(again.times, whole.times)
    assert asked == [5, 6] and len(bench.log) == 2
    with pytest.raises(RigError, match="another request"):
        taken(rig(), store=tmp_path / "captures.part", exposure=0.02)


def test_a_store_writes_each_chunk_whole_and_refuses_what_is_none(tmp_path):
    store = FrameStore(tmp_path / "s", "r", every=0.0)
    for k in range(3):
        store.add(torch.full((2, 3), float(k)), float(k), torch.arange(k, dtype=torch.uint8))
    again = FrameStore(tmp_path / "s", "r")
    assert [float(c[0, 0]) for c in again.counts] == again.times == [0.0, 1.0, 2.0]
    assert again.state.tolist() == [0, 1]
    (tmp_path / "s" / "00000003.h5").write_bytes(b"no HDF5")
    with pytest.raises(OpticsError, match="kept frames"):
        FrameStore(tmp_path / "s", "r")


def test_what_holds_no_captures_is_refused(tmp_path):
    save_recording(rig().capture(PROBES, region=small.region(BENCH)), tmp_path / "frames.h5")
    with pytest.raises(RigError, match="holds no captures"):
        load_captures(tmp_path / "frames.h5")
    found = taken(rig())
    found.save(tmp_path / "captures.h5")
    with h5py.File(tmp_path / "captures.h5", "r+") as file:
        file["level_index"][...] = np.roll(file["level_index"][()], 1)
    with pytest.raises(RigError, match="every pattern for each image"):
        load_captures(tmp_path / "captures.h5")
    with pytest.raises(ShapeError, match="2 images and 2 patterns have 3 inputs"):
        Captures(found.levels, found.inputs, found.counts[:2], (0, 0), (0, 0), 4, 0.01, found.times)
    with pytest.raises(ShapeError, match="3 images and 2 patterns"):
        Captures(found.levels, found.inputs, found.counts[:, :1], (0, 0), (0, 0), 4, 0.01, found.times)
