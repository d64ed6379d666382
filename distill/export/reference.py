"""The reference of an export: images, labels, camera counts and answers that can be a proof, or a refusal.

Asked when an export is written and again when it is read: answers that are no numbers, frames that hold no light,
classes that do not exist and images out of range would all "agree" with themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optics.camera.camera import CameraSpec
from optics.checks import OpticsError

Arrays = Mapping[str, NDArray[Any]]


def classes_of(backend: Mapping[str, Any]) -> int:
    """How many classes the back end of a configuration (`networks.backends.registry.description`) answers with."""
    return int(backend.get("backend", backend)["classes"])


def check_classes(names: Sequence[str], classes: int, where: str) -> None:
    """Raise OpticsError unless there is one name, and one only, for each of the back end's `classes`."""
    if len(names) != classes:
        raise OpticsError(f"{where}: class_names has {len(names)} names and the back end {classes} classes.")
    twice = [name for name in names if list(names).count(name) > 1]
    if twice:
        raise OpticsError(f"{where}: class_names has {twice[0]!r} more than once; each class has its own.")


def check_shapes(where: str, found: Arrays, images: int, image_shape: tuple[int, int], classes: int) -> None:
    """Raise OpticsError unless the arrays fit each other and the network."""
    wanted: dict[str, tuple[int | None, ...]] = {
        "inputs": (images, 1, *image_shape),
        "labels": (images,),
        "camera_counts": (images, None, None, None),
        "logits": (images, classes),
        "predictions": (images,),
    }
    for key, want in wanted.items():
        got = found[key].shape
        if len(got) != len(want) or any(w not in (None, g) for g, w in zip(got, want, strict=True)):
            shown = ", ".join("any" if w is None else str(w) for w in want)
            raise OpticsError(f"{where}: key {key} has shape {got}, expected ({shown}).")


def check_values(where: str, found: Arrays, classes: int, camera: CameraSpec) -> None:
    """Raise OpticsError unless the values can be what they are called.

    Args:
        where: what errors call the reference, a file's path.
        found: inputs (as amplitudes), labels, camera_counts, logits and predictions.
        classes: of the back end.
        camera: the bench's.
    """
    for key in ("inputs", "camera_counts", "logits"):
        _within(where, key, found[key], -np.inf, np.inf)
    _within(where, "inputs", found["inputs"], 0.0, 1.0)
    _within(where, "camera_counts", found["camera_counts"], 0.0, camera.ceiling)
    for key in ("labels", "predictions"):
        if found[key].dtype.kind not in "iu":
            raise OpticsError(f"{where}: key {key} holds {found[key].dtype}, expected whole numbers.")
        _within(where, key, found[key], 0, classes - 1)
    dark = ~(np.abs(found["camera_counts"] - camera.black) > 0).any((1, 2, 3))
    if dark.all():
        raise OpticsError(
            f"{where}: key camera_counts is at the black level ({camera.black:g}) in every image: no light reaches the "
            "camera, so nothing can be proved; raise light.photons or camera.exposure."
        )
    other = found["logits"].argmax(1) != found["predictions"]
    if other.any():
        raise OpticsError(
            f"{where}: key predictions is not the largest of logits at image {int(other.argmax())}; export again."
        )


def _within(where: str, key: str, values: NDArray[Any], low: float, high: float) -> None:
    good = np.isfinite(values) & (values >= low) & (values <= high)
    if not good.all():
        place = np.unravel_index(int((~good).argmax()), values.shape)
        limits = "finite numbers" if np.isinf(low) else f"{low:g} to {high:g}"
        raise OpticsError(
            f"{where}: key {key} holds {values[place].item():g} at image {int(place[0])}, expected {limits}."
        )
