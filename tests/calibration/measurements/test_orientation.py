"""Which of the eight ways is each device mounted: pairs of ways of two devices by frames, all triples by algebra."""

from __future__ import annotations

import itertools

import pytest
import torch

from calibration.measurements.orientation import WAYS, Orientation, fewest_off, really, really_shown
from calibration.measuring.interface import Seen
from calibration.rigs.simulated import simulated_rig
from optics.bench.mounting import MountingSpec, MountSpec
from tests.calibration import benches as small

# square devices: a quarter turn of an oblong one shows in its picture's shape
SQUARE = {"slm.shape": (192, 192), "camera.shape": (512, 512)}
NOMINAL = small.bench(**SQUARE)
TEST = torch.arange(6.0).reshape(2, 3)
DEVICES = ("display", "slm", "camera")


def seen(told: MountingSpec, true: MountingSpec) -> tuple[list[float], list[float]]:
    """What a camera told to stand `told` reports of the display's and of the panel's plane, asked to show `TEST`."""
    both = []
    for device in ("display", "slm"):
        shown = getattr(true, device).to_plane(getattr(told, device).to_picture(TEST))
        both.append(told.camera.to_plane(true.camera.to_picture(shown)).flatten().tolist())
    return both[0], both[1]


def mounted(**devices: MountSpec) -> MountingSpec:
    return MountingSpec(**devices)


def found(true: MountingSpec) -> MountingSpec:
    """What two frames of a bench that really stands so say, told that all is upright."""
    rig = simulated_rig(NOMINAL.replace(mounting=true), NOMINAL, generator=small.generator(1))
    (shots,) = Orientation().series(NOMINAL)
    frames = rig.capture(shots.probes, region=shots.region)
    values = Orientation().values(Seen({"f": frames}), NOMINAL)
    assert values["camera.lead"] > 0.1 and values["slm.lead"] > 0.1
    return mounted(
        **{
            d: MountSpec(mirrored=values[f"{d}.mirrored"] > 0.5, turned=round(values[f"{d}.turned"]))
            for d in DEVICES
        }
    )


def test_the_eight_ways_turn_a_plane_into_eight_different_ones():
    assert len({str(way.to_picture(TEST).tolist()) for way in WAYS}) == 8


@pytest.mark.parametrize("told", [MountingSpec(), mounted(display=WAYS[5], slm=WAYS[3], camera=WAYS[6])])
def test_what_is_named_explains_both_frames_by_the_fewest_devices(told):
    for ways in itertools.product(WAYS, repeat=3):
        true = mounted(**dict(zip(DEVICES, ways, strict=True)))
        looks = [torch.tensor(values) for values in seen(told, true)]
        image, blaze = (
            next(way for way in WAYS if torch.equal(way.to_picture(TEST).flatten(), look)) for look in looks
        )
        display, slm, camera = fewest_off(image, blaze)
        named = mounted(
            display=really_shown(display, told.display),
            slm=really_shown(slm, told.slm),
            camera=really(camera, told.camera),
        )
        assert seen(told, named) == seen(told, true)
        off = [getattr(named, d) != getattr(told, d) for d in DEVICES]
        wrong = [getattr(true, d) != getattr(told, d) for d in DEVICES]
        assert sum(off) <= sum(wrong)
        if sum(wrong) == 1:
            assert off == wrong and named == true


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("pair", list(itertools.combinations(DEVICES, 2)), ids="-".join)
def test_frames_tell_how_two_devices_stand_in_all_their_ways(pair, way):
    for other in WAYS:
        true = mounted(**dict(zip(pair, (way, other), strict=True)))
        named = found(true)
        assert seen(NOMINAL.mounting, named) == seen(NOMINAL.mounting, true)
        if way.plain or other.plain:
            assert named == true
