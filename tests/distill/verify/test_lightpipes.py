"""One lopsided scene through LightPipes and through the project's own 4f models: complex fields, flaw by flaw.

Image and mask are off the centre and without any symmetry, and complex fields are compared, so that a sign, an axis, a
factor or a phase that differs shows; some tests show that they do. `optics.fourf.plane_by_plane` models every flaw of
a bench, `optics.fourf.system` (which the export's expected frames come from) some to first order.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from distill.verify.lightpipes import LightPipesBench
from distill.verify.reference_panel import reflectance
from distill.verify.simulators import _KEPT, LightPipesPath
from optics.bench.spec import BenchSpec
from optics.checks import SamplingError, ShapeError, SpecError
from optics.fourf.camera_window import CameraWindow
from optics.fourf.plane_by_plane import PlaneByPlane
from optics.fourf.recorder import Recorder
from optics.fourf.system import FourF
from optics.slm.encoding import encode
from optics.slm.panel import SLM
from optics.wave.fourier import dft_matrix
from optics.wave.pixel_integration import pixel_weights
from tests.distill.exportbench import BENCH, SHAPE
from tests.scenes import generator

pytestmark = pytest.mark.physics

RIPPLE = 0.03  # one state of a panel that ripples; nothing on one that does not
CLEAN = BENCH.replace(
    **{
        "lens1.zernike": {},
        "lens2.zernike": {},
        "slm.crosstalk": (0.0, 0.0),
        "slm.flicker": 0.0,
        "alignment.mask_shift": (0.0, 0.0),
        "alignment.mask_rotation": 0.0,
    }
)


def image() -> torch.Tensor:
    """An L with a dot, off the centre."""
    x = torch.zeros(SHAPE)
    x[1:7, 2:4] = 1.0
    x[5:7, 2:9] = 0.8
    x[1, 8] = 0.6
    return x


def frames(bench: BenchSpec, masks: int = 1) -> torch.Tensor:
    """Levels (F, NY, NX) of the whole panel for random 3 x 5 kernels."""
    fourf = FourF(bench, SHAPE)
    draws = generator(5)
    kernels = torch.complex(*torch.randn(2, masks, 3, 5, generator=draws, dtype=torch.float64))
    sides = []
    for k, taps in ((0, 3), (1, 5)):
        where = (torch.arange(taps, dtype=torch.float64) - taps // 2) * bench.input.pitch
        sides.append(dft_matrix(fourf.slm_axis(k), where, scale=bench.scale))
    target = sides[0] @ kernels @ sides[1].mT
    target = (target / target.abs().amax((-2, -1), keepdim=True)).to(torch.complex64)
    ny, nx = bench.slm.shape
    origin = (ny // 2 - fourf.rows.start, nx // 2 - fourf.cols.start)
    levels = torch.zeros(masks, ny, nx, dtype=torch.int32)
    lit = SLM(bench.slm, region=(fourf.rows, fourf.cols)).levels(
        encode(target, bench.encoding, origin=origin)
    )
    levels[:, fourf.rows, fourf.cols] = lit
    return levels


def by_lightpipes(bench: BenchSpec, levels: torch.Tensor, **options):
    engine = LightPipesBench(bench, SHAPE, **options)
    shown, _ = reflectance(levels, bench, (engine.rows, engine.cols), ripple=RIPPLE)
    return engine, engine.wave(image()[None], shown).to(torch.complex128)


def by_us(bench: BenchSpec, levels: torch.Tensor, model=PlaneByPlane):
    ours = model(bench, SHAPE, dtype=torch.float64)
    slm = SLM(bench.slm, region=(ours.rows, ours.cols), dtype=torch.float64)
    return ours, ours.wave(
        image()[None].double(), slm.of_levels(levels[:, ours.rows, ours.cols], ripple=(RIPPLE,))
    )


def difference(bench: BenchSpec, other: BenchSpec | None = None, model=PlaneByPlane, **options) -> float:
    """Relative L2 difference of the two complex fields over the image, on the same points."""
    levels = frames(bench)
    engine, theirs = by_lightpipes(bench, levels, **options)
    model, ours = by_us(other or bench, levels, model)
    left, right = (
        pixel_weights(here, model.camera_axis(k), 0.0).to(torch.complex128)
        for k, here in enumerate((engine.y_axis, engine.x_axis))
    )
    theirs = left @ theirs @ right.mT
    inner = (..., slice(4, -4), slice(4, -4))
    return float((theirs[inner] - ours[inner]).norm() / ours[inner].norm())


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"encoding.carrier": (0.125, -0.11)},
        {"encoding.carrier": (-0.15, 0.0)},
        {"encoding.method": "double_phase", "encoding.carrier": (0.0, 0.0)},
        {"slm.crosstalk": (0.5, 0.2)},
        {"slm.flicker": 0.4},
        {"slm.response": {"range": 5.5, "gamma": 1.3}},
        {"input.fill_factor": 0.6},
        {"input.gamma": 1.8, "input.contrast": 20.0},
        {"light.beam_radius": 2e-4, "light.beam_centre": (6e-5, -3e-5)},
        {"light.beam_map": ((1.0, 0.6, 0.9), (0.3, 0.8, 0.5))},
        {"slm.zero_order": 0.02, "slm.beam_splitter": 0.25, "slm.reflectivity": 0.7},
        {"lens1.zernike": {2: 0.1, 4: 0.1, 5: -0.2, 7: 0.2, 8: 0.1}},
        {"lens2.zernike": {3: 0.1, 4: 0.1, 6: -0.2, 7: 0.2, 8: 0.1}},
        {"lens1.transmission": 0.8},
        {"lens1.defocus": 3e-4, "lens2.defocus": -4e-4},
        {"lens1.decentre": (40e-6, -24e-6)},
        {"lens2.decentre": (40e-6, -24e-6), "lens2.zernike": {7: 0.4}},
        {"lens2.focal_length": 0.06},
        {"stop": {"shape": "circle", "width": (0.8e-3, 0.8e-3)}},
        {"alignment.mask_shift": (24e-6, -16e-6)},
        {"alignment.mask_shift": (27e-6, -13e-6)},
        {"alignment.mask_rotation": 0.02},
        {"alignment.mask_rotation": 0.4},
        {"alignment.mask_rotation": -0.01, "alignment.mask_shift": (27e-6, -13e-6)},
        {"alignment.input_axial": 4e-4, "alignment.camera_axial": -3e-4},
        {"alignment.mask_axial": 4e-4},
    ],
    ids=lambda changes: ", ".join(changes) or "clean",
)
def test_fields_agree(changes):
    assert difference(CLEAN.replace(**changes)) < 0.006


def test_fields_agree_with_the_path_between_focal_planes():
    assert difference(CLEAN, model=FourF) < 0.006
    assert difference(BENCH, model=FourF) < 0.012


@pytest.mark.parametrize(
    ("changes", "other"),
    [
        ({"lens1.zernike": {7: 0.8}}, {"lens1.zernike": {7: -0.8}}),
        ({"lens1.zernike": {7: 0.8}}, {"lens1.zernike": {8: 0.8}}),
        ({"lens2.zernike": {8: 0.8}}, {"lens2.zernike": {8: -0.8}}),
        ({"lens2.zernike": {8: 0.8}}, {"lens2.zernike": {7: 0.8}}),
        ({"alignment.mask_shift": (27e-6, -13e-6)}, {"alignment.mask_shift": (-13e-6, 27e-6)}),
        ({"alignment.mask_rotation": 0.02}, {"alignment.mask_rotation": -0.02}),
        ({"alignment.input_axial": 2e-3}, {"alignment.input_axial": -2e-3}),
        ({"alignment.camera_axial": 2e-3}, {"alignment.camera_axial": -2e-3}),
        ({"alignment.mask_axial": 2e-3}, {"alignment.mask_axial": -2e-3}),
        ({"lens2.focal_length": 0.06}, {"lens2.focal_length": 0.06, "lens2.transmission": 0.5}),
    ],
    ids=lambda value: ", ".join(value),
)
def test_another_sign_or_axis_would_show(changes, other):
    assert difference(CLEAN.replace(**changes), CLEAN.replace(**other)) > 0.03


def test_a_turned_panel_shows():
    levels = frames(CLEAN)
    _, good = by_lightpipes(CLEAN, levels)
    for turned in (levels.flip(1), levels.flip(2), (256 - levels) % 256):
        _, bad = by_lightpipes(CLEAN, turned)
        assert float((bad.abs() - good.abs()).norm() / good.norm()) > 0.3


@pytest.mark.parametrize("index", [1, 2])
def test_a_decentred_lens_moves_the_image_over_the_camera(index):
    """Lens 1 also moves the light over the SLM, as a mask shifted the other way (and the stop with it) would be."""
    d = (40e-6, -24e-6)
    wide = CLEAN.replace(stop={"shape": "rectangle", "width": (1.1e-3, 1.1e-3)})
    levels = frames(wide)
    shift = {"alignment.camera_shift": d}
    if index == 1:
        shift["alignment.mask_shift"] = (-d[0], -d[1])
    seen = []
    for changes in ({f"lens{index}.decentre": d}, shift, {}):
        bench = wide.replace(**changes)
        engine, field = by_lightpipes(bench, levels)
        recorder = Recorder(bench, SHAPE, axes=(engine.y_axis, engine.x_axis), dtype=torch.float64)
        seen.append(recorder.photons(field.abs() ** 2))
    moved, same, still = seen
    assert float((moved - same).norm() / same.norm()) < 0.03
    assert float((still - same).norm() / same.norm()) > 0.3


def test_more_points_in_a_pixel_change_little():
    levels = frames(CLEAN)
    one, two, three = (by_lightpipes(CLEAN, levels, nodes=n)[1] for n in (1, 2, 3))
    assert float((two - three).norm() / three.norm()) < 5e-4
    assert 2e-3 < float((one - three).norm() / three.norm()) < 3e-2


@pytest.mark.parametrize(
    "changes",
    [
        {"slm.crosstalk": (0.0, 0.0)},
        {"slm.crosstalk": (0.6, 0.2)},
        {"slm.crosstalk": (1.5, 0.2)},
        {"slm.crosstalk": (0.5, 0.25), "slm.fill_factor": 0.8},
        {"slm.crosstalk": (1.2, 0.3), "slm.fill_factor": 0.8},
        {"slm.flicker": 0.5},
        {"slm.zero_order": 0.05, "slm.beam_splitter": 0.25, "slm.fill_factor": 0.9},
        {"slm.response": {"range": 5.0, "gamma": 1.4}},
        {"slm.response": {"lut": tuple(float(v) for v in np.linspace(0, 2.2, 256) ** 2)}},
    ],
    ids=str,
)
def test_the_panel_worked_out_twice_is_the_same(changes):
    bench = CLEAN.replace(**changes)
    region = (slice(0, 90), slice(20, 150))  # reaches the panel's border
    levels = torch.randint(0, 256, (2, *bench.slm.shape), generator=generator(2)).to(torch.int32)
    theirs, borrowed = reflectance(levels, bench, region, ripple=RIPPLE)
    ours = SLM(bench.slm).of_levels(levels, ripple=(RIPPLE,))[:, region[0], region[1]]
    assert borrowed == ()
    assert float((torch.from_numpy(theirs) - ours).norm() / ours.norm()) < (
        0.01 if any(bench.slm.crosstalk) else 1e-6
    )


def test_one_thread_or_two_give_the_same():
    levels = frames(CLEAN, masks=2)
    engine = LightPipesBench(CLEAN, SHAPE)
    shown, _ = reflectance(levels, CLEAN, (engine.rows, engine.cols))
    images = torch.stack([image(), image().flip(0), image().flip(1)])
    one, two = (engine.wave(images, shown, processes=n) for n in (1, 2))
    assert one.shape[:2] == (3, 2)
    assert torch.equal(one, two)


def test_a_finer_grid_changes_little():
    levels = frames(CLEAN)
    engine, field = by_lightpipes(CLEAN, levels)
    larger, same = by_lightpipes(CLEAN, levels, samples=2 * engine.samples)
    assert larger.samples == 2 * engine.samples
    assert float((field - same).norm() / same.norm()) < 0.006


def test_what_does_not_fit_is_refused():
    with pytest.raises(SamplingError, match="even number"):
        LightPipesBench(CLEAN, SHAPE, samples=100)
    with pytest.raises(SamplingError, match="even number"):
        LightPipesBench(CLEAN, SHAPE, samples=401)
    with pytest.raises(SamplingError, match="illuminated SLM"):
        LightPipesBench(CLEAN.replace(stop=None, **{"slm.shape": (2000, 2000)}), SHAPE)
    with pytest.raises(SpecError, match="incoherent"):
        LightPipesBench(CLEAN.replace(**{"light.coherence": "incoherent"}), SHAPE)
    with pytest.raises(SpecError, match="2 wavelengths"):
        LightPipesBench(CLEAN.replace(**{"light.spectrum": ((600e-9, 1.0),)}), SHAPE)
    with pytest.raises(SpecError, match="passes no light"):
        LightPipesBench(CLEAN.replace(**{"alignment.mask_shift": (1.2e-3, 0.0)}), SHAPE)
    engine = LightPipesBench(CLEAN, SHAPE)
    with pytest.raises(ShapeError, match="reflectance"):
        engine.wave(image()[None], np.ones((1, 5, 5), np.complex64))


def test_light_that_is_kept_for_the_next_masks_is_that_of_the_same_images():
    view = CameraWindow(SHAPE)
    system = LightPipesPath(1).system(BENCH, view)
    levels, first = frames(BENCH, masks=2), image()[None]
    other, many = first.flip(-1), first.expand(_KEPT + 1, -1, -1)
    masks = [system.shown(levels[:, :, :].roll(k, 0), ripple=RIPPLE * k) for k in (0, 1)]
    want = {(k, i): system.engine.through(u, masks[k]) for k in (0, 1) for i, u in enumerate((first, other))}
    for k, i in ((0, 0), (1, 0), (1, 1), (0, 1), (0, 0)):
        assert torch.equal(system.field((first, other)[i].clone(), masks[k]), want[k, i])
    assert not torch.equal(want[0, 0], want[0, 1]) and not torch.equal(want[0, 0], want[1, 0])
    changed = other.clone()
    system.field(changed, masks[0])
    changed[:] = first  # in the caller's own memory
    assert torch.equal(system.field(changed, masks[0]), want[0, 0])
    assert torch.equal(system.field(many, masks[0])[-1], want[0, 0][0])
