"""Devices mounted mirrored or turned give the frames of an upright bench, whatever rig they stand behind."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from calibration.rigs.files import load_recording, save_recording
from calibration.rigs.recording import Probes, RigError
from calibration.rigs.replay import replay_rig
from calibration.rigs.rig import Rig
from calibration.rigs.simulated import SimulatedDriver, simulated_rig
from tests.calibration import benches as small
from tests.calibration.rigs.test_rig import as_pictures

UPRIGHT = small.bench()
DEVICES = ("display", "slm", "camera")
WAYS = {
    "mirrored": {"mirrored": True},
    "turned 1": {"turned": 1},
    "turned 2": {"turned": 2},
    "turned 3": {"turned": 3},
}
MOUNTINGS = {f"{device} {way}": {device: WAYS[way]} for device in DEVICES for way in WAYS} | {
    "all": {
        "display": {"mirrored": True, "turned": 3},
        "slm": {"mirrored": True, "turned": 1},
        "camera": {"turned": 1},
    }
}
WHOLE = small.probes(2)
PROBES = Probes(WHOLE.levels[:, 3:, 10:], WHOLE.inputs, (71, 122))  # a window beside the panel's middle
ROWS, COLS = small.region(UPRIGHT)
REGION = (ROWS, slice(COLS.start - 3, COLS.stop + 5))

pytestmark = pytest.mark.parametrize("mounting", MOUNTINGS.values(), ids=MOUNTINGS)


def mounted(mounting):
    return UPRIGHT.replace(mounting=mounting)


def upright():
    return simulated_rig(UPRIGHT, UPRIGHT, generator=small.generator(1)).capture(PROBES, region=REGION)


EXPECTED = upright()


class Lab:
    """Whole pictures of every device, turned by numpy alone, around devices that stand upright."""

    def __init__(self, mounting):
        self.mounting = mounting
        self.inner = SimulatedDriver(UPRIGHT, generator=small.generator(1))
        self.abilities, self.clock, self.wait = self.inner.abilities, self.inner.clock, self.inner.wait
        self.close = self.inner.close

    def to_plane(self, device, picture):
        way = self.mounting.get(device, {})
        picture = np.fliplr(picture) if way.get("mirrored") else picture
        return np.rot90(picture, -way.get("turned", 0)).copy()  # clockwise

    def to_picture(self, device, plane):
        way = self.mounting.get(device, {})
        picture = np.rot90(plane, way.get("turned", 0))
        return (np.fliplr(picture) if way.get("mirrored") else picture).copy()

    def show(self, levels, corner):
        panel = self.to_picture("slm", np.zeros(UPRIGHT.slm.shape, np.int32))
        rows, cols = (slice(c, c + n) for c, n in zip(corner, levels.shape, strict=True))
        panel[rows, cols] = levels.numpy()
        self.inner.show(torch.from_numpy(self.to_plane("slm", panel)), (0, 0))

    def display(self, amplitudes):
        self.inner.display(torch.from_numpy(self.to_plane("display", amplitudes.numpy())))

    def expose(self, seconds, region, timeout):
        sensor = np.zeros(UPRIGHT.camera.binned_shape)
        sensor[REGION] = self.inner.expose(seconds, REGION, timeout).numpy()
        return torch.from_numpy(self.to_picture("camera", sensor)[region])

    def flat_field(self, photons, seconds):
        plane = torch.arange(512.0 * 640).reshape(512, 640).numpy()
        return torch.from_numpy(self.to_picture("camera", plane))


def test_a_laboratory_with_turned_devices_gives_the_frames_of_an_upright_one(mounting):
    seen = Rig(Lab(mounting), mounted(mounting)).capture(PROBES, region=REGION)
    assert torch.equal(seen.counts, EXPECTED.counts) and seen.region == REGION
    assert seen.probes is not None and torch.equal(seen.probes.levels, PROBES.levels)


def test_flat_fields_come_back_upright(mounting):
    frames = Rig(Lab(mounting), mounted(mounting)).flat_field(10.0, 2)
    assert torch.equal(frames[1], torch.arange(512.0 * 640).reshape(512, 640))
    same, turned = (
        simulated_rig(bench, bench, generator=small.generator(2)).flat_field(1e3, 1)
        for bench in (UPRIGHT, mounted(mounting))
    )
    assert torch.equal(same, turned)


def test_a_simulated_bench_so_mounted_gives_them_and_its_replay_too(mounting):
    bench = mounted(mounting)
    seen = simulated_rig(bench, bench, generator=small.generator(1)).capture(PROBES, region=REGION)
    assert torch.equal(seen.counts, EXPECTED.counts)
    inner = (slice(REGION[0].start + 2, REGION[0].stop), slice(REGION[1].start, REGION[1].stop - 4))
    again = replay_rig(seen, bench).capture(PROBES, region=inner)
    assert torch.equal(again.counts, EXPECTED.counts[:, 2:, :-4])


def test_another_mounting_than_the_devices_have_is_seen(mounting):
    for devices, told in ((mounted(mounting), UPRIGHT), (UPRIGHT, mounted(mounting))):
        seen = simulated_rig(devices, told).capture(PROBES, region=REGION).counts
        difference = (seen - EXPECTED.counts).norm() / (EXPECTED.counts - 16).norm()
        assert float(difference) > 0.2


def test_recordings_hold_planes_and_folders_hold_what_the_devices_had(mounting, tmp_path):
    save_recording(EXPECTED, tmp_path / "frames.h5")
    lab, bench = Lab(mounting), mounted(mounting)
    panel, sensor = torch.zeros(2, *UPRIGHT.slm.shape), torch.zeros(2, *UPRIGHT.camera.binned_shape)
    panel[:, 71:172, 122:208] = PROBES.levels.float()
    sensor[:, REGION[0], REGION[1]] = EXPECTED.counts.float()
    levels, inputs, counts = (
        torch.stack([torch.from_numpy(lab.to_picture(device, plane.numpy())) for plane in planes])
        for device, planes in (("slm", panel), ("display", PROBES.inputs), ("camera", sensor))
    )
    pictures = type(EXPECTED)(Probes(levels.int(), inputs), counts.double(), (0, 0), binning=4)
    for path in (tmp_path / "frames.h5", as_pictures(pictures, tmp_path)):
        back = load_recording(path, bench)
        again = replay_rig(back, bench).capture(PROBES, region=REGION)
        assert torch.equal(again.counts, EXPECTED.counts)
    if bench.mounting.camera.plain:
        return
    with pytest.raises(RigError, match=r"is no multiple of the binning 4"):
        load_recording(tmp_path, bench.replace(**{"camera.shape": (514, 642)}))
