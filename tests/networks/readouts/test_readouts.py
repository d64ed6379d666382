"""What a camera records, and which part of it is linear in the image."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from networks.cascade.cascade import Cascade
from networks.cascade.separable import bin_area
from networks.readouts import readouts
from networks.readouts.readouts import Homodyne, Incoherent, Intensity
from optics.checks import OpticsError
from tests.scenes import generator, on_pixels


def difference(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(((a - b).abs().max() / b.abs().max()).detach())


def cascade_of(model: str, kind: str, seed: int) -> Cascade:
    options = {
        "zero-padded": {},
        "periodic": {"boundary": "circular"},
        "stop": {"boundary": "circular", "image_shape": (10, 9), "pool": (7, None)},
        "same-size": {"image_shape": (10, 9), "pool": (7, None)},
        "mask": {"image_shape": (10, 9), "parameterisation": "mask"},
        "phase": {"image_shape": (10, 9), "parameterisation": "phase", "boundary": "circular"},
    }[model]
    return Cascade((2, 3, 2), 3, **({"parameterisation": kind} | options), generator=generator(seed))


MODELS = ["zero-padded", "periodic", "stop", "same-size", "mask", "phase"]
cascades = st.builds(
    cascade_of, st.sampled_from(MODELS), st.sampled_from(["real", "complex"]), st.integers(0, 99)
)
bins = st.sampled_from([None, (2, 3), (5, 4)])


@settings(max_examples=40, deadline=None)
@given(cascades, bins, st.sampled_from([0.5, 2.0]))
def test_homodyne_is_linear_and_its_frames_say_the_same(cascade, bins, reference):
    eye = Homodyne(bins, reference=reference)
    a, b = torch.randn(2, 3, 2, 10, 9, generator=generator(1))
    assert difference(eye(cascade, 2 * a - 3 * b), 2 * eye(cascade, a) - 3 * eye(cascade, b)) < 1e-5
    frames = eye.frames(cascade, a)
    assert frames.min() >= 0 and frames.shape[1] == eye.frame_count(2)
    assert difference(eye.combine(frames), eye(cascade, a)) < 1e-4
    field = cascade(a) if bins is None else on_pixels(cascade, cascade(a))
    parts = torch.cat((field.real, field.imag), 1)
    assert difference(eye(cascade, a), parts if bins is None else bin_area(parts, bins)) < 1e-5


@settings(max_examples=40, deadline=None)
@given(
    st.builds(
        cascade_of,
        st.sampled_from(["zero-padded", "periodic", "mask"]),
        st.just("complex"),
        st.integers(0, 99),
    ),
    bins,
    st.booleans(),
)
def test_incoherent_is_linear_in_the_image_intensity(cascade, bins, signed):
    eye = Incoherent(bins, signed=signed)
    a, b = torch.rand(2, 3, 2, 10, 9, generator=generator(1))
    assert difference(eye(cascade, 2 * a + 3 * b), 2 * eye(cascade, a) + 3 * eye(cascade, b)) < 1e-5
    frames = eye.frames(cascade, a)
    assert frames.min() >= -1e-5 * frames.max() and frames.shape[1] == eye.frame_count(2)
    assert difference(eye.combine(frames), eye(cascade, a)) < 1e-4
    kernels = cascade.kernels()
    assert eye.psfs(kernels).min() >= 0
    if signed:
        positive, negative = eye.psfs(kernels).chunk(2)
        torch.testing.assert_close(positive - negative, kernels.real)


@settings(max_examples=40, deadline=None)
@given(cascades, bins)
def test_intensity_is_the_square_of_a_linear_field(cascade, bins):
    x = torch.rand(3, 2, 10, 9, generator=generator(1))
    fields = cascade.separate(x)
    fields = fields if bins is None else on_pixels(cascade, fields)
    together = fields.sum(2).abs().square()
    apart = fields.abs().square().sum(2)
    if bins is not None:
        together, apart = bin_area(together, bins), bin_area(apart, bins)
    assert difference(Intensity(bins)(cascade, x), together) < 1e-5
    assert difference(Intensity(bins, channel_sum="incoherent")(cascade, x), apart) < 1e-5
    assert difference(Intensity(bins)(cascade, 3 * x), 9 * together) < 1e-5


@pytest.mark.parametrize("model", ["periodic", "phase"])
def test_a_periodic_system_moves_energy_as_its_masks_say(model):
    cascade = cascade_of(model, "complex", 0)
    x = torch.randn(2, 2, 10, 9, generator=generator(1))
    spectrum = torch.fft.fftshift(torch.fft.fft2(x, norm="ortho"), dim=(-2, -1))
    behind = torch.einsum("oiyx,biyx->boyx", cascade.collapse((10, 9)), spectrum)
    energies = cascade(x).abs().square().sum((-2, -1))
    torch.testing.assert_close(energies, behind.abs().square().sum((-2, -1)), rtol=1e-4, atol=1e-5)


def test_one_phase_only_mask_loses_nothing():
    cascade = Cascade(
        (1, 2), parameterisation="phase", image_shape=(8, 9), boundary="circular", generator=generator()
    )
    x = torch.randn(2, 1, 8, 9, generator=generator(1))
    energy = cascade(x).abs().square().sum((-2, -1))
    torch.testing.assert_close(energy, x.square().sum((-2, -1)).expand(2, 2))


@pytest.mark.parametrize("name", readouts.names())
@pytest.mark.parametrize("model", MODELS)
def test_every_layer_learns_through_every_readout(name, model):
    if name == "incoherent" and model == "same-size":
        with pytest.raises(OpticsError, match="circular"):
            readouts.create(name, (3, 3))(cascade_of(model, "complex", 0), torch.rand(1, 2, 10, 9))
        return
    cascade = cascade_of(model, "complex", 0)
    features = readouts.create(name, (3, 3))(cascade, torch.rand(4, 2, 10, 9, generator=generator(1)))
    (features**2).sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in cascade.parameters())


def test_bins_of_unequal_sizes_split_pixels_by_area():
    x = torch.arange(5.0).expand(1, 1, 4, 5)
    expected = torch.tensor([(0 + 1 + 0.5 * 2) / 2.5, (0.5 * 2 + 3 + 4) / 2.5])
    torch.testing.assert_close(bin_area(x, (1, 2))[0, 0, 0], expected)
    torch.testing.assert_close(bin_area(x.to(torch.complex64) * 1j, (1, 2))[0, 0, 0], 1j * expected)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: readouts.create("heterodyne"), "homodyne, incoherent, intensity"),
        *(
            (
                lambda key=key, bad=bad: Homodyne(**{key: bad}),
                f"{key} is .*; expected a finite amplitude above 0",
            )
            for key in ("reference", "reference_light")
            for bad in (0.0, -1.0, float("nan"), float("inf"), "a", True)
        ),
        (lambda: Homodyne(reference_light=None), "reference_light is None; expected"),
        (lambda: Intensity(channel_sum="both"), "coherent or incoherent"),
        (lambda: bin_area(torch.zeros(1, 1, 4, 4), (5, 1)), "between 1 and 4"),
    ],
)
def test_bad_readouts_are_refused(make, message):
    with pytest.raises(OpticsError, match=message):
        make()
