"""Training with the bench in the loop: the forward pass is the bench's, the backward pass its twin's.

For images `x`, masks `m` and a back end `b`, the bench counts `c(x, m)`, which nobody can differentiate, and the twin
predicts `p(x, m)`, which everybody can. The network answers `b(c)`, and the gradient to the masks is that of

    b(p(x, m) + stop(c(x, m) - p(x, m)))

the back end's at what was really counted, the optics' by the twin. A twin that is the bench gives the ordinary
gradient; one that is wrong by some tens of per cent still leads down, since the loss is the bench's own.
Source: physics-aware training, Wright et al., Nature 601, 549 (2022).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from calibration.rigs.captures import capture_images
from calibration.rigs.rig import Rig
from distill.data.dataset import Dataset
from distill.training.history import History
from distill.training.spec import TrainSpec
from distill.training.train_loop import Progress, train
from networks.onbench.interface import FramedOptics
from networks.onbench.network import OnBench
from networks.onbench.sensor import frames_of_masks, sensor_region
from networks.students.student import Student
from optics.bench.spec import BenchSpec
from optics.checks import OpticsError


class InTheLoop(nn.Module):
    """A network that answers by what a bench counts, and learns by what its twin would do.

    Its parameters are the student's own: train it like any module, then use the student. Every call shows its images
    on the bench, once through each of the network's masks as they are now; in `eval` mode, too.

    Args:
        student: the network; its read-out needs no reference beam.
        twin: the bench as it is thought to be: a calibrated description, or a data sheet.
        rig: the bench itself.
        options: further arguments of `Student.on`.

    Attributes:
        student: the network, which is what training changes.
        network: it on its twin.
        images: how many have been shown so far. exposures: how many frames that took.

    Raises:
        OpticsError: the network needs a reference beam or an optics that a rig cannot show.
    """

    def __init__(self, student: Student, twin: BenchSpec, rig: Rig, **options: Any) -> None:
        super().__init__()
        self.student, self.rig, self.images, self.exposures = student, rig, 0, 0
        self.network: OnBench = student.on(twin, **options)
        optics = self.network.optics
        if student.readout.needs_field or not isinstance(optics, FramedOptics):
            raise OpticsError(
                f"a rig has one panel and no reference beam: it cannot be in the loop of a "
                f"{type(optics).__name__.lower()} network with the read-out {student.readout.name!r}. Use the "
                "collapsed realisation and the intensity read-out."
            )
        self._optics = optics

    def captured(self, x: Tensor) -> Tensor:
        """What the bench counts, (B, masks, cy, cx), of images (B, in, H, W) through the masks as they are now.

        Raises:
            RigError: the bench failed.
        """
        fourf, display = self._optics.systems[0], self._optics.setup.display
        levels = self._optics.levels()[:, fourf.rows, fourf.cols].contiguous()
        counts = capture_images(
            self.rig,
            levels,
            display.shown(self.student.readout.displayed(x.detach())),
            pictures=display.pictures,
            region=sensor_region(self.network),
            panel_corner=(fourf.rows.start, fourf.cols.start),
        ).counts
        self.images, self.exposures = self.images + len(x), self.exposures + len(x) * len(levels)
        return frames_of_masks(self.network, counts.to(x.dtype))

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, in, H, W) to the back end's output for what the bench counts."""
        return self.student.backend(self.features(x))

    def features(self, x: Tensor) -> Tensor:
        """Features (B, maps, by, bx) of what the bench counts, with the twin's gradient to the masks in training."""
        counts = self.captured(x)
        if not (self.training and torch.is_grad_enabled()):
            return self.network.features_of(counts)
        light = self.network.light()
        predicted = self.network.record(self.network.photons(x, light))
        return self.network.features_of(measured_forward(counts, predicted), light)


def measured_forward(measured: Tensor, predicted: Tensor) -> Tensor:
    """`measured` with the gradient of `predicted`; both of one shape."""
    return predicted + (measured - predicted).detach()


def train_in_the_loop(
    student: Student,
    twin: BenchSpec,
    rig: Rig,
    images: Dataset,
    validation: Dataset,
    spec: TrainSpec,
    *,
    directory: str | Path,
    teacher: nn.Module | Tensor | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> tuple[OnBench, History, int]:
    """Train a student in place with the bench in the loop; masks and back end.

    Args:
        student: begins where it is: trained on the twin, or by the data sheet.
        twin: see `InTheLoop`.
        rig: the bench.
        images: shown once in each epoch, through every mask.
        validation: shown once after each epoch; they choose it.
        spec: how; `epochs` and both numbers of images say how often the bench is asked.
        directory: receives the checkpoint and the metrics; the same call goes on there, with the same twin and rig.
        teacher: teaches as in `distill.training.train_loop`.
        progress: see `distill.training.train_loop`.
        options: further arguments of `Student.on`.

    Returns:
        The student on its twin, for `refit_on_captures` or an export; the history; how many images were shown, each
        through every mask.

    Raises:
        OpticsError: see `InTheLoop`; or the directory holds the checkpoint of another run. RigError: the bench failed;
            the checkpoint holds the epochs before that.
    """
    model = InTheLoop(student, twin, rig, **options)
    beside = {"twin": twin.model_dump_json(exclude_defaults=True), "rig": rig.name}
    history = train(
        model,
        images,
        validation,
        spec,
        directory=directory,
        teacher=teacher,
        progress=progress,
        beside=beside,
    )
    return model.network.eval(), history, model.images
