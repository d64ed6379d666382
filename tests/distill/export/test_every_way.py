"""Whatever `student.on(bench)` can do is exported, read back and proved: ways by properties, and what answers by ways.

The ways are those of `tests/networks/onbench/test_every_way_onto_a_bench.py`: a new one is asked here by itself.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from distill.cli.main import app
from distill.data.dataset import Dataset
from distill.export.manifest import Manifest
from distill.export.read import read_export
from distill.export.write import export
from distill.verify.verification import verify
from networks.onbench.network import OnBench
from optics.checks import OpticsError
from tests.networks.onbench.test_every_way_onto_a_bench import MIRRORS, SHAPE, WAYS, Way
from tests.scenes import lopsided

SCRIPT = Path(__file__).parents[3] / "examples" / "logits_from_counts.py"
COUNT = 3
SMALL = {"camera.shape": (1200, 800), "slm.flicker": 0.1, "slm.bits": 8}  # a sensor no larger than its images
LIT = ((2, 3), (4, 1), (6, 5), (5, 6))  # display pixels: in incoherent light each is propagated alone


@cache
def documented() -> Any:
    """The example that knows the manifest by its documentation alone."""
    spec = importlib.util.spec_from_file_location("logits_from_counts", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def small(way: Way) -> dict[str, Any]:
    return SMALL | ({"slm.flicker": 0.0, "slm.bits": 1} if way.bench.items() >= MIRRORS.items() else {})


def pictures(channels: int, *, few: bool = False, pixels: bool = False) -> Dataset:
    """Lopsided images of grey values, with a class each or one for every pixel."""
    x = lopsided(COUNT, channels, *SHAPE)
    if few:
        lit = torch.zeros(SHAPE)
        lit[tuple(zip(*LIT, strict=True))] = 1.0
        x = x * lit
    labels = torch.arange(COUNT) % 3
    if pixels:
        labels = (x.mean(1) * 2.99).long()
    return Dataset((x * 255).round() / 255, labels, ("a", "b", "c"), source="made for the tests")


@dataclass
class Made:
    """One export: the network, its directory and its manifest."""

    network: OnBench
    folder: Path
    manifest: Manifest
    data: Dataset


CASES: dict[str, tuple[Way, int | None]] = {name: (way, None) for name, way in WAYS.items()}
CASES |= {
    f"{name}, three colours": (WAYS[name], 3)
    for name in ("collapsed", "collapsed, channels one by one", "tiled", "staged, fields", "incoherent")
}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Callable[[str], Made]:
    known: dict[str, Made] = {}

    def of(case: str) -> Made:
        if case not in known:
            way, channels = CASES[case]
            network = way.on(way.model(channels=channels), way.spec(**small(way)))
            few = way.bench.get("light.coherence") == "incoherent"
            data = pictures(network.in_channels, few=few)
            folder = tmp_path_factory.mktemp("way") / "out"
            known[case] = Made(network, folder, export(network, folder, inputs=data, count=COUNT), data)
        return known[case]

    return of


PROPERTIES: dict[str, Callable[[Made], None]] = {}


def of_every_case(check: Callable[[Made], None]) -> Callable[[Made], None]:
    PROPERTIES[check.__name__] = check
    return check


@of_every_case
def it_comes_back_bit_for_bit(made):
    back = read_export(made.folder)
    levels, scales = made.network.frames_sent()
    assert torch.equal(back.levels, levels)
    assert torch.equal(back.scales, scales)
    assert back.manifest == made.manifest
    assert back.manifest.arranged == made.network.optics.arrangement
    with torch.no_grad():
        assert torch.equal(back.camera_counts, made.network.frames(made.data.images))
        torch.testing.assert_close(back.logits, made.network(made.data.images), rtol=1e-5, atol=1e-6)
        assert torch.equal(back.network().frames(made.data.images), back.camera_counts)
    if made.manifest.masks_known:
        assert torch.equal(back.masks, torch.cat([drive.masks for drive in made.network.drives()]))


@of_every_case
def the_phase_from_files_and_device_is_within_half_a_level_of_what_was_asked(made):
    """What the encoding asks for, against the nominal phase of the levels in the files."""
    back, spec = read_export(made.folder), made.network.bench.slm
    fourf = made.network.optics.systems[0]
    if spec.modulation != "phase" or not made.manifest.masks_known:
        return
    with torch.no_grad():  # where a gradient is wanted, what is asked for is not optimised
        asked = torch.cat([drive.asked for drive in made.network.drives()])
    shown = 2 * torch.pi * back.levels[:, fourf.rows, fourf.cols] / 2**spec.bits
    apart = torch.remainder(asked - shown + torch.pi, 2 * torch.pi) - torch.pi
    assert float(apart.abs().max()) <= torch.pi / 2**spec.bits * 1.001


@of_every_case
def the_order_is_told(made):
    """Every frame is shown, every reading is read once, and the text names the first file and what it is."""
    manifest, text = made.manifest, (made.folder / "README.txt").read_text()
    assert {k for e in manifest.exposures for k in e.slm_frames} == set(range(len(manifest.slm_frames)))
    readings = [k for e in manifest.exposures for k in e.readings]
    assert sorted(readings) == list(range(read_export(made.folder).camera_counts.shape[1]))
    assert {c for e in manifest.exposures for c in e.channels} == set(range(made.network.in_channels))
    assert manifest.exposures[0].what in text
    assert manifest.slm_frames[manifest.exposures[0].slm_frames[-1]] in text
    assert max(map(len, text.splitlines())) <= 120


@of_every_case
def the_answers_follow_from_what_is_documented(made):
    """By a program without this package."""
    answers, levels = documented().main(made.folder)
    assert answers < 1e-5
    assert levels == 0


@of_every_case
def the_wave_path_agrees(made):
    found = verify(made.folder, wave_images=COUNT, lightpipes_images=0)
    assert found.wave.counts_error < 1e-4
    assert found.wave.agreement == 1.0


@of_every_case
def lightpipes_agrees(made):
    found = verify(made.folder, wave_images=0, lightpipes_images=1, processes=1)
    verdict = found.judged()
    assert verdict.passed, verdict.line
    assert found.lightpipes.counts_error < 0.015
    assert set(found.lightpipes.borrowed) <= {"slm.modulation = 'dmd'"}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("prop", PROPERTIES)
def test_every_pair(prop, case, made):
    PROPERTIES[prop](made(case))


# ---------------------------------------------------------------------- what answers

HEADS: dict[str, dict[str, Any]] = {
    "classes": {},
    "pixels": {"head": "segmenter", "classes": 3},
    "pixels with context": {"head": "segmenter", "classes": 3, "context": 2},
    "object or not": {"head": "segmenter", "classes": 1},
    "embeddings": {"head": "embedder", "dimension": 5, "classes": 7},
}


def headed(head: str, way: Way, channels: int) -> OnBench:
    model = Way({**way.student, **HEADS[head]}, way.bench, way.options, channels=way.channels).model(
        channels=channels
    )
    return way.on(model, way.spec(**small(way)))


@pytest.mark.parametrize("way", ["collapsed", "tiled, fields"])
@pytest.mark.parametrize("head", HEADS)
def test_what_answers_is_exported_and_proved(head, way, tmp_path):
    channels = 2 if head == "pixels" else 1
    network = headed(head, WAYS[way], channels)
    pixels = HEADS[head].get("head") == "segmenter"
    data = pictures(channels, pixels=pixels)
    if head == "object or not":
        data = Dataset(data.images, (data.labels > 0).long(), ("nothing", "something"), source="t")
    manifest = export(network, tmp_path / "out", inputs=data, count=COUNT)
    back = read_export(tmp_path / "out")
    assert manifest.kind == ("pixels" if pixels else head)
    with torch.no_grad():
        torch.testing.assert_close(back.logits, network(data.images))
        if head == "embeddings":
            torch.testing.assert_close(back.embeddings, network.backend.embed(network.features(data.images)))
    assert torch.equal(back.labels, data.labels)
    assert documented().main(tmp_path / "out")[0] < 1e-5
    found = verify(tmp_path / "out", wave_images=COUNT, lightpipes_images=1, processes=1)
    assert found.judged().passed, found.judged().line
    assert found.wave.answers == manifest.kind
    assert found.wave.agreement == 1.0
    assert 0 <= found.wave.accuracy <= 1
    assert "the network's" in found.judged().line


class Own(nn.Module):
    """A back end that no configuration describes."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features.flatten(1).softmax(1)


@pytest.mark.parametrize(("backend", "named"), [(nn.Identity(), None), (Own(), "Own")])
def test_without_a_back_end_the_counts_alone_are_proved(backend, named, tmp_path):
    way = WAYS["collapsed"]
    network = way.on(bench=way.spec(**SMALL)).with_backend(backend)
    manifest = export(network, tmp_path / "out", inputs=pictures(1), count=COUNT)
    assert (manifest.kind, manifest.backend, manifest.own_backend) == ("counts", None, named)
    assert "backend.safetensors" not in manifest.files
    assert documented().main(tmp_path / "out") == (0.0, 0)
    with pytest.raises(OpticsError, match="it has no logits"):
        _ = read_export(tmp_path / "out").logits
    found = verify(tmp_path / "out", wave_images=COUNT, lightpipes_images=1, processes=1)
    verdict = found.judged()
    assert verdict.passed
    assert found.wave.agreement is found.wave.accuracy is None
    assert "answers" not in verdict.line
    assert "counts differ by at most" in verdict.line
    outcome = CliRunner().invoke(app, ["verify", str(tmp_path / "out"), "--lightpipes-images", "1"])
    assert outcome.exit_code == 0
    assert "3 images, camera counts differ by" in " ".join(outcome.output.split())


def test_people_whom_nobody_trained_on_are_told_apart(tmp_path):
    """An embedder for 7 people, references of 3 others; one vector for all would be no agreement worth a word."""
    network = headed("embeddings", WAYS["collapsed"], 1)
    export(network, tmp_path / "out", inputs=pictures(1), count=COUNT)
    back = read_export(tmp_path / "out")
    assert back.manifest.class_names == ("a", "b", "c")
    assert back.logits.shape == (COUNT, 7)
    lengths = back.embeddings.norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones(COUNT))


def test_a_network_in_double_precision_and_coarse_sampling_are_exported_too(tmp_path):
    way = WAYS["collapsed"]
    for name, network in {
        "double": way.on(way.model().double(), way.spec(**SMALL)),
        "coarse": way.on(bench=way.spec(**SMALL), oversampling=1),
    }.items():
        export(network, tmp_path / name, inputs=pictures(1), count=COUNT)
        assert verify(tmp_path / name, wave_images=COUNT, lightpipes_images=0).judged().passed, name
