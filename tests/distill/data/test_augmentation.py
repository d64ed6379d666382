"""Light, crops, cut-outs and mixtures: what they do to images and to the labels of images and of pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from distill.data.augmentation import AugmentSpec, augment, mixed
from distill.data.dataset import UNLABELLED, VOID
from optics.checks import OpticsError
from tests.scenes import generator, lopsided

B, NY, NX = 40, 7, 9
IMAGES = lopsided(B, 2, NY, NX) * 0.9 + 0.1  # nowhere dark
PIXELS = torch.arange(B * NY * NX).reshape(B, NY, NX) % 5


LIGHT = {  # most of its logarithm to base 2 about the image's own, and whether channels differ
    "brightness": (lambda lit, own: torch.log2(lit / own), 0.15, False),
    "colour": (lambda lit, own: torch.log2(lit / own), 0.15, True),
    "gamma": (lambda lit, own: torch.log2(lit.log() / own.log()), 0.7, False),
}


@pytest.mark.parametrize("light", LIGHT)
def test_other_light_is_one_law_an_image_or_channel(light):
    """Read back from every pixel: one number an image (or channel), drawn uniformly, labels untouched."""
    law, most, by_channel = LIGHT[light]
    own = IMAGES.double() * 0.85  # nowhere white: 0.95 and 0.15 stops more is 1 at most
    many = own.repeat(10, 1, 1, 1)
    lit, labels = augment(many, AugmentSpec(**{light: most}), generator(), labels=PIXELS.repeat(10, 1, 1))
    assert torch.equal(labels, PIXELS.repeat(10, 1, 1))
    read = law(lit, many)
    drawn = read[:, :, :1, :1] if by_channel else read[:, :1, :1, :1]
    torch.testing.assert_close(read, drawn.expand_as(read), rtol=1e-6, atol=1e-6)
    assert len(drawn.unique()) == drawn.numel()
    shares = (drawn.flatten() / most + 1) / 2  # of a uniform draw: within six errors of its moments
    error = 6 / math.sqrt(len(shares))
    assert 0 <= float(shares.min()) < error
    assert 1 - error < float(shares.max()) <= 1
    assert abs(float(shares.mean()) - 1 / 2) < error / math.sqrt(12)
    assert abs(float(shares.var()) - 1 / 12) < error / math.sqrt(180)


def test_all_light_at_once_is_each_on_its_own_draws():
    """`2^(b + c_k) x^(2^g)`: of the logarithms of every pixel of a channel, the slope is 2^g and the offset b + c_k."""
    own = (lopsided(1000, 3, 4, 5) * 0.3 + 0.05).double()
    light = AugmentSpec(brightness=0.4, gamma=0.3, colour=0.2)
    lit = augment(own, light, generator())[0]
    x, y = (v.log2().flatten(2) for v in (own, lit))
    spread = x - x.mean(-1, keepdim=True)
    slope = (spread * y).sum(-1) / (spread * spread).sum(-1)
    offset = (y - slope[..., None] * x).mean(-1)
    torch.testing.assert_close(slope[..., None] * x + offset[..., None], y, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(slope, slope[:, :1].expand_as(slope), rtol=1e-9, atol=1e-9)
    bent = slope[:, 0].log2()
    assert bent.abs().max() <= 0.3 < 1.1 * bent.abs().max()
    assert offset.abs().max() <= 0.6 < 1.2 * offset.abs().max()
    # b and c_k are uniform and independent: var(b + c_k) = (0.4^2 + 0.2^2) / 3, of two channels' sum and difference
    total, apart = (offset[:, 0] + offset[:, 1]) / 2, offset[:, 0] - offset[:, 1]
    assert float(total.var()) == pytest.approx((0.4**2 + 0.2**2 / 2) / 3, rel=0.15)
    assert float(apart.var()) == pytest.approx(2 * 0.2**2 / 3, rel=0.15)
    related = torch.corrcoef(torch.stack([bent, total, apart]))
    assert (related - torch.eye(3)).abs().max() < 0.15


def test_what_is_brighter_than_white_is_white():
    lit = augment(torch.full((100, 1, 2, 2), 0.8), AugmentSpec(brightness=2.0), generator())[0]
    white = (lit == 1).flatten(1)
    assert torch.equal(white.any(1), white.all(1))
    assert abs(float(white[:, 0].double().mean()) - (1 - math.log2(1 / 0.8) / 2) / 2) < 0.2
    assert lit.max() == 1
    assert lit.min() > 0.2 * (1 - 1e-6)  # two stops below


def test_black_and_white_stay_under_gamma_and_what_comes_in_is_dark():
    ends = torch.tensor([0.0, 1.0]).view(1, 1, 1, 2).repeat(50, 1, 2, 1)
    assert torch.equal(augment(ends, AugmentSpec(gamma=2.0), generator())[0], ends)
    lit = augment(torch.ones(50, 1, 6, 6), AugmentSpec(brightness=1.0, crop=2), generator())[0]
    assert {len(image.unique()) for image in lit} <= {1, 2}
    assert 0.0 in lit


def test_a_crop_is_a_window_of_the_image_in_the_dark():
    images, labels = augment(IMAGES, AugmentSpec(crop=2), generator(), labels=PIXELS)
    starts = set()
    for image, label, original, answer in zip(images, labels, IMAGES, PIXELS, strict=True):
        wide = np.pad(original.numpy(), ((0, 0), (2, 2), (2, 2)))
        wide_label = np.pad(answer.numpy(), 2, constant_values=VOID)
        fits = [
            (y, x)
            for y in range(5)
            for x in range(5)
            if np.array_equal(wide[:, y : y + NY, x : x + NX], image.numpy())
        ]
        assert len(fits) == 1
        y, x = fits[0]
        assert np.array_equal(wide_label[y : y + NY, x : x + NX], label.numpy())
        starts.add((y, x))
    assert len(starts) > 15
    assert {0, 4} <= {y for y, _ in starts}
    assert {0, 4} <= {x for _, x in starts}


def test_a_cutout_covers_a_square_and_voids_its_labels():
    images, labels = augment(IMAGES, AugmentSpec(cutout=3), generator(), labels=PIXELS)
    dark = (images == 0).all(1)
    assert torch.equal(dark, (images == 0).any(1))
    assert torch.equal(labels == VOID, dark)
    assert torch.equal(labels[~dark], PIXELS[~dark])
    assert torch.equal(images.movedim(1, -1)[~dark], IMAGES.movedim(1, -1)[~dark])
    heights, widths = dark.any(2).sum(1), dark.any(1).sum(1)
    assert torch.equal(dark.sum((1, 2)), heights * widths)  # rectangles
    assert {int(h) for h in heights} == {int(w) for w in widths} == {2, 3}  # cut off at the border
    assert float(dark.any(0).double().mean()) > 0.9  # anywhere


@pytest.mark.parametrize("move", [{"shift": 2.0}, {"rotation": 0.4}, {"crop": 2}])
def test_pixels_from_outside_are_void_and_nobodys_labels_stay_so(move):
    some = PIXELS.clone()
    some[0] = UNLABELLED
    images, labels = augment(IMAGES, AugmentSpec(**move), generator(3), labels=some)
    outside = labels == VOID
    assert outside.any()
    assert set(labels[1:].unique().tolist()) == {VOID, 0, 1, 2, 3, 4}
    assert set(labels[0].unique().tolist()) <= {VOID, UNLABELLED}
    assert float(images.amin(1)[~outside].double().mean()) > 2 * float(
        images.amin(1)[outside].double().mean()
    )


@pytest.mark.parametrize("mixup", [0.2, 1.0, 4.0])
def test_a_mixture_is_of_two_images_by_a_share_of_the_beta_distribution(mixup):
    n = 4000
    images, labels = torch.eye(10)[torch.arange(n) % 10][:, :, None, None], torch.arange(n) % 10
    got, answers = mixed(images, labels, mixup, generator())
    share, other = answers.share.numpy(), answers.others.numpy()
    assert share.min() >= 0.5
    assert share.max() <= 1.0
    for i in range(200):
        wanted = np.zeros(10)
        wanted[labels[i]] += share[i]
        wanted[other[i]] += 1 - share[i]
        np.testing.assert_allclose(got[i].numpy().ravel(), wanted, atol=1e-6)
    # the variance of Beta(a, a) is 1 / (4 (2 a + 1)), and the larger one of share and complement keeps it
    assert float(((share - 0.5) ** 2).mean()) == pytest.approx(1 / (4 * (2 * mixup + 1)), rel=0.06)
    assert torch.equal(answers.labels, labels)


@pytest.mark.parametrize("pixels", [False, True])
def test_labelled_images_are_mixed_with_labelled_ones_each_of_them_once(pixels):
    n = 60
    images, labels = torch.arange(float(n))[:, None, None, None].expand(n, 1, 2, 2), torch.arange(n)
    if pixels:
        labels = labels[:, None, None].repeat(1, 2, 2)
        labels[:, 0] = VOID
    few = labels.clone()
    few[torch.arange(n) % 4 > 0] = UNLABELLED
    got, answers = mixed(images, few, 0.5, generator())
    assert torch.equal(answers.others >= 0, few >= 0)
    assert answers.others[few >= 0].unique().tolist() == list(range(0, n, 4))
    share, own = answers.share, torch.arange(float(n))
    other = ((got[:, 0, 0, 0] - share * own) / (1 - share)).round()  # the images are numbered
    numbers = answers.others.reshape(n, -1)[:, -1]
    mixing = (numbers >= 0) & (share < 0.999)
    assert torch.equal(other[mixing].long(), numbers[mixing])
    whole = mixed(images, labels, 0.5, generator())[1]
    assert torch.equal(whole.others, labels[torch.randperm(n, generator=generator())])  # the draw as it is
    assert torch.equal(whole.share, share)


@pytest.mark.parametrize(("spec", "said"), [({"crop": 8}, "crop is 8"), ({"cutout": 10}, "cutout is 10")])
def test_what_is_larger_than_the_image_is_refused(spec, said):
    with pytest.raises(OpticsError, match=said):
        augment(IMAGES, AugmentSpec(**spec), generator())


def test_what_is_off_draws_nothing():
    draws = generator()
    augment(IMAGES, AugmentSpec(), draws)
    assert torch.equal(draws.get_state(), generator().get_state())
