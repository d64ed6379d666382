"""How well unit vectors tell people apart: who is it (rank one), and are these two the same (verification)."""

from __future__ import annotations

import torch
from torch import Tensor

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
    _check(vectors, labels)
    first, second = torch.triu_indices(len(labels), len(labels), offset=1)
    likeness = (vectors @ vectors.mT)[first, second].double()
    same = labels[first] == labels[second]
    if bool(same.all()) or not bool(same.any()):
        raise OpticsError("verification needs pairs of the same person and pairs of different people.")
    likeness, order = likeness.sort()
    same = same[order]
    # a pair is called "the same" above the threshold; thresholds lie between neighbours that differ
    missed = same.cumsum(0).double() / same.sum()
    accepted = 1 - (~same).cumsum(0).double() / (~same).sum()
    last = torch.cat((likeness[1:] > likeness[:-1], torch.ones(1, dtype=torch.bool)))
    missed = torch.cat((torch.zeros(1, dtype=torch.float64), missed[last]))
    accepted = torch.cat((torch.ones(1, dtype=torch.float64), accepted[last]))
    nearest = int((missed - accepted).abs().argmin())
    return float((missed[nearest] + accepted[nearest]) / 2)


def _check(vectors: Tensor, labels: Tensor) -> None:
    if vectors.ndim != 2 or tuple(labels.shape) != (len(vectors),) or len(vectors) == 0:
        raise ShapeError(
            f"vectors have shape {tuple(vectors.shape)} and labels {tuple(labels.shape)}; expected (N, dimension) "
            "and (N,)."
        )
