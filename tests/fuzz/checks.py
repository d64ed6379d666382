"""What must be true of an input that a reader accepts, and of an error by which it refuses one."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from calibration.rigs.captures import Captures
from calibration.rigs.store import FrameStore
from distill.data.dataset import VOID, Dataset
from distill.data.sources import load
from distill.data.survey import Checked, opened
from distill.designs.targets import Target
from distill.export.design_files import DesignFiles
from distill.export.design_manifest import DesignManifest
from distill.export.read import Exported
from distill.studies.result import Study
from distill.studies.work import Subject
from optics.bench.spec import BenchSpec
from optics.checks import OpticsError
from optics.spec import Validated
from tests.distill.designs.bench import PANEL

LONGEST = 300  # characters of a refusal


class Accepted(Exception):
    """A reader took what it should have refused."""


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
    if found.manifest.kind == "counts":  # without a back end
        finite(found.camera_counts, "camera_counts")
        return
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


def right_kept(found: tuple[Validated, Validated], path: Path) -> None:
    for part in found:
        right_spec(part, path)


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


# ---------------------------------------------------------------------- designs, studies, calibrations


def right_target(found: Target, path: Path) -> None:
    must(found.count > 0 and found.pitch > 0, "no masks, or no pitch")
    for values in (found.taps, found.panel):
        if values is not None:
            finite(torch.view_as_real(values) if values.is_complex() else values, "the target")
            must(float(values.abs().max()) > 0, "a target that is dark")
    must(found.panel is None or float(found.panel.abs().max()) <= 1.001, "a panel that amplifies")


def right_display(found: Tensor | None, path: Path) -> None:
    must(found is not None and found.ndim == 3 and found.numel() > 0, "no images")
    if found is not None:
        finite(found, "images")
        must(float(found.min()) >= 0 and float(found.max()) <= 1, "images outside of 0..1")


def right_design(found: tuple[DesignManifest, BenchSpec, DesignFiles], path: Path) -> None:
    manifest, bench, files = found
    for name, entry in manifest.files.items():
        must(hashlib.sha256((path / name).read_bytes()).hexdigest() == entry.sha256, f"{name} was altered")
    right_spec(bench, path)
    for name, values in vars(files).items():
        finite(torch.view_as_real(values) if values.is_complex() else values, name)
    must(
        bool(((files.levels >= 0) & (files.levels < 2 ** (bench.slm.bits or 8))).all()),
        "levels beyond the bits",
    )
    must(float(files.masks.abs().max()) <= 1.001, "a mask that amplifies")
    if len(files.inputs):
        must(float(files.inputs.min()) >= 0 and float(files.inputs.max()) <= 1, "inputs outside of 0..1")
        must(float(files.camera_counts.min()) >= 0, "negative counts")


def right_axis(found: list[BenchSpec], path: Path) -> None:
    must(0 < len(found) <= 1000, f"{len(found)} values of one axis")
    for bench in found:
        right_spec(bench, path)


def right_size(found: tuple[int, int], path: Path) -> None:
    must(all(0 < n <= 2**15 for n in found), f"an image of {found} pixels")


def right_study(found: Study, path: Path) -> None:
    told = found.to_dict()
    must(_finite(told), "a number that is not finite")
    for row in found.rows:
        for share in (row.as_is, row.refit):
            must(share is None or 0 <= share.mean <= 1, "an accuracy outside of 0..1")
    exposed = [o.exposure for o in found.outcomes.values()]
    must(all(0 <= e.saturated <= 1 for e in exposed), "a share of saturated pixels outside of 0..1")


def right_subject(found: Subject, path: Path) -> None:
    right_network(found.student, path)
    for name in ("test", "train", "validation"):
        part = getattr(found, name)
        if part is None:
            continue
        must(part.images.dtype == torch.float32 and part.images.ndim == 4, f"{name}: no images")
        must(len(part.images) == len(part.labels) > 0, f"{name}: another number of labels")
        finite(part.images, name)
        must(
            float(part.images.min()) >= 0 and float(part.images.max()) <= 1, f"{name}: images outside of 0..1"
        )
        must(part.labels.dtype == torch.int64, f"{name}: labels of {part.labels.dtype}")
        classes = found.student.spec.classes
        kept = part.labels[part.labels != VOID]
        must(bool(((kept >= 0) & (kept < classes)).all()), f"{name}: a label outside of the classes")
    assert found.test.images.shape[1] == found.student.cascade.in_channels, "other channels"


def right_phases(found: tuple[Any, str], path: Path) -> None:
    values, said = found
    must(len(values) >= 2 and bool((values[1:] >= values[:-1]).all()), "phases that fall")
    finite(torch.from_numpy(values), "phases")
    must("\n" not in said, "a source of several lines")


def right_correction(found: Tensor | None, path: Path) -> None:
    must(found is not None and tuple(found.shape) == PANEL, "a map of another size")
    if found is not None:
        finite(found, "the map")


def right_captures(found: Captures, path: Path) -> None:
    for name in ("inputs", "counts", "times"):
        finite(getattr(found, name), name)
    must(0 <= float(found.inputs.min()) <= float(found.inputs.max()) <= 1, "inputs outside of 0..1")
    must(int(found.levels.min()) >= 0, "a negative level")
    must(found.exposure > 0 and found.binning >= 1, "exposure or binning")


def right_frames(found: FrameStore, path: Path) -> None:
    must(len(found.counts) == len(found.times), "another number of times than of frames")


def right_calibration(found: dict[str, Any], path: Path) -> None:
    must(_finite(found), "a number that is not finite")


@contextlib.contextmanager
def only_in(folder: Path) -> Iterator[None]:
    """Raise where the body opens a file for writing, or makes a folder, outside of `folder`, or leaves any there."""
    if not _hooked:
        sys.addaudithook(_seen)
        _hooked.append(True)
    before: set[Path] = set(folder.rglob("*"))
    written: list[str] = []
    _watching.append(written)
    try:
        yield
    finally:
        _watching.remove(written)
        inside = os.path.realpath(folder)
        outside = [p for p in written if not f"{os.path.realpath(p)}/".startswith(f"{inside}/")]
        if outside:
            raise Accepted(f"written outside of its folder: {outside[0]!r:.100}")
        if left := set(folder.rglob("*")) - before:
            raise Accepted(f"{len(left)} files are left, as {min(left).name}")


_hooked: list[bool] = []
_watching: list[list[str]] = []


def _seen(event: str, told: tuple[Any, ...]) -> None:
    """Python tells every opening and every new folder; a hook cannot be taken away again."""
    if not _watching:
        return
    writes = event == "open" and isinstance(told[2], int) and told[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    if (writes or event == "os.mkdir") and isinstance(told[0], str | os.PathLike):
        _watching[-1].append(os.fspath(told[0]))


def right_archive(found: Checked, path: Path) -> None:
    for said in (*found.problems, *found.remarks):
        must(
            "\n" not in said and len(said) <= LONGEST,
            f"a problem of several lines or too many: {said!r:.200}",
        )
    if not found.problems:  # then training on it begins
        with opened(path) as place:
            right_data(load(place), path)


def right_pool(found: Tensor, path: Path) -> None:
    must(found.dtype == torch.float32 and found.ndim == 4 and 0 < len(found) <= 3, f"images {found.shape}")
    finite(found, "images")
    must(0 <= float(found.min()) <= float(found.max()) <= 1, "images outside of 0..1")


def right_refit(found: torch.nn.Module, path: Path) -> None:
    for name, value in found.backend.state_dict().items():
        finite(value.double(), name)


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
