"""The reference of an export: images, labels, camera counts and answers that can be a proof, or a refusal.

Asked when an export is written and again when it is read: answers that are no numbers, frames that hold no light,
classes that do not exist and images out of range would all "agree" with themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from distill.data.dataset import VOID, Dataset
from distill.export.answers import Kind, of_counts, predicted
from networks.onbench.network import OnBench
from optics.camera.camera import CameraSpec
from optics.checks import OpticsError
from optics.reading import fixed

Arrays = Mapping[str, NDArray[Any]]
_BATCH = 64
_UNIT = 1e-3  # how far an embedding's length may be from 1


def reference_arrays(
    network: OnBench, inputs: Dataset, kind: Kind, classes: int
) -> dict[str, tuple[NDArray[Any], dict[str, Any]]]:
    """Reference images and what the network on the bench makes of them when nothing is drawn by chance.

    Args:
        network: rebuilt from the levels that are written.
        inputs: the images with their labels.
        kind: what the back end answers.
        classes: how many there are names for.
    """
    counts, parts = [], []
    for x in inputs.images.split(_BATCH):
        counts.append(network.frames(x))
        parts.append(of_counts(network, counts[-1], kind))
    found = {"inputs": inputs.images, "camera_counts": torch.cat(counts), "labels": inputs.labels}
    found |= {key: torch.cat([part[key] for part in parts]) for key in parts[0]}
    arrays = {key: value.numpy() for key, value in found.items()}
    camera = network.bench.camera
    check_values("what is to be exported", arrays, classes, camera, kind)
    whole = camera.adc.bits is not None
    grey = (inputs.images * 255).round().to(torch.uint8)
    exact = bool((grey.to(torch.float32) / 255 == inputs.images).all())
    said = _told(kind, inputs, whole=whole, exact=exact)
    stored = arrays | {"inputs": grey.numpy() if exact else arrays["inputs"]}
    if whole:
        stored["camera_counts"] = arrays["camera_counts"].astype(_smallest(found["camera_counts"]))
    return {key: (values, said[key]) for key, values in stored.items()}


def _told(kind: Kind, inputs: Dataset, *, whole: bool, exact: bool) -> dict[str, dict[str, Any]]:
    """Axes and units of every array."""
    each = "image, y, x" if inputs.segmentation else "image"
    answered = "image, y, x" if kind == "pixels" else "image"
    return {
        "inputs": {
            "axes": "image, channel, y, x",
            "units": "value / 255" if exact else "value, full scale 1",
        },
        "labels": {"axes": each, "units": "class", "class_names": fixed(inputs.class_names)},
        "camera_counts": {
            "axes": "image, reading, y, x (upright)",
            "units": "DN" if whole else "photons per binned pixel",
        },
        "logits": {
            "axes": "image, class, y, x" if kind == "pixels" else "image, class",
            "units": "dimensionless",
        },
        "predictions": {"axes": answered, "units": "class"},
        "embeddings": {"axes": "image, dimension", "units": "unit vector"},
    }


def _smallest(counts: Tensor) -> type[np.unsignedinteger[Any]]:
    return np.uint16 if float(counts.max()) < 2**16 else np.uint32


# ---------------------------------------------------------------------- checks


def check_shapes(
    where: str,
    found: Arrays,
    kind: Kind,
    *,
    images: int,
    inputs: tuple[int, int, int],
    readings: int | None,
    classes: int | None,
) -> None:
    """Raise OpticsError unless the arrays fit each other and the network.

    Args:
        where: what errors call the reference, a file's path.
        found: the arrays.
        kind: what the back end answers.
        images: how many there are.
        inputs: (channels, H, W) of one.
        readings: of one image; None where an older manifest does not tell.
        classes: logits of the back end; None without one.
    """
    wanted: dict[str, tuple[int | None, ...]] = {
        "inputs": (images, *inputs),
        "camera_counts": (images, readings, None, None),
        "labels": (images,) if kind in ("classes", "embeddings") else (images, *found["labels"].shape[1:]),
    }
    if kind == "classes":
        wanted |= {"logits": (images, classes), "predictions": (images,)}
    if kind == "pixels":
        masks = found["logits"].shape[2:]
        wanted |= {"logits": (images, classes, None, None), "predictions": (images, *masks)}
    if kind == "embeddings":
        wanted |= {"logits": (images, classes), "embeddings": (images, None)}
    for key, want in wanted.items():
        got = found[key].shape
        if len(got) != len(want) or any(w not in (None, g) for g, w in zip(got, want, strict=True)):
            shown = ", ".join("any" if w is None else str(w) for w in want)
            raise OpticsError(f"{where}: key {key} has shape {got}, expected ({shown}).")


def check_values(where: str, found: Arrays, classes: int, camera: CameraSpec, kind: Kind) -> None:
    """Raise OpticsError unless the values can be what they are called.

    Args:
        where: what errors call the reference, a file's path.
        found: inputs (from 0 to 1), labels, camera_counts and what the back end answers.
        classes: how many there are names for.
        camera: the bench's.
        kind: what the back end answers.
    """
    for key in ("inputs", "camera_counts", "logits", "embeddings"):
        if key in found and found[key].dtype.kind not in "fiu":
            raise OpticsError(f"{where}: key {key} holds {found[key].dtype}, expected real numbers.")
        if key in found:
            _within(where, key, found[key], -np.inf, np.inf)
    _within(where, "inputs", found["inputs"], 0.0, 1.0)
    _within(where, "camera_counts", found["camera_counts"], 0.0, camera.ceiling)
    for key in ("labels", "predictions"):
        if key not in found:
            continue
        if found[key].dtype.kind not in "iu":
            raise OpticsError(f"{where}: key {key} holds {found[key].dtype}, expected whole numbers.")
        known = found[key]
        if key == "labels" and known.ndim > 1:  # void pixels are no class
            known = np.where(known == VOID, 0, known)
        _within(where, key, known, 0, classes - 1)
    dark = ~(np.abs(found["camera_counts"] - camera.black) > 0).any((1, 2, 3))
    if dark.all():
        raise OpticsError(
            f"{where}: key camera_counts is at the black level ({camera.black:g}) in every image: no light reaches the "
            "camera, so nothing can be proved; raise light.photons or camera.exposure."
        )
    if "predictions" in found:
        _check_predictions(where, found)
    if kind == "embeddings":
        _within(where, "embeddings", np.linalg.norm(found["embeddings"], axis=1), 1 - _UNIT, 1 + _UNIT)


def _check_predictions(where: str, found: Arrays) -> None:
    logits = torch.from_numpy(np.ascontiguousarray(found["logits"]))
    other = predicted(logits).numpy() != found["predictions"]
    if other.any():
        image = int(np.unravel_index(int(other.argmax()), other.shape)[0])
        raise OpticsError(
            f"{where}: key predictions is not the largest of logits at image {image}; export again."
        )


def _within(where: str, key: str, values: NDArray[Any], low: float, high: float) -> None:
    good = np.isfinite(values) & (values >= low) & (values <= high)
    if not good.all():
        place = np.unravel_index(int((~good).argmax()), values.shape)
        limits = "finite numbers" if np.isinf(low) else f"{low:g} to {high:g}"
        raise OpticsError(
            f"{where}: key {key} holds {values[place].item():g} at image {int(place[0])}, expected {limits}."
        )
