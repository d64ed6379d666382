"""What a laboratory shows first: an F tells the ways up apart, and light lands where the manifest says."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

from distill.export.lab import PAIRS, display_pictures, glyph, lab_files
from distill.export.manifest import read_manifest
from distill.export.write import export
from optics.bench.mounting import MountSpec
from tests.distill.exportbench import BENCH, SHAPE, dataset, network

WAYS = {"camera": {"mirrored": True, "turned": 1}, "slm": {"turned": 2}, "display": {"mirrored": True}}


def made(**changes):
    on_bench = network(BENCH.replace(**{"alignment.mask_rotation": 0.0, **changes}), channels=(1, 2))
    return on_bench, *lab_files(on_bench.bench, on_bench.image_shape)


@pytest.fixture(scope="module")
def plain():
    return made()


@pytest.fixture(scope="module")
def mounted():
    return made(**{f"mounting.{name}": way for name, way in WAYS.items()})


def picture(files, name) -> torch.Tensor:
    return torch.from_numpy(np.array(Image.open(io.BytesIO(files[f"lab/{name}.png"]))).astype(np.float64))


def place(files, entry) -> tuple[float, float]:
    """Where the light of a camera picture lies on the sensor, (row, column) of its own pixels."""
    light = picture(files, entry.camera[4:-4])
    light = light * (light > 60)
    y, x = (float((light.sum(1 - k) * torch.arange(light.shape[k])).sum() / light.sum()) for k in (0, 1))
    return tuple(f + (p + 0.5) * entry.binning - 0.5 for f, p in zip(entry.first, (y, x), strict=True))


def test_every_plane_has_an_f_and_a_grid_and_there_are_flat_blank_and_grating(plain):
    _, files, entries = plain
    for name in ("blank", "flat", "grating", "f", "grid"):
        assert picture(files, f"slm-{name}").shape == BENCH.slm.shape
    for name in ("black", "f", "grid", "point"):
        assert picture(files, f"display-{name}").shape == SHAPE
    assert len(entries) == len(PAIRS)
    assert {e.slm for e in entries} | {e.display for e in entries} | {e.camera for e in entries} == set(files)


def test_no_turn_or_mirror_leaves_an_f_or_a_grid_as_it_is():
    for name in ("f", "grid"):
        shown = display_pictures((12, 12))[name]
        ways = [MountSpec(mirrored=m, turned=t).to_plane(shown) for m in (False, True) for t in range(4)]
        assert sum(torch.equal(shown, way) for way in ways) == 1, name


@pytest.mark.parametrize(
    ("case", "order"), [("blank", "zero_order"), ("flat", "zero_order"), ("display-f", "signal_order")]
)
@pytest.mark.parametrize("bench", ["plain", "mounted"])
def test_light_lands_where_the_manifest_says(case, order, bench, request):
    """The mean of the F's pixels lies 1.5 display pixels above and left of the origin, 8 sensor pixels each."""
    from distill.export.electronics import places

    (_, files, entries), (upright, _, _) = request.getfixturevalue(bench), request.getfixturevalue("plain")
    entry = next(e for e in entries if e.camera == f"lab/camera-{case}.png")
    y, x = getattr(places(upright.bench), order)
    mount = request.getfixturevalue(bench)[0].bench.mounting.camera
    assert place(files, entry) == pytest.approx(mount.point((y - 12, x - 12), BENCH.camera.shape), abs=2)


@pytest.mark.parametrize("case", ["display-f", "slm-f"])
def test_the_camera_sees_the_f_upright_on_the_plane(case, plain):
    """At the signal order, against the glyph where it should be, and against its three mirror images."""
    from distill.export.electronics import places

    on_bench, files, entries = plain
    entry = next(e for e in entries if e.camera == f"lab/camera-{case}.png")
    light = picture(files, f"camera-{case}")
    signal = places(on_bench.bench).signal_order
    # the display pixel that each camera pixel's middle looks at
    index = [
        torch.floor(
            (entry.first[k] + 8 * torch.arange(light.shape[k]) + 3.5 - signal[k]) / 8 + SHAPE[k] // 2 + 0.5
        )
        for k in (0, 1)
    ]
    seen = [(i >= 0) & (i < n) for i, n in zip(index, SHAPE, strict=True)]
    window = light[seen[0]][:, seen[1]]
    f = glyph(SHAPE)
    # the display's F stands in the middle of the picture, the hologram's own middle at the point's image
    middle = [
        (n - m) // 2 if case == "display-f" else n // 2 - m // 2 for n, m in zip(SHAPE, f.shape, strict=True)
    ]

    def likeness(shape: torch.Tensor) -> float:
        want = torch.zeros(SHAPE, dtype=torch.float64)
        want[middle[0] : middle[0] + 5, middle[1] : middle[1] + 3] = shape
        drawn = want[index[0][seen[0]].long()][:, index[1][seen[1]].long()]
        return float((drawn * window).sum() / drawn.norm() / window.norm())

    assert likeness(f) > max(likeness(w) for w in (f.flip(0), f.flip(1), f.flip(0, 1))) + 0.05


def test_mountings_turn_what_each_device_is_given_and_gives(plain, mounted):
    _, files, _ = plain
    _, turned, _ = mounted
    for name, files_of in {
        "slm": ("f", "grating"),
        "display": ("f",),
        "camera": ("display-f", "slm-f", "blank"),
    }.items():
        for one in files_of:
            mount = MountSpec(**WAYS[name])
            want = mount.to_picture(picture(files, f"{name}-{one}"))
            assert torch.equal(picture(turned, f"{name}-{one}"), want), (name, one)


def test_an_export_holds_them_and_a_text_that_leads_through(tmp_path):
    manifest = export(network(), tmp_path / "out", inputs=dataset(), count=2)
    back = read_manifest(tmp_path / "out")
    assert back.lab == manifest.lab
    text = (tmp_path / "out" / "README.txt").read_text()
    for entry in back.lab:
        for name in (entry.slm, entry.display, entry.camera):
            assert name in text
            assert name in back.files
    y, x = back.places.zero_order
    for words in (
        f"row {y:.1f}, column {x:.1f}",
        "WHICH WAY UP",
        "frame-000.png",
        "mounting.slm",
        "reference.h5",
    ):
        assert words in text
    assert max(map(len, text.splitlines())) <= 120
    assert json.loads(manifest.to_json())["lab"][0]["what"].startswith("dark frame")
