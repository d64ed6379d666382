"""Every kind of rig by one list of properties; faults are found and named; recordings come back as they went."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from calibration.rigs.files import load_recording, save_recording
from calibration.rigs.recording import Probes, Recording, RigError
from calibration.rigs.replay import replay_rig
from calibration.rigs.rig import CaptureError, Rig
from calibration.rigs.simulated import Faults, simulated_rig
from optics.checks import ShapeError
from tests.calibration import benches as small

NOMINAL = small.bench()
TRUTH = small.bench(**{"alignment.mask_shift": (24e-6, -8e-6), "slm.response.gamma": 1.1})


def take(count: int = 3, seed: int = 1, **options: object) -> Recording:
    rig = simulated_rig(TRUTH, NOMINAL, generator=small.generator(seed), **options)
    with rig:
        return rig.capture(small.probes(count), region=small.region(NOMINAL))


def simulated() -> Rig:
    return simulated_rig(TRUTH, NOMINAL, generator=small.generator(1))


def replayed() -> Rig:
    return replay_rig(take(), NOMINAL)


RIGS = {"simulated": simulated, "replayed": replayed}


@pytest.mark.parametrize("make", RIGS.values(), ids=RIGS)
def test_every_rig_gives_the_frames_of_its_probes_in_order_and_logs_them(make):
    probes, region = small.probes(3), small.region(NOMINAL)
    with make() as rig:
        recording = rig.capture(probes, region=region)
        assert [call.outcome for call in rig.log] == ["done"] * 3
        assert [call.digest for call in rig.log] == [probes.digest(i) for i in range(3)]
    assert torch.equal(recording.counts, take().counts)
    assert recording.region == region and recording.binning == 4 and recording.bench == "small"
    assert list(recording.times) == sorted(recording.times) and recording.times[0] == 0
    assert float(recording.counts.max()) > 1000


@pytest.mark.parametrize("make", RIGS.values(), ids=RIGS)
def test_every_rig_refuses_what_it_cannot_do(make):
    probes, region = small.probes(1), small.region(NOMINAL)
    with make() as rig:
        with pytest.raises(RigError, match="leaves the sensor"):
            rig.capture(probes, region=(slice(0, 900), region[1]))
        with pytest.raises(RigError, match="exposure"):
            rig.capture(probes, region=region, exposure=1e4)
        with pytest.raises(RigError, match="another panel"):
            rig.capture(Probes(probes.levels, probes.inputs, (200, 300)), region=region)
        with pytest.raises(RigError, match="8 bits end at 255"):
            rig.capture(Probes(probes.levels + 200, probes.inputs, probes.corner), region=region)


def test_a_dropped_frame_is_asked_for_again_and_a_silent_camera_keeps_what_was_taken():
    kept: list[Recording] = []
    faults = Faults(dropped=0.4)
    rig = simulated_rig(TRUTH, NOMINAL, generator=small.generator(3), faults=faults)
    rig.retries = 20
    recording = rig.capture(small.probes(4), region=small.region(NOMINAL))
    assert len(recording) == 4 and {c.outcome for c in rig.log} == {"done", "dropped"}
    rig = simulated_rig(TRUTH, NOMINAL, faults=Faults(silent_after=2))
    rig.keep = kept.append
    with pytest.raises(CaptureError, match="frame 2 of 4: no frame within 10 s") as caught:
        rig.capture(small.probes(4), region=small.region(NOMINAL))
    assert caught.value.recording is not None and len(caught.value.recording) == 2
    assert [len(r) for r in kept] == [1, 2] and rig.log[-1].outcome == "timed out"
    with pytest.raises(CaptureError, match="dropped the frame 4 times"):
        simulated_rig(TRUTH, NOMINAL, generator=small.generator(), faults=Faults(dropped=1.0)).capture(
            small.probes(1), region=small.region(NOMINAL)
        )


def test_exposure_scales_the_light_and_long_ones_saturate():
    rig = simulated_rig(NOMINAL, NOMINAL)
    probes, region = small.probes(1), small.region(NOMINAL)
    short, twice, long = (
        rig.capture(probes, region=region, exposure=t).counts - NOMINAL.camera.black
        for t in (0.005, 0.01, 10)
    )
    inside = short > 200
    assert torch.allclose(twice[inside] / short[inside], torch.tensor(2.0).double(), rtol=0.01)
    assert float(long.max()) == NOMINAL.camera.ceiling - NOMINAL.camera.black


def test_mirrored_mounting_mirrors_the_frame_about_the_sensors_middle():
    wide = (small.region(NOMINAL)[0], slice(20, 140))
    plain = simulated_rig(TRUTH, NOMINAL).capture(small.probes(1), region=wide)
    truth = TRUTH.replace(mounting={"camera": {"mirrored": True}})
    mirrored = simulated_rig(truth, NOMINAL).capture(small.probes(1), region=wide)
    assert torch.allclose(mirrored.counts.flip(-1), plain.counts, rtol=1e-3, atol=3)
    truth = TRUTH.replace(mounting={"slm": {"mirrored": True}})
    panel = simulated_rig(truth, NOMINAL).capture(small.probes(1), region=wide)
    assert not torch.allclose(panel.counts, plain.counts, rtol=0.1, atol=100)


def test_a_bench_drifts_with_the_rigs_time():
    def drift(seconds: float):
        return TRUTH.replace(**{"alignment.camera_shift": (0.0, 1e-4 * seconds)})

    rig = simulated_rig(TRUTH, NOMINAL, faults=Faults(drift=drift))
    first = rig.capture(small.probes(1), region=small.region(NOMINAL)).counts
    rig.driver.wait(1.0)
    later = rig.capture(small.probes(1), region=small.region(NOMINAL)).counts
    assert float((later - first).norm() / first.norm()) > 0.1


# ---------------------------------------------------------------------- recordings


def as_hdf5(recording: Recording, folder: Path) -> Path:
    save_recording(recording, folder / "frames.h5")
    return folder / "frames.h5"


def as_arrays(recording: Recording, folder: Path) -> Path:
    corner, sensor = recording.probes.corner, recording.corner
    np.savez(
        folder / "probes.npz",
        levels=recording.probes.levels.numpy().astype(np.uint16),
        inputs=recording.probes.inputs.numpy(),
        first_row=corner[0],
        first_column=corner[1],
    )
    np.savez(
        folder / "frames.npz", counts=recording.counts.numpy(), first_row=sensor[0], first_column=sensor[1]
    )
    return folder


def as_pictures(recording: Recording, folder: Path) -> Path:
    lines = [
        f"binning = {recording.binning}",
        f"exposure = {recording.exposure}",
        f"panel_corner = {list(recording.probes.corner)}",
        f"sensor_corner = {list(recording.corner)}",
        'bench = "small"',
    ]
    for i in range(len(recording)):
        planes = {
            "levels": recording.probes.levels[i].numpy().astype(np.uint8),
            "input": (recording.probes.inputs[i].numpy() * 255).astype(np.uint8),
            "frame": recording.counts[i].numpy().astype(np.uint16),
        }
        lines.append("[[shots]]")
        for key, plane in planes.items():
            Image.fromarray(plane).save(folder / f"{key}-{i}.png")
            lines.append(f'{key} = "{key}-{i}.png"')
    (folder / "recording.toml").write_text("\n".join(lines))
    return folder


FORMS = {"hdf5": as_hdf5, "arrays": as_arrays, "pictures": as_pictures}


@pytest.mark.parametrize("write", FORMS.values(), ids=FORMS)
def test_a_recording_comes_back_whatever_form_it_was_kept_in(write, tmp_path):
    recording = take()
    back = load_recording(write(recording, tmp_path), NOMINAL)
    assert torch.equal(back.counts, recording.counts)
    assert torch.equal(back.probes.levels, recording.probes.levels)
    assert torch.allclose(back.probes.inputs, recording.probes.inputs, atol=1e-4)
    assert (back.corner, back.probes.corner) == (recording.corner, recording.probes.corner)
    again = replay_rig(back, NOMINAL).capture(back.probes, region=back.region)
    assert torch.equal(again.counts, recording.counts)


def test_a_replay_repeats_its_own_probes_only():
    rig = replayed()
    probes, region = rig.driver.recording.probes, small.region(NOMINAL)
    with pytest.raises(CaptureError, match="has none of what is shown"):
        rig.capture(small.probes(1, seed=9), region=region)
    rig.capture(probes[:1], region=region)
    with pytest.raises(CaptureError, match="less often"):
        rig.capture(probes[:1], region=region)


def test_frames_are_summed_to_the_benchs_binning_on_its_own_grid():
    counts = torch.arange(2 * 7 * 9, dtype=torch.float64).reshape(2, 7, 9)
    recording = Recording(small.probes(2), counts, (3, 5), binning=2)
    summed = recording.binned(4)
    assert summed.corner == (2, 3) and summed.counts.shape == (2, 3, 4)
    assert float(summed.counts[0, 0, 0]) == float(counts[0, 1:3, 1:3].sum())
    with pytest.raises(RigError, match="binned 4 x 4, the bench 2 x 2"):
        summed.binned(2)


def test_what_is_no_recording_is_refused(tmp_path):
    with pytest.raises(RigError, match="is no recording"):
        load_recording(tmp_path / "absent", NOMINAL)
    (tmp_path / "text.h5").write_text("no HDF5")
    with pytest.raises(RigError, match="cannot be read"):
        load_recording(tmp_path / "text.h5", NOMINAL)
    with pytest.raises(ShapeError, match="one frame a probe"):
        Recording(small.probes(2), torch.zeros(1, 4, 4), (0, 0))
    with pytest.raises(RigError, match="no levels"):
        load_recording(as_hdf5(take(), tmp_path), NOMINAL.ideal())
