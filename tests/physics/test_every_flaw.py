"""Every flaw of every part of a bench, found by walking the specs: absent it is nothing, present it shows, more hurts.

The fixed scene: an asymmetric image through two masks with off-centre complex kernels, seen by the camera in the
light that the bench describes. The measure is the relative rms distance of the camera frames (counts) from the ideal
ones. A flaw that is added to a spec without a row in `MORE` fails here.
"""

from __future__ import annotations

import itertools
import math
import typing
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from optics.bench.spec import BenchSpec
from optics.fourf.camera_window import CameraWindow
from optics.fourf.illumination import Illumination, panels
from optics.fourf.recorder import Recorder
from optics.fourf.system import FourF
from optics.plan.planner import plan
from optics.slm.encoding import encode
from optics.spec import Spec
from tests.scenes import generator

pytestmark = pytest.mark.physics
SHAPE = (9, 12)
WAVELENGTH, FOCAL, PITCH = 532e-9, 0.2, 96e-6
BAND = WAVELENGTH * FOCAL / PITCH
IDEAL = BenchSpec(
    name="scene",
    light={"wavelength": WAVELENGTH, "photons": 300.0},
    input={"pitch": PITCH},
    lens1={"focal_length": FOCAL, "diameter": 25.4e-3},
    stop={"width": (BAND, BAND)},
    slm={
        "shape": (190, 230),
        "pitch": 8e-6,
        "assumed_response": {},
    },  # nobody knows a response that is not nominal
    encoding={"carrier": (0.125, 0.0)},
    lens2={"focal_length": FOCAL, "diameter": 25.4e-3},
    # the carrier's 1.6625 mm are 50 binned pixels, so all panels are seen by the same pixels
    camera={"shape": (320, 300), "pitch": 1.6625e-3 / 100, "binning": 2},
)
PHASE = IDEAL.replace(**{"slm.modulation": "phase"})
STEP = 0.98  # each step of a flaw leaves at least this share of the error of the step before


def lut(bow: float) -> tuple[float, ...]:
    """Phases of 16 levels: the nominal ones, bowed by `bow` of a turn at half drive."""
    return tuple(2 * math.pi * (k / 16 + 4 * bow * (k / 16) * (1 - k / 16)) for k in range(16))


def chromatic(lens: str, shift: float) -> dict[str, object]:
    """A focal shift of the lens at a second line of the light, so near that it changes nothing else."""
    near = WAVELENGTH * 1.0001
    return {
        "light.spectrum": ((near, 3.0),),
        f"{lens}.chromatic_shift": ((WAVELENGTH, 0.0), (near, shift)),
    }


# rising values of every flaw; a dictionary sets what the flaw needs beside it
MORE: dict[str, tuple[typing.Any, ...]] = {
    "light.spectrum": tuple(((590e-9, w),) for w in (0.1, 0.3, 1.0)),
    "light.beam_radius": (3e-3, 1e-3, 5e-4),
    "light.beam_centre": tuple(
        {"light.beam_radius": 4e-3, "light.beam_centre": (c, -c / 2)} for c in (3e-4, 1e-3, 2e-3)
    ),
    "light.beam_map": tuple(((1.0, 1.0 - s), (1.0 - s / 2, 1.0), (1.0, 1.0)) for s in (0.02, 0.2, 0.6)),
    "input.contrast": (1000.0, 100.0, 10.0),
    "input.gamma": (1.05, 1.3, 2.2),
    "lens1.transmission": (0.99, 0.9, 0.6),
    "lens1.defocus": (2e-3, 6e-3, 1.5e-2),
    "lens1.decentre": ((0.0, 3e-5), (0.0, 8e-5), (0.0, 2e-4)),
    "lens1.zernike": ({8: 3.0}, {8: 10.0}, {8: 30.0}),
    "lens1.chromatic_shift": tuple(chromatic("lens1", s) for s in (2e-3, 8e-3, 2e-2)),
    "lens2.transmission": (0.99, 0.9, 0.6),
    "lens2.defocus": (-2e-3, -6e-3, -1.5e-2),
    "lens2.decentre": ((2e-5, 0.0), (6e-5, 0.0), (1.2e-4, 0.0)),
    "lens2.zernike": ({4: 1.0, 7: 3.0}, {4: 3.0, 7: 9.0}, {4: 9.0, 7: 27.0}),
    "lens2.chromatic_shift": tuple(chromatic("lens2", s) for s in (-2e-3, -8e-3, -2e-2)),
    "slm.modulation": (
        {"slm.modulation": "phase"},
        {"slm.modulation": "dmd", "encoding.method": "lee"},
        {"slm.modulation": "amplitude", "encoding.method": "interferogram"},
    ),
    "slm.bits": (8, 6, 4, 2),
    "slm.fill_factor": (0.97, 0.9, 0.7),
    "slm.reflectivity": (0.99, 0.9, 0.6),
    "slm.response.range": (2 * math.pi * 0.97, 2 * math.pi * 0.9, 2 * math.pi * 0.75),
    "slm.response.gamma": (1.05, 1.2, 1.6),
    "slm.response.lut": tuple({"slm.bits": 4, "slm.response.lut": lut(b)} for b in (0.02, 0.06, 0.15)),
    "slm.response.sections": tuple(((1.0, 1.0 - s), (1.0 - s / 2, 1.0)) for s in (0.05, 0.15, 0.3)),
    "assumed_alignment": tuple(
        {"camera_shift": (n * 3.325e-5, -n * 3.325e-5)} for n in (1, 2, 4)
    ),  # whole pixels
    "slm.assumed_response": tuple({"range": 2 * math.pi * r} for r in (1.03, 1.1, 1.3)),
    "slm.crosstalk": ((0.1, 0.2), (0.3, 0.6), (0.8, 1.6)),
    "slm.flicker": (0.1, 0.3, 0.9),
    "slm.curvature": ({6: 0.2}, {6: 0.6}, {6: 1.5}),
    "slm.stuck": (0.02, 0.1, 0.3),
    "slm.dead": (0.02, 0.1, 0.3),
    "slm.zero_order": (1e-4, 1e-2, 0.1),
    "slm.beam_splitter": (0.9, 0.5, 0.25),
    "camera.background": (0.5, 5.0, 50.0),
    "camera.uniformity.fringes": (0.01, 0.05, 0.2),
    "camera.quantum_efficiency": (0.97, 0.8, 0.5),
    "camera.shot_noise": (True,),
    "camera.read_noise": (1.0, 3.0, 10.0),
    "camera.dark_current": (50.0, 300.0, 2000.0),
    "camera.full_well": (70.0, 45.0, 20.0),
    "camera.adc.bits": (12, 6, 5, 4),
    "camera.adc.gain": (1.05, 1.5, 3.0),
    "camera.adc.black_level": (0.5, 2.0, 20.0),
    "camera.uniformity.prnu": (0.01, 0.05, 0.2),
    "camera.uniformity.dsnu": (0.5, 2.0, 10.0),
    "camera.uniformity.hot_pixels": (0.002, 0.01, 0.05),
    "alignment.mask_shift": ((2e-5, -1e-5), (6e-5, -3e-5), (2e-4, -1e-4)),
    "alignment.mask_rotation": (5e-3, 2e-2, 8e-2),
    "alignment.mask_axial": (5e-3, 2e-2, 6e-2),
    "alignment.input_axial": (5e-3, 2e-2, 6e-2),
    "alignment.camera_axial": (5e-3, 2e-2, 6e-2),
    "alignment.camera_shift": ((1e-5, 2e-5), (4e-5, 8e-5), (8e-5, 1.6e-4)),
    "alignment.magnification": (1.01, 1.04, 1.1),
}
# flaws of time: they leave one frame as it is and cost the planner's rate
SLOWER: dict[str, tuple[float, ...]] = {
    "slm.timing.latency": (1e-3, 1e-2, 5e-2),
    "slm.timing.settling": (1e-3, 1e-2, 5e-2),
}
# assumptions that leave the counts as they are and spoil what is read out of them
MISREAD: dict[str, tuple[typing.Any, ...]] = {
    "assumed_camera": tuple({"background": b} for b in (1.0, 10.0, 100.0)),
}
# other ways to write that a flaw is absent
ABSENT: dict[str, tuple[typing.Any, ...]] = {
    "lens1.zernike": ({8: 0.0},),
    "lens2.zernike": ({4: 0.0, 7: 0.0},),
    "slm.curvature": ({6: 0.0},),
    "slm.crosstalk": (0.0,),
    "camera.adc.gain": (1.0,),
}


def parts(spec: type[Spec]) -> Iterator[tuple[str, type[Spec]]]:
    """Every spec inside a spec with its dotted path, the spec itself first with an empty one."""
    yield "", spec
    for name, field in spec.model_fields.items():
        if name.startswith("assumed_"):
            continue  # what is thought, not what is: one row
        for kind in (field.annotation, *typing.get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, Spec):
                for path, inner in parts(kind):
                    yield f"{name}.{path}" if path else name, inner


def every_flaw() -> dict[str, typing.Any]:
    """Dotted names of all flaws of a bench, each with its ideal value."""
    return {
        f"{path}.{name}".removeprefix("."): spec.model_fields[name].get_default()
        for path, spec in parts(BenchSpec)
        for name in spec.flaws()
    }


def changed(bench: BenchSpec, flaw: str, value: typing.Any) -> BenchSpec:
    own = isinstance(value, dict) and flaw in value
    return bench.replace(**(value if own else {flaw: value}))


def image() -> Tensor:
    x = torch.rand(1, *SHAPE, generator=generator()) * 0.6
    x[:, : SHAPE[0] // 2, : SHAPE[1] // 3] += 0.4  # bright in one corner: a flip or a transposition shows
    return x


def masks(system: FourF) -> Tensor:
    """Two masks, (2, ny, nx): kernels of four complex taps each, nowhere symmetric."""
    taps = [
        {(0, 0): 0.4, (1, -1): 0.3j, (-1, 2): -0.2, (0, 1): 0.1},
        {(1, 1): -0.3, (0, -1): 0.4, (-1, 0): 0.2j, (2, 1): 0.1},
    ]
    y, x = (system.slm_axis(k) * PITCH / (WAVELENGTH * FOCAL) for k in (0, 1))
    made = [
        sum(a * torch.exp(-2j * math.pi * (j * y[:, None] + i * x[None, :])) for (j, i), a in kernel.items())
        for kernel in taps
    ]
    return torch.stack(made).to(torch.complex64)


def frames(bench: BenchSpec) -> Tensor:
    """Camera counts (1, 2, cy, cx) of the scene, with one draw of whatever the bench draws."""
    draws = generator(7)
    light = Illumination(bench, CameraWindow(SHAPE, oversampling=2))
    system = typing.cast(FourF, light.lines[0])
    region = (system.rows, system.cols)
    target = masks(system)
    if bench.slm.modulation != "complex":
        origin = (bench.slm.shape[0] // 2 - region[0].start, bench.slm.shape[1] // 2 - region[1].start)
        target = encode(target, bench.encoding, origin=origin)
    shown = [panel(target, generator=draws) for panel in panels(bench, region)]
    recorder = Recorder(bench, system.view)
    return recorder.expose(light(image(), shown), generator=draws)


@pytest.fixture(scope="module")
def ideal() -> dict[str, Tensor]:
    return {"complex": frames(IDEAL), "phase": frames(PHASE)}


def distance(got: Tensor, want: Tensor) -> float:
    return float((got - want).norm() / want.norm())


def test_every_flaw_has_a_row_and_every_row_a_flaw():
    rows = [*MORE, *SLOWER, *MISREAD]
    assert set(rows) == set(every_flaw())
    assert len(rows) == len(set(rows))


@pytest.mark.parametrize("flaw", MISREAD)
def test_more_of_a_wrong_assumption_spoils_the_reading_and_not_the_frame(flaw, ideal):
    errors = []
    for value in (None, *MISREAD[flaw]):
        bench = changed(PHASE, flaw, value)
        assert torch.equal(frames(bench), ideal["phase"])
        recorder = Recorder(bench, CameraWindow(SHAPE, oversampling=2))
        errors.append(distance(recorder.relative(ideal["phase"]), ideal["phase"] / recorder.full_scale))
    assert errors[0] == 0.0
    assert errors[1] > 1e-4
    assert errors[-1] > 0.02
    assert all(b > a for a, b in itertools.pairwise(errors))


@pytest.mark.parametrize("flaw", SLOWER)
def test_more_of_a_flaw_of_time_is_a_lower_rate_and_the_same_frame(flaw, ideal):
    bench = PHASE.replace(**{"camera.exposure": 1 / 60})
    images = {"kernels": 4, "taps": 3, "image_shape": SHAPE}
    full = plan(bench, **images).schedules[0].images_per_second
    assert full == pytest.approx(60 / 4)
    for delay in SLOWER[flaw]:
        slower = plan(bench.replace(**{flaw: delay}), **images).schedules[0].images_per_second
        assert slower == pytest.approx(1 / (4 * (1 / 60 + delay)))
        one = plan(bench.replace(**{flaw: delay}), kernels=1, taps=3, image_shape=SHAPE)
        assert one.schedules[0].images_per_second == pytest.approx(60)  # one frame need not change
        assert torch.equal(frames(PHASE.replace(**{flaw: delay})), ideal["phase"])


def test_the_walk_finds_every_part():
    paths = {path for path, _ in parts(BenchSpec)}
    assert {"light", "input", "lens1", "stop", "slm", "slm.response", "lens2", "camera"} <= paths
    assert {"camera.adc", "camera.uniformity", "alignment", "encoding"} <= paths


@pytest.mark.parametrize("flaw", MORE)
def test_a_flaw_that_is_absent_is_nothing_bit_for_bit(flaw, ideal):
    for value in (every_flaw()[flaw], *ABSENT.get(flaw, ())):
        assert torch.equal(frames(changed(IDEAL, flaw, value)), ideal["complex"])


def test_all_flaws_switched_off_one_by_one_are_the_ideal_bench_bit_for_bit(ideal):
    worst = IDEAL
    for flaw, values in MORE.items():
        if flaw not in ("slm.modulation", "slm.response.lut"):
            worst = changed(worst, flaw, values[0])
    worst = worst.replace(**{"slm.modulation": "phase"})
    assert distance(frames(worst.replace(**{"camera.adc.black_level": 0.0})), ideal["phase"]) > 0.1
    assert torch.equal(frames(worst.ideal()), ideal["complex"])
    off = worst
    for flaw, value in every_flaw().items():
        off = off.replace(**{flaw: value})
    assert off == IDEAL.replace(**{"slm.assumed_response": None})
    assert torch.equal(frames(off), ideal["complex"])


@pytest.mark.parametrize("flaw", MORE)
def test_more_of_a_flaw_shows_and_never_helps(flaw, ideal):
    """Each step up the row makes the error larger, to 2 %; behind an ideal modulator and behind a phase panel."""
    benches = {"complex": IDEAL, "phase": PHASE}
    if flaw == "slm.modulation":
        del benches["phase"]
    for kind, bench in benches.items():
        errors = [distance(frames(changed(bench, flaw, value)), ideal[kind]) for value in MORE[flaw]]
        assert errors[0] > 1e-4, (kind, errors)
        assert errors[-1] > 0.02, (kind, errors)
        assert all(b > STEP * a for a, b in itertools.pairwise(errors)), (kind, errors)
        assert len(errors) == 1 or errors[-1] > 2 * errors[0], (kind, errors)
