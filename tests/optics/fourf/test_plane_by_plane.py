"""The bench plane by plane: against FourF where both apply, against a direct sum, energy, vignetting, errors."""

from __future__ import annotations

import math

import pytest
import torch

from optics.bench.light import LightSpec
from optics.bench.spec import BenchSpec, InputSpec, StopSpec
from optics.camera.camera import CameraSpec
from optics.checks import OpticsError, ShapeError, SpecError
from optics.conventions import axis
from optics.fourf.camera_window import CameraWindow
from optics.fourf.plane_by_plane import NAMES, PlaneByPlane
from optics.fourf.pupil import illuminated_pixels, pixel_transform
from optics.fourf.system import FourF
from optics.slm.encoding import EncodingSpec
from optics.slm.panel import SLMSpec
from optics.wave.fourier import dft_matrix
from optics.wave.lens import LensSpec

SHAPE = (20, 24)
BENCH = BenchSpec(
    name="planes test",
    light=LightSpec(wavelength=532e-9),
    input=InputSpec(pitch=32e-6),
    lens1=LensSpec(focal_length=0.1, diameter=12e-3),
    stop=StopSpec(width=(1.5e-3, 1.66e-3)),
    slm=SLMSpec(shape=(240, 300), pitch=16e-6, modulation="phase"),
    encoding=EncodingSpec(carrier=(0.125, -0.07)),
    lens2=LensSpec(focal_length=0.1, diameter=12e-3),
    camera=CameraSpec(shape=(600, 700), pitch=3.45e-6),
)

# changes of the bench, and how far the two paths may differ (relative L2 of the complex field)
CHANGES = {
    "none": ({}, 1e-3),
    "mask_shift": ({"alignment.mask_shift": (16e-6, -8e-6)}, 3e-3),
    "mask_rotation": ({"alignment.mask_rotation": 5e-3}, 1e-3),
    "mask_axial": ({"alignment.mask_axial": 3e-3}, 3e-3),
    "input_axial": ({"alignment.input_axial": 3e-3}, 1e-3),
    "camera_axial": ({"alignment.camera_axial": -3e-3}, 3e-3),
    "magnification": ({"alignment.magnification": 1.02}, 1e-3),
    "lens1_defocus": ({"lens1.defocus": 1e-3}, 5e-3),
    "lens2_defocus": ({"lens2.defocus": -1e-3}, 5e-3),
    "lens2_shorter": ({"lens2.focal_length": 0.08}, 1e-3),
    "slm_fill": ({"slm.fill_factor": 0.8}, 1e-3),
    "display_fill": ({"input.fill_factor": 0.5}, 1e-3),
    "transmission": ({"lens1.transmission": 0.8}, 5e-4),
    "round_stop": ({"stop": StopSpec(shape="circle", width=(1.6e-3, 1.6e-3))}, 1e-3),
    "camera_shift": ({"alignment.camera_shift": (40e-6, -70e-6)}, 5e-4),
    "lens1_decentre": ({"lens1.decentre": (48e-6, -32e-6)}, 1e-3),
    "lens2_decentre": ({"lens2.decentre": (-48e-6, 64e-6)}, 1e-3),
    "no_stop": ({"stop": None, "slm.shape": (80, 100)}, 1e-3),
    # FourF takes a lens's aberration where the beam of the field's centre crosses it
    "lens1_zernike": ({"lens1.zernike": {4: 0.05, 7: 0.08}}, 2e-2),
    "lens2_zernike": ({"lens2.zernike": {4: -0.04, 8: 0.05}}, 2e-2),
}
SIGNED = (
    "mask_shift",
    "mask_rotation",
    "mask_axial",
    "camera_shift",
    "lens1_decentre",
    "lens2_decentre",
    "input_axial",
    "camera_axial",
    "lens1_defocus",
    "lens2_defocus",
)


def image(dtype: torch.dtype = torch.float64) -> torch.Tensor:
    u = torch.zeros(1, *SHAPE, dtype=dtype)
    u[0, 3:9, 5:7], u[0, 4:6, 5:19], u[0, 12:17, 14] = 1.0, 0.7, 0.9
    return u


def mask(system: FourF | PlaneByPlane) -> torch.Tensor:
    """Three points of different weights beside the carrier's order, on the lit pixels, (1, ny, nx)."""
    bench = system.bench
    y, x = (
        axis(n, bench.slm.pitch)[part]
        for n, part in zip(bench.slm.shape, (system.rows, system.cols), strict=True)
    )
    k = 2 * math.pi * bench.input.pitch / bench.scale
    taps = ((0.5, -2.0, 1.0), (0.4j, 1.5, -2.0), (-0.1, 0.0, 3.0))
    points = sum(w * torch.exp(1j * k * (dy * y[:, None] + dx * x[None, :])) for w, dy, dx in taps)
    cy, cx = bench.encoding.carrier
    carrier = torch.exp(2j * math.pi / bench.slm.pitch * (cy * y[:, None] + cx * x[None, :]))
    return (points * carrier)[None]


def both(changes: dict[str, object], **options: object) -> tuple[torch.Tensor, torch.Tensor]:
    bench = BENCH.replace(**changes)
    fourf = FourF(bench, CameraWindow(SHAPE, oversampling=2), dtype=torch.float64)
    planes = PlaneByPlane(bench, SHAPE, dtype=torch.float64, **options)
    return planes.wave(image(), mask(planes)), fourf.wave(image(), mask(fourf))


def difference(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).norm() / b.norm())


@pytest.mark.physics
@pytest.mark.parametrize("name", CHANGES)
def test_agrees_with_fourf(name):
    changes, tolerance = CHANGES[name]
    ours, theirs = both(changes)
    if "decentre" in name:  # a decentred lens tilts the wavefront on the camera too, which FourF leaves out
        ours, theirs = ours.abs(), theirs.abs()
    # the grid's own error, mostly in rebuilding the SLM's square pixels, is up to 2e-3
    assert difference(ours, theirs) < tolerance + 2e-3


@pytest.mark.physics
@pytest.mark.parametrize("name", SIGNED)
def test_opposite_errors_are_told_apart(name):
    (key, value), *_ = CHANGES[name][0].items()
    opposite = tuple(-v for v in value) if isinstance(value, tuple) else -value
    ours, _ = both({key: value})
    other, _ = both({key: opposite})
    assert difference(other, ours) > 10 * CHANGES[name][1]


@pytest.mark.physics
@pytest.mark.parametrize(("nodes", "tolerance"), [(1, 3e-2), (2, 3e-3), (3, 2e-3)])
def test_slm_pixels_diffract_as_squares(nodes, tolerance):
    # the double sum over 12 x 12 points in each SLM pixel, with the field that arrives at each of them
    q, pitch = 12, BENCH.slm.pitch
    inner = ((torch.arange(q, dtype=torch.float64) + 0.5) / q - 0.5) * pitch
    planes = PlaneByPlane(BENCH, SHAPE, nodes=nodes, dtype=torch.float64)
    stop = FourF(BENCH, SHAPE, dtype=torch.float64).pupil
    into, out = [], []
    for k in (0, 1):
        xi = (illuminated_pixels(BENCH, k)[1][:, None] + inner).reshape(-1)
        pixel = pixel_transform(BENCH, xi)[:, None]
        into.append(pixel * dft_matrix(xi, axis(SHAPE[k], BENCH.input.pitch), scale=BENCH.scale))
        weight = BENCH.input.pitch * pitch / q / BENCH.scale
        out.append(weight * dft_matrix(planes.camera_axis(k), xi, scale=BENCH.scale, sign=+1))
    squares = (mask(planes)[0] * stop).repeat_interleave(q, 0).repeat_interleave(q, 1)
    want = out[0] @ (into[0] @ image()[0].to(squares.dtype) @ into[1].mT * squares) @ out[1].mT
    assert difference(planes.wave(image(), mask(planes))[0, 0], want) < tolerance


@pytest.mark.physics
def test_free_space_and_lenses_keep_the_energy():
    planes = PlaneByPlane(BENCH, SHAPE, all_orders=True, dtype=torch.float64)
    trace = planes.trace(image(), mask(planes)[0])
    energy = {name: float(trace[name].abs().pow(2).sum()) for name in NAMES}
    assert energy["before_slm"] == pytest.approx(energy["display"], rel=1e-9)
    assert energy["camera"] == pytest.approx(energy["after_slm"], rel=1e-9)
    # the display's light that the stop passes, and nothing more
    assert energy["after_slm"] < energy["before_slm"]


@pytest.mark.physics
def test_field_at_the_slm_is_the_transform_of_the_image():
    # 1 / (i lambda f) times the Fourier integral and exp(2 i k f): amplitude in the grid's own units
    planes = PlaneByPlane(BENCH, SHAPE, dtype=torch.float64)
    field = planes.trace(image(), mask(planes)[0])["before_slm"][0]
    y, x = (axis(n, planes.pitch) for n in planes.shape)
    inside = [(v.abs() < 0.7e-3) for v in (y, x)]
    xi = [v[i] for v, i in zip((y, x), inside, strict=True)]
    into = [
        pixel_transform(BENCH, v)[:, None] * dft_matrix(v, axis(n, BENCH.input.pitch), scale=BENCH.scale)
        for v, n in zip(xi, SHAPE, strict=True)
    ]
    turn = 2 * math.pi * math.fmod(2 * 0.1 / 532e-9, 1.0)
    factor = complex(math.cos(turn), math.sin(turn)) / 1j * BENCH.input.pitch**2 / BENCH.scale
    want = factor * (into[0] @ image()[0].to(into[0].dtype) @ into[1].mT)
    assert difference(field[inside[0]][:, inside[1]], want) < 2e-3


@pytest.mark.physics
def test_small_lens_takes_light_away_and_fourf_refuses():
    small = {"lens2.diameter": 1.6e-3}
    with pytest.raises(SpecError, match="vignettes"):
        FourF(BENCH.replace(**small), SHAPE)
    planes = PlaneByPlane(BENCH.replace(**small), SHAPE, dtype=torch.float64)
    trace = planes.trace(image(), mask(planes)[0])
    y, x = trace.axes()
    outside = (y[:, None] ** 2 + x[None, :] ** 2).sqrt() > 0.83e-3
    assert trace["after_lens2"][0][outside].abs().max() == 0.0
    before, after = (float(trace[n].abs().pow(2).sum()) for n in ("before_lens2", "after_lens2"))
    blocked = float(trace["before_lens2"][0][outside].abs().pow(2).sum())
    assert after == pytest.approx(before - blocked, rel=0.03)
    assert blocked > 0.02 * before


@pytest.mark.physics
def test_decentred_lens_2_moves_the_image_with_it():
    shift = (64e-6, -96e-6)  # of the lens, on the bench's own axes; the reported axes are flipped
    moved = BENCH.replace(**{"lens2.decentre": shift})
    offset = tuple(o - s for o, s in zip(BENCH.image_offset, shift, strict=True))
    there = PlaneByPlane(moved, CameraWindow(SHAPE, offset=(offset[0], offset[1])), dtype=torch.float64)
    here = PlaneByPlane(BENCH, SHAPE, dtype=torch.float64)
    got, want = (p.wave(image(), mask(p)).abs() for p in (there, here))
    assert difference(got, want) < 5e-3


@pytest.mark.physics
def test_decentred_lens_1_moves_the_spectrum_with_it():
    # a mask moved the other way sees what this one sees; the image goes with the lens. The stop is wider than the
    # panel, so that only the mask tells
    shift = (48e-6, -32e-6)
    wide = BENCH.replace(**{"stop.width": (2.2e-3, 2.2e-3), "slm.shape": (90, 100)})
    offset = tuple(o - s for o, s in zip(BENCH.image_offset, shift, strict=True))
    lens = PlaneByPlane(
        wide.replace(**{"lens1.decentre": shift}),
        CameraWindow(SHAPE, offset=(offset[0], offset[1])),
        dtype=torch.float64,
    )
    back = (-shift[0], -shift[1])
    slm = PlaneByPlane(wide.replace(**{"alignment.mask_shift": back}), SHAPE, dtype=torch.float64)
    same = PlaneByPlane(wide, SHAPE, dtype=torch.float64)
    got, want, neither = (p.wave(image(), mask(p)).abs() for p in (lens, slm, same))
    assert difference(got, want) < 1e-3
    assert difference(got, neither) > 0.1


def test_more_samples_and_all_orders_change_nothing_in_the_window():
    usual = PlaneByPlane(BENCH, SHAPE, dtype=torch.float64)
    want = usual.wave(image(), mask(usual))
    for options in ({"subsamples": 2}, {"all_orders": True}):
        other = PlaneByPlane(BENCH, SHAPE, dtype=torch.float64, **options)
        assert difference(other.wave(image(), mask(other)), want) < 2e-3


def test_single_precision_and_gradients():
    planes = PlaneByPlane(BENCH, SHAPE)
    reflectance = mask(planes).to(torch.complex64).requires_grad_()
    field = planes.wave(image(torch.float32), reflectance)
    assert field.dtype == torch.complex64
    double = PlaneByPlane(BENCH, SHAPE, dtype=torch.float64)
    assert difference(field.detach().to(torch.complex128), double.wave(image(), mask(double))) < 1e-4
    field.abs().pow(2).sum().backward()
    assert bool(torch.isfinite(reflectance.grad.abs()).all()) and float(reflectance.grad.abs().max()) > 0


def test_planes_have_names_and_positions():
    moved = BENCH.replace(**{"alignment.mask_axial": 2e-3, "alignment.input_axial": 1e-3})
    planes = PlaneByPlane(moved, SHAPE)
    trace = planes.trace(image(torch.float32), mask(planes)[0])
    assert tuple(trace.fields) == NAMES
    want = [0, 0.099, 0.099, 0.201, 0.201, 0.299, 0.299, 0.399]
    assert list(trace.positions.values()) == pytest.approx(want)
    with pytest.raises(OpticsError, match="before_lens2"):
        trace["lens3"]


def test_bad_input_is_refused():
    planes = PlaneByPlane(BENCH, SHAPE)
    with pytest.raises(ShapeError, match="illuminated SLM pixels"):
        planes.wave(image(torch.float32), torch.ones(1, 240, 300, dtype=torch.complex64))
    with pytest.raises(ShapeError, match="images"):
        planes.wave(torch.zeros(1, 24, 20), mask(planes))
    with pytest.raises(OpticsError, match="count from 1"):
        PlaneByPlane(BENCH, SHAPE, nodes=0)
    with pytest.raises(SpecError, match="focal length"):
        PlaneByPlane(BENCH.replace(**{"alignment.input_axial": 0.2}), SHAPE)
