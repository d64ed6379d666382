"""Fewer samples of the camera's frame in a training step: a bin is the average of many that say nearly the same.

An intensity at every sample is most of what a step costs. A bin's average over every n-th sample of either axis has the
same mean over the places where that grid may begin, at a share of `1 / n^2` of the work; the place is drawn for each
step. The last fiftieth of the steps sees every sample, so that the averages that the electronics keeps of its features
are of what the camera gives; weights hardly move by then. Where the masks do not learn, as in a control, no gradient is
waiting for every sample, and these averages alone need some tens of steps.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from networks.cascade.convolution import Every
from networks.readouts.binned_camera import BinnedCamera
from networks.readouts.readouts import Intensity
from networks.students.student import Student
from optics.draws import generator_of
from optics.errors import OpticsError

_WHOLE = 0.02  # of the steps, the last, see every sample
_LEAST = 10  # so many do in any case: what a running average of the electronics needs
_MOST_FROZEN = (
    50  # so many are enough where the masks do not learn: 0.9**50 of an average is of the steps before
)


class Thinning:
    """Which samples of the camera's pixels each step of a training computes.

    Args:
        model: what is trained. One without intensities of its own to compute is left as it is: a teacher, a control
            without optics, a network on a bench, a linear read-out, whose bins cost little. A control whose bins are
            finer is thinned less.
        images: (B, in, y, x), as it is trained on.
        step: every how many samples, in either axis; 1 is all of them. A pixel has `readout.oversampling` of them.
        seed: of the places, which follow from it and the number of the training step alone: students with and without
            a camera are shown the same images.

    Raises:
        OpticsError: the bins do not hold whole groups of `step` samples, or a group not whole pixels.
    """

    def __init__(self, model: nn.Module, images: Tensor, step: int, *, seed: int) -> None:
        self.step, self.seed = step, seed
        self.camera: BinnedCamera | None = None
        self.frozen = False
        if step > 1 and isinstance(model, Student) and isinstance(model.readout, Intensity):
            camera = model.readout.camera
            within = camera.oversampling
            pixels = model.cascade.output_shape((images.shape[-2], images.shape[-1]))
            bins = camera.shape(pixels)
            if model.control is not None:  # its bins are its own
                self.step = max(n for n in range(1, step + 1) if _whole(pixels, bins, n, within))
            elif not _whole(pixels, bins, step, within):
                inside = "" if within == 1 else f" of {within} x {within} samples"
                if step % within:
                    raise OpticsError(
                        f"training.step.every is {step}, and readout.oversampling {within}: every n-th sample must be "
                        f"whole pixels apart; use a multiple of {within}, or 1."
                    )
                raise OpticsError(
                    f"training.step.every is {step}, and {pixels[0]} x {pixels[1]} camera pixels{inside} in "
                    f"{bins[0]} x {bins[1]} bins are not whole groups of {step} x {step}; use every = 1, or other bins."
                )
            self.camera = camera if self.step > 1 else None
            self.frozen = not any(value.requires_grad for value in model.cascade.parameters())

    def open(self, made: int, steps: int) -> AbstractContextManager[None]:
        """Thin the camera out for one step, `made` of `steps` being behind it."""
        whole = min(_WHOLE * steps, _MOST_FROZEN) if self.frozen else _WHOLE * steps
        if self.camera is None or made >= steps - max(_LEAST, whole):
            return nullcontext()
        place = generator_of("every", self.seed, made)
        first_y, first_x = torch.randint(self.step, (2,), generator=place).tolist()
        return self.camera.thinned(Every(self.step, (first_y, first_x)))


def _whole(pixels: tuple[int, int], bins: tuple[int, int], step: int, within: int) -> bool:
    """Whether every bin holds whole groups of `step` x `step` samples, a group whole pixels; one by one always."""
    groups = all(n * within % (b * step) == 0 for n, b in zip(pixels, bins, strict=True))
    return step == 1 or (step % within == 0 and groups)
