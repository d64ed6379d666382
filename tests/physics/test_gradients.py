"""The gradient of everything in `optics` that has one is its derivative: `gradcheck` in double precision.

The package is walked for public functions that take and return tensors. Each stands in `CASES` below, or in
`ELSEWHERE` with the test that checks it, or in `NONE` with the reason why it has no derivative to check.
"""

from __future__ import annotations

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
from optics import conventions, convolution, elements, fourier, illumination, inverse, pixelation, rotation
from optics.bench import BenchSpec
from optics.encoding import EncodingSpec, encode
from optics.exposure import Chain, noisy_counts
from optics.fourf import FourF
from optics.illumination import Illumination
from optics.lens import Lens, LensSpec, lens_transmission
from optics.matched import Matched4F
from optics.matched_bench import MatchedBench
from optics.order import Window, measure_order
from optics.planes import PlaneByPlane
from optics.propagation import FreeSpace
from optics.recorder import Recorder
from optics.response import ResponseSpec
from optics.slm import SLM
from optics.zernike import zernike

pytestmark = pytest.mark.physics
GRID = {"wavelength": 532e-9, "pitch": 8e-6}
SHAPE = (2, 3)
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


def real(*shape: int, seed: int = 0, low: float = 0.1, high: float = 0.9) -> Tensor:
    draw = torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (low + (high - low) * draw).requires_grad_(True)


def field(*shape: int, seed: int = 0) -> Tensor:
    """Complex, modulus 0.1 to 0.9."""
    modulus, turn = real(*shape, seed=seed).detach(), real(*shape, seed=seed + 100, high=6.0).detach()
    return torch.polar(modulus, turn).requires_grad_(True)


@lru_cache
def fourf() -> FourF:
    return FourF(FLAWED, SHAPE, margin=0, oversampling=1, dtype=torch.float64)


def lit(system: typing.Any, frames: int = 1, seed: int = 5) -> Tensor:
    size = (system.rows.stop - system.rows.start, system.cols.stop - system.cols.start)
    return field(frames, *size, seed=seed)


@lru_cache
def recorder() -> Recorder:
    system = fourf()
    return Recorder(FLAWED, SHAPE, system.camera_axis(0), system.camera_axis(1), dtype=torch.float64)


@lru_cache
def planes() -> PlaneByPlane:
    return PlaneByPlane(FLAWED, SHAPE, margin=0, oversampling=1, subsamples=1, dtype=torch.float64)


@lru_cache
def slm() -> SLM:
    spec = FLAWED.slm.replace(shape=(4, 5), response=ResponseSpec(range=5.5, gamma=1.2))
    return SLM(spec, dtype=torch.float64)


@lru_cache
def matched() -> MatchedBench:
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
    return MatchedBench(bench, (4, 4), dtype=torch.float64)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def lights(**light: typing.Any) -> tuple[Callable[..., Tensor], tuple[Tensor, ...]]:
    """The bench in some light; images (B, H, W) and one reflectance for all wavelengths."""
    bench = STRAIGHT.replace(light={"wavelength": 532e-9, **light})
    system = Illumination(bench, SHAPE, margin=0, oversampling=1, dtype=torch.float64)
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
    return real(1, *FourF(FLAWED, SHAPE, margin=0, oversampling=1).window, high=3.0)


Case = Callable[[], tuple[Callable[..., typing.Any], tuple[Tensor, ...]]]
CASES: dict[str, Case] = {
    "camera.Camera.photons_of": lambda: (recorder().reader.photons_of, (real(*recorder().shape),)),
    "conventions.abs2": lambda: (conventions.abs2, (field(3, 4),)),
    "conventions.cis": lambda: (conventions.cis, (real(3, 4),)),
    "conventions.to_correlation": lambda: (conventions.to_correlation, (field(3, 4),)),
    "convolution.intensity": lambda: (
        lambda u, h: convolution.intensity(u, h, (4, 3), (2, 1)),
        (real(2, 2, 3), field(1, 6, 5, seed=1)),
    ),
    "convolution.polyphase": lambda: (lambda h: convolution.polyphase(h, (2, 3)), (field(1, 4, 6),)),
    "elements.Mask.forward": lambda: (elements.Mask(real(3, 4).detach(), kind="phase"), (field(3, 4),)),
    "fourf.FourF.at_pupil": lambda: (fourf().at_pupil, (lit(fourf()),)),
    "fourf.FourF.at_slm": lambda: (fourf().at_slm, (field(1, *SHAPE),)),
    "fourf.FourF.wave": lambda: (fourf().wave, (field(1, *SHAPE), lit(fourf()))),
    "fourf.FourF.psf": lambda: (fourf().psf, (lit(fourf()),)),
    "fourf.FourF.convolve": lambda: psf_and_images(lambda system: system.convolve),
    "fourf.FourF.intensity": lambda: psf_and_images(lambda system: system.intensity),
    "fourf.FourF.forward": lambda: (fourf(), (real(2, *SHAPE), lit(fourf()))),
    "fourier.window_fourier": lambda: (
        lambda u: fourier.window_fourier(u, pitch=8e-6, scale=1e-7, out_pitch=1e-3, out_shape=(3, 5)),
        (field(4, 3),),
    ),
    "illumination.Illumination.forward": lambda: lights(spectrum=((600e-9, 0.5),)),
    "illumination.incoherent": lambda: psf_and_images(
        lambda system: lambda u, h: illumination.incoherent(system, u, h)
    ),
    "illumination.partially_coherent": partial,
    "illumination.tilt": lambda: (
        lambda u: illumination.tilt(fourf(), u, (1e-3, -2e-3)),
        (field(1, *SHAPE),),
    ),
    "illumination.tilted_psf": lambda: (
        lambda m: illumination.tilted_psf(fourf(), m, (1e-3, -2e-3)),
        (lit(fourf()),),
    ),
    "inverse.arccos": lambda: (inverse.arccos, (real(5),)),
    "inverse.j1_inverse": lambda: (inverse.j1_inverse, (real(5),)),
    "exposure.noisy_counts": lambda: (
        lambda e: noisy_counts(
            e,
            Chain(shot=True, read=1.0, well=1e6, offset=None, gain=2.0, black=3.0, ceiling=math.inf),
            seeded(),
        ),
        (real(4, 5, high=50.0),),
    ),
    "inverse.polar_parts": lambda: (inverse.polar_parts, (field(5),)),
    "inverse.sinc_inverse": lambda: (inverse.sinc_inverse, (real(5),)),
    "lens.Lens.forward": lambda: (
        Lens(LensSpec(focal_length=0.1, diameter=3e-5), (4, 5), dtype=torch.complex128, **GRID),
        (field(4, 5),),
    ),
    "lens.lens_transmission": lambda: (
        lambda c: lens_transmission((4, 5), focal_length=0.1, diameter=3e-5, zernike={7: c}, **GRID),
        (torch.tensor(0.3, dtype=torch.float64, requires_grad=True),),
    ),
    "matched.Matched4F.forward": lambda: (Matched4F(), (real(2, 4, 3), field(2, 4, 3, seed=1))),
    "matched_bench.MatchedBench.mask": lambda: (matched().mask, (real(1, 4, 4, high=6.0),)),
    "matched_bench.MatchedBench.intensity": lambda: (matched().intensity, (real(1, 4, 4), field(2, 4, 4))),
    "matched_bench.MatchedBench.expose": lambda: (
        lambda i: matched().expose(i, generator=seeded(), differentiable=True),
        (real(1, 1, 4, 4),),
    ),
    "matched_bench.MatchedBench.forward": lambda: (
        lambda u, t: matched()(u, t, generator=seeded(), differentiable=True),
        (real(1, 4, 4), real(1, 4, 4, high=6.0)),
    ),
    "order.Window.__call__": lambda: (window(), (field(4, 5),)),
    "order.measure_order": lambda: (measured, (field(4, 5), field(4, 5, seed=1))),
    "pixelation.fine_reflectance": lambda: (
        lambda t: pixelation.fine_reflectance(slm(), t, 2),
        (real(4, 5, high=4.0),),
    ),
    "pixelation.superpixels": lambda: (lambda m: pixelation.superpixels(m, (2, 3)), (field(2, 3),)),
    "planes.PlaneByPlane.display": lambda: (
        lambda u: planes().display(u)[:, ::3, ::3],
        (field(1, *SHAPE),),
    ),
    "planes.PlaneByPlane.reflect": lambda: (
        lambda m: planes().at_camera(planes().reflect(planes().display(real(1, *SHAPE).detach()), m[0])),
        (lit(planes()),),
    ),
    "planes.PlaneByPlane.trace": lambda: (
        lambda m: planes().at_camera(planes().trace(real(1, *SHAPE).detach(), m[0])["after_lens2"]),
        (lit(planes()),),
    ),
    "planes.PlaneByPlane.wave": lambda: (planes().wave, (field(1, *SHAPE), lit(planes()))),
    "planes.PlaneByPlane.at_camera": lambda: (
        lambda u: planes().at_camera(planes().display(u)),
        (field(1, *SHAPE),),
    ),
    "propagation.FreeSpace.forward": lambda: (
        FreeSpace((4, 5), distance=1e-3, dtype=torch.complex128, **GRID),
        (field(4, 5),),
    ),
    "recorder.Recorder.bins": lambda: (
        lambda x: recorder().bins(x, (1, 2)),
        (real(1, *recorder().shape),),
    ),
    "recorder.Recorder.expose": lambda: (
        lambda i: recorder().expose(i, generator=seeded(), differentiable=True),
        (positive_photons(),),
    ),
    "recorder.Recorder.photons": lambda: (recorder().photons, (positive_photons(),)),
    "recorder.Recorder.relative": lambda: (recorder().relative, (real(1, *recorder().shape),)),
    "response.ResponseSpec.value": lambda: (ResponseSpec(range=5.0, gamma=1.3).value, (real(4),)),
    "rotation.rotate": lambda: (
        lambda u: rotation.rotate(u, 0.3, centre=(1.5, 2.0)),
        (field(1, 4, 5),),
    ),
    "rotation.Rotation.forward": lambda: (
        rotation.Rotation((4, 5), -0.2, dtype=torch.complex128),
        (field(1, 4, 5),),
    ),
    "slm.SLM.phase": lambda: (
        slm().phase,
        (real(4, 5, high=4.0),),
    ),
    "zernike.zernike": lambda: (lambda r, t: zernike(8, r, t), (real(4), real(4, seed=1))),
}
ELSEWHERE = {
    "camera.Camera.expose": "test_camera.py",
    "camera.Camera.forward": "test_camera.py",
    "camera.Camera.mean_electrons": "test_camera.py",
    "crosstalk.mean_phasor": "test_crosstalk.py",
    "crosstalk.mean_value": "test_crosstalk.py",
    "elements.amplitude_mask": "test_elements.py",
    "elements.complex_mask": "test_elements.py",
    "elements.field_stop": "test_elements.py",
    "elements.phase_mask": "test_elements.py",
    "encoding.encode": "test_encoding.py",
    "farfield.fresnel_transform": "test_propagation.py",
    "farfield.lens_transform": "test_propagation.py",
    "fourier.chirp_z": "test_fourier.py",
    "fourier.fft2c": "test_fourier.py",
    "fourier.ifft2c": "test_fourier.py",
    "fourier.matrix_fourier": "test_fourier.py",
    "fringing.narrow_phasor": "test_fringing.py",
    "lens.thin_lens": "test_lens.py",
    "matched.matched_intensity": "test_matched.py",
    "propagation.angular_spectrum": "test_propagation.py",
    "propagation.band_limited_angular_spectrum": "test_propagation.py",
    "propagation.fresnel_transfer": "test_propagation.py",
    "propagation.propagate": "test_propagation.py",
    "slm.SLM.forward": "test_slm.py",
    "zernike.zernike_phase": "test_zernike.py",
}
GEOMETRY = "where samples stand: constants of a design"
LEVELS = "whole numbers, or straight through their rounding by design"
NONE = {
    "camera.Camera.saturated": "true or false",
    "crosstalk.Fringing.pad": "a step inside mean_phasor",
    "crosstalk.Fringing.unpad": "a step inside mean_phasor's own backward pass",
    "crosstalk.shares": GEOMETRY,
    "fourier.dft_matrix": GEOMETRY,
    "matched.Workspace.take": "memory",
    "optimise.optimise_phase": "its result is a design, without a gradient",
    "pixels.pixel_weights": GEOMETRY,
    "pupil.pixel_transform": GEOMETRY,
    "pupil.pupil": GEOMETRY,
    "response.look_up": LEVELS,
    "response.nearest_amplitude": LEVELS,
    "response.nearest_level": LEVELS,
    "response.nominal_level": LEVELS,
    "response.slopes": "a table of the device",
    "response.straight_through": LEVELS,
    "slm.SLM.levels": LEVELS,
    "slm.SLM.of_levels": LEVELS,
}
NO_TENSORS_OUT = {"order.measure_order", "planes.PlaneByPlane.trace"}  # tensors inside a dataclass


def mentions_tensor(hint: typing.Any) -> bool:
    return hint is Tensor or any(mentions_tensor(part) for part in typing.get_args(hint))


def tensor_functions() -> Iterator[str]:
    """Public functions and methods of `optics` that take tensors and return tensors, as "module.name"."""
    for info in pkgutil.iter_modules(optics.__path__):
        if info.name == "plot":
            continue
        module = importlib.import_module(f"optics.{info.name}")
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
                    yield f"{info.name}.{path}"


def test_every_function_of_tensors_is_listed_once():
    listed = [*CASES, *ELSEWHERE, *NONE]
    assert len(listed) == len(set(listed))
    assert set(listed) == set(tensor_functions()) | NO_TENSORS_OUT


def test_the_other_tests_check_what_they_are_said_to():
    folder = Path(__file__).parents[1] / "optics"
    for name, file in ELSEWHERE.items():
        text = (folder / file).read_text(encoding="utf-8")
        _module, *path = name.split(".")
        assert "gradcheck" in text, name
        assert path[0] in text, name


@pytest.mark.parametrize("name", CASES)
def test_gradcheck(name):
    function, inputs = CASES[name]()
    # whole planes: one random direction in place of one sample after another
    assert torch.autograd.gradcheck(function, inputs, fast_mode=name.startswith("planes."))


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
    system = FourF(bench, SHAPE, margin=0, oversampling=1, dtype=torch.float64)
    region = (system.rows, system.cols)
    panel = SLM(bench.slm, region=region, dtype=torch.float64)
    seen = Recorder(bench, SHAPE, system.camera_axis(0), system.camera_axis(1), dtype=torch.float64)
    origin = (12 - region[0].start, 13 - region[1].start)

    def counts(mask: Tensor, images: Tensor) -> Tensor:
        target = mask if modulation == "complex" else encode(mask, bench.encoding, origin=origin)
        return seen.expose(system(images, panel(target)), generator=seeded(), differentiable=True)

    assert torch.autograd.gradcheck(counts, (lit(system), real(1, *SHAPE)))
