"""What a network's electronics answers: classes, a class per pixel, a point in a space of faces; or nothing but counts.

An export without a back end, or with one of the user's own that no configuration describes, proves camera counts alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from distill.data.dataset import VOID
from networks.backends import registry as backends
from networks.onbench.network import OnBench
from optics.checks import OpticsError

Kind = Literal["classes", "pixels", "embeddings", "counts"]
KINDS: tuple[str, ...] = get_args(Kind)
_OF_BACKEND: dict[str, Kind] = {"segmenter": "pixels", "embedder": "embeddings"}
#: what `reference.h5` holds of each, beside inputs and camera_counts
KEYS: dict[Kind, tuple[str, ...]] = {
    "classes": ("labels", "logits", "predictions"),
    "pixels": ("labels", "logits", "predictions"),
    "embeddings": ("labels", "logits", "embeddings"),
    "counts": (),
}
_ALIKE = 1e-5  # cosines this close are the same: two reference images may be one picture


def inner(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The configuration of the back end that answers: of a wrapped one its own."""
    found = config.get("backend")
    return found if isinstance(found, Mapping) else config


def kind_of(config: Mapping[str, Any] | None) -> Kind:
    """What a back end of this configuration (`networks.backends.registry.description`) answers; None is no back end."""
    if config is None:
        return "counts"
    return _OF_BACKEND.get(str(inner(config).get("kind", "classifier")), "classes")


def described(backend: nn.Module) -> dict[str, Any] | None:
    """A back end's configuration; None for none (`nn.Identity`) and for a module of the user's own."""
    if getattr(backend, "config", None) is None:
        return None
    return backends.description(backend)


def predicted(logits: Tensor) -> Tensor:
    """Class of each image or pixel, int64, of logits (N, classes, ...); of a single one: whether it is positive."""
    return (logits[:, 0] > 0).long() if logits.shape[1] == 1 else logits.argmax(1)


def answers(backend: nn.Module, features: Tensor, kind: Kind) -> dict[str, Tensor]:
    """What a back end makes of features (N, maps, by, bx): the arrays of `KEYS`, labels aside.

    logits: (N, classes), of pixels (N, classes, H, W). predictions: (N,) or (N, H, W). embeddings: (N, dimension).
    """
    if kind == "counts":
        return {}
    found = {"logits": backend(features)}
    if kind == "embeddings":
        return found | {"embeddings": backend.embed(features)}  # type: ignore[operator]
    return found | {"predictions": predicted(found["logits"])}


def of_counts(network: OnBench, counts: Tensor, kind: Kind) -> dict[str, Tensor]:
    """`answers` from camera counts (N, readings, cy, cx)."""
    return answers(network.backend, network.features_of(counts), kind)


# ---------------------------------------------------------------------- compared


def agreement(
    kind: Kind, found: Mapping[str, Tensor], expected: Mapping[str, Tensor], index: Tensor
) -> float:
    """Share of answers that are the expected ones.

    Classes: of the images. Pixels: of all pixels. Embeddings: of the images, how many lie nearest to their own expected
    vector among those of all reference images.

    Args:
        kind: not "counts", which answers nothing.
        found: of the images at `index`.
        expected: of all reference images.
        index: (n,) int64.
    """
    if kind == "embeddings":
        likeness = found["embeddings"].double() @ expected["embeddings"].double().mT
        own = likeness.gather(1, index[:, None])[:, 0]
        return float((own >= likeness.amax(1) - _ALIKE).double().mean())
    return float((found["predictions"] == expected["predictions"][index]).double().mean())


def accuracy(
    kind: Kind, found: Mapping[str, Tensor], expected: Mapping[str, Tensor], labels: Tensor, index: Tensor
) -> float | None:
    """Share of right answers; None where labels do not tell.

    Classes, pixels: predictions equal to the labels, void ones aside. Embeddings: images whose nearest *other*
    reference image shows the same person.

    Args:
        kind: not "counts".
        found: of the images at `index`.
        expected: of all reference images.
        labels: of all reference images, (N,) or (N, H, W).
        index: (n,) int64.
    """
    own = labels[index]
    if kind == "embeddings":
        if len(labels) < 2 or labels.ndim != 1:
            return None
        likeness = found["embeddings"].double() @ expected["embeddings"].double().mT
        likeness.scatter_(1, index[:, None], -torch.inf)
        return float((labels[likeness.argmax(1)] == own).double().mean())
    counts = own != VOID
    if own.shape != found["predictions"].shape or not bool(counts.any()):
        return None
    return float((found["predictions"] == own)[counts].double().mean())


def check_classes(kind: Kind, config: Mapping[str, Any] | None, names: tuple[str, ...], where: str) -> None:
    """Raise OpticsError unless there is one name, and one only, for each class of a back end that tells classes.

    A back end of one logit tells two. People whom an embedder compares need not be those of its training.
    """
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise OpticsError(f"{where}: class_names has {twice[0]!r} more than once; each class has its own.")
    if config is None or kind not in ("classes", "pixels"):
        return
    classes = classes_of(config)
    if len(names) != (2 if kind == "pixels" and classes == 1 else classes):
        raise OpticsError(f"{where}: class_names has {len(names)} names and the back end {classes} classes.")


def classes_of(config: Mapping[str, Any]) -> int:
    """How many logits the back end of a configuration gives, per image or per pixel."""
    return int(inner(config)["classes"])
