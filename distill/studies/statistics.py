"""Shares and their errors: noise draws and the sample of images told apart, differences paired over both.

Scores are (draws, images): how well each image went in each exposure, 0 to 1 (a class: right or wrong). The images are
a sample of all images there could be, the draws a sample of all exposures; both are crossed, so that

    score = mean + draw + image + rest,     error^2 = var(draw) / D + var(image) / N + var(rest) / (D N)

which `errors` estimates by the mean squares of the two-way table (Searle, Casella & McCulloch, Variance Components,
section 4.3; Owen, The pigeonhole bootstrap, Ann. Appl. Stat. 1, 386 (2007)). The difference of two networks is the same
table of the differences, image by image and draw by draw: what both find hard drops out. With one draw and classes its
error is that of McNemar's test, `sqrt(b + c - (b - c)^2 / N) / N` with `b` and `c` the images that only one has right.

Where the sample is one of people, of whom there are several pictures each, the table has a column a person, `mean +
(sum over the person's pictures - mean * how many) / (pictures a person on average)`: its mean is the share of all
pictures, its variance that of the ratio of two sums (Cochran, Sampling Techniques, section 6.4).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from distill.metrics.row import error_of_share
from optics.checks import ShapeError
from optics.spec import Validated


def as_it_comes(figure: str) -> str:
    """What a figure of merit is, said beside it where no back end was fitted anew."""
    return (
        f"{figure[:1].upper()}{figure[1:]} as it comes: the back end as it was trained, on every bench. The headline "
        "of a run is that of a back end refitted on its bench; --refit (refit=True) gives that here."
    )


class Share(Validated):
    """A mean score, or a difference of two.

    mean: -1 to 1. spread: standard deviation between draws, the noise's. noise: what the draws contribute to the
    error of the mean. sampling: what the images contribute. error: standard error of the mean, both together.
    draws, images: how many stand behind it; one draw where nothing is drawn. people: who they show, where the sample is
    one of people; else None.
    """

    mean: float
    spread: float
    noise: float
    sampling: float
    error: float
    draws: int
    images: int
    people: int | None = None

    @property
    def sample(self) -> str:
        """What stands behind it, in words."""
        return f"{self.images} images" + ("" if self.people is None else f" of {self.people} people")

    def __str__(self) -> str:
        """In per cent, with the standard error."""
        return f"{100 * self.mean:.2f} ± {100 * self.error:.2f} %"


def share(scores: Tensor, people: Tensor | None = None) -> Share:
    """Mean and errors of scores (draws, images).

    The error is not zero where all or none are right, see `distill.metrics.row.error_of_share`.

    Args:
        scores: 0 to 1.
        people: who each image shows, (images,) int64, where the sample is one of people.

    Raises:
        ShapeError: not two axes, or nothing in one; or not a person an image.
    """
    found = _crossed(scores, people)
    if found.mean not in (0.0, 1.0):
        return found
    least = error_of_share(found.mean, found.images)
    return found.replace(sampling=least, error=least)


def _crossed(scores: Tensor, people: Tensor | None) -> Share:
    """Mean and errors by the table of draws and images, of scores or differences."""
    if scores.ndim != 2 or 0 in scores.shape:
        raise ShapeError(
            f"scores have shape {tuple(scores.shape)}, expected (draws, images), at least one of each."
        )
    shown = scores.shape[1]
    x = scores.double() if people is None else _by_person(scores.double(), people)
    draws, images = x.shape
    mean = float(x.mean())
    by_draw, by_image = x.mean(1), x.mean(0)
    spread2 = float(by_draw.var()) if draws > 1 else 0.0
    # squared errors of the mean: of images with what the draws add to them, and of draws with what the images add
    from_images = float(by_image.var(correction=1)) / images if images > 1 else 0.0
    from_draws = spread2 / draws
    rest = x - by_draw[:, None] - by_image[None, :] + mean
    both = (
        float((rest**2).sum()) / max(1, (draws - 1) * (images - 1)) / (draws * images) if draws > 1 else 0.0
    )
    noise = math.sqrt(max(0.0, from_draws))
    sampling = math.sqrt(max(0.0, from_images - both))
    error = math.sqrt(max(from_images, from_draws, from_images + from_draws - both))
    return Share(
        mean=mean,
        spread=math.sqrt(spread2),
        noise=noise,
        sampling=sampling,
        error=error,
        draws=draws,
        images=shown,
        people=None if people is None else images,
    )


def _by_person(x: Tensor, people: Tensor) -> Tensor:
    """(draws, images) to (draws, people), see above."""
    if people.shape != x.shape[1:]:
        raise ShapeError(f"{x.shape[1]} images and {tuple(people.shape)} people; give one for each image.")
    _, who = people.unique(return_inverse=True)
    pictures = who.bincount().double()
    sums = torch.zeros(len(x), len(pictures), dtype=x.dtype).index_add_(1, who, x)
    mean = x.mean()
    return mean + (sums - mean * pictures) / pictures.mean()


def difference(scores: Tensor, reference: Tensor, people: Tensor | None = None) -> Share:
    """`scores - reference`, both (draws, images) of the same images, draw `k` of one beside draw `k` of the other.

    One of them may have a single draw, where nothing in it is drawn. people: as for `share`.

    Raises:
        ShapeError: other images, or other draws.
    """
    a, b = scores.double(), reference.double()
    if a.shape[1:] != b.shape[1:] or (len(a) != len(b) and 1 not in (len(a), len(b))):
        raise ShapeError(
            f"scores have shapes {tuple(a.shape)} and {tuple(b.shape)}; pair the same draws and images."
        )
    return _crossed(a - b, people)


def yield_above(accuracies: Tensor, threshold: float) -> tuple[float, float]:
    """Share of benches (n,) whose accuracy is at least `threshold`, and its standard error.

    The error is not zero where all or none are, see `distill.metrics.row.error_of_share`.
    """
    n = len(accuracies)
    good = int((accuracies >= threshold).sum())
    return good / n, error_of_share(good / n, n)
