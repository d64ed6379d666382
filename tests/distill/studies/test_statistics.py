"""Errors of shares: against closed forms, and against the scatter of many made-up experiments."""

from __future__ import annotations

import math

import pytest
import torch

from distill.metrics.row import error_of_share
from distill.studies.statistics import difference, share, yield_above
from optics.checks import ShapeError


def test_one_draw_is_the_binomial_error():
    scores = torch.zeros(1, 400)
    scores[0, :300] = 1
    found = share(scores)
    assert found.mean == 0.75
    assert found.error == pytest.approx(math.sqrt(0.75 * 0.25 / 399), rel=1e-6)
    assert found.noise == found.spread == 0.0


def test_a_paired_difference_has_mcnemars_error():
    a, b = torch.zeros(1, 500), torch.zeros(1, 500)
    a[0, :450], b[0, :400] = 1, 1
    a[0, 10:22] = 0  # only b has these right
    gained, lost, n = 50, 12, 500
    found = difference(a, b)
    assert found.mean == pytest.approx((gained - lost) / n)
    error = math.sqrt(gained + lost - (gained - lost) ** 2 / n) / n
    assert found.error == pytest.approx(error, rel=2e-3)
    assert found.error < math.hypot(share(a).error, share(b).error) / 1.5
    assert difference(b, a).mean == -found.mean


def test_the_same_scores_do_not_differ():
    scores = (torch.rand(3, 50, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    found = difference(scores, scores)
    assert (found.mean, found.spread, found.error, found.draws, found.images) == (0.0, 0.0, 0.0, 3, 50)


@pytest.mark.parametrize("right", [0.0, 1.0])
def test_the_error_is_not_nothing_where_all_or_none_are_right(right):
    scores, people = torch.full((3, 50), right), torch.arange(50) % 5
    for found in (share(scores), share(scores, people)):
        assert (found.mean, found.noise) == (right, 0.0)
        assert found.error == found.sampling == pytest.approx(error_of_share(right, 50))


@pytest.mark.parametrize(
    ("of_draws", "of_images", "rest"), [(0.3, 0.0, 0.2), (0.0, 0.5, 0.2), (0.2, 0.4, 0.6)]
)
def test_the_error_is_the_scatter_of_many_experiments(of_draws, of_images, rest):
    draws, images, times = 6, 40, 4000
    g = torch.Generator().manual_seed(7)

    def normal(*shape):
        return torch.randn(*shape, generator=g, dtype=torch.float64)

    x = of_draws * normal(times, draws, 1) + of_images * normal(times, 1, images)
    x = x + rest * normal(times, draws, images)
    scatter = float(x.mean((1, 2)).std())
    found = [share(one) for one in x[:400]]
    assert math.sqrt(sum(f.error**2 for f in found) / 400) == pytest.approx(scatter, rel=0.1)
    sampling = math.sqrt(sum(f.sampling**2 for f in found) / 400)
    assert sampling == pytest.approx(of_images / math.sqrt(images), rel=0.1, abs=0.012)
    noise = math.sqrt(of_draws**2 / draws + rest**2 / (draws * images))
    assert math.sqrt(sum(f.noise**2 for f in found) / 400) == pytest.approx(noise, rel=0.1)


def test_scores_of_other_images_are_not_paired():
    with pytest.raises(ShapeError, match="pair the same"):
        difference(torch.zeros(2, 4), torch.zeros(2, 5))
    with pytest.raises(ShapeError, match="draws, images"):
        share(torch.zeros(0, 5))


def test_the_yield_counts_benches_and_its_error_is_never_zero():
    values = torch.tensor([0.5, 0.9, 0.95, 0.99])
    assert yield_above(values, 0.9)[0] == 0.75
    assert yield_above(values, 0.2)[0] == 1.0
    assert yield_above(values, 0.2)[1] > 0.05


def test_the_error_is_the_scatter_where_the_sample_is_one_of_people():
    """Pictures of one person are alike, and there are unequally many: images taken as independent say too little."""
    generator = torch.Generator().manual_seed(8)
    counts = torch.arange(30) % 5 + 2
    people = torch.arange(30).repeat_interleave(counts)
    means, errors, naive = [], [], []
    for _ in range(400):
        ease = torch.rand(30, generator=generator) ** 2
        scores = (torch.rand(2, len(people), generator=generator) < ease[people]).float()
        found = share(scores, people)
        means.append(found.mean)
        errors.append(found.error**2)
        naive.append(share(scores).error ** 2)
    assert found.people == 30 and found.images == len(people)
    assert found.mean == pytest.approx(float(scores.mean()))
    scatter = float(torch.tensor(means).std())
    assert scatter == pytest.approx(math.sqrt(sum(errors) / 400), rel=0.1)
    assert scatter > 1.3 * math.sqrt(sum(naive) / 400)
    each = torch.arange(len(people))  # one picture a person: as without
    assert share(scores, each).error == pytest.approx(share(scores).error)
    with pytest.raises(ShapeError, match="one for each image"):
        share(scores, people[1:])
