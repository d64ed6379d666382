"""What a user gets wrong, from masks to TOML files: one clear error each, on one line, that says what is right."""

import math

import pytest
import torch

from optics.bench import catalogue
from optics.bench.files import load_bench
from optics.bench.light import LightSpec, photon_energy
from optics.bench.spec import BenchSpec, InputSpec, StopSpec
from optics.camera.camera import Camera, CameraSpec
from optics.checks import OpticsError, ShapeError, SpecError
from optics.fourf import illumination
from optics.fourf.camera_window import CameraWindow
from optics.fourf.illumination import Illumination
from optics.fourf.plane_by_plane import PlaneByPlane
from optics.fourf.recorder import Recorder
from optics.fourf.system import FourF
from optics.plots.side_view import layout
from optics.slm import diffraction_order as order
from optics.slm.encoding import EncodingSpec, encode
from optics.slm.fringing_field import Fringing, mean_phasor
from optics.slm.panel import SLM, SLMSpec
from optics.wave import elements, rotation
from optics.wave.farfield import lens_transform
from optics.wave.lens import LensSpec, lens_phase
from optics.wave.propagation import angular_spectrum
from tests.scenes import generator

SHAPE = (5, 6)
BENCH = BenchSpec(
    name="bad input",
    light={"wavelength": 532e-9},
    input={"pitch": 128e-6},
    lens1={"focal_length": 0.1},
    stop={"width": (4e-4, 4e-4)},
    slm={"shape": (60, 70), "pitch": 8e-6, "modulation": "phase", "bits": 4},
    encoding={"carrier": (0.125, 0.0)},
    lens2={"focal_length": 0.1},
    camera={"shape": (400, 400), "pitch": 10e-6},
)
SYSTEM = FourF(BENCH, SHAPE)
PLANES = PlaneByPlane(BENCH, SHAPE)
LIGHT = Illumination(BENCH, SHAPE)
RECORDER = Recorder(BENCH, SHAPE)
PANEL = SLM(BENCH.slm)
IMAGES = torch.rand(2, *SHAPE, generator=generator())
MASKS = torch.ones(1, SYSTEM.rows.stop - SYSTEM.rows.start, SYSTEM.cols.stop - SYSTEM.cols.start) + 0j
PSF = SYSTEM.psf(MASKS)
PLANE = torch.ones(3, 4)
FRINGING = Fringing((0.3, 0.3))
NAN, GRID = math.nan, {"wavelength": 532e-9, "pitch": 8e-6}


def broken(x: torch.Tensor) -> torch.Tensor:
    """The same with one NaN."""
    x = x.clone()
    x.view(-1)[3] = NAN
    return x


def levels_of(value: int, *shape: int) -> torch.Tensor:
    return torch.full(shape, value, dtype=torch.int32)


BAD = {
    # NaN, or complex numbers, where a phase is expected
    "nan phase": (lambda: PANEL(torch.full((60, 70), NAN)), OpticsError, r"target is nan at index \(0, 0\)"),
    "complex phase": (lambda: PANEL(torch.ones(60, 70) + 0j), OpticsError, "expected a real.*mask.angle"),
    "nan levels": (lambda: PANEL.levels(torch.full((60, 70), NAN)), OpticsError, "target is nan"),
    "nan phase mask": (lambda: elements.phase_mask(PLANE + 0j, broken(PLANE)), OpticsError, "phase is nan"),
    "complex phase mask": (lambda: elements.phase_mask(PLANE + 0j, PLANE + 0j), OpticsError, "mask.angle"),
    "nan mask": (lambda: encode(broken(PLANE) + 0j, EncodingSpec(), origin=(0, 0)), OpticsError, "mask is"),
    "real mask": (lambda: encode(PLANE, EncodingSpec(), origin=(0, 0)), OpticsError, "expected complex"),
    "complex fringes": (lambda: mean_phasor(PLANE + 0j, FRINGING), OpticsError, "expected real radians"),
    "phase as reflectance": (lambda: SYSTEM.psf(MASKS.angle()), OpticsError, r"pass slm\(phase\)"),
    "phase on planes": (lambda: PLANES.wave(IMAGES, MASKS.angle()), OpticsError, r"pass slm\(phase\)"),
    "double reflectance": (
        lambda: SYSTEM.psf(MASKS.to(torch.complex128)),
        OpticsError,
        "expected torch.complex64",
    ),
    "real psf": (lambda: SYSTEM.intensity(IMAGES, PSF.real), OpticsError, "psf has dtype torch.float32"),
    "real order": (
        lambda: order.measure_order(PLANE, PLANE, (0.1, 0), origin=(1, 1)),
        OpticsError,
        "complex",
    ),
    "nan image": (lambda: RECORDER.expose(SYSTEM(broken(IMAGES), MASKS)), OpticsError, "photons is nan"),
    "nan reflectance": (
        lambda: RECORDER.expose(SYSTEM(IMAGES, broken(MASKS))),
        OpticsError,
        "photons is nan",
    ),
    "complex photons": (lambda: RECORDER.photons(SYSTEM.wave(IMAGES, MASKS)), OpticsError, "pass abs2"),
    # wrong shapes
    "mask": (lambda: SYSTEM.wave(IMAGES, MASKS[..., 1:]), ShapeError, r"panel\[:, fourf.rows, fourf.cols\]"),
    "one mask": (lambda: SYSTEM.psf(MASKS[0]), ShapeError, r"expected \(any, "),
    "mask in light": (lambda: LIGHT(IMAGES, MASKS[..., 1:]), ShapeError, "illuminated SLM pixels"),
    "mask on planes": (lambda: PLANES.wave(IMAGES, MASKS[..., 1:]), ShapeError, "illuminated SLM pixels"),
    "image": (lambda: SYSTEM.wave(IMAGES[..., 1:], MASKS), ShapeError, "One channel at a time"),
    "image of channels": (
        lambda: SYSTEM.at_slm(IMAGES[None]),
        ShapeError,
        r"images has shape \(1, 2, 5, 6\)",
    ),
    "psf": (lambda: SYSTEM.convolve(IMAGES, PSF[..., 1:]), ShapeError, r"psf\(reflectance\)"),
    "psf of intensities": (lambda: SYSTEM.intensity(IMAGES, PSF[..., 1:, :]), ShapeError, "psf has shape"),
    "incoherent psf": (
        lambda: illumination.incoherent(SYSTEM, IMAGES, PSF[..., 1:]),
        ShapeError,
        "psf has shape",
    ),
    "intensity": (lambda: RECORDER.photons(torch.ones(2, 3)), ShapeError, "sample of the camera window"),
    "counts": (lambda: RECORDER.relative(torch.ones(2, 3)), ShapeError, "counts has shape"),
    "readings": (lambda: RECORDER.bins(torch.ones(2, 3), (1, 1)), ShapeError, "region of interest"),
    "mask without rows": (
        lambda: encode(torch.ones(4) + 0j, EncodingSpec(), origin=(0, 0)),
        ShapeError,
        "ny",
    ),
    "rotated plane": (lambda: rotation.Rotation((4, 4), 0.1)(PLANE + 0j), ShapeError, "this shape"),
    "no pixels": (lambda: FourF(BENCH, (0, 3)), OpticsError, r"image_shape is \(0, 3\)"),
    "no pixels on planes": (lambda: PlaneByPlane(BENCH, (3, 0)), OpticsError, r"image_shape is \(3, 0\)"),
    "no window": (lambda: CameraWindow(SHAPE, (2, -1)), OpticsError, "window_shape"),
    "margin": (lambda: CameraWindow(SHAPE, margin=-3), OpticsError, "margin is -3"),
    "dtype": (lambda: FourF(BENCH, SHAPE, dtype=torch.complex64), OpticsError, "float32 or torch.float64"),
    # impossible numbers
    "wavelength": (
        lambda: angular_spectrum(PLANE, wavelength=0.0, pitch=8e-6, distance=1e-3),
        SpecError,
        "532e-9",
    ),
    "wavelength of light": (lambda: photon_energy(0.0), SpecError, "532e-9"),
    "wavelength of 2f": (
        lambda: lens_transform(PLANE, wavelength=0.0, pitch=8e-6, focal_length=0.1),
        SpecError,
        "wavelength is 0",
    ),
    "pitch": (
        lambda: lens_phase((4, 4), wavelength=532e-9, pitch=-8e-6, focal_length=0.1),
        SpecError,
        "8 um is 8e-6",
    ),
    "angle": (lambda: rotation.rotate(PLANE + 0j, NAN), SpecError, "angle is nan"),
    "tilt": (lambda: illumination.tilt(SYSTEM, IMAGES, (0.0, NAN)), SpecError, "angle along x is nan"),
    "lobe": (lambda: illumination.tilted_psf(SYSTEM, MASKS, (9.0, 0.0)), SpecError, "angle along y is 9"),
    "axis": (lambda: layout(BENCH, SHAPE, across="z"), OpticsError, 'expected "y" or "x"'),
    "nan photons": (
        lambda: Camera(CameraSpec(shape=(2, 3), pitch=5e-6, shot_noise=True)).expose(
            torch.full((2, 3), NAN), generator=torch.Generator()
        ),
        OpticsError,
        r"photons is nan at index \(0, 0\)",
    ),
    # levels out of range
    "level above": (
        lambda: PANEL.of_levels(levels_of(16, 60, 70)),
        OpticsError,
        r"expected 0 \.\. 15 for 4 bits",
    ),
    "level below": (lambda: PANEL.of_levels(levels_of(-1, 60, 70)), OpticsError, r"span -1 \.\. -1"),
    "level of no integer": (lambda: PANEL.of_levels(torch.ones(60, 70)), OpticsError, "expected integers"),
    # names
    "device": (lambda: catalogue.load("holoey-pluto2"), SpecError, "Nearest: holoeye-pluto-2"),
    "camera": (lambda: catalogue.load("scmos", kind="camera"), SpecError, "Nearest: scmos-2048"),
    "bench": (lambda: load_bench("pluto"), SpecError, "Nearest: pluto2-200mm"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_clear_line(name):
    call, error, words = BAD[name]
    with pytest.raises(error, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: SLMSpec(shape=(4, 4), pitch=-8e-6), "pitch"),
        (lambda: CameraSpec(shape=(4, 4), pitch=-5e-6), "pitch"),
        (lambda: InputSpec(pitch=-32e-6), "pitch"),
        (lambda: LightSpec(wavelength=0.0), "wavelength"),
        (lambda: LensSpec(focal_length=0.0), "focal_length"),
        (lambda: LensSpec(focal_length=NAN), "focal_length"),
        (lambda: StopSpec(width=(-1e-3, 1e-3)), "expected metres"),
        (lambda: BENCH.replace(**{"light.wavelength": -532e-9}), "wavelength"),
        (lambda: BENCH.replace(**{"slm.bist": 4}), "bist"),
        (lambda: BENCH.replace(**{"encoding.method": "lee"}), 'does not belong to slm.modulation "phase"'),
    ],
)
def test_a_spec_that_is_not_physical_names_its_field(call, words):
    with pytest.raises(SpecError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_typo_in_a_bench_file_is_named_with_its_line_and_the_known_keys(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\n[slm]\ndevice = "holoeye-pluto-2"\nfil_factor = 0.9\n', encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        load_bench(path)
    said = str(caught.value)
    assert said.startswith(f"{path}:4: unknown key 'slm.fil_factor', did you mean 'fill_factor'?")
    assert "Known keys of [slm]: fill_factor, " in said and "flicker" in said and "more)" in said
    assert "\n" not in said
