"""How well unit vectors tell people apart: who is it (rank one), and are these two the same (verification)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from distill.metrics.resampling import bootstrapped
from distill.metrics.row import error_of_share
from optics.checks import OpticsError, ShapeError


def rank_one(gallery: Tensor, known: Tensor, probes: Tensor, labels: Tensor) -> float:
    """Share of probes whose most alike picture in the gallery shows the same person.

    Args:
        gallery: unit vectors (G, dimension) of people who are known.
        known: int64 (G,) who they are.
        probes: unit vectors (N, dimension).
        labels: int64 (N,) who the probes are.
    """
    _check(gallery, known)
    _check(probes, labels)
    return float((most_alike(gallery, known, probes) == labels).double().mean())


def most_alike(gallery: Tensor, known: Tensor, probes: Tensor) -> Tensor:
    """Who each probe (N, dimension) is, (N,): the person of the most alike picture in a gallery (G, dimension)."""
    return known[(probes @ gallery.mT).argmax(1)]


def equal_error_rate(vectors: Tensor, labels: Tensor) -> float:
    """Error of "same person or not" over all pairs, at the threshold where both kinds of error are equally frequent.

    Args:
        vectors: unit vectors (N, dimension).
        labels: int64 (N,) who they are.

    Returns:
        Between 0 and 1; guessing gives 0.5. Where no threshold makes both equal: the mean of the two at the nearest.

    Raises:
        OpticsError: no pair of the same person, or none of different people.
    """
    return error_of_people(vectors, labels)(torch.ones(len(labels)))


def error_of_people(vectors: Tensor, labels: Tensor) -> Callable[[Tensor], float]:
    """`equal_error_rate` as a function of how often each picture's person counts, (N,): for resamples of people.

    A pair of one person counts so often, a pair of two their product. NaN where no pair of one kind counts.
    """
    _check(vectors, labels)
    first, second = torch.triu_indices(len(labels), len(labels), offset=1)
    likeness = (vectors @ vectors.mT)[first, second].double()
    same = labels[first] == labels[second]
    if bool(same.all()) or not bool(same.any()):
        raise OpticsError("verification needs pairs of the same person and pairs of different people.")
    likeness, order = likeness.sort()
    first, second, same = first[order], second[order], same[order]
    # a pair is called "the same" above the threshold; thresholds lie between neighbours that differ
    last = torch.cat((likeness[1:] > likeness[:-1], torch.ones(1, dtype=torch.bool)))

    def of(times: Tensor) -> float:
        times = times.double()
        genuine = torch.where(same, times[first], 0.0).cumsum(0)
        others = torch.where(same, 0.0, times[first] * times[second]).cumsum(0)
        missed = torch.cat((torch.zeros(1, dtype=torch.float64), (genuine / genuine[-1])[last]))
        accepted = torch.cat((torch.ones(1, dtype=torch.float64), (1 - others / others[-1])[last]))
        nearest = int((missed - accepted).abs().argmin())
        return float((missed[nearest] + accepted[nearest]) / 2)

    return of


def verification(answers: Tensor, labels: Tensor) -> tuple[dict[str, float], dict[str, float]]:
    """1 - EER and its error; none where no two pictures show one person, or all do: there is nothing to tell apart.

    The error is that of resamples of people, whose pairs depend on each other (Bolle, Ratha & Pankanti, Computer
    Vision and Image Understanding 93, 1 (2004)), and no less than that of a share of so many people.
    """
    people, who, pictures = labels.unique(return_inverse=True, return_counts=True)
    if len(pictures) < 2 or int(pictures.max()) < 2:
        return {}, {}
    errors = [error_of_people(a, labels) for a in answers]
    figure = 1 - sum(of(torch.ones(len(labels))) for of in errors) / len(errors)

    def again(index: Tensor) -> Tensor:  # of the first draw: the people are the same in all
        return torch.tensor(errors[0](torch.bincount(index, minlength=len(people))[who]))

    error = max(float(bootstrapped(len(people), again)), error_of_share(figure, len(people)))
    return {"1 - EER": figure}, {"1 - EER": error}


def _check(vectors: Tensor, labels: Tensor) -> None:
    if vectors.ndim != 2 or tuple(labels.shape) != (len(vectors),) or len(vectors) == 0:
        raise ShapeError(
            f"vectors have shape {tuple(vectors.shape)} and labels {tuple(labels.shape)}; expected (N, dimension) "
            "and (N,)."
        )
