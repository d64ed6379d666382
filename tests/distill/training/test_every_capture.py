"""Every way onto a bench that a rig can show, captured on that very bench: the electronics reads what the network does.

The ways are those of `tests/networks/onbench/test_every_way_onto_a_bench.py`, with images of one, two and three
channels: a new one is asked here by itself. The rig's driver goes another way than the network (plane by plane through
one canvas, the fringing field by quadrature); what is left between the two is `APART`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch

from calibration.rigs.captures import Captures, capture_images, load_captures
from calibration.rigs.files import load_recording
from calibration.rigs.rig import Rig
from calibration.rigs.simulated import simulated_rig
from distill.training.captured import features_of_captures
from distill.training.in_the_loop import InTheLoop
from networks.onbench.network import OnBench
from networks.onbench.sensor import sensor_region
from optics.checks import OpticsError
from tests.networks.onbench.test_every_way_onto_a_bench import SHAPE, WAYS, Way
from tests.scenes import error, lopsided

APART = 1e-3
# a few grey levels and no reading of a fraction of a count: what differs is the optics
BENCH = {"slm.flicker": 0.1, "slm.bits": 8, "camera.adc.bits": None, "camera.full_well": None}
MIRRORS = {"slm.flicker": 0.0, "slm.bits": 1}
CASES = {name: (way, None) for name, way in WAYS.items() if not way.rebuilt}
CASES |= {
    f"{name}, three colours": (WAYS[name], 3)
    for name in ("collapsed", "collapsed, channels one by one", "tiled", "incoherent")
}
BEYOND_A_RIG = ("fields", "staged")
SHOWN = {name: case for name, case in CASES.items() if not any(word in name for word in BEYOND_A_RIG)}


def network_of(name: str) -> OnBench:
    way, channels = CASES[name]
    return way.on(way.model(channels=channels), way.spec(**changes(way)))


def changes(way: Way) -> dict[str, Any]:
    return BENCH | (MIRRORS if way.bench.get("slm.modulation") == "dmd" else {})


def pictures(network: OnBench, seed: int = 3) -> torch.Tensor:
    """Two images; in incoherent light, where each display pixel is propagated alone, of few of them."""
    x = lopsided(2, network.in_channels, *SHAPE, seed=seed)
    if network.bench.light.coherence == "incoherent":
        x = x * (torch.rand(SHAPE, generator=torch.Generator().manual_seed(seed)) > 0.8)
    return x


def captured(network: OnBench, images: torch.Tensor, rig: Rig, **options: Any) -> Captures:
    optics = network.optics
    fourf, display = optics.systems[0], optics.setup.display
    return capture_images(
        rig,
        optics.levels()[:, fourf.rows, fourf.cols].contiguous(),
        display.shown(network.readout.displayed(images)),
        region=sensor_region(network),
        panel_corner=(fourf.rows.start, fourf.cols.start),
        pictures=display.pictures,
        **options,
    )


@cache
def taken(name: str) -> tuple[OnBench, torch.Tensor, Captures]:
    """A network, images, and what its own bench gives of them without noise."""
    network = network_of(name)
    images, bench = pictures(network), network.bench
    with torch.no_grad():
        found = captured(network, images, simulated_rig(bench, bench), labels=torch.tensor([1, 0]))
    return network, images, found


@pytest.mark.parametrize("name", SHOWN)
def test_the_electronics_reads_what_the_network_does(name):
    network, images, found = taken(name)
    assert len(found) == len(images)
    with torch.no_grad():
        wanted = network.features(images)
    got = features_of_captures(network, found)
    assert error(got, wanted) < APART
    assert error(got.roll(1, 0), wanted) > 20 * APART  # images, masks and channels are not exchanged
    if got.shape[1] > 1:
        assert error(got.roll(1, 1), wanted) > 20 * APART


@pytest.mark.parametrize("name", SHOWN)
def test_images_come_back_from_what_the_display_shows(name):
    network, images, found = taken(name)
    shown = network.readout.displayed(images)
    assert torch.equal(network.optics.setup.display.images(found.inputs), shown.float())


@pytest.mark.parametrize("name", SHOWN)
def test_the_file_holds_all_of_it_and_is_a_recording(name, tmp_path):
    network, _, found = taken(name)
    found.save(tmp_path / "captures.h5")
    back = load_captures(tmp_path / "captures.h5")
    assert back.pictures == found.pictures and torch.equal(back.labels, found.labels)
    assert torch.equal(features_of_captures(network, back), features_of_captures(network, found))
    frames = load_recording(tmp_path / "captures.h5", network.bench)
    again = simulated_rig(network.bench, network.bench).capture(frames.probes, region=frames.region)
    assert error(again.counts.float(), frames.counts.float()) < 1e-6  # every pattern with its own picture


@pytest.mark.parametrize("name", SHOWN)
def test_in_the_loop_the_bench_counts_the_same(name):
    way, channels = CASES[name]
    model, bench = way.model(channels=channels), way.spec(**changes(way))
    loop = InTheLoop(model, bench, simulated_rig(bench, bench), **way.options).eval()
    network, images, found = taken(name)
    with torch.no_grad():
        assert error(loop.features(images), features_of_captures(network, found)) < 1e-5
    assert (loop.images, loop.exposures) == (len(images), found.counts.shape[0] * found.counts.shape[1])


@pytest.mark.parametrize("name", [name for name in CASES if name not in SHOWN])
def test_what_a_rig_cannot_show_is_refused(name):
    way, channels = CASES[name]
    bench = way.spec(**changes(way))
    with pytest.raises(OpticsError, match="one panel and no reference beam"):
        InTheLoop(way.model(channels=channels), bench, simulated_rig(bench, bench), **way.options)


def test_captures_of_other_pictures_are_refused():
    """Channels one by one have an exposure each; side by side one for all."""
    whole, apart = (
        network_of("collapsed, three colours"),
        network_of("collapsed, channels one by one, three colours"),
    )
    images, bench = pictures(whole), whole.bench
    with torch.no_grad():
        found = captured(whole, images, simulated_rig(bench, bench))
        own = Captures(
            apart.optics.levels(),
            whole.optics.setup.display.shown(images).repeat_interleave(3, 0),
            torch.zeros(len(images), len(apart.optics.levels()), *found.counts.shape[2:]),
            (0, 0),
            found.corner,
            found.binning,
            found.exposure,
            torch.zeros(len(images), len(apart.optics.levels())),
        )
    with pytest.raises(OpticsError, match=r"3 pictures of .* the network takes 3 of 9 x 8"):
        features_of_captures(apart, own)
