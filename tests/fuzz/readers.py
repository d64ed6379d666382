"""Every reader and what must be true of what it accepts: one row each.

A check raises `Accepted` where the reader took something that it should have refused.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import distill
from calibration import load_recording
from distill.cli.bench import _read_masks
from distill.data import sources
from distill.data.dataset import VOID, Dataset
from distill.export.read import Exported, read_export
from distill.job import config
from distill.job.ledger import Ledger
from distill.job.result import Result
from distill.training import checkpoint
from networks.students import array_files
from networks.students.interchange import as_cascade
from networks.teachers.program import load_program
from optics.bench import catalogue
from optics.bench.files import load_bench
from optics.checks import OpticsError
from optics.spec import Validated
from tests.calibration.benches import bench as calibration_bench

Check = Callable[[Any, Path], None]
Read = Callable[[Path], Any]
BENCH = calibration_bench()


class Accepted(Exception):
    """A reader took what it should have refused."""


@dataclass(frozen=True)
class Reader:
    """corpus: whose seeds it reads. single: it takes the file, not the folder. weight: how often it is drawn."""

    read: Read
    check: Check
    corpus: str
    single: bool = False
    weight: int = 1


def must(holds: bool, what: str) -> None:
    if not holds:
        raise Accepted(what)


def finite(values: Tensor, what: str) -> None:
    must(bool(torch.isfinite(values).all()), f"{what} not finite")


def right_data(found: Any, path: Path) -> None:
    for name, part in vars(found).items():
        if not isinstance(part, Dataset):
            continue
        images, labels = part.images, part.labels
        must(len(images) == len(labels), f"{name}: another number of labels than of images")
        must(
            images.dtype == torch.float32 and images.ndim == 4,
            f"{name}: images of {images.dtype} {images.shape}",
        )
        if images.numel():
            finite(images, f"{name}: images")
            must(float(images.min()) >= 0.0 and float(images.max()) <= 1.0, f"{name}: images outside of 0..1")
        if labels.numel():
            kept = labels[labels != VOID]
            must(not len(kept) or int(kept.min()) >= 0, f"{name}: a negative label")
            must(not len(kept) or int(kept.max()) < part.classes, f"{name}: a label outside of the classes")


def right_array(found: Tensor, path: Path) -> None:
    must(found.is_floating_point() or found.is_complex(), f"an array of {found.dtype}")


def right_cascade(found: Any, path: Path) -> None:
    for name, value in found.state_dict().items():
        finite(value, name)
    must(found(torch.ones(1, found.in_channels, 8, 8)).ndim == 4, "another shape")


def right_network(found: torch.nn.Module, path: Path) -> None:
    must(not found.training, "in training mode")
    for name, value in found.state_dict().items():
        finite(value.double() if not value.is_complex() else value, name)


def right_export(found: Exported, path: Path) -> None:
    told = json.loads((path / "manifest.json").read_bytes())
    for name, entry in told["files"].items():
        data = (path / name).read_bytes()
        must(hashlib.sha256(data).hexdigest() == entry["sha256"], f"{name} is not what the manifest says")
    n, classes = found.manifest.images, len(found.manifest.class_names)
    must(float(found.inputs.min()) >= 0.0 and float(found.inputs.max()) <= 1.0, "inputs outside of 0..1")
    for name in ("inputs", "camera_counts", "logits", "scales"):
        finite(getattr(found, name), name)
    for name in ("masks", "psfs"):
        must(getattr(found, name).is_complex(), f"{name} not complex")
        finite(getattr(found, name), name)
    must(bool((found.camera_counts >= 0).all()), "negative counts")
    must(found.logits.shape == (n, classes), "logits of another shape")
    for name in ("labels", "predictions"):
        values = getattr(found, name)
        must(bool(((values >= 0) & (values < classes)).all()), f"{name} outside of the classes")
    must(torch.equal(found.logits.argmax(1), found.predictions), "predictions that the logits do not give")


def right_spec(found: Validated, path: Path) -> None:
    told = found.model_dump(mode="json")
    must(_finite(told), "a number that is not finite")
    must(type(found).model_validate(told) == found, "another value after a round trip")


def right_device(found: Any, path: Path) -> None:
    right_spec(found.spec(), path)


def _finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_finite, value.values()))
    if isinstance(value, list):
        return all(map(_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def right_run(found: Any, path: Path) -> None:
    right_spec(found, path)
    right_spec(found.bench.resolve(), path)


def right_result(found: Any, path: Path) -> None:
    right_spec(found, path)


def right_ledger(found: Any, path: Path) -> None:
    for step in ("data", "teacher"):
        must(isinstance(found.done(step, "0123456789abcdef"), bool), "an answer that is none")
        must(math.isfinite(found.seconds(step)) and found.seconds(step) >= 0.0, "seconds that cannot be")


def right_recording(found: Any, path: Path) -> None:
    finite(found.counts, "counts")
    must(found.exposure > 0 and found.binning >= 1, "exposure or binning")


def right_masks(found: Tensor, path: Path) -> None:
    finite(found, "masks")
    must(found.ndim == 3, "another shape")


def right_program(found: torch.nn.Module, path: Path) -> None:
    try:
        with torch.no_grad():
            found(torch.zeros(2, 1, 6, 6))
    except OpticsError as error:
        must(is_ours(error, path) is None, str(is_ours(error, path)))


def nothing(found: Any, path: Path) -> None:
    """No more can be said: the format has no checksum and every number is possible."""


def read_kernels(path: Path) -> Any:
    return as_cascade(array_files.read(path), kind="kernel", image_shape=(8, 8), corner=False)


def read_ledger(folder: Path) -> Ledger:
    return Ledger(folder, {"data": ("data.json",), "teacher": ("teacher",)})


READERS: dict[str, Reader] = {
    "HDF5 images": Reader(sources.load, right_data, "images", single=True, weight=4),
    "HDF5 images, few": Reader(
        lambda p: sources.load(p, limit=20, size=(6, 6)), right_data, "images", single=True
    ),
    "idx": Reader(sources.load, right_data, "idx", weight=2),
    "npz": Reader(sources.load, right_data, "npz", single=True, weight=2),
    "cifar": Reader(sources.load, right_data, "cifar", weight=2),
    "pictures": Reader(sources.load, right_data, "folders", weight=3),
    "arrays": Reader(array_files.read, right_array, "arrays", single=True, weight=4),
    "kernels": Reader(read_kernels, right_cascade, "arrays", single=True, weight=2),
    "student": Reader(distill.load, right_network, "student", single=True, weight=2),
    "teacher": Reader(checkpoint.load_teacher, right_network, "teacher", single=True, weight=2),
    "state": Reader(lambda p: checkpoint.load_state(p, "key"), nothing, "state", single=True),
    "program": Reader(load_program, right_program, "program", single=True, weight=2),
    "export": Reader(read_export, right_export, "export", weight=4),
    "recording": Reader(lambda p: load_recording(_rig(p), BENCH), right_recording, "recording", weight=3),
    "device": Reader(lambda p: catalogue.load(str(p)), right_device, "device", single=True, weight=2),
    "bench": Reader(lambda p: load_bench(str(p)), right_spec, "bench", single=True, weight=4),
    "run": Reader(config.load, right_run, "run", single=True, weight=3),
    "result": Reader(Result.read, right_result, "result", single=True),
    "ledger": Reader(read_ledger, right_ledger, "ledger"),
    "masks": Reader(lambda p: _read_masks(p, 4), right_masks, "masks", single=True),
}


def _rig(folder: Path) -> Path:
    """A recording is a file or a folder."""
    file = folder / "rig.h5"
    return file if file.exists() else folder


def is_ours(error: BaseException, path: Path) -> str | None:
    """None for a refusal as it should be; else what is wrong with it."""
    if isinstance(error, MemoryError):
        return f"memory: {str(error)[:200]}"
    if not isinstance(error, OpticsError):
        return f"{type(error).__name__}: {str(error)[:200]}"
    text = str(error).replace(str(path), "PATH")
    if "more memory than there is" in text:
        return f"memory: {text[:200]}"
    if not text.strip():
        return "a refusal without words"
    if "\n" in text:
        return f"a refusal of several lines: {text[:200]!r}"
    return f"a refusal of {len(text)} characters: {text[:200]!r}" if len(text) > LONGEST else None


LONGEST = 300
