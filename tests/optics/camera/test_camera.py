"""The camera's behaviour: identity, regions, binning, saturation, gradients, errors."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from optics.camera.camera import ADCSpec, Camera, CameraSpec, UniformitySpec
from optics.checks import OpticsError, ShapeError, SpecError
from tests.scenes import generator

REAL = CameraSpec(
    shape=(60, 88),
    pitch=3.45e-6,
    quantum_efficiency=0.6,
    shot_noise=True,
    read_noise=2.3,
    dark_current=20.0,
    full_well=10500.0,
    adc=ADCSpec(bits=12, black_level=16.0),
    uniformity=UniformitySpec(prnu=0.02, dsnu=1.5, hot_pixels=0.01, seed=3),
)

# more of each flaw, step by step; the first is the ideal value
MORE = {
    "quantum_efficiency": (1.0, 0.6, 0.2),
    "shot_noise": (False, True),
    "read_noise": (0.0, 20.0, 60.0),
    "dark_current": (0.0, 1e5, 4e5),
    "full_well": (None, 4000.0, 2000.0),
    "adc.bits": (None, 10, 8, 5),
    "uniformity.prnu": (0.0, 0.02, 0.1),
    "uniformity.dsnu": (0.0, 30.0, 100.0),
    "uniformity.hot_pixels": (0.0, 0.01, 0.05),
}


def scene(shape: tuple[int, int] = (60, 88), dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Asymmetric ramp, 100 to 4000 photons."""
    y, x = torch.meshgrid(*(torch.linspace(0, 1, n, dtype=dtype) for n in shape), indexing="ij")
    return 100 + 3900 * (0.3 * y + 0.7 * x**2)


def error(spec: CameraSpec) -> float:
    """rms difference between photons and their estimate from one noisy exposure."""
    photons = scene().expand(8, -1, -1)
    camera = Camera(spec)
    estimate = camera.photons_of(camera.expose(photons, generator=generator(5)))
    return float((estimate - photons).double().pow(2).mean().sqrt())


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 4), st.sampled_from([torch.float32, torch.float64]))
def test_ideal_camera_is_the_identity_bit_for_bit(seed, binning, dtype):
    spec = REAL.replace(binning=binning).ideal()
    camera = Camera(spec)
    photons = torch.rand(3, *camera.shape, generator=generator(seed), dtype=dtype) * 1e4
    for differentiable in (False, True):
        counts = camera.expose(photons, generator=generator(), differentiable=differentiable)
        assert torch.equal(counts, photons)
        assert torch.equal(camera.photons_of(counts), photons)


def test_spec_with_each_flaw_set_back_by_hand_is_ideal():
    by_hand = REAL.replace(
        quantum_efficiency=1.0,
        shot_noise=False,
        read_noise=0.0,
        dark_current=0.0,
        full_well=None,
        adc=ADCSpec(),
        uniformity=UniformitySpec(seed=3),
    )
    assert by_hand == REAL.ideal()


@pytest.mark.parametrize("flaw", MORE)
def test_more_of_a_flaw_never_helps(flaw):
    # alone on an ideal camera, and on a noisy one; tolerance 1 % for the finite number of draws. The noisy
    # one has no hot pixels: a smaller well stops those, too
    for base in (REAL.ideal(), REAL.replace(**{"uniformity.hot_pixels": 0.0})):
        errors = [error(base.replace(**{flaw: value})) for value in MORE[flaw]]
        for less, more in pairwise(errors):
            assert more >= less * 0.99
    assert error(REAL.ideal().replace(**{flaw: MORE[flaw][0]})) == 0.0


def test_efficiency_matters_only_with_noise():
    spec = REAL.ideal().replace(shot_noise=True)
    assert error(spec.replace(quantum_efficiency=0.25)) == pytest.approx(2 * error(spec), rel=0.02)


def test_same_generator_gives_the_same_exposure_and_none_gives_the_mean():
    camera, photons = Camera(REAL), scene()
    assert torch.equal(
        camera.expose(photons, generator=generator(1)), camera.expose(photons, generator=generator(1))
    )
    assert not torch.equal(
        camera.expose(photons, generator=generator(1)), camera.expose(photons, generator=generator(2))
    )
    assert torch.equal(camera.expose(photons), camera.expose(photons))
    many = camera.expose(photons.expand(400, -1, -1), generator=generator()).mean(0)
    # rounding of the mean adds up to half a count
    assert (many - camera.expose(photons)).abs().max() < 0.5 + 5 * math.sqrt(4000 * 0.6) / REAL.gain / 20


@pytest.mark.parametrize("binning", [1, 4])
def test_region_sees_the_patterns_of_the_whole_sensor(binning):
    spec = REAL.replace(binning=binning, shot_noise=False, read_noise=0.0)
    rows, cols = slice(3, 14), slice(2, 21)
    whole, part = Camera(spec), Camera(spec, region=(rows, cols))
    photons = scene(whole.shape)
    assert torch.equal(part.expose(photons[rows, cols]), whole.expose(photons)[rows, cols])
    assert not torch.equal(part.expose(photons[rows, cols]), whole.expose(photons)[rows, 3:22])


def test_another_seed_is_another_sensor():
    other = REAL.replace(**{"uniformity.seed": 4})
    assert not torch.equal(Camera(REAL).expose(scene()), Camera(other).expose(scene()))


def test_more_hot_pixels_keep_those_that_were_hot():
    few = Camera(REAL.replace(**{"uniformity.hot_pixels": 0.01})).dark
    many = Camera(REAL.replace(**{"uniformity.hot_pixels": 0.05})).dark
    assert torch.equal(many[few > 0], few[few > 0])
    assert float((few > 0).double().mean()) == pytest.approx(0.01, abs=0.004)


def test_binned_pixel_counts_like_the_sum_of_its_pixels():
    spec = REAL.replace(shot_noise=False, read_noise=0.0, **{"uniformity.hot_pixels": 0.0})
    binned, single = Camera(spec.replace(binning=2)), Camera(spec)
    photons = scene()
    sums = photons.reshape(30, 2, 44, 2).sum((1, 3))
    summed = single.expose(photons).reshape(30, 2, 44, 2).sum((1, 3))
    # four roundings against one; fixed responses meet their own light instead of the mean light
    assert (binned.expose(sums) - summed).abs().max() < 2.5 + 0.003 * float(summed.max())


def test_gain_defaults_to_full_well_over_the_largest_level():
    assert REAL.gain == pytest.approx(10500 / 4095)
    assert REAL.replace(**{"adc.gain": 2.0}).gain == 2.0
    assert REAL.replace(full_well=None).gain == 1.0
    assert REAL.replace(binning=8).gain == REAL.gain


def test_saturation_is_reported():
    spec = REAL.replace(uniformity=UniformitySpec())
    camera = Camera(spec)
    photons = torch.full(camera.shape, 0.3 * spec.saturation_photons)
    photons[:15] = 2 * spec.saturation_photons
    counts = camera.expose(photons, generator=generator())
    assert camera.saturation(counts) == pytest.approx(0.25)
    assert counts[:15].min() == 4095
    # a well that ends before the ADC does
    early = Camera(spec.replace(full_well=5000.0, **{"adc.gain": 2.5}))
    counts = early.expose(photons, generator=generator())
    assert early.saturation(counts) == pytest.approx(0.25, abs=0.01)
    assert counts.max() < 2100
    assert Camera(spec.ideal()).saturation(photons) == 0.0


def test_photons_of_inverts_the_mean_and_uses_the_assumed_camera():
    spec = REAL.replace(uniformity=UniformitySpec())
    photons = scene()
    camera = Camera(spec)
    counts = camera.expose(photons)
    assert (camera.photons_of(counts) - photons).abs().max() <= 0.51 * spec.gain / spec.quantum_efficiency
    wrong = Camera(spec, assumed=spec.replace(**{"adc.gain": 2 * spec.gain})).photons_of(counts)
    assert torch.allclose(wrong + 0.2 / 0.6, 2 * (camera.photons_of(counts) + 0.2 / 0.6), rtol=1e-5)


def test_gradient_of_the_mean_is_that_of_the_chain():
    spec = REAL.replace(**{"uniformity.hot_pixels": 0.0})
    camera = Camera(spec)
    photons = scene(dtype=torch.float64).requires_grad_()
    camera.expose(photons, differentiable=True).sum().backward()
    want = spec.quantum_efficiency / spec.gain * camera.response.double()
    assert torch.allclose(photons.grad, want, rtol=1e-12)
    assert photons.grad.mean() == pytest.approx(0.6 / (10500 / 4095), rel=1e-3)


def test_gradient_is_zero_where_the_well_is_full():
    spec = REAL.replace(uniformity=UniformitySpec())
    photons = torch.full((60, 88), 3 * spec.saturation_photons, requires_grad=True)
    Camera(spec).expose(photons, generator=generator(), differentiable=True).sum().backward()
    assert torch.equal(photons.grad, torch.zeros_like(photons))


def test_gradient_stays_finite_in_the_dark():
    photons = torch.zeros(60, 88, requires_grad=True)
    spec = CameraSpec(shape=(60, 88), pitch=5e-6, shot_noise=True)
    counts = Camera(spec).expose(photons, generator=generator(), differentiable=True)
    counts.sum().backward()
    assert torch.equal(counts, torch.zeros_like(counts))
    assert torch.isfinite(photons.grad).all()
    assert photons.grad.mean() == pytest.approx(1.0, abs=0.3)


def test_gradcheck_through_noise():
    spec = CameraSpec(
        shape=(2, 3),
        pitch=5e-6,
        quantum_efficiency=0.7,
        shot_noise=True,
        read_noise=1.0,
        dark_current=30.0,
        full_well=1e5,
        adc=ADCSpec(gain=2.0, black_level=5.0),
        uniformity=UniformitySpec(prnu=0.1, dsnu=1.0, hot_pixels=0.3),
    )
    camera = Camera(spec)
    photons = torch.tensor([[0.5, 3.0, 20.0], [150.0, 4e3, 2e5]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda x: camera.expose(x, generator=generator(2), differentiable=True), (photons,)
    )


def test_straight_through_rounding_gives_the_rounded_counts():
    spec = REAL.replace(shot_noise=False, read_noise=0.0)
    photons = scene()
    assert torch.equal(
        Camera(spec).expose(photons), Camera(spec).expose(photons, differentiable=True).detach()
    )


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"pitch": -1e-6}, "pitch"),
        ({"pitch": 3.45}, "pitch"),
        ({"binning": 0}, "binning"),
        ({"binning": 61}, "binned pixel"),
        ({"quantum_efficiency": 1.2}, "quantum_efficiency"),
        ({"read_noise": float("nan")}, "read_noise"),
        ({"full_well": 0.0}, "full_well"),
        ({"adc.bits": 0}, "bits"),
        ({"uniformity.hot_pixels": 2.0}, "hot_pixels"),
        ({"uniformity.prnus": 0.1}, "prnus"),
    ],
)
def test_bad_spec_is_refused_by_name(change, word):
    with pytest.raises(SpecError, match=word):
        REAL.replace(**change)


def test_bad_frames_and_regions_are_refused():
    camera = Camera(REAL)
    with pytest.raises(ShapeError, match=r"\(88, 60\)"):
        camera.expose(torch.zeros(88, 60))
    with pytest.raises(OpticsError, match="abs2"):
        camera.expose(torch.zeros(60, 88, dtype=torch.complex64))
    for region in ((slice(0, 61), slice(0, 5)), (slice(5, 5), slice(0, 5)), (slice(0, 6, 2), slice(0, 5))):
        with pytest.raises(SpecError, match=r"region along y .* 0:60"):
            Camera(REAL, region=region)
