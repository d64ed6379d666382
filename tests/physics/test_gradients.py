"""The gradient of everything in `optics` that has one is its derivative: `gradcheck` in double precision.

The package is walked for public functions that take and return tensors. Each stands in `CASES` below, or in
`ELSEWHERE` with the test that checks it, or in `NONE` with the reason why it has no derivative to check.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import math
import pkgutil
import typing
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import pytest
import torch
from torch import Tensor

import optics
from optics import conventions
from optics.bench.mounting import MountSpec
from optics.bench.spec import BenchSpec
from optics.camera.noise import Chain, noisy_counts
from optics.fourf import convolved_intensity as convolution
from optics.fourf import illumination
from optics.fourf.camera_window import CameraWindow
from optics.fourf.display import emitted
from optics.fourf.illumination import Illumination
from optics.fourf.periodic import Periodic4F
from optics.fourf.periodic_bench import PeriodicBench
from optics.fourf.plane_by_plane import PlaneByPlane
from optics.fourf.recorder import Recorder
from optics.fourf.system import FourF
from optics.slm import special_functions as inverse
from optics.slm import subpixel as pixelation
from optics.slm.diffraction_order import Window, measure_order
from optics.slm.encoding import EncodingSpec, encode
from optics.slm.panel import SLM
from optics.slm.response import ResponseSpec
from optics.slm.ripple import mean_field_loss, rippled
from optics.wave import elements, fourier, rotation
from optics.wave.lens import Lens, LensSpec, lens_transmission
from optics.wave.propagation import FreeSpace
from optics.wave.zernike_polynomials import zernike
from tests.scenes import generator

pytestmark = pytest.mark.physics
GRID = {"wavelength": 532e-9, "pitch": 8e-6}
SHAPE = (2, 3)
MOUNT = MountSpec(mirrored=True, turned=1)
# a bench of a few pixels: 12 x 12 of its SLM's are lit; every flaw that FourF knows
FLAWED = BenchSpec(
    name="tiny",
    light={"wavelength": 532e-9, "photons": 40.0},
    input={"pitch": 64e-6, "fill_factor": 0.8},
    lens1={"focal_length": 6e-3, "diameter": 3e-3, "zernike": {4: 0.5, 7: 0.9}, "decentre": (2e-6, -1e-6)},
    stop={"width": (5e-5, 4.6e-5)},
    slm={
        "shape": (24, 26),
        "pitch": 8e-6,
        "modulation": "phase",
        "fill_factor": 0.9,
        "crosstalk": (0.3, 0.6),
    },
    encoding={"carrier": (0.125, 0.05)},
    lens2={"focal_length": 9e-3, "diameter": 4e-3, "zernike": {8: 0.7}, "transmission": 0.9},
    camera={"shape": (40, 40), "pitch": 20e-6, "shot_noise": True, "read_noise": 1.0, "dark_current": 20.0},
    alignment={
        "mask_shift": (3e-6, -2e-6),
        "mask_rotation": 0.02,
        "mask_axial": 1e-4,
        "camera_shift": (5e-6, 0),
    },
)

STRAIGHT = FLAWED.replace(**{"alignment.mask_rotation": 0.0})  # a quarter of the lit pixels


SHOWN = FLAWED.replace(
    **{
        "input.gamma": 1.7,
        "input.contrast": 20.0,
        "light.beam_radius": 2e-4,
        "light.beam_centre": (3e-5, 0.0),
    }
)


def real(*shape: int, seed: int = 0, low: float = 0.1, high: float = 0.9) -> Tensor:
    draw = torch.rand(*shape, generator=generator(seed), dtype=torch.float64)
    return (low + (high - low) * draw).requires_grad_(True)


def field(*shape: int, seed: int = 0) -> Tensor:
    """Complex, modulus 0.1 to 0.9."""
    modulus, turn = real(*shape, seed=seed).detach(), real(*shape, seed=seed + 100, high=6.0).detach()
    return torch.polar(modulus, turn).requires_grad_(True)


@lru_cache
def fourf() -> FourF:
    return FourF(FLAWED, CameraWindow(SHAPE, margin=0, oversampling=1), dtype=torch.float64)


@lru_cache
def two_channels() -> FourF:
    """Two channels of two columns side by side: each with a pupil of its own."""
    view = CameraWindow((2, 5), (2, 2), margin=0, oversampling=1, channels=2, gap=1)
    return FourF(FLAWED, view, dtype=torch.float64)


def lit(system: typing.Any, frames: int = 1, seed: int = 5) -> Tensor:
    size = (system.rows.stop - system.rows.start, system.cols.stop - system.cols.start)
    return field(frames, *size, seed=seed)


@lru_cache
def recorder() -> Recorder:
    system = fourf()
    return Recorder(FLAWED, system.view, dtype=torch.float64)


@lru_cache
def planes() -> PlaneByPlane:
    return PlaneByPlane(
        FLAWED, CameraWindow(SHAPE, margin=0, oversampling=1), subsamples=1, dtype=torch.float64
    )


@lru_cache
def slm() -> SLM:
    spec = FLAWED.slm.replace(shape=(4, 5), response=ResponseSpec(range=5.5, gamma=1.2))
    return SLM(spec, dtype=torch.float64)


@lru_cache
def periodic() -> PeriodicBench:
    bench = FLAWED.replace(
        **{
            "stop": None,
            "input.pitch": 532e-9 * 6e-3 / (4 * 8e-6),
            "lens1.zernike": {},
            "lens2.zernike": {},
            "camera.pitch": 1.5 * 532e-9 * 6e-3 / (4 * 8e-6),
            "lens1.decentre": (0.0, 0.0),
        }
    )
    return PeriodicBench(bench, (4, 4), dtype=torch.float64)


def seeded() -> torch.Generator:
    return generator(3)


def illuminated(**light: typing.Any) -> Illumination:
    bench = STRAIGHT.replace(light={"wavelength": 532e-9, **light})
    return Illumination(bench, CameraWindow(SHAPE, margin=0, oversampling=1), dtype=torch.float64)


@functools.cache
def two_lines() -> Illumination:
    return illuminated(spectrum=((600e-9, 0.5),))


def lights(**light: typing.Any) -> tuple[Callable[..., Tensor], tuple[Tensor, ...]]:
    """The bench in some light; images (B, H, W) and one reflectance for all wavelengths."""
    system = illuminated(**light)
    return system, (real(1, *SHAPE), lit(system.lines[0]))


def partial() -> tuple[Callable[..., Tensor], tuple[Tensor, ...]]:
    system = fourf()
    angles = torch.tensor([[1e-3, -2e-3], [0.0, 3e-3]], dtype=torch.float64)
    weights = torch.tensor([0.7, 0.3], dtype=torch.float64)
    return (
        lambda u, m: illumination.partially_coherent(system, u, m, angles, weights),
        (real(1, *SHAPE), lit(system)),
    )


def psf_and_images(see: Callable[[FourF], Callable[[Tensor, Tensor], Tensor]]) -> typing.Any:
    system = fourf()
    return see(system), (real(1, *SHAPE), system.psf(lit(system, 2)).detach().requires_grad_(True))


def measured(m: Tensor, r: Tensor) -> tuple[Tensor, ...]:
    q = measure_order(r, m, (0.1, 0.05), origin=(2, 2), half=(0.3, 0.3))
    return q.gain, q.efficiency, q.error, q.zero_order


@lru_cache
def window() -> Window:
    return Window((4, 5), (0.1, 0.05), origin=(2, 2), half=(0.3, 0.3), dtype=torch.float64)


def positive_photons() -> Tensor:
    return real(1, *FourF(FLAWED, CameraWindow(SHAPE, margin=0, oversampling=1)).window, high=3.0)


Case = Callable[[], tuple[Callable[..., typing.Any], tuple[Tensor, ...]]]
CASES: dict[str, Case] = {
    "camera.camera.Camera.photons_of": lambda: (recorder().reader.photons_of, (real(*recorder().shape),)),
    "conventions.abs2": lambda: (conventions.abs2, (field(3, 4),)),
    "conventions.cis": lambda: (conventions.cis, (real(3, 4),)),
    "conventions.to_correlation": lambda: (conventions.to_correlation, (field(3, 4),)),
    "fourf.convolved_intensity.intensity": lambda: (
        lambda u, h: convolution.intensity(u, h, (4, 3), (2, 1)),
        (real(2, 2, 3), field(1, 6, 5, seed=1)),
    ),
    "fourf.convolved_intensity.polyphase": lambda: (
        lambda h: convolution.polyphase(h, (2, 3)),
        (field(1, 4, 6),),
    ),
    "fourf.convolved_intensity.filtered": lambda: (
        convolution.filtered,
        (field(2, 3, 2, 2), field(1, 3, 1, 2, 2, 2, seed=1)),
    ),
    "fourf.channels.Cells.split": lambda: (two_channels().by_cell, (field(1, 2, 5),)),
    "fourf.system.FourF.by_cell": lambda: (two_channels().at_slm, (field(1, 2, 5),)),
    "fourf.system.FourF.spread": lambda: (two_channels().spread, (lit(two_channels()),)),
    "wave.elements.Mask.forward": lambda: (elements.Mask(real(3, 4).detach(), kind="phase"), (field(3, 4),)),
    "fourf.system.FourF.at_pupil": lambda: (fourf().at_pupil, (lit(fourf()),)),
    "fourf.system.FourF.at_slm": lambda: (fourf().at_slm, (field(1, *SHAPE),)),
    "fourf.system.FourF.emitted": lambda: (fourf().emitted, (field(1, *SHAPE),)),
    "fourf.display.emitted": lambda: (lambda u: emitted(SHOWN, u), (field(1, *SHAPE),)),
    "fourf.system.FourF.wave": lambda: (fourf().wave, (field(1, *SHAPE), lit(fourf()))),
    "fourf.system.FourF.psf": lambda: (fourf().psf, (lit(fourf()),)),
    "fourf.system.FourF.convolve": lambda: psf_and_images(lambda system: system.convolve),
    "fourf.system.FourF.intensity": lambda: psf_and_images(lambda system: system.intensity),
    "fourf.system.FourF.forward": lambda: (fourf(), (real(2, *SHAPE), lit(fourf()))),
    "wave.fourier.window_fourier": lambda: (
        lambda u: fourier.window_fourier(u, pitch=8e-6, scale=1e-7, out_pitch=1e-3, out_shape=(3, 5)),
        (field(4, 3),),
    ),
    "fourf.illumination.Illumination.psfs": lambda: (
        lambda m: torch.stack(two_lines().psfs(m)),
        (lit(two_lines().lines[0]),),
    ),
    "fourf.illumination.Illumination.intensity": lambda: (
        lambda u, m: two_lines().intensity(u, two_lines().psfs(m)),
        (real(1, *SHAPE), lit(two_lines().lines[0])),
    ),
    "fourf.illumination.Illumination.forward": lambda: lights(spectrum=((600e-9, 0.5),)),
    "fourf.illumination.incoherent": lambda: psf_and_images(
        lambda system: lambda u, h: illumination.incoherent(system, u, h)
    ),
    "fourf.illumination.partially_coherent": partial,
    "fourf.illumination.tilt": lambda: (
        lambda u: illumination.tilt(fourf(), u, (1e-3, -2e-3)),
        (field(1, *SHAPE),),
    ),
    "fourf.illumination.tilted_psf": lambda: (
        lambda m: illumination.tilted_psf(fourf(), m, (1e-3, -2e-3)),
        (lit(fourf()),),
    ),
    "slm.special_functions.arccos": lambda: (inverse.arccos, (real(5),)),
    "slm.special_functions.j1_inverse": lambda: (inverse.j1_inverse, (real(5),)),
    "camera.noise.noisy_counts": lambda: (
        lambda e: noisy_counts(
            e,
            Chain(shot=True, read=1.0, well=1e6, offset=None, gain=2.0, black=3.0, ceiling=math.inf),
            seeded(),
        ),
        (real(4, 5, high=50.0),),
    ),
    "slm.special_functions.polar_parts": lambda: (inverse.polar_parts, (field(5),)),
    "slm.special_functions.sinc_inverse": lambda: (inverse.sinc_inverse, (real(5),)),
    "wave.lens.Lens.forward": lambda: (
        Lens(LensSpec(focal_length=0.1, diameter=3e-5), (4, 5), dtype=torch.complex128, **GRID),
        (field(4, 5),),
    ),
    "wave.lens.lens_transmission": lambda: (
        lambda c: lens_transmission((4, 5), focal_length=0.1, diameter=3e-5, zernike={7: c}, **GRID),
        (torch.tensor(0.3, dtype=torch.float64, requires_grad=True),),
    ),
    "fourf.periodic.Periodic4F.forward": lambda: (Periodic4F(), (real(2, 4, 3), field(2, 4, 3, seed=1))),
    "fourf.periodic_bench.PeriodicBench.mask": lambda: (periodic().mask, (real(1, 4, 4, high=6.0),)),
    "fourf.periodic_bench.PeriodicBench.intensity": lambda: (
        periodic().intensity,
        (real(1, 4, 4), field(2, 4, 4)),
    ),
    "fourf.periodic_bench.PeriodicBench.expose": lambda: (
        lambda i: periodic().expose(i, generator=seeded(), differentiable=True),
        (real(1, 1, 4, 4),),
    ),
    "fourf.periodic_bench.PeriodicBench.forward": lambda: (
        lambda u, t: periodic()(u, t, generator=seeded(), differentiable=True),
        (real(1, 4, 4), real(1, 4, 4, high=6.0)),
    ),
    "slm.diffraction_order.Window.__call__": lambda: (window(), (field(4, 5),)),
    "slm.diffraction_order.measure_order": lambda: (measured, (field(4, 5), field(4, 5, seed=1))),
    "slm.subpixel.fine_reflectance": lambda: (
        lambda t: pixelation.fine_reflectance(slm(), t, 2),
        (real(4, 5, high=4.0),),
    ),
    "slm.subpixel.superpixels": lambda: (lambda m: pixelation.superpixels(m, (2, 3)), (field(2, 3),)),
    "fourf.plane_by_plane.PlaneByPlane.display": lambda: (
        lambda u: planes().display(u)[:, ::3, ::3],
        (field(1, *SHAPE),),
    ),
    "fourf.plane_by_plane.PlaneByPlane.reflect": lambda: (
        lambda m: planes().at_camera(planes().reflect(planes().display(real(1, *SHAPE).detach()), m[0])),
        (lit(planes()),),
    ),
    "fourf.plane_by_plane.PlaneByPlane.trace": lambda: (
        lambda m: planes().at_camera(planes().trace(real(1, *SHAPE).detach(), m[0])["after_lens2"]),
        (lit(planes()),),
    ),
    "fourf.plane_by_plane.PlaneByPlane.wave": lambda: (planes().wave, (field(1, *SHAPE), lit(planes()))),
    "fourf.plane_by_plane.PlaneByPlane.at_camera": lambda: (
        lambda u: planes().at_camera(planes().display(u)),
        (field(1, *SHAPE),),
    ),
    "wave.propagation.FreeSpace.forward": lambda: (
        FreeSpace((4, 5), distance=1e-3, dtype=torch.complex128, **GRID),
        (field(4, 5),),
    ),
    "fourf.recorder.Recorder.bins": lambda: (
        lambda x: recorder().bins(x, (1, 2)),
        (real(1, *recorder().shape),),
    ),
    "fourf.recorder.Recorder.expose": lambda: (
        lambda i: recorder().expose(i, generator=seeded(), differentiable=True),
        (positive_photons(),),
    ),
    "fourf.recorder.Recorder.photons": lambda: (recorder().photons, (positive_photons(),)),
    "fourf.recorder.Recorder.relative": lambda: (recorder().relative, (real(1, *recorder().shape),)),
    "slm.response.ResponseSpec.value": lambda: (ResponseSpec(range=5.0, gamma=1.3).value, (real(4),)),
    "wave.rotation.rotate": lambda: (
        lambda u: rotation.rotate(u, 0.3, centre=(1.5, 2.0)),
        (field(1, 4, 5),),
    ),
    "wave.rotation.Rotation.forward": lambda: (
        rotation.Rotation((4, 5), -0.2, dtype=torch.complex128),
        (field(1, 4, 5),),
    ),
    "slm.panel.SLM.phase": lambda: (
        slm().phase,
        (real(4, 5, high=4.0),),
    ),
    "slm.panel.SLM.with_gaps": lambda: (slm().with_gaps, (field(4, 5),)),
    "bench.mounting.MountSpec.to_picture": lambda: (MOUNT.to_picture, (real(3, 4),)),
    "bench.mounting.MountSpec.to_plane": lambda: (MOUNT.to_plane, (real(3, 4),)),
    "slm.ripple.rippled": lambda: (lambda p: rippled(p, 0.1), (real(4, 5, high=4.0),)),
    "slm.ripple.mean_field_loss": lambda: (lambda p: mean_field_loss(p, 0.7), (real(4, 5, high=4.0),)),
    "wave.zernike_polynomials.zernike": lambda: (lambda r, t: zernike(8, r, t), (real(4), real(4, seed=1))),
}
ELSEWHERE = {
    "camera.camera.Camera.expose": "camera/test_camera.py",
    "camera.camera.Camera.forward": "camera/test_camera.py",
    "camera.camera.Camera.mean_electrons": "camera/test_camera.py",
    "slm.fringing_field.mean_phasor": "slm/test_fringing_field.py",
    "slm.fringing_field.mean_value": "slm/test_fringing_field.py",
    "wave.elements.amplitude_mask": "wave/test_elements.py",
    "wave.elements.complex_mask": "wave/test_elements.py",
    "wave.elements.field_stop": "wave/test_elements.py",
    "wave.elements.phase_mask": "wave/test_elements.py",
    "slm.encoding.encode": "slm/test_encoding.py",
    "wave.farfield.fresnel_transform": "wave/test_propagation.py",
    "wave.farfield.lens_transform": "wave/test_propagation.py",
    "wave.fourier.chirp_z": "wave/test_fourier.py",
    "wave.fourier.fft2c": "wave/test_fourier.py",
    "wave.fourier.ifft2c": "wave/test_fourier.py",
    "wave.fourier.matrix_fourier": "wave/test_fourier.py",
    "slm.fringing_narrow.narrow_phasor": "slm/test_fringing_narrow.py",
    "wave.lens.thin_lens": "wave/test_lens.py",
    "fourf.periodic.periodic_intensity": "fourf/test_periodic.py",
    "wave.propagation.angular_spectrum": "wave/test_propagation.py",
    "wave.propagation.band_limited_angular_spectrum": "wave/test_propagation.py",
    "wave.propagation.fresnel_transfer": "wave/test_propagation.py",
    "wave.propagation.propagate": "wave/test_propagation.py",
    "slm.panel.SLM.forward": "slm/test_panel.py",
    "wave.zernike_polynomials.zernike_phase": "wave/test_zernike_polynomials.py",
}
GEOMETRY = "where samples stand: constants of a design"
LEVELS = "whole numbers, or straight through their rounding by design"
NONE = {
    "draws.normal": "a random draw",
    "draws.poisson": "a random draw",
    "draws.uniform": "a random draw",
    "fourf.system.FourF.through": "what FourF.wave does with fields and masks at hand",
    "fourf.illumination.tilted_pupil": "a step inside Illumination, the same for every angle",
    "slm.level_search.LevelSearch.level": LEVELS,
    "camera.camera.Camera.saturated": "true or false",
    "slm.fringing_field.Fringing.pad": "a step inside mean_phasor",
    "slm.fringing_field.Fringing.unpad": "a step inside mean_phasor's own backward pass",
    "slm.fringing_field.shares": GEOMETRY,
    "slm.ripple.draw_ripple": "a random draw",
    "slm.ripple.state_weights": "a property of draws",
    "camera.summed_exposure.SummedExposure.draw": "a random draw",
    "camera.summed_exposure.poisson": "a random draw",
    "bench.panel_correction.corrected": LEVELS,
    "slm.fringing_exact.exact_reflectance": LEVELS,
    "wave.fourier.dft_matrix": GEOMETRY,
    "fourf.periodic.Workspace.take": "memory",
    "slm.direct_design.optimise_phase": "its result is a design, without a gradient",
    "wave.pixel_integration.pixel_weights": GEOMETRY,
    "fourf.pupil.pixel_transform": GEOMETRY,
    "fourf.pupil.pupil": GEOMETRY,
    "fourf.pupil.slm_envelope": GEOMETRY,
    "slm.response.look_up": LEVELS,
    "slm.response.nearest_amplitude": LEVELS,
    "slm.response.nearest_level": LEVELS,
    "slm.response.nominal_level": LEVELS,
    "slm.response.slopes": "a table of the device",
    "slm.response.straight_through": LEVELS,
    "slm.panel.SLM.levels": LEVELS,
    "slm.panel.SLM.of_levels": LEVELS,
}
NO_TENSORS_OUT = {
    "slm.diffraction_order.measure_order",
    "fourf.plane_by_plane.PlaneByPlane.trace",
}  # tensors inside a dataclass


def mentions_tensor(hint: typing.Any) -> bool:
    return hint is Tensor or any(mentions_tensor(part) for part in typing.get_args(hint))


NO_TENSORS = tuple(f"optics.{name}" for name in ("plots", "files", "testing", "notebook", "reading"))


def tensor_functions() -> Iterator[str]:
    """Public functions and methods of `optics` that take tensors and return tensors, as "folder.module.name"."""
    for info in pkgutil.walk_packages(optics.__path__, "optics."):
        if info.name.startswith(NO_TENSORS):
            continue
        module = importlib.import_module(info.name)
        for name, thing in vars(module).items():
            if name.startswith("_") or getattr(thing, "__module__", "") != module.__name__:
                continue
            found = {name: thing}
            if inspect.isclass(thing):
                found = {
                    f"{name}.{method}": function
                    for method, function in vars(thing).items()
                    if not method.startswith("_") or method == "__call__"
                }
            for path, function in found.items():
                if not inspect.isfunction(function):
                    continue
                hints = typing.get_type_hints(function)
                out = mentions_tensor(hints.pop("return", None))
                if out and any(mentions_tensor(hint) for hint in hints.values()):
                    yield f"{info.name.removeprefix('optics.')}.{path}"


def test_every_function_of_tensors_is_listed_once():
    listed = [*CASES, *ELSEWHERE, *NONE]
    assert len(listed) == len(set(listed))
    assert set(listed) == set(tensor_functions()) | NO_TENSORS_OUT


def test_the_other_tests_check_what_they_are_said_to():
    folder = Path(__file__).parents[1] / "optics"
    for name, file in ELSEWHERE.items():
        text = (folder / file).read_text(encoding="utf-8")
        _folder, _module, thing, *_method = name.split(".")
        assert "gradcheck" in text, name
        assert thing in text, name


CHANNELS: dict[str, Callable[[FourF], Callable[..., Tensor]]] = {
    "wave": lambda system: system.wave,
    "fields": lambda system: lambda u, m: system.convolve(u, system.psf(m)),
    "intensity": lambda system: system,
    "incoherent": lambda system: lambda u, m: illumination.incoherent(system, u, system.psf(m)),
}


@pytest.mark.parametrize("see", CHANNELS.values(), ids=CHANNELS)
def test_gradcheck_of_channels_side_by_side(see):
    system = two_channels()
    assert torch.autograd.gradcheck(see(system), (field(1, 2, 5), lit(system)))


@pytest.mark.parametrize("name", CASES)
def test_gradcheck(name):
    function, inputs = CASES[name]()
    # whole planes: one random direction in place of one sample after another
    assert torch.autograd.gradcheck(function, inputs, fast_mode=name.startswith("fourf.plane_by_plane."))


@pytest.mark.parametrize(
    "light",
    [
        {"coherence": "coherent"},
        {"coherence": "incoherent"},
        {"coherence": "partial", "source_width": 4e-3, "source_points": 3},
    ],
    ids=lambda light: light["coherence"],
)
def test_gradcheck_in_every_light(light):
    function, inputs = lights(**light)
    assert torch.autograd.gradcheck(function, inputs)


@pytest.mark.parametrize(
    ("modulation", "method"),
    [
        ("complex", "blazed"),
        ("phase", "blazed"),
        ("phase", "davis"),
        ("phase", "double_phase"),
        ("phase", "arrizon"),
        ("phase", "phase_only"),
        ("amplitude", "interferogram"),
    ],
)
def test_gradcheck_from_the_mask_to_the_camera(modulation, method):
    """Encoding, panel with crosstalk and gaps (no levels), point-spread function, light, camera with noise."""
    bench = STRAIGHT.replace(
        **{"slm.modulation": modulation, "encoding": EncodingSpec(method=method, carrier=(0.125, 0.05))}
    )
    system = FourF(bench, CameraWindow(SHAPE, margin=0, oversampling=1), dtype=torch.float64)
    region = (system.rows, system.cols)
    panel = SLM(bench.slm, region=region, dtype=torch.float64)
    seen = Recorder(bench, system.view, dtype=torch.float64)
    origin = (12 - region[0].start, 13 - region[1].start)

    def counts(mask: Tensor, images: Tensor) -> Tensor:
        target = mask if modulation == "complex" else encode(mask, bench.encoding, origin=origin)
        return seen.expose(system(images, panel(target)), generator=seeded(), differentiable=True)

    assert torch.autograd.gradcheck(counts, (lit(system), real(1, *SHAPE)))
