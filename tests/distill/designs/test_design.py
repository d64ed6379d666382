"""Every kind of target: written, read back level for level, proved by both engines, told as JSON."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from distill import design
from distill.designs import KINDS
from distill.designs.builtins import NAMES
from distill.designs.frames import lay_out, show
from distill.designs.targets import read_target
from distill.export.design_files import read_design
from networks.cascade.convolution import mask_of_taps
from networks.students.interchange import SUFFIXES, write
from optics.bench import catalogue, load_bench
from optics.errors import OpticsError
from optics.slm.panel import SLM
from tests.distill.designs.bench import ENCODINGS, PANEL, SHAPE, bench
from tests.scenes import generator

GENERATOR = generator(5)
BAND = torch.randn(2, 24, 24, dtype=torch.complex64, generator=GENERATOR)
PANELS = torch.rand(2, *PANEL, generator=GENERATOR)
BENCH = bench()
CLEAN = bench({"pitch": 8e-6, "modulation": "phase", "bits": 12}, alignment={}).replace(
    **{"lens1.zernike": {}, "lens2.zernike": {}}
)
CASES = {
    "donut": ("donut:radius=2", {}),
    "line": ("line:length=5,angle=30", {}),
    "gabors": ("gabor:count=16,size=7", {"first": 2}),
    "gabors as tiles": ("gabor:count=4,size=5", {"tiles": 2}),
    "sobel, double phase": ("sobel", {"encoding": "double_phase"}),
    "identity, optimised": ("identity", {"encoding": "direct"}),
    "gaussian": ("gaussian", {}),
    "laplace, arrizon": ("laplace", {"encoding": "arrizon"}),
    "random complex kernel": ("random:size=5,seed=3", {}),
    "kernel on a finer grid": (torch.ones(1, 9, 7), {"pitch": 12e-6}),
    "mask over the band": (BAND, {"kind": "mask", "corner": False}),
    "phase over the band": (BAND.angle(), {"kind": "phase", "corner": True}),
    "amplitude over the band": (BAND.abs() / BAND.abs().max(), {"kind": "amplitude", "corner": False}),
    "panel": (torch.polar(PANELS, 6 * PANELS.flip(2)), {}),
    "panel's phase": (6.2 * PANELS, {"kind": "panel-phase", "encoding": "phase_only", "carrier": (0.0, 0.0)}),
    "panel's amplitude": (PANELS, {"kind": "panel-amplitude"}),
}


def made(where, name: str, **more):
    target, options = CASES[name]
    options = dict(options)
    first = options.pop("first", None)
    if first is not None:  # a bank as it is stored
        target = read_target(target, BENCH).taps[:first, 0]
    usual = {"image_shape": SHAPE, "pictures": 0, "compare": False, "lab": False}
    return design(target, bench=BENCH, directory=where, **(usual | options | more))


def test_the_page_names_every_kind_and_every_built_in():
    page = (Path(__file__).parents[3] / "docs/design.md").read_text()
    for name in (*KINDS, *NAMES):
        assert f"`{name}" in page or f" {name}" in page, name


def test_every_kind_is_asked():
    asked = {options.get("kind", "kernel") for _, options in CASES.values()} | {"panel"}
    assert asked == set(KINDS)


@pytest.mark.parametrize("name", CASES)
def test_a_target_is_written_read_back_and_proved(tmp_path, name):
    where = tmp_path / "design"
    found = made(where, name)
    manifest, read, files = read_design(where)
    tiles = len(manifest.places)
    assert len(files.levels) * tiles == len(found.masks) == manifest.masks
    # level for level: what the files hold is what the panel is sent
    rows, cols = _lit(read, manifest)
    sent = SLM(read.slm, region=(rows, cols)).of_levels(files.levels[:, rows, cols])
    assert torch.equal(sent.abs() > 0, torch.ones(sent.shape, dtype=torch.bool))
    assert int(files.levels.sum()) == int(files.levels[:, rows, cols].sum())  # dark beside
    assert found.verdict is not None and found.verdict.passed, found.verdict.line
    assert found.proof.wave.worst_psf_error < 1e-4
    assert found.proof.lightpipes.worst_psf_error < 0.02
    told = json.loads((where / "design.json").read_text())
    assert told["masks"] == found.model_dump(mode="json")["masks"]
    assert all(0 <= m.error < 1 and 0 < m.efficiency < 1 for m in found.masks)
    assert repr(found).startswith("Design(")
    assert found._repr_html_().count("<tr>") == 1 + len(found.masks)


def _lit(read, manifest):
    from optics.fourf.camera_window import CameraWindow
    from optics.fourf.system import FourF

    fourf = FourF(read, CameraWindow(manifest.image_shape, offset=manifest.places[0]))
    return fourf.rows, fourf.cols


@pytest.mark.parametrize("name", catalogue.names("slm"))
def test_every_device_of_the_catalogue(tmp_path, name):
    """The levels come back bit for bit; each has the nearest phase there is, at most half a level off."""
    figures = catalogue.load(name).figures
    side = [math.ceil(80 * 8e-6 / figures["pitch"])] * 2
    spec = bench({"device": name, "shape": side}, modulation=figures["modulation"])
    design(
        "gabor:count=1,size=5",
        bench=spec,
        directory=tmp_path / "d",
        image_shape=SHAPE,
        pictures=0,
        prove=False,
        lab=False,
    )
    manifest, read, files = read_design(tmp_path / "d")
    layout = lay_out(spec, read_target("gabor:count=1,size=5", spec, image_shape=SHAPE), 1)
    fourf = layout.fourfs[0]
    shown = show(layout)
    assert torch.equal(files.levels[:, fourf.rows, fourf.cols], shown.levels)
    assert files.levels.max() < 2**manifest.device.bits and read.slm == spec.slm
    if spec.slm.modulation != "phase":
        assert len(shown.levels.unique()) > 1
        return
    from networks.onbench.drive import encoded

    asked = encoded(spec, shown.masks, fourf).double()
    table = read.slm.assumed.table(manifest.device.bits)  # as the files alone tell
    chosen = table[files.levels[:, fourf.rows, fourf.cols].long()]
    steps = (asked[..., None][:, ::7, ::7] - table).remainder(2 * math.pi)
    nearest = torch.minimum(steps, 2 * math.pi - steps).amin(-1)
    off = (asked - chosen).remainder(2 * math.pi)
    off = torch.minimum(off, 2 * math.pi - off)[:, ::7, ::7]
    assert float((off - nearest).max()) < 1e-4
    turn = table.remainder(2 * math.pi).sort().values
    steps_between = torch.cat((turn[1:], turn[:1] + 2 * math.pi)) - turn
    assert float(off.max()) <= float(steps_between.max()) / 2 + 1e-4


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_file_of_masks_gives_the_same_target(tmp_path, suffix):
    kernels = torch.randn(2, 5, 5, dtype=torch.complex64, generator=generator(1))
    write(tmp_path / f"mine{suffix}", kernels)
    found = read_target(tmp_path / f"mine{suffix}", BENCH)
    assert torch.equal(found.taps[:, 0], kernels)


def test_a_picture_is_a_target(tmp_path):
    from optics.files import write_png

    grey = np.zeros((5, 7), np.uint8)
    grey[1, 2] = 255
    write_png(tmp_path / "mine.png", grey)
    taps = read_target(tmp_path / "mine.png", BENCH).taps[0, 0]
    assert [int(v) for v in (taps.abs() > 0.5).nonzero()[0] - taps.shape[-1] // 2] == [-1, -1]
    phases = read_target(tmp_path / "mine.png", BENCH, kind="phase", corner=False, image_shape=(5, 5)).taps
    assert phases.is_complex()


@pytest.mark.physics
def test_the_predicted_point_is_the_kernel_where_it_should_be():
    """A lopsided kernel on a bench without flaws, sampled at the display's pixels: the kernel itself."""
    kernel = torch.zeros(5, 5)
    kernel[0, 1], kernel[3, 4], kernel[2, 2] = 1.0, -0.5, 0.25
    layout = lay_out(BENCH, read_target(kernel, BENCH, corner=False, image_shape=SHAPE), 1)
    from distill.designs.frames import asked_fields

    field = asked_fields(layout)[0]
    s = layout.fourfs[0].oversampling
    at_pixels = field[:: s[0], :: s[1]]
    middle = [n // 2 for n in at_pixels.shape]
    around = at_pixels[middle[0] - 2 : middle[0] + 3, middle[1] - 2 : middle[1] + 3]
    scale = around[0, 1]
    torch.testing.assert_close((around / scale).real, kernel, atol=0.02, rtol=0.0)


@pytest.mark.physics
@pytest.mark.parametrize(
    ("tiles", "encoding", "turned", "most"),
    [
        (1, "double_phase", 0.0, 0.05),
        (2, "double_phase", 0.0, 0.15),
        (2, "double_phase", 0.02, 0.15),
        (2, "direct", 0.0, 0.12),
        (2, "direct", 0.02, 0.12),
    ],
)
def test_lopsided_kernels_come_out_as_asked_on_a_panel_without_flaws(tmp_path, tiles, encoding, turned, most):
    """A mirrored or conjugated mask, swapped axes or swapped tiles would be wrong by the whole kernel."""
    kernels = torch.zeros(2, 5, 5)
    kernels[0, 0, 1], kernels[0, 3, 4], kernels[0, 2, 2] = 1.0, -0.5, 0.25
    kernels[1] = kernels[0].T.flip(0)
    found = design(
        kernels,
        bench=CLEAN.replace(
            **{"alignment.mask_rotation": turned, "assumed_alignment": {"mask_rotation": turned}}
        ),
        directory=tmp_path / "d",
        corner=False,
        encoding=encoding,
        image_shape=SHAPE,
        tiles=tiles,
        pictures=0,
        compare=False,
        prove=False,
        lab=False,
    )
    assert max(mask.error for mask in found.masks) < most
    fields = read_design(tmp_path / "d")[2]
    right, swapped = (
        float((f.abs() - f.abs().max() / a.abs().max() * a.abs()).norm() / f.norm())
        for f, a in ((fields.fields[0, 0], fields.asked[0]), (fields.fields[0, 0], fields.asked[1]))
    )
    assert swapped > 0.8 > 0.2 > right


@pytest.mark.physics
@pytest.mark.parametrize("carrier", [(0.25, 0.0), (-0.25, 0.125)])
def test_a_clear_mask_carries_the_light_of_a_lossless_panel(tmp_path, carrier):
    """Without flaws all light but the fly-back's rounding and the window's cut tails lands in the image."""
    found = design(
        torch.ones(1, *PANEL, dtype=torch.complex64),
        bench=CLEAN,
        directory=tmp_path / "d",
        carrier=carrier,
        image_shape=SHAPE,
        pictures=0,
        compare=True,
        prove=False,
        lab=False,
    )
    (mask,) = found.masks
    envelope = math.prod(float(np.sinc(c)) ** 2 for c in carrier)
    assert mask.efficiency == pytest.approx(envelope, rel=0.05)
    assert mask.zero_order < 1e-3
    assert mask.place == tuple(-c * 532e-9 * 0.03 / 8e-6 for c in carrier)
    assert {e.method for e in found.encodings if e.chosen} == {"blazed"}
    assert len(found.encodings) == 6


def test_images_of_the_user_are_predicted_and_proved(tmp_path):
    images = torch.zeros(2, *SHAPE)
    images[0, 2:6, 3:5], images[1, 5:8, 1:9] = 1.0, 0.5
    found = design(
        "gabor:count=2,size=5",
        bench=BENCH,
        directory=tmp_path / "d",
        images=images,
        tiles=2,
        pictures=0,
        compare=False,
        lab=False,
    )
    _, _, files = read_design(tmp_path / "d")
    assert files.camera_counts.shape[:2] == (2, 2)
    assert found.proof.wave.images == 2
    assert found.proof.wave.counts_error < 1e-3
    assert found.proof.lightpipes.counts_error < 0.02


def test_pictures_and_what_the_lab_shows_first_belong_to_the_files(tmp_path):
    made(tmp_path / "d", "gabors as tiles", pictures=1, prove=False, lab=True)
    manifest, _, _ = read_design(tmp_path / "d")
    assert {pair.slm for pair in manifest.lab} | {pair.camera for pair in manifest.lab} <= set(manifest.files)
    text = (tmp_path / "d/README.txt").read_text()
    assert "THEN THE DESIGN: gabor:count=4,size=5" in text and "tile 1: row" in text and "NETWORK" not in text
    names = {name for name in manifest.files if name.startswith("pictures/")}
    assert names == {
        f"pictures/{what}-000.png" for what in ("asked", "predicted", "intensity", "mask", "levels")
    }


def test_a_mounted_panel_gets_its_own_picture_and_the_same_levels(tmp_path):
    """Mirrored and turned: another picture in the files, the same plane for the light."""
    turned = BENCH.replace(mounting={"slm": {"mirrored": True, "turned": 1}})
    seen = []
    for name, spec in (("upright", BENCH), ("turned", turned)):
        design(
            "random:size=5",
            bench=spec,
            directory=tmp_path / name,
            image_shape=SHAPE,
            pictures=0,
            compare=False,
            lab=False,
            prove=False,
        )
        seen.append(read_design(tmp_path / name)[2])
    assert torch.equal(seen[0].levels, seen[1].levels) and torch.equal(seen[0].fields, seen[1].fields)
    with Image.open(tmp_path / "turned/slm/frame-000.png") as picture:
        assert picture.size == (PANEL[0], PANEL[1])


def test_a_published_mask_is_the_same_on_the_band_and_as_a_kernel():
    """1 x 256 x 30 x 30 with its zero frequency in the corner, as the paper's files have it; here 1 x 3."""
    taps = torch.randn(3, 1, 5, 5, dtype=torch.complex64, generator=generator(2))
    corner = torch.fft.ifftshift(mask_of_taps(taps, (30, 30)), dim=(-2, -1)).transpose(0, 1)
    found = read_target(corner, BENCH, kind="mask", axes="ioyx", corner=True, image_shape=(12, 12)).taps
    inside = found[..., 13:18, 13:18]
    torch.testing.assert_close(inside, taps, atol=1e-5, rtol=1e-4)
    assert ENCODINGS["phase"]["method"] == "blazed"


def test_a_folder_of_that_name_hides_neither_a_built_in_target_nor_a_shipped_bench(tmp_path, monkeypatch):
    """As after `sclc design donut -o donut`, done again."""
    monkeypatch.chdir(tmp_path)
    for name in ("donut", "pluto2-200mm"):
        (tmp_path / name).mkdir()
    assert read_target("donut", BENCH).name == "donut"
    assert load_bench("pluto2-200mm").slm.pitch == 8e-6


REFUSED = {
    "no such name": ({"target": "dognut"}, "no built-in one: sobel"),
    "no such option": ({"target": "donut:size=3"}, "no option 'size'"),
    "no number": ({"target": "donut:radius=wide"}, "expected a number"),
    "not positive": ({"target": "line:length=-2"}, "length is -2, expected 0.1 to"),
    "no such kind": ({"kind": "hologram"}, "choose one of kernel"),
    "no origin": ({"target": BAND, "kind": "mask"}, "zero frequency"),
    "another panel": ({"target": PANELS[:, :-2], "kind": "panel-phase"}, "expected 72 x 90"),
    "what a panel's values are": ({"target": PANELS}, "panel-phase"),
    "gain": ({"target": 3 * BAND, "kind": "amplitude", "corner": True}, "0 to 1"),
    "degrees": ({"target": (PANELS * 360).round(), "kind": "panel-phase"}, "radians"),
    "nothing": ({"target": torch.zeros(3, 3)}, "nothing to design"),
    "not finite": ({"target": torch.full((3, 3), math.nan)}, "finite|NaN|nan"),
    "tiles that do not fill": (
        {"target": "gabor:count=3,size=5", "tiles": 2, "image_shape": SHAPE},
        "divides 3",
    ),
    "tiles of a panel": ({"target": PANELS, "kind": "panel-phase", "tiles": 2}, "side by side"),
    "another panel's encoding": ({"encoding": "lee"}, "does not belong"),
    "no levels": ({"bench": "ideal-200mm"}, "no levels"),
    "a correction": (
        {"bench": BENCH.replace(**{"slm.correction": {"file": "map.bmp"}})},
        "without slm.correction",
    ),
    "bad images": ({"images": torch.full((1, 4, 4), 2.0)}, "0 to 1"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused_in_one_line(tmp_path, name):
    changes, said = REFUSED[name]
    options = {"target": "donut:radius=2", "bench": BENCH, "directory": tmp_path / "d"} | changes
    with pytest.raises(OpticsError, match=said) as told:
        design(options.pop("target"), **options)
    assert "\n" not in str(told.value)
    assert not (tmp_path / "d").exists()


@pytest.mark.physics
def test_orders_of_an_interferogram_are_where_and_as_bright_as_they_should_be(tmp_path):
    """(1 + cos t) / 2 of a clear mask: 1/16 of the light in the image, 1/4 un-modulated on the axis, 4 times that."""
    spec = bench({"pitch": 8e-6, "modulation": "amplitude", "bits": 12}, modulation="amplitude", alignment={})
    found = design(
        torch.ones(PANEL, dtype=torch.complex64),
        bench=spec.replace(**{"lens1.zernike": {}, "lens2.zernike": {}}),
        directory=tmp_path / "d",
        image_shape=SHAPE,
        pictures=0,
        compare=False,
        prove=False,
        lab=False,
    )
    (mask,) = found.masks
    envelope = math.prod(float(np.sinc(c)) ** 2 for c in spec.encoding.carrier)
    assert mask.efficiency == pytest.approx(envelope / 16, rel=0.05)
    assert mask.zero_order == pytest.approx(1 / 4, rel=0.02)
    assert mask.neighbour.name == "zero order" and mask.neighbour.place == (0.0, 0.0)
    assert mask.neighbour.energy == pytest.approx(4 / envelope, rel=0.05)
    assert mask.neighbour.distance == pytest.approx(532e-9 * 0.03 / 8e-6 * math.hypot(0.25, 0.1))
