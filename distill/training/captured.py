"""Networks and what a bench really gave: features and accuracy of captures, back ends fitted to few or many of them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from calibration.rigs.captures import Captures
from distill.data.dataset import UNLABELLED, VOID
from distill.metrics.confusion import accuracy
from distill.training.spec import TrainSpec
from distill.training.teaching import Guide, logits
from distill.training.train_loop import Progress, fit
from networks.onbench.interface import FramedOptics
from networks.onbench.network import OnBench
from networks.onbench.sensor import frames_of_masks, sensor_region
from optics.checks import OpticsError

FEWEST = 20  # captured images that a back end is fitted to
_HELD = 0.2  # share of them that chooses the epoch


def features_of_captures(on_bench: OnBench, captures: Captures) -> Tensor:
    """What the network's electronics makes of captures, (N, maps, by, bx).

    Raises:
        OpticsError: they were captured through other masks, of other pictures, or on another part of the sensor.
    """
    optics = on_bench.optics
    if not isinstance(optics, FramedOptics):
        raise OpticsError(
            "captures are of one panel; use the collapsed or the tiled realisation, not the staged one."
        )
    (top, left), (height, width) = captures.panel_corner, captures.levels.shape[1:]
    with torch.no_grad():  # with a gradient to the kernels, masks are not those that are exported
        own = optics.levels(on_bench.drives())
    shown = torch.zeros_like(own)
    fits = top >= 0 <= left and top + height <= own.shape[1] and left + width <= own.shape[2]
    if fits and len(own) == len(captures.levels):
        shown[:, top : top + height, left : left + width] = captures.levels.to(own.dtype)
    if not torch.equal(own, shown):
        raise OpticsError(
            f"these captures are of {len(captures.levels)} other masks than the network's {len(own)}; export the "
            "network that is to be fitted, and capture that."
        )
    display = optics.setup.display
    if captures.pictures != display.pictures or captures.inputs.shape[1:] != display.canvas_shape:
        raise OpticsError(
            f"these captures show {captures.pictures} pictures of {_by(captures.inputs.shape[1:])} an image, the "
            f"network takes {display.pictures} of {_by(display.canvas_shape)}; capture what `sclc export` wrote of it."
        )
    region = sensor_region(on_bench)
    if captures.region != region or captures.binning != on_bench.bench.camera.binning:
        raise OpticsError(
            f"these captures show {captures.region} of the sensor binned by {captures.binning}, the network reads "
            f"{region} binned by {on_bench.bench.camera.binning}; capture with the network's own bench."
        )
    with torch.no_grad():
        return on_bench.features_of(frames_of_masks(on_bench, captures.counts.to(optics.dtype)))


def _by(size: Sequence[int]) -> str:
    return " x ".join(map(str, size))


def refit_on_captures(
    on_bench: OnBench,
    captures: Captures,
    spec: TrainSpec,
    *,
    teacher: Guide | Tensor | None = None,
    count: int | None = None,
    directory: str | Path | None = None,
    progress: Progress | None = None,
) -> OnBench:
    """The same optics with a back end fitted to what the bench gave: on labels, distilled, or both.

    Args:
        on_bench: the network whose masks were captured; it stays as it is, its back end is where the fit begins.
        captures: every image through every mask.
        spec: how; images are not moved, so its augmentation must be off.
        teacher: (N, classes, ...) logits of the captured images, or a `Guide` that sees these, as hints and tangents
            need. Without labels in the captures it is all there is.
        count: use the first so many images; a fifth of them, at least one, chooses the epoch.
        directory: receives the checkpoint and the metrics.
        progress: see `distill.training.train_loop`.

    Returns:
        A new network on the bench; `.backend` is what changed.

    Raises:
        OpticsError: neither labels nor a teacher, other classes, fewer than 20 images, other masks, or the augmentation
            is on.
    """
    number = len(captures) if count is None else count
    if not FEWEST <= number <= len(captures):
        raise OpticsError(
            f"{number} of {len(captures)} captured images; a back end is fitted to {FEWEST} or more of them."
        )
    if spec.moves.active:
        raise OpticsError("captures are not moved; set the refit's augmentation to zero.")
    labels = captures.labels
    if labels is None:
        if teacher is None:
            raise OpticsError(
                "these captures have no labels; give a teacher's logits, or capture with labels."
            )
        labels = (teacher if isinstance(teacher, Tensor) else teacher.answers()).argmax(1)
        spec = spec.replace(distillation=spec.distillation.replace(alpha=1.0))
    features = features_of_captures(on_bench, captures)[:number]
    with torch.no_grad():
        classes = copy.deepcopy(on_bench.backend).eval()(features[:1]).shape[1]
    known = labels[(labels != VOID) & (labels != UNLABELLED)]
    if not known.numel() or not 0 <= int(known.min()) <= int(known.max()) < classes:
        raise OpticsError(
            f"these captures have labels {int(labels.min())} to {int(labels.max())} and the network {classes} classes; "
            f"expected 0 to {classes - 1}."
        )
    own = number - max(1, round(_HELD * number))
    backend = copy.deepcopy(on_bench.backend)
    for parameter in backend.parameters():
        parameter.requires_grad_(True)
    fit(
        backend,
        (features[:own], labels[:own]),
        (features[own:], labels[own:number]),
        spec,
        directory=directory,
        teacher=teacher[:own] if isinstance(teacher, Tensor) else teacher,
        identity={"captures": captures.digest(), "count": str(number)},
        progress=progress,
    )
    return on_bench.with_backend(backend).eval()


def captured_accuracy(backend: nn.Module, features: Tensor, labels: Tensor) -> float:
    """How well a back end does on features (N, maps, by, bx) of captures, from 0 to 1.

    The share of images with the right one of the classes that it was trained with; of pixels, labels (N, H, W), the
    mean IoU (`distill.metrics.confusion.accuracy`).
    """
    answers = logits(backend, features)
    return accuracy(answers.argmax(1), labels, answers.shape[1])


@dataclass(frozen=True)
class CurvePoint:
    """How well a back end does that was fitted to `images` captured ones; 0 is the back end as it came."""

    images: int
    accuracy: float


def learning_curve(
    on_bench: OnBench,
    captures: Captures,
    counts: Sequence[int],
    spec: TrainSpec,
    *,
    held: int,
    teacher: Guide | Tensor | None = None,
    done: Callable[[CurvePoint], None] | None = None,
) -> list[CurvePoint]:
    """What few or many captures are worth: a back end fitted to the first 50, 100, ... of them, judged by the last.

    Args:
        on_bench: see `refit_on_captures`.
        captures: with labels.
        counts: how many images to fit to, each at least 20.
        spec: how each is fitted.
        held: images at the end that judge and are never fitted.
        teacher: see `refit_on_captures`.
        done: told each point.

    Raises:
        OpticsError: no labels, or more images than there are beside those that judge.
    """
    labels = captures.labels
    if labels is None:
        raise OpticsError("a learning curve is judged by labels, which these captures lack.")
    most = len(captures) - held
    if held < 1 or not counts or max(counts) > most:
        raise OpticsError(
            f"{len(captures)} captured images, {held} of them to judge, leave {most} to fit; asked were "
            f"{max(counts, default=0)}. Capture more."
        )
    features = features_of_captures(on_bench, captures)[most:]
    points = [CurvePoint(0, captured_accuracy(on_bench.backend, features, labels[most:]))]
    for count in counts:
        fitted = refit_on_captures(on_bench, captures, spec, teacher=teacher, count=count)
        points.append(CurvePoint(count, captured_accuracy(fitted.backend, features, labels[most:])))
        if done is not None:
            done(points[-1])
    return points
